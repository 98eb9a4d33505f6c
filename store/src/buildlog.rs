//! What each build did: `builds/<n>.json`, and the output of its steps under `logs/<n>/`.
//!
//! `rbuild why` reads the latest build of a (context, Dockerfile, target); a failing step's log stays readable
//! after the program ended. Numbers only grow. The oldest builds go when there are too many, or too many log bytes.
//!
//! Not here: why a step missed (the solver knows), and how any of it is shown.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{IoContext, StoreError};
use crate::records::Preimage;
use crate::remove::remove_tree;
use crate::store::{Store, list_dir, make_dirs, read_if_there, remove_if_there};

/// Version of the build record format.
pub const BUILD_VERSION: u32 = 1;

/// How many builds are remembered, unless said otherwise.
pub const KEEP_BUILDS: usize = 200;

/// How many bytes of logs are kept, unless said otherwise.
pub const KEEP_LOG_BYTES: u64 = 256 << 20;

/// Every so many builds the old ones are looked for.
const RETAIN_EVERY: u64 = 32;

/// The number of a build.
pub type BuildNumber = u64;

/// Which build a later one is compared with: same context, same Dockerfile, same target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildSubject {
    /// Absolute path or URL of the build context.
    pub context: String,
    /// Absolute path of the Dockerfile, or `-`.
    pub dockerfile: String,
    /// The target stage; absent for the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// Its result was in the cache.
    Cached,
    /// It ran and succeeded.
    Ran,
    /// It ran and failed.
    Failed,
    /// It was stopped, or never started because another step failed.
    Cancelled,
}

/// One step of a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuildStep {
    /// As shown to the user, for example `[build 2/5] RUN make`.
    pub name: String,
    /// Line in the Dockerfile, from 1; absent for what no line asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The cache key, 64 digits (of a FROM: the image id's); absent when it was never computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the key was made from, where no cache record says so because the step failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preimage: Option<Preimage>,
    /// The key of what the step made in an earlier build of the same subject, where it made nothing in this one: so
    /// that a failed build does not make the next one forget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<String>,
    /// What became of it.
    pub outcome: StepOutcome,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// Why it was not in the cache, as the solver says it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub miss: serde_json::Value,
    /// File name of its log below `logs/<n>/`; absent when it had no output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// The record of one build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// [`BUILD_VERSION`].
    pub version: u32,
    /// Its number.
    pub number: BuildNumber,
    /// What was built.
    pub subject: BuildSubject,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The image id, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The error's first line, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The steps in the order of the Dockerfile.
    pub steps: Vec<BuildStep>,
}

/// Access to the build records of one store.
#[derive(Clone, Copy, Debug)]
pub struct Builds<'a> {
    store: &'a Store,
}

/// A build that is going on: owns its number and writes its logs.
#[derive(Debug)]
pub struct BuildLog {
    store: Store,
    number: BuildNumber,
}

impl<'a> Builds<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Builds { store }
    }

    fn path(&self, number: BuildNumber) -> PathBuf {
        self.store.path("builds").join(format!("{number}.json"))
    }

    fn log_dir(&self, number: BuildNumber) -> PathBuf {
        self.store.path("logs").join(number.to_string())
    }

    fn latest_path(&self, subject: &BuildSubject) -> PathBuf {
        // NUL cannot occur in a path or stage name, so the parts cannot run into each other.
        let target = subject.target.as_deref().unwrap_or("");
        let joined = format!("{}\0{}\0{target}", subject.context, subject.dockerfile);
        self.store
            .path("builds/latest")
            .join(Digest::of(joined.as_bytes()).to_hex())
    }

    /// Takes the next number. Nothing is written for the build until it logs or finishes.
    pub fn start(&self) -> Result<BuildLog, StoreError> {
        let _lock = self.store.locks().builds()?;
        let counter = self.store.path("builds/last");
        let last = match read_if_there(&counter)?
            .and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok())
        {
            Some(last) => last,
            // No counter, or one that a power loss emptied: the files themselves know.
            None => self.highest()?,
        };
        let number: BuildNumber = last + 1;
        self.store
            .write_file(&counter, format!("{number}\n").as_bytes())?;
        Ok(BuildLog {
            store: self.store.clone(),
            number,
        })
    }

    fn highest(&self) -> Result<BuildNumber, StoreError> {
        let logs = list_dir(&self.store.path("logs"))?;
        let logs = logs
            .iter()
            .filter_map(|name| name.parse().ok())
            .max()
            .unwrap_or(0);
        Ok(self.numbers()?.last().copied().unwrap_or(0).max(logs))
    }

    /// The numbers of all recorded builds, ascending.
    pub fn numbers(&self) -> Result<Vec<BuildNumber>, StoreError> {
        let names = list_dir(&self.store.path("builds"))?;
        let mut numbers: Vec<BuildNumber> = names
            .iter()
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A recorded build; `None` when it is gone, damaged or of another version.
    pub fn get(&self, number: BuildNumber) -> Result<Option<BuildRecord>, StoreError> {
        let Some(bytes) = read_if_there(&self.path(number))? else {
            return Ok(None);
        };
        let record: Option<BuildRecord> = serde_json::from_slice(&bytes).ok();
        Ok(record.filter(|record| record.version == BUILD_VERSION && record.number == number))
    }

    /// The latest finished build of a subject.
    pub fn latest(&self, subject: &BuildSubject) -> Result<Option<BuildRecord>, StoreError> {
        let Some(text) = read_if_there(&self.latest_path(subject))? else {
            return Ok(None);
        };
        match String::from_utf8_lossy(&text).trim().parse() {
            Ok(number) => Ok(self.get(number)?.filter(|record| record.subject == *subject)),
            Err(_) => Ok(None),
        }
    }

    /// Where the log of a step is.
    pub fn log_path(&self, number: BuildNumber, log: &str) -> Option<PathBuf> {
        // The name comes out of a file; it must not lead elsewhere.
        let plain = !log.is_empty() && !log.starts_with('.') && !log.contains(['/', '\0']);
        plain.then(|| self.log_dir(number).join(log))
    }

    /// Removes the oldest builds and their logs beyond `builds` builds or `log_bytes` bytes of logs. The newest
    /// build always stays. Returns how many were removed.
    pub fn retain(&self, builds: usize, log_bytes: u64) -> Result<usize, StoreError> {
        let mut numbers = self.numbers()?;
        // Logs without a record: of a build that still runs, or of one that was killed.
        numbers.extend(
            list_dir(&self.store.path("logs"))?
                .iter()
                .filter_map(|name| name.parse::<u64>().ok()),
        );
        numbers.sort_unstable();
        numbers.dedup();
        let mut bytes = 0;
        let mut removed = 0;
        for (age, &number) in numbers.iter().rev().enumerate() {
            bytes += self.log_size(number);
            if age > 0 && (age >= builds || bytes > log_bytes) {
                remove_if_there(&self.path(number))?;
                remove_tree(&self.log_dir(number))?;
                removed += 1;
            }
        }
        if removed > 0 {
            self.forget_missing()?;
        }
        Ok(removed)
    }

    /// Bytes of the logs of a build.
    pub(crate) fn log_size(&self, number: BuildNumber) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.log_dir(number)) else {
            return 0;
        };
        entries
            .flatten()
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    fn forget_missing(&self) -> Result<(), StoreError> {
        let dir = self.store.path("builds/latest");
        for name in list_dir(&dir)? {
            let path = dir.join(name);
            let number = std::fs::read_to_string(&path)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            if !number.is_some_and(|number: BuildNumber| self.path(number).exists()) {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }
}

impl BuildLog {
    /// The number of this build.
    pub fn number(&self) -> BuildNumber {
        self.number
    }

    /// Creates the log file of a step. The name is for [`BuildStep::log`].
    pub fn step_log(&self, step: usize) -> Result<(String, File), StoreError> {
        let name = format!("{step}.log");
        let dir = self.store.builds().log_dir(self.number);
        make_dirs(&dir)?;
        let path = dir.join(&name);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .at("create", &path)?;
        Ok((name, file))
    }

    /// Where the log of a step is, for messages.
    pub fn log_path(&self, log: &str) -> Option<PathBuf> {
        self.store.builds().log_path(self.number, log)
    }

    /// Writes the record and makes it the latest of its subject. `version` and `number` are filled in here.
    pub fn finish(self, mut record: BuildRecord) -> Result<BuildNumber, StoreError> {
        record.version = BUILD_VERSION;
        record.number = self.number;
        let builds = self.store.builds();
        let path = builds.path(self.number);
        let bytes = serde_json::to_vec(&record).map_err(|error| StoreError::Corrupt {
            what: "build record",
            path: path.clone(),
            detail: error.to_string(),
        })?;
        self.store.write_file(&path, &bytes)?;
        let latest = builds.latest_path(&record.subject);
        self.store
            .write_file(&latest, format!("{}\n", self.number).as_bytes())?;
        if self.number.is_multiple_of(RETAIN_EVERY) {
            builds.retain(KEEP_BUILDS, KEEP_LOG_BYTES)?;
        }
        Ok(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Need;
    use std::io::Write;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "boot", Need::Overlay).unwrap();
        (dir, store)
    }

    fn record(context: &str, target: Option<&str>) -> BuildRecord {
        BuildRecord {
            version: 0,
            number: 0,
            subject: BuildSubject {
                context: context.into(),
                dockerfile: "/ctx/Dockerfile".into(),
                target: target.map(str::to_owned),
            },
            started: 1_700_000_000,
            millis: 7,
            image: None,
            error: Some("step 1 failed".into()),
            steps: vec![BuildStep {
                name: "RUN false".into(),
                line: Some(3),
                key: None,
                preimage: None,
                earlier: None,
                outcome: StepOutcome::Failed,
                millis: 5,
                miss: serde_json::json!({"field": "argv"}),
                log: Some("0.log".into()),
            }],
        }
    }

    #[test]
    fn the_latest_of_each_subject_is_found() {
        let (_dir, store) = store();
        for subject in [
            record("/a", None),
            record("/b", None),
            record("/a", Some("x")),
            record("/a", None),
        ] {
            store.builds().start().unwrap().finish(subject).unwrap();
        }
        assert_eq!(store.builds().numbers().unwrap(), [1, 2, 3, 4]);
        let latest = |subject: BuildRecord| store.builds().latest(&subject.subject).unwrap().unwrap();
        assert_eq!(latest(record("/a", None)).number, 4);
        assert_eq!(latest(record("/a", Some("x"))).number, 3);
        assert_eq!(latest(record("/b", None)).steps, record("/b", None).steps);
        assert_eq!(store.builds().latest(&record("/c", None).subject).unwrap(), None);
    }

    #[test]
    fn numbers_are_never_given_twice() {
        let (_dir, store) = store();
        let mut all: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let store = store.clone();
                    scope.spawn(move || -> Vec<u64> {
                        (0..10)
                            .map(|_| store.builds().start().unwrap().number())
                            .collect()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        all.sort_unstable();
        assert_eq!(all, (1..=80).collect::<Vec<_>>());
        std::fs::write(store.path("builds/last"), "").unwrap();
        store
            .builds()
            .start()
            .unwrap()
            .finish(record("/a", None))
            .unwrap();
    }

    #[test]
    fn a_lost_counter_continues_after_the_highest() {
        let (_dir, store) = store();
        for _ in 0..3 {
            store
                .builds()
                .start()
                .unwrap()
                .finish(record("/a", None))
                .unwrap();
        }
        std::fs::write(store.path("builds/last"), "").unwrap();
        assert_eq!(store.builds().start().unwrap().number(), 4);
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let (_dir, store) = store();
        for _ in 0..5 {
            let log = store.builds().start().unwrap();
            let (name, mut file) = log.step_log(0).unwrap();
            assert_eq!(name, "0.log");
            file.write_all(&[b'x'; 100]).unwrap();
            log.finish(record("/a", None)).unwrap();
        }
        assert_eq!(store.builds().retain(4, 1000).unwrap(), 1);
        assert_eq!(store.builds().numbers().unwrap(), [2, 3, 4, 5]);
        assert!(!store.path("logs/1").exists());
        assert_eq!(store.builds().retain(4, 250).unwrap(), 2);
        assert_eq!(store.builds().numbers().unwrap(), [4, 5]);
        assert_eq!(store.builds().retain(0, 0).unwrap(), 1);
        assert_eq!(
            store
                .builds()
                .latest(&record("/a", None).subject)
                .unwrap()
                .unwrap()
                .number,
            5
        );
    }

    #[test]
    fn a_log_name_cannot_lead_elsewhere() {
        let (_dir, store) = store();
        for bad in ["", ".", "..", "../../version", "a/b", "/etc/passwd"] {
            assert_eq!(store.builds().log_path(1, bad), None, "{bad}");
        }
        assert!(
            store
                .builds()
                .log_path(1, "0.log")
                .unwrap()
                .ends_with("logs/1/0.log")
        );
    }
}

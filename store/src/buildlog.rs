//! What each build did: `builds/<n>.json`, and the output of its steps under `logs/<n>/`.
//!
//! `rbuild why` reads the latest build of a (context, Dockerfile, target); a failing step's log stays readable
//! after the program ended. Numbers only grow. The oldest builds go when there are too many, or too many log bytes.
//!
//! A build that found everything where the last one left it has no record of its own: that takes longer than the build.
//! It leaves a line ([`Again`]) in the pointer to the record of the last one.
//!
//! Not here: why a step missed (the solver knows), and how any of it is shown.

mod latest;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{IoContext, StoreError};
use crate::records::Preimage;
use crate::remove::remove_tree;
use crate::small_file::{list_dir, make_dirs, read_if_there, remove_if_there};
use crate::store::Store;

pub use latest::{Again, Latest};

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
    /// Where it stands; absent in records of older builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<StepPlace>,
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
    /// What its command used; absent where none ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<StepUse>,
    /// Why it was not in the cache, as the solver says it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub miss: serde_json::Value,
    /// The names of the steps that made it miss, where nothing but what it builds on had changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// It is a base or another image, which is not counted as a step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_image: bool,
    /// File name of its log below `logs/<n>/`; absent when it had no output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// What the command of a step used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUse {
    /// The most bytes of memory: of all its processes where a group counted, else of the largest one.
    pub memory_peak: u64,
    /// Processor time in milliseconds: of all its processes where a group counted, else of those that were waited for.
    pub cpu_millis: u64,
    /// Whether a group counted.
    #[serde(default)]
    pub counted_by_group: bool,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPlace {
    /// The platform of the image that it was planned for.
    pub platform: String,
    /// Name of the stage, or its index; empty for what belongs to none.
    pub stage: String,
    /// Place in the stage, from 1.
    pub ordinal: u32,
    /// How many steps the stage has; 0 for what belongs to none.
    pub of: u32,
    /// Where the step's own words begin in its name.
    pub words_at: u32,
}

impl BuildStep {
    /// What the step says for itself: its name without the place in front.
    pub fn words(&self) -> &str {
        let at = self.place.as_ref().map_or(0, |place| place.words_at as usize);
        self.name.get(at..).unwrap_or(&self.name)
    }
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

impl Store {
    /// What earlier builds did.
    pub fn builds(&self) -> Builds<'_> {
        Builds { store: self }
    }
}

impl<'a> Builds<'a> {
    fn path(&self, number: BuildNumber) -> PathBuf {
        self.store.path("builds").join(format!("{number}.json"))
    }

    fn log_dir(&self, number: BuildNumber) -> PathBuf {
        self.store.path("logs").join(number.to_string())
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
        let number: BuildNumber = last.saturating_add(1);
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
        builds.point_at(&record.subject, self.number)?;
        if self.number.is_multiple_of(RETAIN_EVERY) {
            builds.retain(KEEP_BUILDS, KEEP_LOG_BYTES)?;
        }
        Ok(self.number)
    }
}

#[cfg(test)]
mod tests;

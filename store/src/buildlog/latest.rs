//! `builds/latest/<hash of subject>`: the number of a subject's last record on the first line, and below it a line for
//! each build since that found everything in the cache.
//!
//! Such a line is appended by one write: a warm build takes a millisecond, and a file that is renamed would be a tenth
//! of it. A line without its end, left by a full disk, counts for nothing.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use rbuild_oci::Digest;

use super::{BuildNumber, BuildRecord, BuildSubject, Builds};
use crate::error::{IoContext, StoreError};
use crate::small_file::{list_dir, read_if_there, remove_if_there};

/// A pointer that has grown longer is written anew with its last line alone.
const LONGEST: usize = 4096;

/// A build that found everything where an earlier one had left it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Again {
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The image id.
    pub image: String,
}

/// The last that is known of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// The number of its last record.
    pub number: BuildNumber,
    /// The last build since then.
    pub again: Option<Again>,
}

impl Again {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let again = Self {
            started: words.next()?.parse().ok()?,
            millis: words.next()?.parse().ok()?,
            image: words.next()?.to_owned(),
        };
        words.next().is_none().then_some(again)
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.started, self.millis, self.image)
    }
}

impl Latest {
    fn parse(text: &str) -> Option<Self> {
        let (number, rest) = text.split_once('\n').unwrap_or((text, ""));
        let ended = rest.rfind('\n').map_or("", |end| &rest[..end]);
        Some(Self {
            number: number.trim().parse().ok()?,
            again: ended.lines().rev().find_map(Again::parse),
        })
    }

    fn text(&self) -> String {
        let again = self.again.as_ref().map(Again::line).unwrap_or_default();
        format!("{}\n{again}", self.number)
    }
}

impl Builds<'_> {
    fn latest_path(&self, subject: &BuildSubject) -> PathBuf {
        // NUL cannot occur in a path or stage name, so the parts cannot run into each other.
        let target = subject.target.as_deref().unwrap_or("");
        let joined = format!("{}\0{}\0{target}", subject.context, subject.dockerfile);
        self.store
            .path("builds/latest")
            .join(Digest::of(joined.as_bytes()).to_hex())
    }

    /// The latest record of a subject.
    pub fn latest(&self, subject: &BuildSubject) -> Result<Option<BuildRecord>, StoreError> {
        let Some(text) = read_if_there(&self.latest_path(subject))? else {
            return Ok(None);
        };
        match Latest::parse(&String::from_utf8_lossy(&text)) {
            Some(latest) => Ok(self
                .get(latest.number)?
                .filter(|record| record.subject == *subject)),
            None => Ok(None),
        }
    }

    /// The last of every subject, in no order.
    pub fn all_latest(&self) -> Result<Vec<Latest>, StoreError> {
        let dir = self.store.path("builds/latest");
        let mut all = Vec::new();
        for name in list_dir(&dir)? {
            let text = read_if_there(&dir.join(name))?.unwrap_or_default();
            all.extend(Latest::parse(&String::from_utf8_lossy(&text)));
        }
        Ok(all)
    }

    /// Makes a record the latest of its subject.
    pub(super) fn point_at(&self, subject: &BuildSubject, number: BuildNumber) -> Result<(), StoreError> {
        let latest = Latest { number, again: None };
        self.store
            .write_file(&self.latest_path(subject), latest.text().as_bytes())
    }

    /// Notes that the latest build of a subject was made again out of the cache.
    pub fn again(&self, subject: &BuildSubject, again: &Again) -> Result<(), StoreError> {
        let path = self.latest_path(subject);
        let mut file = OpenOptions::new().append(true).open(&path).at("open", &path)?;
        let line = again.line();
        file.write_all(line.as_bytes()).at("write", &path)?;
        let length = file.metadata().at("examine", &path)?.len();
        if length > LONGEST as u64
            && let Some(text) = read_if_there(&path)?
            && let Some(latest) = Latest::parse(&String::from_utf8_lossy(&text))
        {
            self.store.write_file(&path, latest.text().as_bytes())?;
        }
        Ok(())
    }

    /// Removes the pointers to records that are gone.
    pub(super) fn forget_missing(&self) -> Result<(), StoreError> {
        let dir = self.store.path("builds/latest");
        for name in list_dir(&dir)? {
            let path = dir.join(name);
            let text = read_if_there(&path)?.unwrap_or_default();
            let latest = Latest::parse(&String::from_utf8_lossy(&text));
            if !latest.is_some_and(|latest| self.path(latest.number).exists()) {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }
}

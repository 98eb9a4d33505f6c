//! [`MissReason`]: why a step was not cached, as data with old and new values; and [`compare`], which finds it.
//! The words are in `words.rs` below.

use crate::preimage::{Fingerprints, Preimage, Value};
use std::cmp::Ordering;

mod words;

/// How many files of each sort a reason lists; `total` counts them all.
pub const FILES_LISTED: usize = 20;

/// Why a step had to run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MissReason {
    /// No earlier build had this step.
    FirstTime,
    /// Earlier results were not wanted (`--no-cache`).
    NoCache,
    /// Nothing changed, but the record or its result is gone or unusable.
    RecordLost,
    /// Nothing changed since an earlier build in which it failed.
    FailedBefore,
    /// An earlier build had this step, but what its key was made from is not known any more.
    Forgotten,
    /// It is other work than before, or its keys are made by other rules.
    KindChanged {
        /// Kind and revision before.
        old: String,
        /// Kind and revision now.
        new: String,
    },
    /// A field came, went or has another value.
    FieldChanged {
        /// Its name.
        field: String,
        /// Its value before; `None`: it was not there.
        old: Option<String>,
        /// Its value now; `None`: it is gone.
        new: Option<String>,
    },
    /// What it builds on has another content.
    InputChanged {
        /// The field that names the input.
        field: String,
        /// Identity before.
        old: Option<String>,
        /// Identity now.
        new: Option<String>,
    },
    /// Files came, went or changed. At most [`FILES_LISTED`] of each sort are listed.
    FilesChanged {
        /// The field that holds them.
        field: String,
        /// Paths that are new.
        added: Vec<String>,
        /// Paths that are gone.
        removed: Vec<String>,
        /// Files that are different.
        modified: Vec<FileChange>,
        /// How many files differ in all.
        total: usize,
    },
    /// More than one of these.
    Several(Vec<MissReason>),
}

impl MissReason {
    /// Whether the work itself is what it was, and only what it builds on is not.
    #[must_use]
    pub fn is_of_inputs(&self) -> bool {
        match self {
            Self::InputChanged { .. } => true,
            Self::Several(reasons) => reasons.iter().all(Self::is_of_inputs),
            _ => false,
        }
    }
}

/// A file that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FileChange {
    /// Which.
    pub path: String,
    /// Its fingerprint before.
    pub old: String,
    /// Its fingerprint now.
    pub new: String,
}

/// Finds what differs between the work as it was recorded and as it is now. Equal work is [`MissReason::RecordLost`]:
/// its record should have been found.
pub fn compare(old: &Preimage, new: &Preimage) -> MissReason {
    if (old.kind(), old.revision()) != (new.kind(), new.revision()) {
        let label = |preimage: &Preimage| format!("{} {}", preimage.kind(), preimage.revision());
        return MissReason::KindChanged {
            old: label(old),
            new: label(new),
        };
    }
    let mut reasons = fields(old, new);
    match (reasons.pop(), reasons.is_empty()) {
        (None, _) => MissReason::RecordLost,
        (Some(only), true) => only,
        (Some(last), false) => {
            reasons.push(last);
            MissReason::Several(reasons)
        }
    }
}

/// Pairs fields of the same name, the first with the first, the second with the second, and compares the pairs.
fn fields(old: &Preimage, new: &Preimage) -> Vec<MissReason> {
    let mut left: Vec<(&str, &Value)> = old.fields().collect();
    let mut reasons = Vec::new();
    let mut places = Vec::new();
    for (name, value) in new.fields() {
        match left.iter().position(|(other, _)| *other == name) {
            Some(place) => {
                let (_, before) = left.remove(place);
                places.push(name);
                reasons.extend(change(name, Some(before), Some(value)));
            }
            None => reasons.extend(change(name, None, Some(value))),
        }
    }
    for (name, value) in &left {
        reasons.extend(change(name, Some(value), None));
    }
    if reasons.is_empty() && !old.fields().map(|(name, _)| name).eq(places.iter().copied()) {
        let list = |preimage: &Preimage| {
            preimage
                .fields()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let (old, new) = (Some(list(old)), Some(list(new)));
        reasons.push(MissReason::FieldChanged {
            field: "order of fields".to_owned(),
            old,
            new,
        });
    }
    reasons
}

fn change(field: &str, old: Option<&Value>, new: Option<&Value>) -> Option<MissReason> {
    if old == new {
        return None;
    }
    let field = field.to_owned();
    let empty = Fingerprints::default();
    Some(match (old, new) {
        (Some(Value::Tree(old)), Some(Value::Tree(new))) => files(field, old, new),
        (Some(Value::Tree(old)), None) if !old.is_empty() => files(field, old, &empty),
        (None, Some(Value::Tree(new))) if !new.is_empty() => files(field, &empty, new),
        (Some(Value::Input(_)) | None, Some(Value::Input(_)) | None) => MissReason::InputChanged {
            field,
            old: old.map(show),
            new: new.map(show),
        },
        _ => MissReason::FieldChanged {
            field,
            old: old.map(show),
            new: new.map(show),
        },
    })
}

fn show(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Input(text) => text.clone(),
        Value::Tree(tree) => format!("{} files", tree.len()),
    }
}

/// Bytes as they are shown: those that are no text as `\xe9`, so that two that differ look different.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

/// One walk over both sorted lists.
fn files(field: String, old: &Fingerprints, new: &Fingerprints) -> MissReason {
    let (mut added, mut removed, mut modified, mut total) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut before, mut now) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (before.peek(), now.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let was = if order.is_le() { before.next() } else { None };
        let is = if order.is_ge() { now.next() } else { None };
        match (was, is) {
            (Some((path, old)), Some((_, new))) if old != new => {
                total += 1;
                if modified.len() < FILES_LISTED {
                    modified.push(FileChange {
                        path: text(path),
                        old: text(old),
                        new: text(new),
                    });
                }
            }
            (Some((path, _)), None) => {
                total += 1;
                if removed.len() < FILES_LISTED {
                    removed.push(text(path));
                }
            }
            (None, Some((path, _))) => {
                total += 1;
                if added.len() < FILES_LISTED {
                    added.push(text(path));
                }
            }
            _ => {}
        }
    }
    MissReason::FilesChanged {
        field,
        added,
        removed,
        modified,
        total,
    }
}

#[cfg(test)]
mod tests;

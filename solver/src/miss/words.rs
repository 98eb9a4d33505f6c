//! The words for a [`MissReason`]: one line from [`MissReason::headline`], all of it from `Display`.

use super::{FileChange, MissReason};
use std::fmt;

/// Longest piece of a value that is shown.
const SHOWN: usize = 60;
/// So many files are named in one line.
const NAMED: usize = 3;

impl MissReason {
    /// One line: the first change, and how many more there are.
    pub fn headline(&self) -> String {
        match self {
            Self::Several(reasons) => match reasons.as_slice() {
                [] => String::new(),
                [only] => only.headline(),
                [first, rest @ ..] => {
                    let plural = if rest.len() == 1 { "" } else { "s" };
                    format!("{}, and {} more change{plural}", first.headline(), rest.len())
                }
            },
            files @ Self::FilesChanged { .. } => files.files_headline(),
            other => other.to_string(),
        }
    }

    /// `` `src/a` changed``; ``5 files differ: `a` and `b` changed, `c` is new, 2 more``.
    fn files_headline(&self) -> String {
        let Self::FilesChanged {
            field,
            added,
            removed,
            modified,
            total,
        } = self
        else {
            return String::new();
        };
        let mut room = NAMED;
        let mut groups = Vec::new();
        let modified: Vec<&str> = modified.iter().map(|change| change.path.as_str()).collect();
        let [added, removed] =
            [added, removed].map(|paths| paths.iter().map(String::as_str).collect::<Vec<_>>());
        for (paths, one, several) in [
            (modified, "changed", "changed"),
            (added, "is new", "are new"),
            (removed, "is gone", "are gone"),
        ] {
            let named: Vec<String> = paths
                .iter()
                .take(room)
                .map(|path| format!("`{}`", clean(path)))
                .collect();
            room -= named.len();
            match named.split_last() {
                None => {}
                Some((only, [])) => groups.push(format!("{only} {one}")),
                Some((last, rest)) => groups.push(format!("{} and {last} {several}", rest.join(", "))),
            }
        }
        match total.saturating_sub(NAMED - room) {
            0 => {}
            more => groups.push(format!("{more} more")),
        }
        // Files of the context or a stage need no name; those of mounts say where they are seen.
        let place = match field.as_str() {
            "files" => String::new(),
            other => format!("{other}: "),
        };
        let count = match total {
            1 => String::new(),
            total => format!("{total} files differ: "),
        };
        format!("{place}{count}{}", groups.join(", "))
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstTime => f.write_str("no earlier build had this step"),
            Self::NoCache => f.write_str("the cache was turned off for it"),
            Self::RecordLost => {
                f.write_str("nothing changed, but its earlier result is no longer in the store")
            }
            Self::FailedBefore => f.write_str("nothing changed since it failed in the last build"),
            Self::Forgotten => {
                f.write_str("an earlier build had this step, but what changed since is not known any more")
            }
            Self::KindChanged { old, new } => {
                write!(f, "its cache key is made by other rules (`{old}`, now `{new}`)")
            }
            Self::FieldChanged { field, old, new } => match (old, new) {
                (None, Some(new)) => write!(f, "`{field}` is new: `{}`", excerpt(new, 0)),
                (Some(old), None) => write!(f, "`{field}` is gone, it was `{}`", excerpt(old, 0)),
                (Some(old), Some(new)) => {
                    let (line, old, new) = difference(old, new);
                    let place = line.map(|line| format!(" in line {line}")).unwrap_or_default();
                    write!(f, "`{field}` changed{place} from `{old}` to `{new}`")
                }
                (None, None) => write!(f, "`{field}` changed"),
            },
            Self::InputChanged { field, old, new } => {
                let show =
                    |identity: &Option<String>| identity.as_deref().map_or("nothing".to_owned(), short);
                write!(
                    f,
                    "what it builds on has other content: `{field}` was {}, is {}",
                    show(old),
                    show(new)
                )
            }
            Self::FilesChanged {
                added,
                removed,
                modified,
                total,
                ..
            } => {
                f.write_str(&self.files_headline())?;
                if let ([FileChange { old, new, .. }], 1) = (modified.as_slice(), total) {
                    let (old, new) = changed_words(old, new);
                    return write!(f, ": {old} -> {new}");
                }
                if *total == 1 {
                    return Ok(());
                }
                for FileChange { path, old, new } in modified {
                    let (old, new) = changed_words(old, new);
                    write!(f, "\n  changed {}: {old} -> {new}", clean(path))?;
                }
                added
                    .iter()
                    .try_for_each(|path| write!(f, "\n  new     {}", clean(path)))?;
                removed
                    .iter()
                    .try_for_each(|path| write!(f, "\n  gone    {}", clean(path)))?;
                match total.saturating_sub(added.len() + removed.len() + modified.len()) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
            Self::Several(reasons) => {
                for (index, reason) in reasons.iter().enumerate() {
                    let line_break = if index == 0 { "" } else { "\n" };
                    write!(f, "{line_break}{reason}")?;
                }
                Ok(())
            }
        }
    }
}

/// Only the words of two fingerprints that differ, if they have the same number of words.
fn changed_words(old: &str, new: &str) -> (String, String) {
    let pairs: Vec<(&str, &str)> = old.split(' ').zip(new.split(' ')).collect();
    if old.split(' ').count() != new.split(' ').count() {
        let all = |text: &str| text.split(' ').map(short).collect::<Vec<_>>().join(" ");
        return (all(old), all(new));
    }
    let differing: Vec<_> = pairs.into_iter().filter(|(old, new)| old != new).collect();
    let join = |words: Vec<&str>| words.into_iter().map(short).collect::<Vec<_>>().join(" ");
    (
        join(differing.iter().map(|pair| pair.0).collect()),
        join(differing.iter().map(|pair| pair.1).collect()),
    )
}

/// A digest is known by its first twelve digits.
fn short(word: &str) -> String {
    let word = clean(word);
    let digits = word.rsplit_once(':').map_or(word.as_str(), |(_, digits)| digits);
    if digits.len() >= 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return digits[..12].to_owned();
    }
    word
}

/// Control characters would let a file name write on the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// Where two texts of possibly many lines begin to differ: the line if there are several, and what stands there.
fn difference(old: &str, new: &str) -> (Option<usize>, String, String) {
    let (olds, news): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if olds.len().max(news.len()) <= 1 {
        return (None, around(old, new), around(new, old));
    }
    let same = olds.iter().zip(&news).take_while(|(old, new)| old == new).count();
    let (was, is) = (
        olds.get(same).copied().unwrap_or(""),
        news.get(same).copied().unwrap_or(""),
    );
    (Some(same + 1), around(was, is), around(is, was))
}

/// The part of `text` around the place from which it differs from `other`.
fn around(text: &str, other: &str) -> String {
    let same = text
        .chars()
        .zip(other.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let length = text.chars().count().max(other.chars().count());
    let from = if length <= SHOWN {
        0
    } else {
        same.saturating_sub(SHOWN / 3)
    };
    excerpt(text, from)
}

fn excerpt(text: &str, from: usize) -> String {
    let shown: String = text.chars().skip(from).take(SHOWN).collect();
    let before = if from > 0 { "..." } else { "" };
    let after = if text.chars().count() > from + SHOWN {
        "..."
    } else {
        ""
    };
    format!("{before}{}{after}", clean(&shown.replace('\n', " ")))
}

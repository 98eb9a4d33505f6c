//! The key of a copy: its flags, and what of each selected file counts.

use super::select::Selected;
use super::sources::{Sources, select_all};
use crate::clock;
use crate::ops::spec::{CopySource, CopySpec};
use crate::ops::{OpError, StepOutput};
use rbuild_layer::listing::{Timestamp, join, parent};
use rbuild_layer::tree::{Node, NodeKind};
use rbuild_solver::{Effort, Fingerprints, Preimage};
use std::collections::HashSet;

/// Raised when the result of the same fields changes.
const REVISION: u32 = 5;

/// The field for what is below.
const BASE: &str = "base";

pub(in crate::ops) fn preimage(
    spec: &CopySpec,
    inputs: &[StepOutput],
    effort: Effort,
) -> Result<Option<(Preimage, Sources)>, OpError> {
    let cheap = effort == Effort::Cheap;
    let sources = match select_all(spec, inputs, cheap) {
        Ok(Some(sources)) => sources,
        Ok(None) => return Ok(None),
        // What cannot be read outside the namespace may be readable inside.
        Err(OpError::Tree(_) | OpError::Access(_)) if cheap => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut preimage = Preimage::new("copy", REVISION);
    if let Some(base) = inputs.first() {
        preimage = preimage.input(BASE, base.content().to_hex());
    }
    preimage = preimage
        .text("instruction", spec.keyword)
        .text("destination", &spec.dest);
    if let Some(chown) = &spec.chown {
        preimage = preimage.text("chown", chown);
    }
    if let Some(chmod) = &spec.chmod {
        preimage = preimage.text("chmod", &chmod.text);
    }
    for exclude in &spec.excludes {
        preimage = preimage.text("exclude", exclude);
    }
    preimage = preimage
        .text("link", spec.link.to_string())
        .text("parents", spec.parents.to_string())
        .text("unpack", format!("{} {}", spec.unpack, spec.unpack_remote));
    for (at, source) in spec.sources.iter().enumerate() {
        preimage = match source {
            CopySource::Inline { name, content } => preimage.text(&format!("file {name}"), content),
            CopySource::Context { pattern, .. } | CopySource::Snapshot { pattern, .. } => {
                let with_owner = matches!(source, CopySource::Snapshot { .. });
                let selected = sources.selected.iter().filter(|selected| selected.source == at);
                preimage
                    .text("source", pattern)
                    .tree("files", fingerprints(selected, &spec.dest, with_owner))
            }
        };
    }
    Ok(Some((preimage, sources)))
}

/// With `--link` the layer does not depend on what it goes on top of.
pub(in crate::ops) fn weak(spec: &CopySpec, whole: &Preimage) -> Option<Preimage> {
    spec.link.then(|| {
        whole
            .fields()
            .filter(|(name, _)| *name != BASE)
            .fold(Preimage::new("copied layer", REVISION), |part, (name, value)| {
                part.with(name, value.clone())
            })
    })
}

/// What of a source counts: what was selected, and the names under which it arrives.
pub(super) fn fingerprints<'s>(
    selected: impl Iterator<Item = &'s Selected> + Clone,
    dest: &str,
    with_owner: bool,
) -> Fingerprints {
    let mut files = Vec::new();
    let places = are_places_seen(selected.clone(), dest);
    for one in selected {
        let top = match one.kept_path.as_slice() {
            [] if places => &one.path,
            [] => one.name(),
            kept => kept,
        };
        for (path, node) in &one.kept {
            files.push((path.clone(), fingerprint(node, with_owner)));
        }
        let name = if top.is_empty() { b"." } else { top };
        let mut node = one.node.clone();
        // Of a directory whose contents are taken the result has no time.
        node.meta.dated &= !node.is_dir() || !one.kept_path.is_empty();
        files.push((name.to_vec(), fingerprint(&node, with_owner)));
        let skip = one.node.path.len() + usize::from(!one.node.path.is_empty());
        for node in &one.below {
            files.push((join(top, &node.path[skip..]), fingerprint(node, with_owner)));
        }
    }
    files.into_iter().collect()
}

/// Whether the result shows where the selected things stood: what is in a directory lands beside what others are called,
/// and of those with one name, their own or that of the destination, the last one stays, in the order of their paths.
fn are_places_seen<'s>(mut selected: impl Iterator<Item = &'s Selected> + Clone, dest: &str) -> bool {
    let all = selected.clone();
    let Some(first) = selected.next() else {
        return false;
    };
    selected.any(|one| parent(&one.path) != parent(&first.path))
        && (!dest.ends_with('/') || all.clone().any(|one| one.node.is_dir()) || have_shared_name(all))
}

fn have_shared_name<'s>(selected: impl Iterator<Item = &'s Selected>) -> bool {
    let mut names = HashSet::new();
    selected.map(Selected::name).any(|name| !names.insert(name))
}

/// The kinds that can be told in a fingerprint, in the words of `rbuild why`. Names and targets are in it as the bytes
/// that they are, another one in another encoding is another; but each is one word.
#[must_use]
pub(crate) fn fingerprint(node: &Node, with_owner: bool) -> Vec<u8> {
    let mut words: Vec<u8> = match &node.kind {
        NodeKind::File {
            hash: Some(hash),
            first_name,
            ..
        } => match first_name {
            Some(first) => [format!("file {} link:", hash.to_hex()).as_bytes(), &word(first)].concat(),
            None => format!("file {}", hash.to_hex()).into(),
        },
        NodeKind::File { size, .. } => format!("file unread size:{size}").into(),
        NodeKind::Dir => b"dir".to_vec(),
        NodeKind::Symlink(target) => [b"symlink ".as_slice(), &word(target)].concat(),
        NodeKind::Fifo => b"fifo".to_vec(),
        NodeKind::CharDevice(rdev) => format!("char {rdev}").into(),
        NodeKind::BlockDevice(rdev) => format!("block {rdev}").into(),
    };
    words.extend(format!(" {:04o}", node.meta.mode).bytes());
    if with_owner {
        words.extend(format!(" {}:{}", node.meta.uid, node.meta.gid).bytes());
    }
    if node.meta.dated {
        words.extend(format!(" time:{}", date(node.meta.mtime)).bytes());
    }
    for (name, value) in node.meta.xattrs.iter() {
        words.push(b' ');
        words.extend(word(name));
        words.extend(format!("={}", hex(value)).bytes());
    }
    words
}

/// A name as one word without `=`.
fn word(name: &[u8]) -> Vec<u8> {
    let mut word = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b' ' | b'=' | b'\\' => word.extend(format!("\\x{byte:02x}").bytes()),
            _ => word.push(*byte),
        }
    }
    word
}

/// A time to the nanosecond.
fn date(time: Timestamp) -> String {
    match time.nanos {
        0 => clock::rfc3339(time.secs),
        nanos => clock::rfc3339(time.secs).replace('Z', &format!(".{nanos:09}Z")),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

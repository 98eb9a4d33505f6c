//! The key of a copy: its flags, and what of each selected file counts.

use super::select::Selected;
use super::sources::{Sources, select_all};
use crate::ops::spec::{CopySource, CopySpec};
use crate::ops::{OpError, StepOutput};
use rbuild_solver::{Effort, Preimage, Tree as Fingerprints};
use rbuild_store::manifest::join;
use rbuild_store::tree::{Node, NodeKind};

/// Raised when the result of the same fields changes.
const REVISION: u32 = 3;

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
                let mut fingerprints = Fingerprints::default();
                for selected in sources.selected.iter().filter(|selected| selected.source == at) {
                    add_fingerprints(&mut fingerprints, selected, with_owner);
                }
                preimage.text("source", pattern).tree("files", fingerprints)
            }
        };
    }
    Ok(Some((preimage, sources)))
}

/// With `--link` the layer does not depend on what it goes on top of.
pub(in crate::ops) fn part(spec: &CopySpec, whole: &Preimage) -> Option<Preimage> {
    spec.link.then(|| {
        whole
            .fields()
            .filter(|(name, _)| *name != BASE)
            .fold(Preimage::new("copied layer", REVISION), |part, (name, value)| {
                part.with(name, value.clone())
            })
    })
}

fn add_fingerprints(fingerprints: &mut Fingerprints, selected: &Selected, with_owner: bool) {
    // The names count: under which the thing arrives, and those below it.
    let top = if selected.kept_path.is_empty() {
        &selected.name
    } else {
        &selected.kept_path
    };
    let name: &[u8] = if top.is_empty() { b"." } else { top };
    for (path, node) in &selected.kept {
        fingerprints.push(path, fingerprint(node, with_owner).as_bytes());
    }
    fingerprints.push(name, fingerprint(&selected.node, with_owner).as_bytes());
    let skip = selected.node.path.len() + usize::from(!selected.node.path.is_empty());
    for node in &selected.below {
        fingerprints.push(
            &join(top, &node.path[skip..]),
            fingerprint(node, with_owner).as_bytes(),
        );
    }
}

/// The kinds that can be told in a fingerprint, in the words of `rbuild why`.
#[must_use]
pub(crate) fn fingerprint(node: &Node, with_owner: bool) -> String {
    use std::fmt::Write as _;
    let mut text = match &node.kind {
        NodeKind::File {
            hash: Some(hash),
            first_name,
            ..
        } => match first_name {
            Some(first) => format!("file {} link:{}", hash.to_hex(), String::from_utf8_lossy(first)),
            None => format!("file {}", hash.to_hex()),
        },
        NodeKind::File { size, .. } => format!("file unread size:{size}"),
        NodeKind::Dir => "dir".to_owned(),
        NodeKind::Symlink(target) => format!("symlink {}", String::from_utf8_lossy(target)),
        NodeKind::Fifo => "fifo".to_owned(),
        NodeKind::CharDevice(rdev) => format!("char {rdev}"),
        NodeKind::BlockDevice(rdev) => format!("block {rdev}"),
    };
    let _ = write!(text, " {:04o}", node.meta.mode);
    if with_owner {
        let _ = write!(text, " {}:{}", node.meta.uid, node.meta.gid);
    }
    for (name, value) in node.meta.xattrs.iter() {
        let _ = write!(text, " {}={}", String::from_utf8_lossy(name), hex(value));
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

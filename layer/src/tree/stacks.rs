//! Layers written as text, for tests; no file is touched.

use super::{TreeLayer, TreeView};
use crate::hash::FileHash;
use crate::listing::{Entry, EntryKind, Listing, Metadata};

pub(super) fn meta() -> Metadata {
    Metadata::new(0o755, 0, 0)
}

pub(super) fn in_memory(listing: Listing) -> TreeLayer {
    TreeLayer::in_memory(listing, "/nowhere")
}

/// `d` dir, `D` opaque dir, `f` file, `h` hard link to the name after `>`, `w` whiteout, `l` link to the text after `>`.
fn layer(text: &str) -> TreeLayer {
    let entries = text.split_whitespace().map(|word| {
        let (kind, path) = word.split_at(1);
        let (name, target) = path.split_once('>').unwrap_or((path, ""));
        match kind {
            "d" => Entry::dir(path, meta()),
            "D" => Entry {
                kind: EntryKind::Dir { opaque: true },
                ..Entry::dir(path, meta())
            },
            "f" => Entry::file(path, path.len() as u64, FileHash::of(text.as_bytes()), meta()),
            "h" => Entry {
                kind: EntryKind::Hardlink {
                    target: target.into(),
                },
                ..Entry::dir(name, meta())
            },
            "l" => Entry::symlink(name, target, meta()),
            _ => Entry::whiteout(path),
        }
    });
    in_memory(Listing::new(entries.collect()).unwrap())
}

/// A stack of such layers, topmost first.
pub(super) fn view(layers: &[&str]) -> TreeView {
    TreeView::new(layers.iter().map(|text| layer(text)).collect())
}

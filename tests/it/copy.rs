//! COPY: where things land, what they are afterwards, what is refused.

use crate::harness::{Entry, Kind, OciImage};
use std::collections::BTreeMap;

mod attributes;
mod destinations;
mod sources;
mod symlinks;

/// Files with what they hold, links with where they point, directories: by path.
fn shape(image: &OciImage) -> BTreeMap<String, String> {
    let tree = image.tree();
    tree.iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, entry)| (path.clone(), said(entry, &tree)))
        .collect()
}

fn said(entry: &Entry, tree: &BTreeMap<String, Entry>) -> String {
    match &entry.kind {
        Kind::File { .. } => entry.text(),
        Kind::Hardlink { to } => tree[to].text(),
        Kind::Dir => "/".to_owned(),
        Kind::Symlink { to } => format!("-> {to}"),
        other => format!("{other:?}"),
    }
}

fn expected(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines
        .iter()
        .map(|(path, what)| ((*path).to_owned(), (*what).to_owned()))
        .collect()
}

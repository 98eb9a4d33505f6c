//! Random stacks on disk, flattened: what is there afterwards is what the folded listing says.

use std::collections::HashMap;
use std::path::Path;

use super::*;
use crate::hash::FileHash;
use crate::listing::{Listing, Xattrs, join};
use crate::tree::Run;
use crate::tree::stacks::{any_layer, layer};
use crate::xattr;
use proptest::prelude::*;
use rbuild_rootdir::Stat;

/// What sets the layers of a test apart: each has its own modes, times, attributes and contents.
fn dressed(layer: usize, listing: &Listing) -> Listing {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let mut meta = Metadata::new(0o700 + layer as u16, uid, gid).with_mtime(1000 + layer as i64, 5);
    meta.xattrs.set(b"user.layer", &[layer as u8]);
    let dress = |entry: &Entry| match &entry.kind {
        EntryKind::Whiteout => entry.clone(),
        EntryKind::File { .. } => Entry::file(&*entry.path, 1, FileHash::of(&[layer as u8]), meta.clone()),
        _ => Entry {
            meta: meta.clone(),
            ..entry.clone()
        },
    };
    Listing::new(listing.entries().iter().map(dress).collect()).unwrap()
}

/// A layer as it would be committed.
fn on_disk(layer: usize, listing: &Listing, home: &Path) -> TreeLayer {
    let path = home.join(layer.to_string());
    std::fs::create_dir(&path).unwrap();
    let root = Root::open(&path).unwrap();
    let creator = Creator::current();
    for entry in listing.entries() {
        match &entry.kind {
            EntryKind::Dir { .. } => root.mkdir(&entry.path).unwrap(),
            EntryKind::File { .. } => {
                let mut file = root.create_file(&entry.path).unwrap();
                std::io::Write::write_all(&mut file, &[layer as u8]).unwrap();
                creator.finish_file(&file, &entry.path, &entry.meta).unwrap();
            }
            EntryKind::Hardlink { target } => root.link(&entry.path, target).unwrap(),
            _ => root.mknod(&entry.path, Kind::CharDevice, 0).unwrap(),
        }
    }
    for entry in listing.entries().iter().rev().filter(|entry| entry.is_dir()) {
        let dir = root.open_dir(&entry.path).unwrap();
        let opaque = entry.is_opaque();
        creator
            .finish_dir(&dir, &entry.path, &entry.meta, opaque)
            .unwrap();
    }
    TreeLayer::in_memory(listing.clone(), path)
}

/// All entries of a directory in overlay form.
fn read_back(root: &Root) -> Listing {
    let mut entries = Vec::new();
    let mut names: HashMap<u64, Vec<u8>> = HashMap::new();
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let stat = root.lstat(&path).unwrap();
        let (kind, xattrs) = match stat.kind {
            Kind::Dir => {
                let dir = root.open_dir(&path).unwrap();
                let mut below = dir.read_dir().unwrap();
                below.sort_by(|one, other| other.name.cmp(&one.name));
                pending.extend(below.into_iter().map(|item| join(&path, &item.name)));
                let marks = xattr::read(&dir).unwrap();
                (EntryKind::Dir { opaque: marks.opaque }, marks.kept)
            }
            Kind::File => file(root, &path, &stat, &mut names),
            _ => (EntryKind::Whiteout, Xattrs::new()),
        };
        let mut entry = Entry::whiteout(path);
        if kind != EntryKind::Whiteout {
            entry.meta = Metadata::new(stat.mode, stat.uid, stat.gid);
            entry.meta.mtime = stat.mtime;
            entry.meta.xattrs = xattrs;
        }
        entry.kind = kind;
        entries.push(entry);
    }
    // The root was said nothing of.
    Listing::new(entries.split_off(1)).unwrap()
}

fn file(root: &Root, path: &[u8], stat: &Stat, names: &mut HashMap<u64, Vec<u8>>) -> (EntryKind, Xattrs) {
    let file = root.open_file(path).unwrap();
    let xattrs = xattr::read(&file).unwrap().kept;
    if let Some(first) = names.get(&stat.ino) {
        let target = first.clone();
        return (EntryKind::Hardlink { target }, xattrs);
    }
    names.insert(stat.ino, path.to_vec());
    let content = std::io::read_to_string(file).unwrap();
    let hash = FileHash::of(content.as_bytes());
    (
        EntryKind::File {
            size: stat.size,
            hash,
        },
        xattrs,
    )
}

fn stack(layers: &[TreeLayer], home: &Path) -> Vec<Run> {
    let listing = |layer: &TreeLayer| {
        Folded::new(&[Run::Layer(layer.clone())])
            .unwrap()
            .listing()
            .clone()
    };
    let numbered = layers.iter().enumerate();
    numbered
        .map(|(at, layer)| Run::Layer(on_disk(at, &dressed(at, &listing(layer)), home)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_on_disk_is_what_the_listing_says(layers in proptest::collection::vec(any_layer(), 1..6)) {
        let home = tempfile::tempdir().unwrap();
        let folded = Folded::new(&stack(&layers, home.path())).unwrap();
        let place = home.path().join("flat");
        std::fs::create_dir(&place).unwrap();
        let root = Root::open(&place).unwrap();
        let meta = Metadata::new(0o711, 0, 0).with_mtime(77, 0);
        let owner = root.dir().stat().unwrap();
        let meta = Metadata { uid: owner.uid, gid: owner.gid, ..meta };
        flatten(&folded, &root, &meta, &Stop::new()).unwrap();
        prop_assert_eq!(read_back(&root), folded.listing().clone());
        let stat = root.dir().stat().unwrap();
        prop_assert_eq!((stat.mode, stat.mtime.secs), (0o711, 77));
    }
}

/// As what has all the names that its file system gives an inode, or is on another one: all is made anew.
#[test]
fn what_cannot_be_linked_is_copied() {
    let (home, Ok(elsewhere)) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm")) else {
        return eprintln!("skipped: there is no /dev/shm");
    };
    let listing = Folded::new(&[Run::Layer(layer("da fa/f ha/g>a/f wgone"))]).unwrap();
    let listing = dressed(3, listing.listing());
    let files = elsewhere.path().join("files");
    std::fs::create_dir_all(files.join("a")).unwrap();
    std::fs::write(files.join("a/f"), [3]).unwrap();
    let layer = TreeLayer::in_memory(listing.clone(), &files);
    let folded = Folded::new(&[Run::Layer(layer)]).unwrap();
    let place = home.path().join("flat");
    std::fs::create_dir(&place).unwrap();
    let root = Root::open(&place).unwrap();
    flatten(
        &folded,
        &root,
        &dressed(3, &listing).entries()[0].meta,
        &Stop::new(),
    )
    .unwrap();
    assert_eq!(read_back(&root), listing);
}

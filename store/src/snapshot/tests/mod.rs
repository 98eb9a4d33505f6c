//! Tests of snapshots through their public face.

/// A store for a test. Files get owners, so it takes root, or a user namespace: without, the test is left to
/// [`everything_again_in_a_user_namespace`].
macro_rules! fixture {
    () => {
        match $crate::snapshot::tests::Fixture::new() {
            Some(fixture) => fixture,
            None => {
                eprintln!("skipped: not root here; runs once more in a user namespace");
                return;
            }
        }
    };
}

mod commit;
mod directory;
mod flat;
mod hostile;
mod import;
mod overlay;
mod restore;
mod transplant;
mod upper;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use rbuild_layer::listing::{Metadata, Timestamp};
use rbuild_layer::tree::{Node, NodeKind, Tree, TreeView, Walk};
use rbuild_layer::{FileSource, LayerError, Limits, PackedLayer};

use super::*;
use crate::store::Store;
use crate::{Need, StoreError};

pub(super) struct Fixture {
    pub(super) dir: tempfile::TempDir,
    pub(super) snapshots: SnapshotStore,
}

impl Fixture {
    pub(super) fn new() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store"), "boot-1", Need::Writing).unwrap();
        Some(Fixture {
            dir,
            snapshots: SnapshotStore::new(store),
        })
    }

    /// The same store after a reboot.
    pub(super) fn rebooted(&self) -> SnapshotStore {
        let store = Store::open(&self.dir.path().join("store"), "boot-2", Need::Writing).unwrap();
        SnapshotStore::new(store)
    }

    /// How many things are left in the directories under `tmp/`.
    pub(super) fn left_in_tmp(&self) -> usize {
        let list = |path: &std::path::Path| {
            std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        list(&self.store_dir().join("tmp"))
            .map(|path| list(&path).count())
            .sum()
    }

    pub(super) fn store_dir(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// A layer from `path=content`, `path/` for directories, `path>target` for links, `-path` for removals.
    pub(super) fn layer(&self, parent: Option<&Snapshot>, text: &str) -> Snapshot {
        let mut layer = self.snapshots.begin_layer(parent).unwrap();
        layer.implicit_dirs(meta(0o755));
        for word in text.split_whitespace() {
            if let Some(path) = word.strip_prefix('-') {
                layer.remove(path.as_bytes()).unwrap();
            } else if let Some(path) = word.strip_suffix('/') {
                layer.dir(path.as_bytes(), meta(0o755)).unwrap();
            } else if let Some((path, target)) = word.split_once('>') {
                layer
                    .symlink(path.as_bytes(), target.as_bytes(), meta(0o777))
                    .unwrap();
            } else if let Some((path, content)) = word.split_once('=') {
                layer
                    .bytes(path.as_bytes(), content.as_bytes(), meta(0o644))
                    .unwrap();
            }
        }
        layer.commit(&now()).unwrap().snapshot
    }
}

/// The lower directories of an overlay, its upper and its work directory.
pub(super) fn overlay(active: &ActiveSnapshot<'_>) -> (Vec<PathBuf>, PathBuf, PathBuf) {
    match active.root().unwrap() {
        SnapshotRoot::Overlay { lowers, upper, work } => (lowers, upper, work),
        other => panic!("no overlay: {other:?}"),
    }
}

pub(super) fn upper(active: &ActiveSnapshot<'_>) -> PathBuf {
    overlay(active).1
}

/// Owned by whoever runs the tests: root is not needed for that.
pub(super) fn meta(mode: u16) -> Metadata {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    Metadata::new(mode, uid, gid).with_mtime(1_700_000_000, 123_456_789)
}

pub(super) fn now() -> CommitOptions {
    CommitOptions {
        now: 1,
        tar: HashTar::Now { epoch: None },
    }
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// True for root of the host, who may give a file to anybody.
pub(super) fn maps_all_ids() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().nth(2) == Some("4294967295"))
}

#[test]
fn everything_again_in_a_user_namespace() {
    if is_root() && !maps_all_ids() {
        return;
    }
    let exe = std::env::current_exe().unwrap();
    let run = std::process::Command::new("unshare")
        .args(["-Ur", "--"])
        .arg(exe)
        .args(["snapshot::tests", "--nocapture", "--test-threads=2"])
        .output();
    let output = match run {
        Ok(output) => output,
        Err(error) => return eprintln!("skipped: unshare(1) cannot be started: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("unshare failed") || text.contains("uid_map") {
        return eprintln!("skipped: no user namespace here: {text}");
    }
    assert!(
        output.status.success(),
        "{}{text}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// All of a tree, by path.
pub(super) fn all(tree: &dyn Tree) -> BTreeMap<String, Node> {
    let mut nodes = BTreeMap::new();
    tree.walk(b"", &mut |node| {
        nodes.insert(String::from_utf8_lossy(&node.path).into_owned(), node);
        Ok(Walk::Into)
    })
    .unwrap();
    nodes
}

/// What a snapshot's tree shows, in the words of [`Fixture::layer`].
pub(super) fn shown(snapshot: &Snapshot) -> String {
    let tree = snapshot.tree().unwrap();
    let words = all(&tree).into_iter().map(|(path, node)| match node.kind {
        NodeKind::Dir => format!("{path}/"),
        NodeKind::Symlink(target) => format!("{path}>{}", String::from_utf8_lossy(&target)),
        NodeKind::File { hash, size, .. } => {
            let content = std::io::read_to_string(tree.open(node.path.as_slice()).unwrap()).unwrap();
            assert_eq!(content.len() as u64, size);
            assert_eq!(hash, Some(FileHash::of(content.as_bytes())));
            format!("{path}={content}")
        }
        other => format!("{path}:{other:?}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

use rbuild_layer::FileHash;
use rbuild_oci::DiffId;

/// The uncompressed tar of a snapshot's layer.
pub(super) fn packed(fixture: &Fixture, snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    let packed = fixture.snapshots.pack(snapshot, None, &mut bytes).unwrap();
    assert_eq!(
        packed.diff_id,
        DiffId::from_bytes(rbuild_oci::hash::sha256(&bytes))
    );
    assert_eq!(packed.size, bytes.len() as u64);
    bytes
}

/// A tar made entry by entry, with whatever a hostile header may say.
#[derive(Default)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn raw(mut self, name: &[u8], kind: u8, link: &[u8], content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        let fields = header.as_old_mut();
        fields.name[..name.len()].copy_from_slice(name);
        fields.linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(u64::from(meta(0).uid));
        header.set_gid(u64::from(meta(0).gid));
        header.set_mtime(1_600_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.raw(name.as_bytes(), b'0', b"", content.as_bytes())
    }

    pub(super) fn dir(self, name: &str) -> Self {
        self.raw(name.as_bytes(), b'5', b"", b"")
    }

    pub(super) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), b'2', target.as_bytes(), b"")
    }

    pub(super) fn hardlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), b'1', target.as_bytes(), b"")
    }

    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut block = Vec::new();
        for (key, value) in records {
            rbuild_layer::pax::put_record(key.as_bytes(), value, &mut block);
        }
        self.raw(b"PaxHeaders/x", b'x', b"", &block)
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

pub(super) fn import(fixture: &Fixture, layers: &[Vec<u8>]) -> Result<Snapshot, SnapshotError> {
    let layers = layers
        .iter()
        .enumerate()
        .map(|(at, bytes)| ImportLayer {
            reader: Box::new(&bytes[..]),
            diff_id: DiffId::from_bytes(rbuild_oci::hash::sha256(bytes)),
            name: format!("layer {} of {}", at + 1, layers.len()),
        })
        .collect();
    let options = ImportOptions {
        now: 1,
        limits: Limits {
            entries: 10_000,
            bytes: 1 << 24,
        },
    };
    fixture
        .snapshots
        .import_layers(layers, &options)
        .map(|committed| committed.snapshot)
}

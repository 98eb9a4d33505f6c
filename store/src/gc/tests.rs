use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rbuild_layer::listing::Metadata;
use rbuild_layer::{ContentId, SnapshotId};
use rbuild_oci::media_type::OCI_LAYER_GZIP;
use rbuild_oci::{Descriptor, DiffId, Digest, ImageConfig, RootFs};

use super::*;
use crate::blob::Expect;
use crate::cache_mount::{CacheMountClaim, CacheMountName, Sharing};
use crate::image::{ImageLayer, ImageRecord, LayerSource};
use crate::key::Key;
use crate::lock::Lease;
use crate::memo::file_system_now;
use crate::records::{Field, FieldValue, FileList, FileListEntry, Output, Preimage, RECORD_VERSION, Record};
use crate::small_file::list_dir;
use crate::snapshot::{Check, CommitOptions, HashTar, SnapshotStore};
use crate::testing::store;

/// An hour from now: everything in a test is old then.
fn later() -> i64 {
    file_system_now() + 3_600_000_000_000
}

/// The snapshots that a test made, by the name that it gave them.
static NAMES: Mutex<BTreeMap<(PathBuf, String), SnapshotId>> = Mutex::new(BTreeMap::new());

fn id_of(store: &Store, name: &str) -> SnapshotId {
    let unknown = SnapshotId::from_bytes(*Digest::of(name.as_bytes()).as_bytes());
    let names = NAMES.lock().unwrap();
    names
        .get(&(store.root().to_owned(), name.to_owned()))
        .copied()
        .unwrap_or(unknown)
}

fn key(name: &str) -> Key {
    Key::parse(&Digest::of(name.as_bytes()).to_hex()).unwrap()
}

/// Commits a snapshot with one file and gives the lease on it.
fn snapshot(store: &Store, name: &str, parent: Option<&str>) -> Lease {
    let snapshots = SnapshotStore::new(store.clone());
    let parent = parent.map(|parent| {
        snapshots
            .get(&id_of(store, parent), Check::Skip)
            .unwrap()
            .unwrap()
    });
    // An ordinary user, outside of a user namespace, can only own files himself.
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let mut layer = snapshots.begin_layer(parent.as_ref()).unwrap();
    layer.dir(b"", Metadata::new(0o755, uid, gid)).unwrap();
    layer
        .bytes(b"file", name.as_bytes(), Metadata::new(0o644, uid, gid))
        .unwrap();
    let committed = layer
        .commit(&CommitOptions {
            now: 0,
            tar: HashTar::Later,
        })
        .unwrap();
    let key = (store.root().to_owned(), name.to_owned());
    NAMES.lock().unwrap().insert(key, *committed.snapshot.id());
    committed.lease
}

fn there(store: &Store, name: &str) -> bool {
    store
        .snapshots_dir()
        .join(id_of(store, name).to_string())
        .join("fs/file")
        .exists()
}

fn record(store: &Store, name: &str, tree: Option<&str>) {
    let fields = tree.map(|path| {
        let entry = FileListEntry {
            path: path.as_bytes().to_vec(),
            fingerprint: b"x".to_vec(),
        };
        let value = FieldValue::Tree(store.records().put_tree(&FileList::new(vec![entry])).unwrap().0);
        Field {
            name: "files".into(),
            value,
        }
    });
    store
        .records()
        .put(&Record {
            version: RECORD_VERSION,
            key: key(name),
            op: format!("RUN {name}"),
            output: Output {
                snapshot: Some(id_of(store, name)),
                content: ContentId::from_bytes([1; 32]),
                extra: serde_json::Value::Null,
            },
            created: 0,
            cost: 0,
            preimage: Preimage {
                fields: fields.into_iter().collect(),
            },
        })
        .unwrap();
}

/// An image with one pulled layer, whose root filesystem is the snapshot `name`.
fn image(store: &Store, name: &str, tag: Option<&str>) -> Digest {
    let blob = store
        .blobs()
        .put(Expect::anything(), &mut format!("layer of {name}").as_bytes())
        .unwrap();
    let diff_id = DiffId::from_bytes(*blob.digest.as_bytes());
    let config = ImageConfig {
        rootfs: RootFs {
            diff_ids: vec![diff_id],
            ..RootFs::default()
        },
        ..ImageConfig::default()
    };
    let descriptor = Descriptor::new(OCI_LAYER_GZIP, blob.digest, blob.size);
    let layer = ImageLayer {
        diff_id,
        source: LayerSource::Blob(Box::new(descriptor)),
    };
    let record = ImageRecord::new(
        &config.to_bytes().unwrap(),
        None,
        Some(id_of(store, name)),
        vec![layer],
        0,
    )
    .unwrap();
    store.blobs().put_bytes(record.config.as_bytes()).unwrap();
    store.images().put(&record).unwrap();
    if let Some(tag) = tag {
        store.images().tag(tag, &record.id).unwrap();
    }
    record.id
}

fn all() -> PruneOptions {
    PruneOptions {
        all: true,
        cache_mounts: true,
        ..PruneOptions::default()
    }
}

#[test]
fn only_what_nothing_leads_to_goes_by_default() {
    let (_dir, store) = store();
    snapshot(&store, "base", None);
    snapshot(&store, "step", Some("base"));
    snapshot(&store, "stray", Some("base"));
    snapshot(&store, "old-image", None);
    record(&store, "step", Some("kept"));
    let named = image(&store, "base", Some("app"));
    let dangling = image(&store, "old-image", None);
    let stray = store.blobs().put_bytes(b"of a killed pull").unwrap();

    let dry = store
        .prune(
            &PruneOptions {
                dry_run: true,
                ..PruneOptions::default()
            },
            later(),
        )
        .unwrap();
    assert!(there(&store, "stray") && store.images().get(&dangling).unwrap().is_some());
    let pruned = store.prune(&PruneOptions::default(), later()).unwrap();
    assert_eq!(dry.removed, pruned.removed, "a dry run says the same");
    assert!(pruned.failed.is_empty() && pruned.in_use.is_empty(), "{pruned:?}");

    assert!(there(&store, "base") && there(&store, "step"));
    assert!(!there(&store, "stray") && !there(&store, "old-image"));
    assert!(store.images().get(&named).unwrap().is_some());
    assert!(store.images().get(&dangling).unwrap().is_none());
    assert!(!store.blobs().has(&stray.digest).unwrap());
    assert_eq!(
        store.blobs().list().unwrap().len(),
        2,
        "config and layer of the named image"
    );
    assert!(store.records().lookup(&key("step")).unwrap().is_some());
    assert_eq!(list_dir(&store.path("records/trees")).unwrap().len(), 1);
    assert!(store.check(false).unwrap().is_empty());
    assert_eq!(
        store.prune(&PruneOptions::default(), later()).unwrap().removed,
        []
    );
}

#[test]
fn all_leaves_what_images_need() {
    let (_dir, store) = store();
    snapshot(&store, "base", None);
    snapshot(&store, "step", Some("base"));
    snapshot(&store, "other", Some("step"));
    record(&store, "step", Some("one"));
    record(&store, "other", Some("two"));
    image(&store, "step", Some("app"));
    let CacheMountClaim::Held(mount) = store
        .try_cache_mount(&CacheMountName::usual("c"), Sharing::Shared, &|_| Ok(()))
        .unwrap()
    else {
        panic!()
    };
    std::fs::write(mount.path().join("file"), "x").unwrap();
    let pruned = store.prune(&all(), later()).unwrap();
    assert!(there(&store, "base") && there(&store, "step") && !there(&store, "other"));
    assert!(
        mount.path().join("file").exists() && pruned.in_use == ["cache mount c"],
        "{pruned:?}"
    );
    assert!(list_dir(&store.path("records/trees")).unwrap().is_empty());
    assert!(store.records().keys().unwrap().is_empty());
    drop(mount);
    store.prune(&all(), later()).unwrap();
    assert!(list_dir(&store.path("cache-mounts")).unwrap().is_empty());
    assert!(store.check(false).unwrap().is_empty());
}

#[test]
fn a_lease_keeps_a_snapshot_and_its_parents() {
    let (_dir, store) = store();
    for (name, parent) in [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", Some("a"))] {
        snapshot(&store, name, parent);
    }
    let lease = store.locks().lease(&id_of(&store, "c")).unwrap().unwrap();
    let pruned = store.prune(&all(), later()).unwrap();
    assert_eq!(pruned.in_use, [format!("snapshot {}", id_of(&store, "c"))]);
    assert!(["a", "b", "c"].iter().all(|name| there(&store, name)) && !there(&store, "d"));
    drop(lease);
    store.prune(&all(), later()).unwrap();
    assert!(list_dir(&store.snapshots_dir()).unwrap().is_empty());
    assert!(list_dir(&store.path("locks/leases")).unwrap().is_empty());
}

/// A clock that was set back an hour, and one that was set forward: nothing that is used or new goes.
#[test]
fn what_is_used_or_new_stays_whatever_the_clock_says() {
    let (_dir, store) = store();
    for now in [file_system_now() - 3_600_000_000_000, later()] {
        let builder = Store::open(store.root(), "boot", crate::Need::Writing).unwrap();
        let lease = snapshot(&builder, "new", None);
        let tree = FileList::new(vec![FileListEntry {
            path: b"file".to_vec(),
            fingerprint: b"file".to_vec(),
        }]);
        let (reference, _tree_lease) = builder.records().put_tree(&tree).unwrap();
        store.prune(&all(), now).unwrap();
        assert!(there(&store, "new"));
        assert!(store.records().tree(&reference).unwrap().is_some());
        assert_eq!(
            list_dir(&store.content_dir()).unwrap().len(),
            1,
            "the index knows it"
        );
        drop(lease);
    }
    store
        .prune(&all(), file_system_now() - 3_600_000_000_000)
        .unwrap();
    assert!(
        !there(&store, "new"),
        "what nobody uses goes whatever the clock says"
    );
    assert!(list_dir(&store.path("records/trees")).unwrap().is_empty());
}

/// The clock was wrong when a record was used, and was set right.
#[test]
fn what_was_used_in_the_future_goes_but_not_by_its_age() {
    let (_dir, store) = store();
    let stamped = |after: u64| {
        let now = u64::try_from(file_system_now() / 1_000_000_000).unwrap();
        let memo = store.memo_dir().join("memo");
        std::fs::write(&memo, "").unwrap();
        set_used(&memo, now + after);
        memo
    };
    let prune = |options: &PruneOptions| {
        store.prune(options, super::beginning()).unwrap();
    };
    let memo = stamped(86_400);
    let until = PruneOptions {
        unused_since: Some(file_system_now()),
        ..all()
    };
    prune(&until);
    assert!(memo.exists(), "nobody knows its age");
    prune(&all());
    assert!(!memo.exists());
    // A clock that is a bit finer than ours.
    let memo = stamped(2);
    prune(&all());
    assert!(memo.exists(), "it was used just now");
}

#[test]
fn a_collection_begins_after_all_that_was_used_before() {
    let (dir, _store) = store();
    for round in 0..10 {
        let stamp = |name| {
            let path = dir.path().join(format!("{round}{name}"));
            std::fs::write(&path, "").unwrap();
            super::mark::modified(&path).unwrap()
        };
        let before = stamp("before");
        let beginning = super::beginning();
        let after = stamp("after");
        assert!(before < beginning, "{before} {beginning}");
        assert!(beginning <= after, "{beginning} {after}");
    }
}

#[test]
fn a_pin_keeps_blobs_and_images() {
    let (_dir, store) = store();
    snapshot(&store, "base", None);
    let dangling = image(&store, "base", None);
    let blob = store.blobs().put_bytes(b"arriving").unwrap();
    let pin = store.locks().pin_blobs().unwrap();
    let pruned = store.prune(&all(), later()).unwrap();
    assert!(pruned.in_use[0].starts_with("blobs ("), "{pruned:?}");
    assert!(store.blobs().has(&blob.digest).unwrap() && there(&store, "base"));
    assert!(store.images().get(&dangling).unwrap().is_some());
    drop(pin);
    store.prune(&all(), later()).unwrap();
    assert!(store.blobs().list().unwrap().is_empty() && !there(&store, "base"));
}

fn set_used(path: &Path, seconds: u64) {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

#[test]
fn the_least_recently_used_go_first() {
    let (_dir, store) = store();
    for (name, parent, used) in [("a", None, 1000), ("b", Some("a"), 2000), ("c", None, 3000)] {
        snapshot(&store, name, parent);
        record(&store, name, None);
        set_used(&store.records().path(&key(name)), used);
    }
    let until = PruneOptions {
        all: true,
        unused_since: Some(1500 * 1_000_000_000),
        ..PruneOptions::default()
    };
    store.prune(&until, later()).unwrap();
    assert!(store.records().read(&key("a"), false).unwrap().is_none());
    assert!(there(&store, "a"), "b stands on it");

    let one = disk_usage_of(&store, "c");
    let keep = PruneOptions {
        keep_bytes: Some(one + one / 2),
        ..PruneOptions::default()
    };
    store.prune(&keep, later()).unwrap();
    assert!(store.records().read(&key("b"), false).unwrap().is_none());
    assert!(!there(&store, "a") && !there(&store, "b") && there(&store, "c"));
    let keep = PruneOptions {
        keep_bytes: Some(0),
        ..PruneOptions::default()
    };
    store.prune(&keep, later()).unwrap();
    assert!(!there(&store, "c"));
}

fn disk_usage_of(store: &Store, name: &str) -> u64 {
    crate::disk_usage::disk_usage(&store.snapshots_dir().join(id_of(store, name).to_string()))
}

#[test]
fn usage_tells_what_can_go() {
    let (_dir, store) = store();
    snapshot(&store, "base", None);
    snapshot(&store, "step", Some("base"));
    snapshot(&store, "stray", None);
    record(&store, "step", None);
    image(&store, "base", Some("app"));
    store.blobs().put_bytes(b"nobody's").unwrap();
    let usage = store.usage().unwrap();
    let of = |kind| usage.iter().find(|usage| usage.kind == kind).unwrap().clone();
    assert_eq!((of(Kind::Image).count, of(Kind::Image).reclaimable), (1, 0));
    assert!(of(Kind::Image).bytes >= disk_usage_of(&store, "base"));
    assert_eq!(of(Kind::BuildCache).count, 1);
    assert!(of(Kind::BuildCache).reclaimable >= disk_usage_of(&store, "step"));
    assert_eq!(of(Kind::Leftover).count, 2);
    let _lease = store.locks().lease(&id_of(&store, "step")).unwrap().unwrap();
    let cache = store.usage().unwrap()[1].clone();
    assert!(cache.reclaimable < of(Kind::BuildCache).reclaimable, "{cache:?}");
}

#[test]
fn check_finds_and_mends() {
    let (_dir, store) = store();
    snapshot(&store, "base", None);
    snapshot(&store, "damaged", None);
    snapshot(&store, "above", Some("damaged"));
    std::fs::write(
        store
            .snapshots_dir()
            .join(id_of(&store, "damaged").to_string())
            .join("fs/file"),
        "DAMAGED",
    )
    .unwrap();
    record(&store, "base", Some("f"));
    record(&store, "damaged", None);
    record(&store, "gone", None);
    image(&store, "base", Some("app"));
    let blob = store.blobs().put_bytes(b"good").unwrap();
    std::fs::write(store.blobs().path(&blob.digest), b"evil").unwrap();
    std::fs::write(store.path("tags/torn"), "").unwrap();
    std::fs::write(
        store.path("tags/lost"),
        format!("{}\nlost\n", Digest::of(b"no image")),
    )
    .unwrap();
    std::fs::write(store.path("blobs/sha256/README"), "x").unwrap();
    std::fs::write(store.path("compressed/x-gzip6"), "nonsense").unwrap();
    std::fs::write(store.path("builds/1.json"), "{").unwrap();
    std::fs::write(store.path("content/x"), id_of(&store, "gone").to_string()).unwrap();
    let record_path = store.records().path(&key("torn"));
    std::fs::create_dir_all(record_path.parent().unwrap()).unwrap();
    std::fs::write(record_path, "torn").unwrap();
    for name in list_dir(&store.path("records/trees")).unwrap() {
        std::fs::write(store.path("records/trees").join(name), "changed").unwrap();
    }
    let found = store.check(false).unwrap();
    assert_eq!(found.len(), 11, "{found:#?}");
    assert!(found.iter().all(|problem| !problem.repaired));
    let mended = store.check(true).unwrap();
    assert!(mended.iter().all(|problem| problem.repaired), "{mended:#?}");
    // What stood on a removed part is found as soon as that is gone.
    while !store.check(true).unwrap().is_empty() {}
    assert!(!there(&store, "damaged") && !there(&store, "above"));
    assert_eq!(store.check(false).unwrap(), []);
    assert!(store.images().lookup("app").is_ok() && there(&store, "base"));
}

#[test]
fn what_an_image_lacks_is_reported_and_its_name_stays() {
    let (_dir, store) = store();
    image(&store, "never-made", Some("app"));
    let record = store.images().lookup("app").unwrap();
    let layer = record.blobs().next().unwrap().digest;
    store.blobs().remove(&layer).unwrap();
    let found = store.check(true).unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found
            .iter()
            .any(|problem| problem.what == format!("blob {layer} is missing"))
    );
    assert!(store.images().lookup("app").is_ok());
}

/// A builder that always has two snapshots in use, and a collector that removes all it can.
#[test]
fn a_collector_beside_builders() {
    let (_dir, store) = store();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut removed = 0;
            while !done.load(Ordering::Relaxed) {
                let pruned = store.prune(&all(), file_system_now()).unwrap();
                assert!(pruned.failed.is_empty(), "{pruned:?}");
                removed += pruned.removed.len();
            }
            removed
        });
        let builders: Vec<_> = (0..3)
            .map(|builder| {
                // As another process has it.
                let store = Store::open(store.root(), "boot", crate::Need::Writing).unwrap();
                scope.spawn(move || {
                    for round in 0..25 {
                        let parent = format!("parent {builder} {round}");
                        let child = format!("child {builder} {round}");
                        let parent_lease = snapshot(&store, &parent, None);
                        record(&store, &parent, Some(&parent));
                        let child_lease = snapshot(&store, &child, Some(&parent));
                        // From here on only the child is held, and it stands on its parent.
                        drop(parent_lease);
                        record(&store, &child, Some(&child));
                        let pin = store.locks().pin_blobs().unwrap();
                        let image = image(&store, &child, None);
                        store.images().tag(&format!("app{builder}"), &image).unwrap();
                        drop(pin);
                        std::thread::yield_now();
                        assert!(there(&store, &parent) && there(&store, &child), "leased");
                        drop(child_lease);
                        assert!(
                            there(&store, &parent) && there(&store, &child),
                            "in a named image"
                        );
                        let found = store.images().lookup(&format!("app{builder}")).unwrap();
                        for blob in found.blobs() {
                            store.blobs().verify(&blob.digest).unwrap();
                        }
                    }
                })
            })
            .collect();
        let built: Vec<_> = builders.into_iter().map(|builder| builder.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(built.iter().all(Result::is_ok), "a builder failed");
        let removed = collector.join().unwrap();
        assert!(removed > 0, "the collector did something");
    });
    assert!(store.check(false).unwrap().is_empty());
    store.prune(&all(), later()).unwrap();
    assert_eq!(
        list_dir(&store.snapshots_dir()).unwrap().len(),
        6,
        "three named images of two snapshots"
    );
}

#[test]
fn two_collectors_and_a_check_side_by_side_find_nothing_wrong() {
    let (_dir, store) = store();
    for round in 0..5 {
        for number in 0..30 {
            let name = format!("{round} {number}");
            let parent = (number > 0).then(|| format!("{round} {}", number - 1));
            drop(snapshot(&store, &name, parent.as_deref()));
            record(&store, &name, Some(&name));
        }
        let names = [format!("{round} 29")];
        image(&store, &names[0], None);
        std::thread::scope(|scope| {
            let pruning: Vec<_> = (0..2)
                .map(|_| {
                    let store = Store::open(store.root(), "boot", crate::Need::Writing).unwrap();
                    scope.spawn(move || store.prune(&all(), later()).unwrap())
                })
                .collect();
            let found = store.check(false).unwrap();
            assert!(found.is_empty(), "{found:#?}");
            for pruned in pruning {
                let pruned = pruned.join().unwrap();
                assert!(pruned.failed.is_empty(), "{pruned:?}");
            }
        });
        // What both had before them is gone: neither leaves it because of the other.
        assert!(list_dir(&store.snapshots_dir()).unwrap().is_empty(), "{round}");
        assert!(store.images().ids().unwrap().is_empty(), "{round}");
    }
}

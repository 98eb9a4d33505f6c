use super::*;
use crate::lease::Collection;
use crate::records::{Output, Preimage, RECORD_VERSION, Record};
use crate::testing::{await_ready, command, role, say_ready, store};

use std::fs::{OpenOptions, read_to_string};
use std::io::Write;
use std::process::Child;
use std::time::Duration;

use rbuild_layer::{ContentId, SnapshotId};
use rbuild_oci::Digest;

fn key(number: u8) -> Key {
    Key::parse(&Digest::of(&[number]).to_hex()).unwrap()
}

fn snapshot(number: u8) -> SnapshotId {
    SnapshotId::from_bytes([number; 32])
}

fn spawn(role: &str, store: &Store) -> Child {
    command("lock::tests::other_process", role, store.root())
        .spawn()
        .unwrap()
}

/// What the child processes of the tests below do.
#[test]
fn other_process() {
    let Some((role, store)) = role() else { return };
    match role.as_str() {
        "build" => build_once(&store),
        "hold" => {
            let _lock = store.locks().wait_key(&key(1)).unwrap();
            let _tmp = store.tmp_dir().unwrap();
            std::fs::write(_tmp.path().join("half-written"), "x").unwrap();
            say_ready();
            std::thread::sleep(Duration::from_secs(600));
        }
        "lease" => {
            let _lease = store.locks().lease(&snapshot(1)).unwrap().unwrap();
            say_ready();
            std::thread::sleep(Duration::from_secs(600));
        }
        other => panic!("{other}"),
    }
}

/// What a build does with a step: look up, claim or wait, look up again, run, record.
fn build_once(store: &Store) {
    let records = store.records();
    if records.lookup(&key(1)).unwrap().is_some() {
        return;
    }
    let _claim = match store.locks().try_key(&key(1)).unwrap() {
        Claim::Held(lock) => lock,
        Claim::Busy { .. } => store.locks().wait_key(&key(1)).unwrap(),
    };
    if records.lookup(&key(1)).unwrap().is_some() {
        return;
    }
    let mut ran = OpenOptions::new()
        .append(true)
        .create(true)
        .open(store.root().join("locks/ran"))
        .unwrap();
    writeln!(ran, "{}", std::process::id()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let output = Output {
        snapshot: None,
        content: ContentId::from_bytes([0; 32]),
        extra: serde_json::Value::Null,
    };
    let preimage = Preimage::default();
    records
        .put(&Record {
            version: RECORD_VERSION,
            key: key(1),
            op: "RUN".into(),
            output,
            created: 0,
            cost: 0,
            preimage,
        })
        .unwrap();
}

#[test]
fn of_many_processes_one_runs_the_step() {
    let (_dir, store) = store();
    let children: Vec<Child> = (0..12).map(|_| spawn("build", &store)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let ran = read_to_string(store.path("locks/ran")).unwrap();
    assert_eq!(ran.lines().count(), 1, "{ran}");
    assert!(store.records().lookup(&key(1)).unwrap().is_some());
    assert!(
        crate::small_file::list_dir(&store.path("locks/keys"))
            .unwrap()
            .is_empty(),
        "no lock file is left"
    );
}

#[test]
fn of_many_threads_one_runs_the_step() {
    let (_dir, store) = store();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| build_once(&store));
        }
    });
    assert_eq!(
        read_to_string(store.path("locks/ran")).unwrap().lines().count(),
        1
    );
}

#[test]
fn a_killed_holder_frees_everything() {
    let (_dir, store) = store();
    let mut child = spawn("hold", &store);
    await_ready(&mut child);
    match store.locks().try_key(&key(1)).unwrap() {
        Claim::Busy { pid } => assert_eq!(pid, Some(child.id())),
        Claim::Held(_) => panic!("the child holds it"),
    }
    assert!(
        matches!(store.locks().try_key(&key(2)).unwrap(), Claim::Held(_)),
        "another key is free"
    );
    let swept = store.sweep_tmp().unwrap();
    assert_eq!((swept.removed, swept.in_use), (0, 1));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.locks().wait_key(&key(1)).unwrap());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        waiting.join().unwrap();
    });
    let swept = store.sweep_tmp().unwrap();
    assert_eq!((swept.removed, swept.in_use), (1, 0));
    assert!(
        crate::small_file::list_dir(&store.path("tmp"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn waiting_can_be_given_up() {
    let (_dir, store) = store();
    let Claim::Held(held) = store.locks().try_key(&key(1)).unwrap() else {
        panic!("nobody else has it")
    };
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() == 3
    };
    assert!(store.locks().wait_key_or(&key(1), &stop).unwrap().is_none());
    assert_eq!(asked.get(), 3);
    drop(held);
    assert!(store.locks().wait_key_or(&key(1), &|| true).unwrap().is_some());
}

fn make_snapshot(store: &Store, number: u8) {
    std::fs::create_dir(store.snapshots_dir().join(snapshot(number).to_string())).unwrap();
}

/// Whether a collection that begins now finds the snapshot in use.
fn is_used(store: &Store, number: u8) -> bool {
    let mut collection = Collection::begin(store.root()).unwrap();
    let unused = collection.unless_used(snapshot(number).as_bytes(), || Ok(()));
    unused.unwrap().is_none()
}

fn lists(store: &Store) -> usize {
    crate::small_file::list_dir(&store.path("locks/leases"))
        .unwrap()
        .len()
}

/// The same store as another process has it.
fn other(store: &Store) -> Store {
    Store::open(store.root(), "boot", crate::Need::Writing).unwrap()
}

#[test]
fn a_lease_is_of_a_snapshot_that_is_there() {
    let (_dir, store) = store();
    assert!(store.locks().lease(&snapshot(1)).unwrap().is_none());
    assert_eq!(lists(&store), 0, "who holds nothing has no list");
    make_snapshot(&store, 1);
    let one = store.locks().lease(&snapshot(1)).unwrap().unwrap();
    let two = store.locks().lease(&snapshot(1)).unwrap().unwrap();
    assert!(is_used(&store, 1) && !is_used(&store, 2));
    drop(one);
    assert!(is_used(&store, 1));
    drop(two);
    assert!(!is_used(&store, 1));
    assert_eq!(lists(&store), 0);
}

#[test]
fn the_lease_of_another_process_counts_until_it_is_killed() {
    let (_dir, store) = store();
    make_snapshot(&store, 1);
    let mut child = spawn("lease", &store);
    await_ready(&mut child);
    assert!(is_used(&store, 1));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(lists(&store), 1, "it had no time to remove it");
    assert!(!is_used(&store, 1));
    assert_eq!(lists(&store), 0);
}

#[test]
fn a_lease_that_ends_while_something_is_collected_counts_for_that_collection() {
    let (_dir, store) = store();
    let (builder, later) = (other(&store), other(&store));
    for number in 1..=3 {
        make_snapshot(&store, number);
    }
    let before = builder.locks().lease(&snapshot(1)).unwrap().unwrap();
    let mut first = Collection::begin(store.root()).unwrap();
    let unused = |collection: &mut Collection, number| {
        collection
            .unless_used(snapshot(number).as_bytes(), || Ok(()))
            .unwrap()
            .is_some()
    };
    assert!(!unused(&mut first, 1) && unused(&mut first, 2));
    drop(before);
    drop(later.locks().lease(&snapshot(2)).unwrap().unwrap());
    assert!(!unused(&mut first, 1) && !unused(&mut first, 2) && unused(&mut first, 3));
    // A second one that begins now has seen what they did, but must leave their lists to the first.
    let mut second = Collection::begin(store.root()).unwrap();
    assert!(unused(&mut second, 1) && unused(&mut second, 2));
    drop(second);
    assert!(!unused(&mut first, 1) && !unused(&mut first, 2));
    assert_eq!(lists(&store), 2);
    drop(first);
    drop(Collection::begin(store.root()).unwrap());
    assert_eq!(lists(&store), 0);
}

#[test]
fn nobody_begins_to_use_what_is_being_removed() {
    let (_dir, store) = store();
    make_snapshot(&store, 1);
    let path = store.snapshots_dir().join(snapshot(1).to_string());
    let mut collection = Collection::begin(store.root()).unwrap();
    std::thread::scope(|scope| {
        let asking = collection
            .unless_used(snapshot(1).as_bytes(), || {
                let store = other(&store);
                let asking = scope.spawn(move || store.locks().lease(&snapshot(1)).unwrap().is_some());
                std::thread::sleep(Duration::from_millis(50));
                assert!(!asking.is_finished(), "it waits");
                std::fs::remove_dir(&path).unwrap();
                Ok(asking)
            })
            .unwrap()
            .unwrap();
        assert!(!asking.join().unwrap(), "and finds nothing");
    });
}

#[test]
fn many_leases_need_no_descriptors() {
    let (_dir, store) = store();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let first = store.locks().lease_new(&snapshot(0)).unwrap();
    let before = open();
    let more: Vec<Lease> = (1..=255)
        .map(|number| store.locks().lease_new(&snapshot(number)).unwrap())
        .collect();
    assert!(open() < before + 100, "other tests may open some");
    assert!((0..=255).all(|number| is_used(&store, number)));
    drop((first, more));
}

#[test]
fn a_torn_line_hides_no_other() {
    let (_dir, store) = store();
    let list = store.path("locks/leases/1-0");
    let torn = format!("{}\n{}\n", &snapshot(1).to_hex()[..20], snapshot(2).to_hex());
    std::fs::write(&list, torn).unwrap();
    let _lock = Lock::try_take_existing(&list, Mode::Exclusive).unwrap().unwrap();
    assert!(is_used(&store, 2) && !is_used(&store, 1));
}

#[test]
fn a_removed_lock_file_is_not_two_locks() {
    let (_dir, store) = store();
    let path = store.path("locks/x");
    let counter = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let lock = Lock::wait(&path, Mode::Exclusive).unwrap();
                    let before = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(before, 0, "two holders");
                    counter.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    lock.remove_file();
                }
            });
        }
    });
    let (lock, new) = Lock::try_take_noting(&path).unwrap().unwrap();
    assert!(new);
    drop(lock);
    assert!(!Lock::try_take_noting(&path).unwrap().unwrap().1);
}

#[test]
fn dropping_frees_the_lock_although_a_copy_of_the_descriptor_lives() {
    let (_dir, store) = store();
    let path = store.path("locks/x");
    let lock = Lock::wait(&path, Mode::Exclusive).unwrap();
    // As after a fork: the copy shares the open file description, and so the lock.
    let _copy = lock.file.try_clone().unwrap();
    drop(lock);
    assert!(Lock::try_take(&path, Mode::Exclusive).unwrap().is_some());
}

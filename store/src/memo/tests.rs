use super::*;
use crate::filesystem::Need;

const NOW: i64 = 1_700_000_000_000_000_000;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "boot", Need::Writing).unwrap();
    (dir, store)
}

fn stat(ino: u64) -> FileStat {
    FileStat {
        dev: 1,
        ino,
        size: 10,
        mtime: NOW - 10 * RACY,
        ctime: NOW - 9 * RACY,
    }
}

fn memo(store: &Store) -> Memo {
    Memo::load(store, Path::new("/ctx")).unwrap()
}

fn hash(ino: u64) -> [u8; 32] {
    [ino as u8; 32]
}

fn fill(store: &Store, paths: &[&str]) {
    let mut memo = memo(store);
    for path in paths {
        let ino = path.len() as u64;
        memo.record(path.as_bytes(), &stat(ino), hash(ino));
    }
    assert!(memo.save(store).unwrap());
}

#[test]
fn remembered_in_any_order() {
    let (_dir, store) = store();
    fill(&store, &["b", "a.txt", "a/long", "aaaaa", ""]);
    let mut memo = memo(&store);
    assert_eq!(memo.len(), 5);
    for path in ["a/long", "", "b", "a.txt", "aaaaa", "b"] {
        let ino = path.len() as u64;
        assert_eq!(
            memo.lookup(path.as_bytes(), &stat(ino)),
            Some(hash(ino)),
            "{path}"
        );
    }
    assert_eq!(memo.lookup(b"c", &stat(1)), None);
    assert!(!memo.save(&store).unwrap(), "nothing new, nothing written");
    assert!(Memo::load(&store, Path::new("/other")).unwrap().is_empty());
}

#[test]
fn every_part_of_the_stat_counts() {
    let (_dir, store) = store();
    fill(&store, &["f"]);
    let good = stat(1);
    let changed = [
        FileStat { dev: 2, ..good },
        FileStat { ino: 2, ..good },
        FileStat { size: 11, ..good },
        FileStat {
            mtime: good.mtime + 1,
            ..good
        },
        // The content was changed and the mtime put back: only ctime tells.
        FileStat {
            ctime: good.ctime + 1,
            ..good
        },
    ];
    let mut memo = memo(&store);
    for stat in changed {
        assert_eq!(memo.lookup(b"f", &stat), None, "{stat:?}");
    }
    assert_eq!(memo.lookup(b"f", &good), Some(hash(1)));
}

#[test]
fn age_is_that_of_the_last_change() {
    for age in [-RACY, 0, 1, RACY - 1] {
        let changed = FileStat {
            ctime: NOW - age,
            ..stat(1)
        };
        assert!(!changed.is_older(RACY, NOW), "ctime {age} ns old");
        let changed = FileStat {
            mtime: NOW - age,
            ..stat(1)
        };
        assert!(!changed.is_older(RACY, NOW), "mtime {age} ns old");
    }
    let old = FileStat {
        ctime: NOW - RACY,
        ..stat(1)
    };
    assert!(old.is_older(RACY, NOW));
}

#[test]
fn what_can_change_without_a_trace_is_not_remembered() {
    use ChangeTimes::{Disk, Memory, NotKept};
    for kept in [Disk, Memory, NotKept] {
        assert_eq!(kept.least_age(Some(true)), None, "{kept:?}");
    }
    assert_eq!(Disk.least_age(Some(false)), Some(RACY));
    assert_eq!(Memory.least_age(Some(false)), Some(RACY));
    assert!(
        Disk.least_age(None) > Some(35 * 1_000_000_000),
        "pages are written back by then"
    );
    assert_eq!(Memory.least_age(None), None);
    assert_eq!(
        (NotKept.least_age(None), NotKept.least_age(Some(false))),
        (None, None)
    );
    let of = |path: &str| ChangeTimes::of(std::fs::File::open(path).unwrap());
    assert_eq!(of("/proc/self/status"), NotKept);
}

#[test]
fn a_changed_file_replaces_its_entry_and_the_others_stay() {
    let (_dir, store) = store();
    fill(&store, &["a", "bb", "ccc"]);
    let mut changed = memo(&store);
    assert_eq!(changed.lookup(b"a", &stat(1)), Some(hash(1)));
    assert_eq!(changed.lookup(b"bb", &stat(77)), None);
    changed.record(b"bb", &stat(77), hash(77));
    assert!(changed.save(&store).unwrap());
    let mut memo = memo(&store);
    assert_eq!(memo.len(), 3);
    assert_eq!(memo.lookup(b"a", &stat(1)), Some(hash(1)));
    assert_eq!(memo.lookup(b"bb", &stat(77)), Some(hash(77)));
    assert_eq!(
        memo.lookup(b"ccc", &stat(3)),
        Some(hash(3)),
        "kept although the walk did not see it"
    );
}

#[test]
fn a_damaged_memo_is_empty() {
    let (_dir, store) = store();
    fill(&store, &["a", "bb"]);
    let path = memo(&store).path.clone();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        std::fs::write(&path, &bytes).unwrap();
        assert!(memo(&store).is_empty(), "byte {at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(memo(&store).is_empty(), "cut at {at}");
    }
    std::fs::write(&path, vec![0; whole.len()]).unwrap();
    assert!(memo(&store).is_empty());
}

#[test]
fn twenty_thousand_entries() {
    let (_dir, store) = store();
    let mut memo = memo(&store);
    let path = |number: u32| format!("src/dir{:03}/file{number}.c", number % 200);
    for number in 0..20_000 {
        memo.record(
            path(number).as_bytes(),
            &stat(u64::from(number)),
            hash(u64::from(number)),
        );
    }
    memo.save(&store).unwrap();
    let mut memo = super::Memo::load(&store, Path::new("/ctx")).unwrap();
    assert_eq!(memo.len(), 20_000);
    for number in 0..20_000 {
        let ino = u64::from(number);
        assert_eq!(memo.lookup(path(number).as_bytes(), &stat(ino)), Some(hash(ino)));
    }
    assert!(forget(&store, Path::new("/ctx")).unwrap());
}

#[test]
fn the_kernel_stamps_files_with_the_clock_we_read() {
    use std::os::unix::fs::MetadataExt;
    let (dir, _store) = store();
    let before = file_system_now();
    std::fs::write(dir.path().join("f"), "x").unwrap();
    let after = file_system_now();
    let metadata = std::fs::metadata(dir.path().join("f")).unwrap();
    let ctime = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
    // Newer kernels may stamp finer than the coarse clock, so one tick of slack.
    assert!(
        before <= ctime && ctime <= after + 20_000_000,
        "{before} {ctime} {after}"
    );
}

//! Any bytes as an archive of `ADD` or as a layer: reading ends, no name leads out, and unpacking touches nothing outside.

use rbuild_layer::stage::Stage;
use rbuild_layer::unpack::{Meaning, apply};
use rbuild_layer::{Limits, TarReader, clean_name, decompress, sniff_archive};
use std::fs;
use std::io::Read;
use std::path::Path;

/// A small archive may claim to be large; what is behind this is more of the same.
const MOST: u64 = 16 << 20;

pub(crate) fn holds(data: &[u8]) {
    let _ = sniff_archive(data);
    read(data);
    // Both meanings in turn: unpacking takes most of the time.
    if data.len().is_multiple_of(2) {
        unpack(data, Meaning::Layer);
    } else {
        let dest = b"dest";
        unpack(data, Meaning::Archive { dest, owner: None });
    }
}

/// How many entries it has until something is wrong.
fn read(data: &[u8]) -> usize {
    let Ok((_, plain)) = decompress(data, "input") else {
        return 0;
    };
    let mut entries = 0;
    let mut reader = TarReader::new(plain.take(MOST), "input");
    let mut piece = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        if let Ok(name) = clean_name(&entry.path) {
            assert!(!name.starts_with(b"/") && !name.split(|byte| *byte == b'/').any(|part| part == b".."));
        }
        while matches!(reader.piece(&mut piece, 64 * 1024), Ok(true)) {}
        entries += 1;
    }
    entries
}

/// Whether something is found in it. For the test of the samples.
#[allow(dead_code, reason = "the fuzzer does not ask")]
pub(crate) fn is_understood(data: &[u8]) -> bool {
    read(data) > 0
}

/// Unpacks into `top/root`; `top` has one more file, which must be the only other thing there afterwards.
fn unpack(data: &[u8], meaning: Meaning<'_>) {
    let Ok((_, plain)) = decompress(data, "input") else {
        return;
    };
    let top = tempfile::tempdir().expect("a temporary directory");
    let (root, canary) = (top.path().join("root"), top.path().join("canary"));
    fs::create_dir(&root).expect("a directory");
    fs::write(&canary, "untouched").expect("a file");
    let mut stage = Stage::new(rbuild_rootdir::Root::open(&root).expect("a root"), None);
    let limits = Limits {
        entries: 1000,
        bytes: MOST,
    };
    if apply(&mut stage, plain, "input", meaning, limits).is_ok() {
        let _ = stage.finish(rbuild_layer::stage::Tar::NotNow);
    }
    let names = fs::read_dir(top.path()).expect("a directory").count();
    assert_eq!((names, fs::read(&canary).ok()), (2, Some(b"untouched".to_vec())));
    remove(&root);
}

/// Directories may have come without a right to enter them.
fn remove(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir_all(dir);
}

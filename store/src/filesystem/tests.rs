use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::blob::Expect;
use crate::store::Store;
use crate::testing::{command, root, say_ready};

#[test]
fn network_and_read_only_are_refused() {
    assert_eq!(judge(0x6969, false), Err(Unsuitable::Network("nfs")));
    assert_eq!(judge(0xFF53_4D42, false), Err(Unsuitable::Network("cifs")));
    assert_eq!(judge(0x794C_7630, false), Ok(()));
    assert_eq!(judge(0xEF53, true), Err(Unsuitable::ReadOnly));
    assert_eq!(judge(0xEF53, false), Ok(()));
    assert_eq!(judge(0x1234_5678, false), Ok(()));
}

#[test]
fn a_file_system_without_user_xattrs_is_refused() {
    // proc has no user xattrs, exists everywhere and needs no privilege to look at.
    let error = check(Path::new("/proc/self"), Need::Writing).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(
            error,
            StoreError::Unsuitable {
                problem: Unsuitable::NoUserXattr(_) | Unsuitable::ReadOnly,
                ..
            }
        ),
        "{text}"
    );
    assert!(text.contains("`/proc/self` cannot hold the store"), "{text}");
}

/// Runs `other_process` in a mount namespace of its own, after `mounts` (shell, with `$D` for an empty directory)
/// made what `$S` then names as the store. Returns what it printed; `None` when this host has no such namespaces.
fn in_namespace(role: &str, mounts: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let inner = command("filesystem::tests::other_process", role, Path::new("unset"));
    let program = inner.get_program().to_str().unwrap().to_owned();
    let arguments: Vec<&str> = inner
        .get_args()
        .map(|argument| argument.to_str().unwrap())
        .collect();
    let root = if rustix::process::geteuid().is_root() {
        "-m"
    } else {
        "-rm"
    };
    let script = format!(
        "set -e; D={}; {mounts}; RBUILD_TEST_ROLE={role} RBUILD_TEST_STORE=$S {program} {}",
        dir.path().display(),
        arguments.join(" ")
    );
    let possible = Command::new("unshare")
        .args([root, "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: no mount namespace on this host");
        return None;
    }
    let output = Command::new("unshare")
        .args([root, "sh", "-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("\nready\n"),
        "the other process did nothing: {text}"
    );
    Some(text)
}

/// What the process in the other namespace does.
#[test]
fn other_process() {
    let (Some(root), Ok(role)) = (root(), std::env::var("RBUILD_TEST_ROLE")) else {
        return;
    };
    let open = |need| Store::open(&root, "boot", need);
    match role.as_str() {
        "full" => fill(&open(Need::Writing).unwrap()),
        "overlay" => {
            assert!(!open(Need::Writing).unwrap().takes_overlays());
        }
        "read-only" => {
            let text = open(Need::Writing).unwrap_err().to_string();
            assert!(text.contains("its file system is mounted read-only"), "{text}");
        }
        other => panic!("{other}"),
    }
    say_ready();
}

/// Fills a small file system and looks whether what was there before is still whole.
fn fill(store: &Store) {
    let kept = store.blobs().put_bytes(b"here before").unwrap();
    let mut endless = std::io::repeat(b'x');
    let error = store.blobs().put(Expect::anything(), &mut endless).unwrap_err();
    assert!(error.is_no_space(), "{error}");
    let text = error.to_string();
    let expected = format!("no space left on the file system of `{}", store.root().display());
    assert!(
        text.starts_with(&expected) && text.ends_with("(tried to write)"),
        "{text}"
    );
    // The half-written file is gone, so there is room again.
    store.blobs().verify(&kept.digest).unwrap();
    store.blobs().put_bytes(&[b'y'; 100_000]).unwrap();
    assert_eq!(store.blobs().list().unwrap().len(), 2);
    assert!(store.check(false).unwrap().is_empty());
}

#[test]
fn a_full_disk_is_called_so_and_harms_nothing() {
    in_namespace("full", "mount -t tmpfs -o size=1m tmpfs $D; S=$D/store");
}

#[test]
fn an_overlay_is_known_and_a_read_only_mount_refused() {
    let overlay = "mount -t tmpfs tmpfs $D; cd $D; mkdir l u w S; \
        mount -t overlay -o lowerdir=l,upperdir=u,workdir=w,userxattr overlay S; S=$D/S";
    in_namespace("overlay", overlay);
    in_namespace("read-only", "mount -t tmpfs -o ro tmpfs $D; S=$D");
}

#[test]
fn a_path_that_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("file");
    std::fs::write(&path, "x").unwrap();
    let text = Store::open(&path, "boot", Need::Writing).unwrap_err().to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), b"x");
}

//! Base images and helper programs, made on this machine once and kept.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder with Cargo.toml. The variable is set anew when the tests run elsewhere than they were built.
pub(crate) fn checkout() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// A base image that `scripts/base-image` makes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    /// `busybox:local`: static busybox, users root, daemon, www-data, app (1000), nobody; about 2 MB.
    Busybox,
    /// `debian:local`: Debian minbase with device nodes in /dev, and an apt that works; about 170 MB.
    Debian,
    /// `deep:local`: busybox under 130 layers, with whiteouts and one opaque directory.
    Deep,
}

impl Base {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Base::Busybox => "busybox",
            Base::Debian => "debian",
            Base::Deep => "deep",
        }
    }

    pub(crate) fn reference(self) -> String {
        format!("{}:local", self.name())
    }

    /// What `--build-context` makes of it: the name that a Dockerfile begins with, and the archive.
    #[track_caller]
    pub(crate) fn as_context(self) -> String {
        format!("{}=oci-layout://{}", self.reference(), self.archive().display())
    }

    /// The image as an archive (an OCI layout that also carries docker's manifest.json), made if it is not there.
    #[track_caller]
    pub(crate) fn archive(self) -> PathBuf {
        let path = kept(&format!("{}.tar", self.name()));
        if !path.is_file() {
            let made = Command::new(checkout().join("scripts/base-image"))
                .arg(self.name())
                .arg(&path)
                .output();
            let made = made.expect("scripts/base-image can be run");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        path
    }
}

/// A program of `tests/fixtures/programs/`, compiled statically, so that it runs from `scratch`.
#[track_caller]
pub(crate) fn program(name: &str) -> PathBuf {
    let source = checkout()
        .join("tests/fixtures/programs")
        .join(name)
        .with_extension("c");
    let bytes = std::fs::read(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    // Named after its source: a change of the source makes a new one, two makers make the same.
    let path = kept(&format!("{name}-{}", &super::archive::sha256(&bytes)[..12]));
    if !path.is_file() {
        // Tests are threads or processes, as the runner has it.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let born = path.with_extension(format!("{}-{serial}", std::process::id()));
        let made = Command::new("gcc")
            .args(["-Os", "-static", "-s", "-Wall", "-Werror", "-o"])
            .arg(&born)
            .arg(&source)
            .output();
        let made = made.expect("gcc can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(&born, &path).expect("a compiled program can be renamed");
    }
    path
}

/// Where a made file is, or is to be made: in the folder that `scripts/test` names, cargo's place for tests, or, where
/// neither can be written because another user owns it, one in the temporary directory.
fn kept(file: &str) -> PathBuf {
    let named = std::env::var_os("RBUILD_TEST_BASES").map(PathBuf::from);
    let user = rustix::process::getuid().as_raw();
    let own = std::env::temp_dir().join(format!("rbuild-test-bases-{user}"));
    let places: Vec<PathBuf> = named
        .into_iter()
        .chain([Path::new(env!("CARGO_TARGET_TMPDIR")).join("bases"), own])
        .collect();
    let there = places.iter().find(|dir| dir.join(file).is_file());
    let place = there.or_else(|| {
        places
            .iter()
            .find(|dir| std::fs::create_dir_all(dir).is_ok() && writable(dir))
    });
    place.expect("some folder can be written").join(file)
}

fn writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

//! What is wrong with a spec, as far as the data alone tells.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::spec::{MAX_LOWERS, Mount, MountKind, Root, SandboxSpec};

/// A spec that cannot be run, whatever the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// No program to run.
    #[error("there is no command to run")]
    EmptyCommand,
    /// A string with a NUL byte cannot cross a system call.
    #[error("{what} contains a NUL byte: {value:?}")]
    Nul {
        /// Which field.
        what: &'static str,
        /// Its value.
        value: OsString,
    },
    /// A path must be absolute and without `..`.
    #[error("{what} must be absolute and free of `..`: {}", path.display())]
    Path {
        /// Which field.
        what: &'static str,
        /// Its value.
        path: PathBuf,
    },
    /// A place where nothing may be mounted.
    #[error("nothing can be mounted on {}", target.display())]
    Target {
        /// The mount target.
        target: PathBuf,
    },
    /// Overlays take 1 to [`MAX_LOWERS`] lower layers.
    #[error("an overlay takes 1 to {MAX_LOWERS} lower layers, not {0}")]
    Lowers(usize),
    /// The host name is empty or longer than the kernel's 64 bytes.
    #[error("a host name has 1 to 64 bytes: {0:?}")]
    Hostname(String),
    /// `u32::MAX` means "unchanged" to the kernel and is no id.
    #[error("{0} is not a user or group id")]
    Id(u32),
}

impl SandboxSpec {
    /// Checks what can be judged without looking at the host.
    ///
    /// # Errors
    /// The first fault found.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        match &self.root {
            Root::Overlay {
                lowers, upper, work, ..
            } => {
                check_lowers(lowers)?;
                check_path("the upper directory", upper)?;
                check_path("the work directory", work)?;
            }
            Root::ReadOnlyOverlay { lowers } => check_lowers(lowers)?,
            Root::Directory(path) => check_path("the root directory", path)?,
        }
        for mount in &self.mounts {
            check_mount(mount)?;
        }
        if self.argv.is_empty() || self.argv[0].is_empty() {
            return Err(InvalidSpec::EmptyCommand);
        }
        for arg in &self.argv {
            check_nul("the command", arg)?;
        }
        for variable in &self.env {
            check_nul("the environment", variable)?;
        }
        check_nul("the working directory", self.cwd.as_os_str())?;
        if !self.cwd.is_absolute() {
            return Err(InvalidSpec::Path {
                what: "the working directory",
                path: self.cwd.clone(),
            });
        }
        if self.hostname.is_empty() || self.hostname.len() > 64 || self.hostname.contains('\0') {
            return Err(InvalidSpec::Hostname(self.hostname.clone()));
        }
        let user = &self.user;
        for id in [user.uid, user.gid].iter().chain(&user.groups) {
            check_id(*id)?;
        }
        Ok(())
    }
}

fn check_mount(mount: &Mount) -> Result<(), InvalidSpec> {
    check_path("a mount target", &mount.target)?;
    if mount.target == Path::new("/") || mount.target.starts_with("/proc") {
        return Err(InvalidSpec::Target {
            target: mount.target.clone(),
        });
    }
    match &mount.kind {
        MountKind::Bind {
            source,
            source_root: None,
            ..
        } => check_path("a mount source", source),
        MountKind::Bind {
            source,
            source_root: Some(root),
            ..
        } => {
            check_nul("a mount source", source.as_os_str())?;
            check_path("the root of a mount source", root)
        }
        MountKind::OverlayBind {
            lowers, upper, work, ..
        } => {
            check_lowers(lowers)?;
            check_path("the upper directory", upper)?;
            check_path("the work directory", work)
        }
        MountKind::SecretFile { uid, gid, .. } => {
            check_id(*uid)?;
            check_id(*gid)
        }
        MountKind::Tmpfs { .. } | MountKind::ReadOnlyFile { .. } => Ok(()),
    }
}

fn check_lowers(lowers: &[PathBuf]) -> Result<(), InvalidSpec> {
    if lowers.is_empty() || lowers.len() > MAX_LOWERS {
        return Err(InvalidSpec::Lowers(lowers.len()));
    }
    lowers
        .iter()
        .try_for_each(|lower| check_path("a lower layer", lower))
}

fn check_path(what: &'static str, path: &Path) -> Result<(), InvalidSpec> {
    check_nul(what, path.as_os_str())?;
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        return Err(InvalidSpec::Path {
            what,
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn check_nul(what: &'static str, value: &OsStr) -> Result<(), InvalidSpec> {
    if value.as_bytes().contains(&0) {
        return Err(InvalidSpec::Nul {
            what,
            value: value.to_owned(),
        });
    }
    Ok(())
}

fn check_id(id: u32) -> Result<(), InvalidSpec> {
    if id == u32::MAX {
        Err(InvalidSpec::Id(id))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::MountFlags;

    fn spec() -> SandboxSpec {
        SandboxSpec::new(Root::Directory("/r".into()), vec!["true".into()])
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(spec().validate(), Ok(()));
    }

    #[test]
    fn faults_are_named() {
        type Spoil = fn(&mut SandboxSpec);
        let cases: [(Spoil, &str); 9] = [
            (|s| s.argv.clear(), "no command"),
            (|s| s.argv = vec!["a\0b".into()], "NUL"),
            (|s| s.cwd = "relative".into(), "working directory"),
            (|s| s.root = Root::ReadOnlyOverlay { lowers: vec![] }, "not 0"),
            (
                |s| {
                    s.root = Root::ReadOnlyOverlay {
                        lowers: vec!["/l".into(); 500],
                    }
                },
                "not 500",
            ),
            (|s| s.root = Root::Directory("/a/../b".into()), "`..`"),
            (|s| s.user.uid = u32::MAX, "4294967295"),
            (|s| s.hostname = "x".repeat(65), "64 bytes"),
            (|s| s.user.groups = vec![u32::MAX], "4294967295"),
        ];
        for (spoil, words) in cases {
            let mut spoiled = spec();
            spoil(&mut spoiled);
            let error = spoiled.validate().expect_err(words).to_string();
            assert!(error.contains(words), "{error:?} does not name {words:?}");
        }
    }

    #[test]
    fn nothing_mounts_over_the_masks_of_proc() {
        for target in ["/", "/proc", "/proc/sys", "/proc/./kcore", "/x/../proc"] {
            let mut spec = spec();
            let kind = MountKind::Tmpfs {
                size: None,
                mode: 0o755,
                flags: MountFlags::default(),
            };
            spec.mounts.push(Mount {
                target: target.into(),
                kind,
            });
            assert!(spec.validate().is_err(), "{target} was accepted");
        }
    }
}

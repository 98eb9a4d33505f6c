//! Following a path by one name after the other, for where `openat2(2)` cannot be asked to refuse magic links.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC};
use rustix::io::Errno;

/// As the kernel: `path_resolution(7)`.
const MAX_LINKS: usize = 40;

/// Links of procfs that are text like any other.
const OF_PROC: [&[u8]; 4] = [b"self", b"thread-self", b"mounts", b"net"];

/// Opens what a path leads to from the working directory. A link of procfs that is none of text is refused.
pub(super) fn open(path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let place = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = |name: &str| rustix::fs::openat(CWD, name, place | OFlags::DIRECTORY, Mode::empty());
    let mut at = directory(if path.as_bytes().starts_with(b"/") {
        "/"
    } else {
        "."
    })?;
    let mut rest = names(path.as_bytes());
    let mut links = 0;
    while let Some(name) = rest.pop() {
        let next = rustix::fs::openat(&at, name.as_slice(), place, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode);
        if !kind.is_symlink() {
            if rest.is_empty() {
                // The same file: it may have been replaced, but not by a link that is followed.
                return rustix::fs::openat(&at, name.as_slice(), flags | OFlags::NOFOLLOW, Mode::empty());
            }
            at = next;
            continue;
        }
        links += 1;
        let is_magic =
            rustix::fs::fstatfs(&at)?.f_type == PROC_SUPER_MAGIC && !OF_PROC.contains(&name.as_slice());
        if links > MAX_LINKS || is_magic {
            return Err(Errno::LOOP);
        }
        let target = rustix::fs::readlinkat(&at, name.as_slice(), Vec::new())?.into_bytes();
        if target.starts_with(b"/") {
            at = directory("/")?;
        }
        rest.extend(names(&target));
    }
    rustix::fs::openat(&at, ".", flags, Mode::empty())
}

/// The names of a path, the last one first.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').rev();
    let real = names.filter(|name| !name.is_empty() && *name != b".");
    real.map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn opened(path: &str) -> Result<u64, Errno> {
        let file = open(path.as_ref(), OFlags::PATH | OFlags::CLOEXEC)?;
        Ok(rustix::fs::fstat(&file)?.st_ino)
    }

    #[test]
    fn it_follows_what_the_kernel_follows() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(path("d")).unwrap();
        std::fs::write(path("d/f"), "").unwrap();
        std::os::unix::fs::symlink("d/../d", path("relative")).unwrap();
        std::os::unix::fs::symlink(path("d/f"), path("absolute")).unwrap();
        std::os::unix::fs::symlink("circle", path("circle")).unwrap();
        for name in ["d/f", "relative/f", "absolute", "d", "relative", "./d/./f"] {
            let expected = std::fs::metadata(path(name)).unwrap().ino();
            assert_eq!(opened(&path(name)), Ok(expected), "{name}");
        }
        assert_eq!(opened(&path("circle")), Err(Errno::LOOP));
        assert_eq!(opened(&path("absent/f")), Err(Errno::NOENT));
        assert!(opened("/").is_ok());
    }

    #[test]
    fn magic_links_are_refused() {
        assert!(opened("/proc/self/status").is_ok());
        assert_eq!(opened("/proc/self/exe"), Err(Errno::LOOP));
        assert_eq!(opened("/proc/self/root/etc"), Err(Errno::LOOP));
    }
}

//! Who can be writing to a file at this moment: nothing of the sandbox, but a question that only an unsafe call answers.

use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::sys;

/// What the kernel says about the writers of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// Nobody has it open for writing or mapped so.
    None,
    /// Somebody has.
    Some,
    /// It does not say: the file is another user's, or its file system has no leases.
    Unknown,
}

/// Asks about a regular file that is open for reading only.
pub fn writers(file: impl AsFd) -> Writers {
    match sys::try_read_lease(file.as_fd()) {
        Ok(()) => Writers::None,
        Err(Errno::AGAIN) => Writers::Some,
        Err(_) => Writers::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_writer_is_seen_until_it_is_gone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let reader = File::open(file.path()).unwrap();
        assert_eq!(writers(&reader), Writers::Some);
        let path = file.into_temp_path();
        assert_eq!(writers(&reader), Writers::None);
        let appending = File::options().append(true).open(&path).unwrap();
        assert_eq!(writers(&reader), Writers::Some);
        drop(appending);
        let _reading = File::open(&path).unwrap();
        assert_eq!(writers(&reader), Writers::None);
        // Not one of ours, and on a file system of the kernel's own.
        assert_ne!(writers(File::open("/proc/self/status").unwrap()), Writers::Some);
    }
}

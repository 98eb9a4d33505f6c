//! [`NewFile`]: a file outside of the store that appears under its name only when it is whole.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file beside its destination, `NAME.PID.tmp`, that is renamed to it. It is locked while it is written: so a sweep
/// knows what processes have left that were killed.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    temporary: PathBuf,
    destination: PathBuf,
    done: bool,
}

impl NewFile {
    /// Makes the file.
    ///
    /// # Errors
    /// The directory is not there or may not be written.
    pub fn create(destination: &Path) -> io::Result<Self> {
        Self::named(destination, &|name| destination.with_file_name(name))
    }

    /// Makes the file in a directory of the same file system, rather than beside its destination.
    ///
    /// # Errors
    /// The directory is not there or may not be written.
    pub fn create_in(directory: &Path, destination: &Path) -> io::Result<Self> {
        Self::named(destination, &|name| directory.join(name))
    }

    fn named(destination: &Path, place: &dyn Fn(OsString) -> PathBuf) -> io::Result<Self> {
        let name = destination.file_name().unwrap_or_default();
        let mut number = std::process::id();
        loop {
            let mut temporary = name.to_owned();
            temporary.push(format!(".{number}.tmp"));
            let temporary = place(temporary);
            let file = match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                // Of a process that had this number before, or has it elsewhere.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    number = number.wrapping_add(1);
                    continue;
                }
                other => other?,
            };
            // Where files cannot be locked they are not swept either.
            let _ = file.lock();
            // A sweep may have taken it for a leftover just before it was locked.
            if is_named(&file, &temporary) {
                return Ok(Self {
                    file,
                    temporary,
                    destination: destination.to_owned(),
                    done: false,
                });
            }
        }
    }

    /// Removes what killed processes left for this destination.
    pub fn sweep_beside(destination: &Path) {
        let parent = match destination.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if let Some(name) = destination.file_name().and_then(|name| name.to_str()) {
            sweep(parent, |of| of == name);
        }
    }

    /// Removes what killed processes left for any destination in this directory.
    pub fn sweep_in(dir: &Path) {
        sweep(dir, |_| true);
    }

    /// What is written to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// It cannot be renamed: there is a directory of that name.
    pub fn commit(mut self) -> io::Result<()> {
        std::fs::rename(&self.temporary, &self.destination)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.done {
            // Best effort: why it was not finished is what counts.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

fn is_named(file: &File, path: &Path) -> bool {
    let Ok(ours) = file.metadata() else { return false };
    std::fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
}

/// Removes what nobody writes any more. What cannot be looked at or removed stays: it is no reason to fail.
fn sweep(dir: &Path, wanted: impl Fn(&str) -> bool) {
    let is_ours = |name: &str| {
        let parts = name.strip_suffix(".tmp").and_then(|rest| rest.rsplit_once('.'));
        parts.is_some_and(|(of, pid)| {
            !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) && wanted(of)
        })
    };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_str().is_some_and(is_ours) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = OpenOptions::new().write(true).open(&path) else {
            continue;
        };
        if file.try_lock().is_ok() && is_named(&file, &path) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_is_whole_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.tar");
        std::fs::write(&path, "old").unwrap();
        let dropped = NewFile::create(&path).unwrap();
        dropped.file().write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(
            (names(dir.path()), std::fs::read(&path).unwrap()),
            (vec!["out.tar".to_owned()], b"old".to_vec())
        );
        let new = NewFile::create(&path).unwrap();
        new.file().write_all(b"new").unwrap();
        new.commit().unwrap();
        assert_eq!(
            (names(dir.path()), std::fs::read(&path).unwrap()),
            (vec!["out.tar".to_owned()], b"new".to_vec())
        );
    }

    #[test]
    fn what_the_dead_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.tar");
        let stay = [
            "out.tar.tmp",
            "out.tar.x1.tmp",
            "out.tar.1.tmp.bak",
            "other.tar.1.tmp",
            "out.tar..tmp",
        ];
        for name in stay.iter().chain(&["out.tar.1.tmp", "out.tar.99999999.tmp"]) {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("out.tar.2.tmp")).unwrap();
        let living = dir.path().join("out.tar.3.tmp");
        let held = File::create(&living).unwrap();
        held.lock().unwrap();
        NewFile::sweep_beside(&path);
        NewFile::create(&path).unwrap().commit().unwrap();
        let mut expected: Vec<&str> = stay.to_vec();
        expected.extend(["out.tar", "out.tar.2.tmp", "out.tar.3.tmp"]);
        expected.sort_unstable();
        assert_eq!(names(dir.path()), expected);
        NewFile::sweep_in(dir.path());
        expected.retain(|name| *name != "other.tar.1.tmp");
        assert_eq!(names(dir.path()), expected);
    }
}

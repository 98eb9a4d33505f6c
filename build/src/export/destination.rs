//! Where one stream of bytes goes: a file that appears whole, a pipe or device, standard output.

use crate::error::{Error, ExportError};
use crate::outlet::Outlet;
use crate::request::Destination;
use rbuild_layer::Stop;
use rbuild_store::NewFile;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// How often it is looked whether somebody reads a pipe.
const PAUSE: Duration = Duration::from_millis(50);

/// Opens a destination for one stream. A file appears under its name only when it is whole.
pub(super) fn write_to<T>(
    dest: &Destination,
    stop: &Stop,
    work: impl FnOnce(&str, &mut dyn Write) -> Result<T, Error>,
) -> Result<T, Error> {
    match dest {
        Destination::Stdout => {
            let stdout = io::stdout();
            if stdout.is_terminal() {
                return Err(ExportError::Terminal.into());
            }
            let over = stop.clone();
            let stdout = Outlet::new(stdout, move || over.is_stopped());
            stream(stdout, "standard output", stop, work)
        }
        Destination::Path(path) => write_file(path, stop, work),
    }
}

/// Writes a small file; the stop of a build ends that too.
///
/// # Errors
/// It cannot be written.
pub fn write_bytes(path: &Path, bytes: &[u8], stop: &crate::Stop) -> Result<(), Error> {
    let written = Stop::new();
    let ended = written.clone();
    let _ends = stop.also(move || ended.stop());
    write_file(path, &written, |name, out| {
        Ok(out.write_all(bytes).map_err(|error| cut(name, error))?)
    })
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn write_file<T>(
    path: &Path,
    stop: &Stop,
    work: impl FnOnce(&str, &mut dyn Write) -> Result<T, Error>,
) -> Result<T, Error> {
    let shown = format!("`{}`", path.display());
    let at = |error: io::Error| cut(&shown, error);
    // What a link leads to is replaced, not the link; one that leads to nothing yet is written through.
    let path = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => path.canonicalize().map_err(at)?,
        Err(_) if std::fs::symlink_metadata(path).is_err() => path.to_owned(),
        // A pipe or device is written as it is; a directory gives its error here.
        _ => return stream(open(path, stop).map_err(at)?, &shown, stop, work),
    };
    NewFile::sweep_beside(&path);
    let new = NewFile::create(&path).map_err(at)?;
    let done = stream(new.file(), &shown, stop, work)?;
    new.commit().map_err(at)?;
    Ok(done)
}

/// Opens what is written as it is. Somebody must have opened a pipe for reading before (`fifo(7)`): that is waited for.
#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn open(path: &Path, stop: &Stop) -> io::Result<Outlet<File>> {
    let is_pipe = std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo());
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    if is_pipe {
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = loop {
        match options.open(path) {
            Err(error) if is_pipe && error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                if stop.is_stopped() {
                    return Err(io::Error::other("interrupted: nobody reads"));
                }
                std::thread::sleep(PAUSE);
            }
            opened => break opened?,
        }
    };
    let over = stop.clone();
    Ok(Outlet::new(file, move || over.is_stopped()))
}

fn stream<T>(
    to: impl Write,
    name: &str,
    stop: &Stop,
    work: impl FnOnce(&str, &mut dyn Write) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut out = BufWriter::with_capacity(1 << 20, Interruptible(to, stop));
    let done = work(name, &mut out)?;
    out.flush().map_err(|error| cut(name, error))?;
    Ok(done)
}

/// What keeps a stream from being written.
fn cut(name: &str, source: io::Error) -> ExportError {
    ExportError::Stream {
        name: name.to_owned(),
        source,
    }
}

/// What keeps that from being made which is written to a stream.
pub(super) fn unwritten(name: &str, error: impl Into<Error>) -> Error {
    ExportError::Write {
        name: name.to_owned(),
        source: Box::new(error.into()),
    }
    .into()
}

/// Fails when it was told to end, so that a long export stops and cleans up.
pub(super) struct Interruptible<'a, W>(pub(super) W, pub(super) &'a Stop);

impl<W: Write> Write for Interruptible<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not of the kind `Interrupted`, which writers take as a reason to try again.
        if self.1.is_stopped() {
            return Err(io::Error::other("interrupted"));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, stop: &Stop, fails: bool) -> Result<(), String> {
        write_file(path, stop, |name, out| {
            out.write_all(b"new").map_err(|error| cut(name, error))?;
            match fails {
                true => Err(Error::Stopped),
                false => Ok(()),
            }
        })
        .map_err(|failure| failure.to_string())
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_whole_or_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        write(&path, &Stop::new(), true).unwrap_err();
        assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
        std::fs::write(&path, "old").unwrap();
        write(&path, &Stop::new(), true).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        write(&path, &Stop::new(), false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("real"), "old").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("real", &link).unwrap();
        write(&link, &Stop::new(), false).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(dir.path().join("real")).unwrap(), b"new");
    }

    #[test]
    fn a_pipe_waits_for_its_reader_and_ends_without_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        let reading = path.clone();
        let reader = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            std::fs::read(reading).unwrap()
        });
        write(&path, &Stop::new(), false).unwrap();
        assert_eq!(reader.join().unwrap(), b"new");
        let stop = Stop::new();
        let waiting = stop.clone();
        let writer = std::thread::spawn(move || write(&path, &waiting, false));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!writer.is_finished());
        stop.stop();
        let error = writer.join().unwrap().unwrap_err();
        assert!(error.contains("nobody reads"), "{error}");
        assert_eq!(names(dir.path()), ["pipe"]);
    }

    #[test]
    fn a_stop_ends_the_writing_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let stop = Stop::new();
        stop.stop();
        let error = write(&dir.path().join("out"), &stop, false).unwrap_err();
        assert!(error.contains("interrupted"), "{error}");
        assert!(names(dir.path()).is_empty());
    }
}

//! Where one stream of bytes goes: a file that appears whole, a pipe or device, standard output.

use crate::error::Failure;
use crate::request::Destination;
use rbuild_layer::Stop;
use rbuild_store::NewFile;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

/// Opens a destination for one stream. A file appears under its name only when it is whole.
pub(super) fn write_to<T>(
    dest: &Destination,
    stop: &Stop,
    work: impl FnOnce(&str, &mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match dest {
        Destination::Stdout => {
            let stdout = io::stdout();
            if stdout.is_terminal() {
                return Err(Failure::usage("refusing to write an archive to a terminal")
                    .hint("redirect standard output, or give a file as dest="));
            }
            stream(stdout.lock(), "standard output", stop, work)
        }
        Destination::Path(path) => write_file(path, stop, work),
    }
}

/// Writes a small file.
///
/// # Errors
/// It cannot be written.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_file(path, &Stop::new(), |name, out| {
        out.write_all(bytes)
            .map_err(|error| Failure::host(format!("writing {name}: {error}")))
    })
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn write_file<T>(
    path: &Path,
    stop: &Stop,
    work: impl FnOnce(&str, &mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let shown = format!("`{}`", path.display());
    let at = |error: io::Error| Failure::host(format!("writing {shown}: {error}"));
    // What a link leads to is replaced, not the link; one that leads to nothing yet is written through.
    let path = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => path.canonicalize().map_err(at)?,
        Err(_) if std::fs::symlink_metadata(path).is_err() => path.to_owned(),
        // A pipe or device is written as it is; a directory gives its error here.
        _ => return stream(std::fs::File::create(path).map_err(at)?, &shown, stop, work),
    };
    NewFile::sweep_beside(&path);
    let new = NewFile::create(&path).map_err(at)?;
    let done = stream(new.file(), &shown, stop, work)?;
    new.commit().map_err(at)?;
    Ok(done)
}

fn stream<T>(
    to: impl Write,
    name: &str,
    stop: &Stop,
    work: impl FnOnce(&str, &mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut out = BufWriter::with_capacity(1 << 20, Interruptible(to, stop));
    let done = work(name, &mut out)?;
    out.flush()
        .map_err(|error| Failure::host(format!("writing {name}: {error}")))?;
    Ok(done)
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

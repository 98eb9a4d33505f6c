//! A context on standard input: a tar (plain or compressed), or a Dockerfile with an empty context.

use crate::error::{Failure, Kind};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Reads standard input. Gives the directory of the context, the Dockerfile if that is what came, and the temporary
/// directory that holds it all.
///
/// # Errors
/// It cannot be read, or the archive is broken.
pub fn read() -> Result<(PathBuf, Option<Vec<u8>>, Option<tempfile::TempDir>), Failure> {
    let at = |error: std::io::Error| Failure::host(format!("reading the context from standard input: {error}"));
    let dir = tempfile::Builder::new().prefix("rbuild-context-").tempdir().map_err(at)?;
    let path = dir.path().canonicalize().map_err(at)?;
    let mut spool = tempfile::tempfile().map_err(at)?;
    std::io::copy(&mut std::io::stdin().lock(), &mut spool).map_err(at)?;
    spool.flush().map_err(at)?;
    spool.seek(SeekFrom::Start(0)).map_err(at)?;
    let mut head = Vec::new();
    Read::by_ref(&mut spool).take(1024).read_to_end(&mut head).map_err(at)?;
    if head.is_empty() {
        return Err(Failure::usage("standard input, given as the context, is empty"));
    }
    spool.seek(SeekFrom::Start(0)).map_err(at)?;
    let is_archive = rbuild_store::layer::is_tar(&head)
        || rbuild_store::layer::Compression::of(&head) != rbuild_store::layer::Compression::None;
    if !is_archive {
        let mut text = Vec::new();
        spool.read_to_end(&mut text).map_err(at)?;
        return Ok((path, Some(text), Some(dir)));
    }
    super::unpack::unpack(spool, &path).map_err(|error| {
        Failure::from_error(Kind::Usage, &error).context("unpacking the context from standard input")
    })?;
    Ok((path, None, Some(dir)))
}

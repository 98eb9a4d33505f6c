//! Contexts that come as one stream, on standard input or from a URL: a tar (plain or compressed), or a Dockerfile with
//! an empty context.

use crate::error::{Failure, Kind};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use tempfile::TempDir;

/// A context that did not come as a directory.
pub struct Fetched {
    /// Its directory.
    pub path: PathBuf,
    /// The Dockerfile, if that is what came.
    pub dockerfile: Option<Vec<u8>>,
    /// Holds the directory.
    pub dir: TempDir,
}

/// Reads standard input.
///
/// # Errors
/// It cannot be read, is empty, or the archive is broken.
pub fn read() -> Result<Fetched, Failure> {
    let at =
        |error: std::io::Error| Failure::host(format!("reading the context from standard input: {error}"));
    let mut spool = tempfile::tempfile().map_err(at)?;
    std::io::copy(&mut std::io::stdin().lock(), &mut spool).map_err(at)?;
    from_file(spool, "standard input")
}

/// A temporary directory for a context. It is the caller's own, mode 0700.
pub(super) fn directory() -> Result<(TempDir, PathBuf), Failure> {
    tempfile::Builder::new()
        .prefix("rbuild-context-")
        .tempdir()
        .and_then(|dir| dir.path().canonicalize().map(|path| (dir, path)))
        .map_err(|error| Failure::host(format!("making a directory for the context: {error}")))
}

/// A context from a file; `name` says where it came from.
pub(super) fn from_file(mut spool: File, name: &str) -> Result<Fetched, Failure> {
    let at = |error: std::io::Error| Failure::host(format!("reading the context from {name}: {error}"));
    let (dir, path) = directory()?;
    spool.seek(SeekFrom::Start(0)).map_err(at)?;
    let mut head = Vec::new();
    Read::by_ref(&mut spool)
        .take(1024)
        .read_to_end(&mut head)
        .map_err(at)?;
    if head.is_empty() {
        return Err(Failure::usage(format!("the context from {name} is empty")));
    }
    spool.seek(SeekFrom::Start(0)).map_err(at)?;
    let is_archive = rbuild_layer::is_tar(&head)
        || rbuild_layer::Compression::of(&head) != rbuild_layer::Compression::None;
    if !is_archive {
        let mut text = Vec::new();
        spool.read_to_end(&mut text).map_err(at)?;
        return Ok(Fetched {
            path,
            dockerfile: Some(text),
            dir,
        });
    }
    super::unpack::unpack(spool, &path).map_err(|error| {
        Failure::from_error(Kind::Usage, &error).context(format!("unpacking the context from {name}"))
    })?;
    Ok(Fetched {
        path,
        dockerfile: None,
        dir,
    })
}

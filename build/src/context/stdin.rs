//! Contexts that come as one stream, on standard input or from a URL: a tar (plain or compressed), or a Dockerfile with
//! an empty context.

use super::place::Place;
use super::text::{self, TextError};
use crate::error::{ContextError, Error};
use crate::inlet::Inlet;
use crate::stop::Stop;
use rbuild_layer::{Compression, sniff_archive};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// A context that did not come as a directory.
pub struct Fetched {
    /// Its directory.
    pub path: PathBuf,
    /// The Dockerfile, if that is what came.
    pub dockerfile: Option<Vec<u8>>,
    /// Holds the directory.
    pub place: Place,
}

/// Reads standard input.
///
/// # Errors
/// It cannot be read, is empty, or the archive is broken; or the build was stopped meanwhile.
pub fn read(place: Place, stop: &Stop) -> Result<Fetched, Error> {
    let mut spool = place.spool()?;
    let mut input = BufReader::with_capacity(1 << 17, Inlet::new(std::io::stdin(), stop));
    std::io::copy(&mut input, &mut spool).map_err(|error| read_failed(INPUT, error))?;
    from_file(spool, INPUT, place, stop)
}

/// A context from a file; `name` says where it came from.
pub(super) fn from_file(mut spool: File, name: &str, place: Place, stop: &Stop) -> Result<Fetched, Error> {
    let at = |error: std::io::Error| read_failed(name, error);
    let path = place.context()?;
    spool.seek(SeekFrom::Start(0)).map_err(at)?;
    let mut head = Vec::new();
    Read::by_ref(&mut spool)
        .take(512)
        .read_to_end(&mut head)
        .map_err(at)?;
    if head.is_empty() {
        let name = name.to_owned();
        return Err(ContextError::Empty { name }.into());
    }
    spool.seek(SeekFrom::Start(0)).map_err(at)?;
    // What is compressed is no Dockerfile, and neither are the zeros of an empty archive.
    let is_archive = Compression::of(&head) != Compression::None
        || head.iter().all(|byte| *byte == 0)
        || sniff_archive(&mut spool).is_some();
    spool.seek(SeekFrom::Start(0)).map_err(at)?;
    if !is_archive {
        let text = text::limited(spool).map_err(|source| match source {
            TextError::TooLarge => ContextError::NeitherArchive {
                name: name.to_owned(),
                source,
            },
            source => ContextError::Read {
                name: name.to_owned(),
                source,
            },
        })?;
        return Ok(Fetched {
            path,
            dockerfile: Some(text),
            place,
        });
    }
    super::unpack::unpack(Inlet::new(spool, stop), &path).map_err(|source| ContextError::Unpack {
        name: name.to_owned(),
        source: Box::new(source),
    })?;
    Ok(Fetched {
        path,
        dockerfile: None,
        place,
    })
}

/// Where a context comes from that is piped in.
const INPUT: &str = "standard input";

fn read_failed(name: &str, error: std::io::Error) -> ContextError {
    ContextError::Read {
        name: name.to_owned(),
        source: error.into(),
    }
}

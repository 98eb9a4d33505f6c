//! A shared cache in a directory: a folder of a CI, an artefact that is carried from job to job, a network file system.
//!
//! ```text
//! ac/<key>         the record of a key
//! cas/<sha256>     the bytes that records name
//! tmp/             what is being written; each file is renamed to its place when it is whole
//! ```

use super::place::{Place, Source};
use super::record::{LIMIT, Piece, SharedRecord};
use crate::error::SharedCacheError;
use rbuild_oci::Digest;
use rbuild_store::{Key, NewFile};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Once;

const RECORDS: &str = "ac";
const BYTES: &str = "cas";
const BORN: &str = "tmp";

/// A shared cache in a directory.
pub(crate) struct Directory {
    path: PathBuf,
    /// Its folders are there, and what killed processes left is not.
    prepared: Once,
}

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            prepared: Once::new(),
        }
    }

    fn record_path(&self, key: &Key) -> PathBuf {
        self.path.join(RECORDS).join(key.as_str())
    }

    fn bytes_path(&self, digest: &Digest) -> PathBuf {
        self.path.join(BYTES).join(digest.to_hex())
    }

    /// Writes a file that is there whole or not at all. Whoever else writes the same renames over it, or under it.
    fn write(
        &self,
        path: &Path,
        write: impl FnOnce(&mut &File) -> io::Result<()>,
    ) -> Result<(), SharedCacheError> {
        self.prepare()?;
        let born = self.path.join(BORN);
        let failed = |source| SharedCacheError::File {
            operation: "write",
            path: path.to_owned(),
            source,
        };
        let new = NewFile::create_in(&born, path).map_err(failed)?;
        write(&mut new.file()).map_err(failed)?;
        new.commit().map_err(failed)
    }

    #[expect(clippy::disallowed_methods, reason = "below a path that the caller names")]
    fn prepare(&self) -> Result<(), SharedCacheError> {
        let mut made = Ok(());
        self.prepared.call_once(|| {
            for folder in [RECORDS, BYTES, BORN] {
                let path = self.path.join(folder);
                if let Err(source) = fs::create_dir_all(&path) {
                    made = Err(SharedCacheError::File {
                        operation: "make",
                        path,
                        source,
                    });
                    return;
                }
            }
            NewFile::sweep_in(&self.path.join(BORN));
        });
        made
    }
}

#[expect(clippy::disallowed_methods, reason = "below a path that the caller names")]
fn open(path: &Path) -> Result<Option<File>, SharedCacheError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(SharedCacheError::File {
            operation: "open",
            path: path.to_owned(),
            source,
        }),
    }
}

#[expect(clippy::disallowed_methods, reason = "below a path that the caller names")]
fn size(path: &Path) -> Result<Option<u64>, SharedCacheError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(SharedCacheError::File {
            operation: "look at",
            path: path.to_owned(),
            source,
        }),
    }
}

impl Place for Directory {
    fn record(&self, key: &Key) -> Result<Option<Vec<u8>>, SharedCacheError> {
        let path = self.record_path(key);
        let Some(file) = open(&path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| SharedCacheError::File {
                operation: "read",
                path,
                source,
            })?;
        Ok(Some(bytes))
    }

    fn has_record(&self, key: &Key) -> Result<bool, SharedCacheError> {
        Ok(size(&self.record_path(key))?.is_some_and(|size| size > 0))
    }

    fn put_record(&self, record: &SharedRecord) -> Result<(), SharedCacheError> {
        let bytes = record.to_bytes()?;
        self.write(&self.record_path(&record.key), |file| {
            io::Write::write_all(file, &bytes)
        })
    }

    fn open(&self, piece: &Piece) -> Result<Option<Box<dyn Read + Send + '_>>, SharedCacheError> {
        let file = open(&self.bytes_path(&piece.digest))?;
        Ok(file.map(|file| Box::new(file) as Box<dyn Read + Send>))
    }

    fn has(&self, piece: &Piece) -> Result<bool, SharedCacheError> {
        Ok(size(&self.bytes_path(&piece.digest))? == Some(piece.size))
    }

    fn put(&self, piece: &Piece, source: &Source<'_>) -> Result<(), SharedCacheError> {
        self.write(&self.bytes_path(&piece.digest), |file| {
            let copied = io::copy(&mut source(0)?, file)?;
            match copied == piece.size {
                true => Ok(()),
                false => Err(ErrorKind::UnexpectedEof.into()),
            }
        })
    }
}

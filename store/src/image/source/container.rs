//! [`Container`]: the files of an image layout, in a directory or in a tar file, read without leaving either.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rbuild_oci::DocumentError;
use rbuild_rootdir::Root;

use crate::blob::VerifyingReader;
use crate::error::StoreError;
use crate::image::ImageError;
use crate::image::source::SourceLayer;
use crate::image::source::archive::TarArchive;

/// Where the files of an image from outside are.
#[derive(Debug)]
pub(crate) enum Container {
    /// A directory; links in it cannot lead out of it.
    Dir {
        /// Its path, for messages.
        path: std::path::PathBuf,
        /// The only way in.
        root: Root,
    },
    /// A tar file.
    Tar(TarArchive),
}

impl Container {
    #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
    pub(crate) fn open(
        path: &Path,
        spool: &dyn Fn() -> Result<File, StoreError>,
    ) -> Result<Self, ImageError> {
        let metadata = std::fs::metadata(path).map_err(|error| StoreError::from_io("open", path, error))?;
        if !metadata.is_dir() {
            return TarArchive::open(path, spool).map(Container::Tar);
        }
        let root = Root::open(path).map_err(|error| StoreError::from_io("open", path, error.errno.into()))?;
        Ok(Container::Dir {
            path: path.to_owned(),
            root,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Container::Dir { path, .. } => path,
            Container::Tar(archive) => archive.path(),
        }
    }

    pub(crate) fn has(&self, name: &str) -> Result<bool, ImageError> {
        Ok(self.size(name)?.is_some())
    }

    /// The size in bytes of a file; `None` when there is none of this name.
    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>, ImageError> {
        match self {
            Container::Dir { .. } => match self.file(name)? {
                Some(file) => {
                    let metadata = file
                        .metadata()
                        .map_err(|error| StoreError::from_io("examine", &self.path().join(name), error))?;
                    Ok(Some(metadata.len()))
                }
                None => Ok(None),
            },
            Container::Tar(archive) => archive.size(name),
        }
    }

    fn file(&self, name: &str) -> Result<Option<File>, ImageError> {
        let Container::Dir { path, root } = self else {
            return Ok(None);
        };
        match root.open_file(name.as_bytes()) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(StoreError::from_io("open", &path.join(name), error.errno.into()).into()),
        }
    }

    /// Opens a file that must be there.
    pub(crate) fn reader(&self, name: &str) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        let missing = || ImageError::MissingEntry {
            path: self.path().to_owned(),
            name: name.to_owned(),
        };
        match self {
            Container::Dir { .. } => Ok(Box::new(self.file(name)?.ok_or_else(missing)?)),
            Container::Tar(archive) => Ok(Box::new(archive.reader(name)?.ok_or_else(missing)?)),
        }
    }

    /// What an entry is called in messages.
    pub(crate) fn what(&self, name: &str) -> String {
        format!("`{name}` in `{}`", self.path().display())
    }

    /// Opens a layer, checked on the way where its digest is known.
    pub(crate) fn open_layer(&self, layer: &SourceLayer) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        let reader = self.reader(&layer.name)?;
        Ok(match layer.digest {
            Some(digest) => {
                let size = Some(layer.size);
                Box::new(VerifyingReader::new(reader, self.what(&layer.name), digest, size))
            }
            None => reader,
        })
    }

    /// Reads a whole file that must be there and have at most `limit` bytes.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        self.reader(name)?
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| ImageError::from_read(self.path(), error))?;
        if bytes.len() as u64 > limit {
            return Err(DocumentError::TooLarge {
                what: name.to_owned(),
                limit,
            }
            .into());
        }
        Ok(bytes)
    }
}

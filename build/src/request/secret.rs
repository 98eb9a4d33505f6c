//! The secrets of a build: where they come from, and reading them.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Why a secret cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretError {
    /// A variable of the caller is not there.
    #[error("the environment has no variable {0}")]
    NotSet(String),
    /// A file is not there.
    #[error("`{}`: {source}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Arc<std::io::Error>,
    },
    /// A file is none.
    #[error("`{}` is a directory", .0.display())]
    Directory(PathBuf),
    /// A file cannot be read.
    #[error("reading `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Arc<std::io::Error>,
    },
    /// Nobody means so much.
    #[error("it has more than the {MAX_BYTES} bytes allowed")]
    TooLarge,
    /// A variable cannot hold it.
    #[error("a value with a NUL byte cannot be an environment variable")]
    Nul,
    /// Credentials are text.
    #[error("it is not UTF-8")]
    NotText,
    /// Credentials are lines of a header.
    #[error("no HTTP header can carry its value")]
    Unsendable,
}

/// Where a secret's bytes come from.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// A variable of the caller: its name, and its value if it has one.
    Variable(String, Option<OsString>),
}

/// Without the value.
impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::File(path) => f.debug_tuple("File").field(path).finish(),
            SecretSource::Variable(name, _) => f.debug_tuple("Variable").field(name).finish(),
        }
    }
}

/// A secret. Its bytes are read when a step needs them, once, since a pipe gives them once; they are never stored.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Secret {
    source: SecretSource,
    #[serde(skip)]
    read: Arc<OnceLock<Result<Vec<u8>, SecretError>>>,
}

/// Largest secret, as BuildKit's: 500 KiB.
const MAX_BYTES: u64 = 500 * 1024;

impl Secret {
    /// One that was not read yet.
    #[must_use]
    pub fn new(source: SecretSource) -> Self {
        Self {
            source,
            read: Arc::default(),
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// They cannot be read, or are too many.
    pub fn bytes(&self) -> Result<&[u8], SecretError> {
        let read = self.read.get_or_init(|| match &self.source {
            SecretSource::Variable(name, value) => match value {
                Some(value) => Ok(value.as_encoded_bytes().to_vec()),
                None => Err(SecretError::NotSet(name.clone())),
            },
            SecretSource::File(path) => read(path).map_err(|error| SecretError::Read {
                path: path.clone(),
                source: Arc::new(error),
            }),
        });
        match read {
            Ok(bytes) if bytes.len() as u64 > MAX_BYTES => Err(SecretError::TooLarge),
            Ok(bytes) => Ok(bytes),
            Err(why) => Err(why.clone()),
        }
    }

    /// Why there is nothing to read. Nothing is read.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
    pub fn missing(&self) -> Option<SecretError> {
        match &self.source {
            SecretSource::Variable(name, value) => value.is_none().then(|| SecretError::NotSet(name.clone())),
            SecretSource::File(path) => match std::fs::metadata(path) {
                Err(error) => Some(SecretError::Absent {
                    path: path.clone(),
                    source: Arc::new(error),
                }),
                Ok(meta) if meta.is_dir() => Some(SecretError::Directory(path.clone())),
                Ok(meta) if meta.len() > MAX_BYTES => Some(SecretError::TooLarge),
                Ok(_) => None,
            },
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// At most one byte too many.
#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_pipe_is_read_once_and_never_far_beyond_the_limit() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        let secret = Secret::new(SecretSource::File(path));
        writer.write_all(b"once").unwrap();
        drop(writer);
        let same = secret.clone();
        assert_eq!(secret.bytes().unwrap(), b"once");
        assert_eq!(same.bytes().unwrap(), b"once");
        let endless = Secret::new(SecretSource::File("/dev/zero".into()));
        assert!(endless.bytes().unwrap_err().to_string().contains("512000"));
        assert!(!format!("{secret:?}").contains("once"));
    }
}

//! Where the secrets of a build come from.

use std::path::PathBuf;

/// Where a secret's bytes come from; they are read when a step needs them and never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// An environment variable of the caller.
    Env(String),
}

/// Largest secret, as BuildKit's: 500 KiB.
const MAX_BYTES: usize = 500 * 1024;

impl SecretSource {
    /// The bytes.
    ///
    /// # Errors
    /// They cannot be read, or are too many: in words.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let bytes = match self {
            SecretSource::Env(name) => std::env::var_os(name)
                .map(std::ffi::OsString::into_encoded_bytes)
                .ok_or_else(|| format!("the environment has no variable {name}"))?,
            SecretSource::File(path) => {
                std::fs::read(path).map_err(|error| format!("reading `{}`: {error}", path.display()))?
            }
        };
        if bytes.len() > MAX_BYTES {
            return Err(format!(
                "{} bytes are more than the {MAX_BYTES} allowed",
                bytes.len()
            ));
        }
        Ok(bytes)
    }
}

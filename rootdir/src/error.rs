//! The one error of this crate: what was attempted, on which path, and what the kernel said.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// A failed operation on a path below a root.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {operation} `{}`: {}", Shown(.path), io::Error::from(*.errno))]
pub struct Error {
    /// What was attempted, as an infinitive: `open`, `create directory`.
    pub operation: &'static str,
    /// The path as the caller gave it: relative to the root, or one name in a directory.
    pub path: Vec<u8>,
    /// What the kernel (or the check before it) answered.
    pub errno: Errno,
}

impl Error {
    /// Makes an error for `operation` on `path`.
    pub fn new(operation: &'static str, path: &[u8], errno: Errno) -> Self {
        Error {
            operation,
            path: path.to_vec(),
            errno,
        }
    }

    /// The same failure told with a longer path: the caller of a one-name operation knows it.
    #[must_use]
    pub fn at(mut self, path: &[u8]) -> Self {
        self.path = path.to_vec();
        self
    }

    /// True when the path, or a directory on the way to it, does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno, Errno::NOENT | Errno::NOTDIR)
    }

    /// True when something is there already.
    pub fn is_already_exists(&self) -> bool {
        self.errno == Errno::EXIST
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(io::Error::from(error.errno).kind(), error)
    }
}

/// What every function here returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A path for a message: bytes that are no UTF-8, and control characters, are escaped.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "{}", c.escape_default())?
                } else {
                    write!(f, "{c}")?
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_the_attempt_and_escapes_the_path() {
        let error = Error::new("open", b"a/\xffb\n", Errno::NOENT);
        assert_eq!(
            error.to_string(),
            "cannot open `a/\\xffb\\n`: No such file or directory (os error 2)"
        );
    }
}

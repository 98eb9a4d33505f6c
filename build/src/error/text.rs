//! [`TextError`]: why a file of text that steers a build cannot be had.

use std::io;

/// The largest such file, 16 MiB.
pub const MAX_SIZE: u64 = 16 << 20;

/// Why a file of text cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// Longer than [`MAX_SIZE`], perhaps without an end.
    #[error("it is larger than {} MiB", MAX_SIZE >> 20)]
    TooLarge,
    /// A directory, pipe, device or socket of a context.
    #[error("it is no regular file")]
    NotRegular,
    /// A link of a context that leads to nothing inside of it.
    #[error("it is a link that leads to no file of the context")]
    LeadsOut,
    /// The system says so.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TextError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, TextError::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

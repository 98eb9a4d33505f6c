//! What can go wrong with a layer.

use std::path::PathBuf;
use std::{fmt, io};

use rbuild_oci::DiffId;

use crate::listing::ListingError;
use crate::tree::TreeError;

/// A layer could not be read, written or applied.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// An operation on a file of the layer failed.
    #[error(transparent)]
    Access(#[from] rbuild_rootdir::Error),
    /// A listing could not be read, or the entries make none.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// The tree below could not be asked.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Reading or writing a file's content failed.
    #[error("cannot {operation} `{}`: {source}", Lossy(.path))]
    Content {
        /// What was attempted.
        operation: &'static str,
        /// The path in the layer.
        path: Vec<u8>,
        /// Why it failed.
        source: io::Error,
    },
    /// Writing the archive failed.
    #[error("cannot write the layer's archive: {0}")]
    Output(io::Error),
    /// The owner is not mapped in this user namespace, or may not be given by this process.
    #[error("cannot give `{}` to {uid}:{gid}{}: {source}", Lossy(.path), unmapped(source))]
    Owner {
        /// The path in the layer.
        path: Vec<u8>,
        /// The owner wanted.
        uid: u32,
        /// The group wanted.
        gid: u32,
        /// Why it failed.
        source: io::Error,
    },
    /// A file's size or content is not what it was when the work was planned.
    #[error("`{}` changed while it was read", Lossy(.path))]
    Changed {
        /// The path in the layer.
        path: Vec<u8>,
    },
    /// A file in a directory that a command is about to write in has a name outside of it.
    #[error("`{}` has another name, through which a command could write", Lossy(.path))]
    Shared {
        /// The path in the directory.
        path: Vec<u8>,
    },
    /// The path goes through, or onto, something that is no directory.
    #[error("`{}` is not a directory", Lossy(.path))]
    NotADirectory {
        /// The path that is no directory.
        path: Vec<u8>,
    },
    /// A path that cannot be in a layer.
    #[error("path `{}` {what}", Lossy(.path))]
    Path {
        /// The path.
        path: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The archive ended too early or cannot be read further.
    #[error("{layer} is truncated or unreadable: {source}")]
    Input {
        /// Which layer or archive.
        layer: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The archive is not well-formed.
    #[error("{layer} is malformed at byte {offset}: {what}")]
    Malformed {
        /// Which layer or archive.
        layer: String,
        /// Offset in the uncompressed archive.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// An entry of the archive was refused.
    #[error("{layer}: entry `{}` {what}", Lossy(.path))]
    Entry {
        /// Which layer or archive.
        layer: String,
        /// The name as it is in the archive.
        path: Vec<u8>,
        /// Why it was refused.
        what: &'static str,
    },
    /// What was made of a layer is not what its listing says.
    #[error("{layer} does not make what its listing says")]
    OtherListing {
        /// Which layer.
        layer: String,
    },
    /// The archive is larger than allowed.
    #[error("{layer} {what}")]
    Limit {
        /// Which layer or archive.
        layer: String,
        /// Which limit it passed.
        what: &'static str,
    },
    /// The uncompressed bytes are not the ones that the image names.
    #[error("{layer} has the wrong content: its archive is {actual}, the image names {expected}")]
    WrongDiffId {
        /// Which layer.
        layer: String,
        /// What the image names.
        expected: DiffId,
        /// What was read.
        actual: DiffId,
    },
    /// The compression is known but not supported here.
    #[error("{layer}: {what} is not supported")]
    Unsupported {
        /// Which layer or archive.
        layer: String,
        /// What is not supported.
        what: &'static str,
    },
    /// A helper thread could not be started or died.
    #[error("cannot start a worker thread: {0}")]
    Thread(io::Error),
    /// The directory of the layer cannot be opened.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Host {
        /// What was attempted.
        operation: &'static str,
        /// The host path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl LayerError {
    /// Reading or writing the content of `path` failed.
    pub fn content(operation: &'static str, path: &[u8], source: impl Into<io::Error>) -> Self {
        LayerError::Content {
            operation,
            path: path.to_vec(),
            source: source.into(),
        }
    }

    pub(crate) fn long_path(path: &[u8]) -> Self {
        LayerError::Path {
            path: path.to_vec(),
            what: "is longer than the 4,094 bytes that a path may have",
        }
    }

    /// True when the fault is in what was to become a layer, not in the host or the store.
    pub fn is_input(&self) -> bool {
        match self {
            LayerError::Changed { .. }
            | LayerError::NotADirectory { .. }
            | LayerError::Path { .. }
            | LayerError::Input { .. }
            | LayerError::Malformed { .. }
            | LayerError::Entry { .. }
            | LayerError::OtherListing { .. }
            | LayerError::Limit { .. }
            | LayerError::WrongDiffId { .. }
            | LayerError::Unsupported { .. }
            | LayerError::Listing(ListingError::Invalid { .. }) => true,
            LayerError::Access(_)
            | LayerError::Listing(_)
            | LayerError::Tree(_)
            | LayerError::Content { .. }
            | LayerError::Output(_)
            | LayerError::Owner { .. }
            | LayerError::Thread(_)
            | LayerError::Shared { .. }
            | LayerError::Host { .. } => false,
        }
    }

    /// True when an owner is outside of the ids that this user namespace has.
    pub fn is_unmapped_owner(&self) -> bool {
        matches!(self, LayerError::Owner { source, .. } if source.kind() == io::ErrorKind::InvalidInput)
    }

    /// True when the file system is full.
    pub fn is_no_space(&self) -> bool {
        let full = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        };
        match self {
            LayerError::Access(error) => full(&io::Error::from(error.errno)),
            LayerError::Content { source, .. } | LayerError::Host { source, .. } => full(source),
            LayerError::Output(source) => full(source),
            _ => false,
        }
    }
}

/// What chown(2) means by "Invalid argument": the id has no place in the user namespace.
fn unmapped(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::InvalidInput => ", which is no id here",
        _ => "",
    }
}

/// Bytes of a path for a message; control characters are escaped.
struct Lossy<'a>(&'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        // Of a path that fills the screen both ends are enough to find it.
        const SHOWN: usize = 120;
        let text = String::from_utf8_lossy(self.0);
        let count = text.chars().count();
        let left_out = |at: usize| count > 3 * SHOWN && at >= SHOWN && at < count - SHOWN;
        for (at, c) in text.chars().enumerate() {
            if left_out(at) {
                if at == SHOWN {
                    f.write_str("…")?;
                }
            } else if c.is_control() {
                write!(f, "{}", c.escape_default())?
            } else {
                write!(f, "{c}")?
            }
        }
        Ok(())
    }
}

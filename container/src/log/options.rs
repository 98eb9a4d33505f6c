//! [`LogOptions`]: how much of a log is kept.

use serde::{Deserialize, Serialize};

/// What is kept of a container's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOptions {
    /// Nothing is, with 0 files.
    pub files: u32,
    /// A file is followed by another one when it has this many bytes.
    pub bytes: u64,
}

impl LogOptions {
    /// Nothing is kept.
    pub const NONE: Self = Self { files: 0, bytes: 0 };
}

impl Default for LogOptions {
    /// As docker's `local` driver: the last 100 megabytes.
    fn default() -> Self {
        Self {
            files: 5,
            bytes: 20 << 20,
        }
    }
}

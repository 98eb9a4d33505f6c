//! Reading a file piece by piece, as long as it was said to be.

use std::io::{ErrorKind, Read};

use crate::{LayerError, Stop};

/// Bytes in one piece of a large file.
pub(crate) const PIECE: usize = 256 * 1024;

/// Reads the next piece of a file of which `left` bytes are missing. Never empty: a file that ends early has changed.
pub(crate) fn read_piece(
    file: &mut impl Read,
    left: u64,
    buffer: &mut Vec<u8>,
    path: &[u8],
    stop: &Stop,
) -> Result<(), LayerError> {
    stop.check()
        .map_err(|error| LayerError::content("read", path, error))?;
    // Not cleared first: a buffer that is used again is not filled with zeros again.
    buffer.resize(left.min(PIECE as u64) as usize, 0);
    file.read_exact(buffer).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => LayerError::Changed { path: path.to_vec() },
        _ => LayerError::content("read", path, error),
    })
}

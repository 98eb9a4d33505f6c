//! [`Place`]: what a shared cache must be able to do, wherever it is.

use super::record::{Piece, SharedRecord};
use crate::error::SharedCacheError;
use rbuild_store::Key;
use std::io::{self, Read};

/// A place that keeps records and the bytes that they name. Many machines use it at once; none of them locks it.
pub(crate) trait Place: Send + Sync {
    /// The bytes of a key's record; `None` when there is none. At most [`LIMIT`](super::record::LIMIT) and one.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn record(&self, key: &Key) -> Result<Option<Vec<u8>>, SharedCacheError>;

    /// Whether a key has a record, as far as that can be said without reading it.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn has_record(&self, key: &Key) -> Result<bool, SharedCacheError>;

    /// Keeps a record, whose bytes are all there, over an older one.
    ///
    /// # Errors
    /// The place does not take it.
    fn put_record(&self, record: &SharedRecord) -> Result<(), SharedCacheError>;

    /// Opens bytes, unverified; `None` when they are not there.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn open(&self, piece: &Piece) -> Result<Option<Box<dyn Read + Send + '_>>, SharedCacheError>;

    /// Whether it has these bytes, as far as that can be said without reading them.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn has(&self, piece: &Piece) -> Result<bool, SharedCacheError>;

    /// Keeps bytes.
    ///
    /// # Errors
    /// They cannot be read, or the place does not take them.
    fn put(&self, piece: &Piece, source: &Source<'_>) -> Result<(), SharedCacheError>;
}

/// Opens bytes that are sent, as often as it is asked, from an offset on.
pub(crate) type Source<'a> = dyn Fn(u64) -> io::Result<Box<dyn Read>> + 'a;

//! Layers: from a directory to a manifest, from a manifest to a tar, from a tar to a directory.
//!
//! `diff` reads what a command left in an overlay's upper directory; `pack` writes a layer's tar; `unpack` applies
//! tars. Where snapshots are kept and what they are called is not known here.

mod archive;
mod caps;
mod compression;
pub(crate) mod diff;
mod error;
pub(crate) mod fill;
pub(crate) mod flow;
mod gzip;
mod header;
pub(crate) mod inode;
mod magic;
mod pack;
mod pack_tree;
mod pax;
pub(crate) mod stage;
pub(crate) mod unpack;
pub(crate) mod xattr;

pub use archive::{TarEntry, TarKind, TarReader};
pub use compression::{Compression, decompress, sniff_archive};
pub use error::LayerError;
pub use fill::FileSource;
pub use gzip::{DEFAULT_LEVEL, GzipWriter};
pub use magic::is_tar;
pub use pack::{PackedLayer, diff_id, pack};
pub use pack_tree::{pack_squashed, pack_tree};
pub use unpack::Limits;
pub use xattr::image_xattrs;

#[cfg(test)]
pub(crate) use pax::put_record as pax_record;

//! Layers of an image: what changed, as a listing, a directory or a tar, and trees of stacked ones.
//!
//! A [listing](listing::Listing) is the truth about a layer: one sorted entry per changed path. [`diff`] makes it of
//! what a command left in an overlay's upper directory, [`unpack`] of an archive, [`stage`] of single files; [`pack()`]
//! writes the layer's tar from it. A [tree](tree::TreeView) is what a container sees of stacked layers. Where layers
//! are kept and what they are called is not known here.
//!
//! ```
//! use rbuild_rootdir::Root;
//! use rbuild_layer::Stop;
//! use rbuild_layer::listing::{Entry, Listing, Metadata};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = tempfile::tempdir()?;
//! let etc = Entry::dir("etc", Metadata::new(0o755, 0, 0));
//! let listing = Listing::new(vec![Entry::whiteout("tmp"), etc])?;
//! let mut tar = Vec::new();
//! let packed = rbuild_layer::pack(&listing, &Root::open(files.path())?, None, &Stop::new(), &mut tar)?;
//! assert_eq!(packed.size, tar.len() as u64);
//! # Ok(()) }
//! ```

// The law of paths, whose list is in `clippy.toml`.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod archive;
mod blocks;
mod caps;
mod compression;
pub mod dates;
pub mod diff;
mod error;
pub mod fill;
mod flatten;
mod flow;
mod gzip;
mod handles;
mod hash;
mod header;
mod holes;
pub mod inode;
pub mod listing;
mod pack;
mod pack_tree;
pub mod pax;
mod piece;
pub mod plain;
pub mod stage;
mod stop;
mod tar_sink;
pub mod tree;
pub mod unpack;
mod xattr;
mod zstd;

pub use archive::{TarEntry, TarKind, TarReader};
pub use compression::{Compression, decompress, sniff_archive};
pub use error::LayerError;
pub use fill::FileSource;
pub use flatten::flatten;
pub use gzip::{DEFAULT_LEVEL, GzipWriter};
pub use hash::{ContentId, FileHash, SnapshotId};
pub use holes::Holes;
pub use pack::{diff_id, pack};
pub use pack_tree::{pack_squashed, pack_tree, pack_trees};
pub use stop::Stop;
pub use tar_sink::PackedLayer;
pub use unpack::{Limits, clean_name};
pub use xattr::image_xattrs;
pub use zstd::{DEFAULT_ZSTD_LEVEL, MAX_ZSTD_LEVEL, ZstdWriter};

//! Layer tars to blobs, each at most once: `compressed/<diff id>-<algorithm>` remembers which blob it was.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rbuild_layer::{GzipWriter, ZstdWriter, decompress};
use rbuild_oci::{DiffId, Digest};
use sha2::{Digest as _, Sha256};

use crate::blob::{Blob, Expect};
use crate::error::StoreError;
use crate::image::ImageError;
use crate::image::export::{Compression, TarProgram};
use crate::small_file::read_if_there;
use crate::store::Store;

/// The blob of a layer in the given compression. If there is none yet `write` makes the tar, which must have
/// `diff_id`.
pub fn compress_layer(
    store: &Store,
    diff_id: &DiffId,
    compression: Compression,
    write: TarProgram<'_>,
) -> Result<Blob, ImageError> {
    let index = index_path(store, diff_id, compression);
    if let Some(blob) = lookup(store, &index)? {
        return Ok(blob);
    }
    let mut writer = store.blobs().writer(Expect::anything())?;
    let failed = |source: io::Error| layer_error(diff_id, source);
    let hash = match compression {
        Compression::None => {
            let mut hashing = Hashing::new(&mut writer);
            write(&mut hashing).map_err(failed)?;
            hashing.hash
        }
        Compression::Gzip { level } => {
            let mut hashing = Hashing::new(GzipWriter::new(&mut writer, level));
            write(&mut hashing).map_err(failed)?;
            hashing.inner.finish().map_err(failed)?;
            hashing.hash
        }
        Compression::Zstd { level } => {
            let mut hashing = Hashing::new(ZstdWriter::new(&mut writer, level));
            write(&mut hashing).map_err(failed)?;
            hashing.inner.finish().map_err(failed)?;
            hashing.hash
        }
    };
    let actual = DiffId::from_bytes(hash.finalize().into());
    if actual != *diff_id {
        return Err(StoreError::DigestMismatch {
            what: "the layer's tar".to_owned(),
            expected: diff_id.to_string(),
            actual: actual.to_string(),
        }
        .into());
    }
    let blob = writer.commit()?;
    store.write_file(&index, format!("{} {}\n", blob.digest, blob.size).as_bytes())?;
    Ok(blob)
}

fn index_path(store: &Store, diff_id: &DiffId, compression: Compression) -> PathBuf {
    store
        .compressed_dir()
        .join(format!("{}-{}", diff_id.to_hex(), compression.algorithm()))
}

fn lookup(store: &Store, index: &Path) -> Result<Option<Blob>, StoreError> {
    let Some(blob) = read_if_there(index)?.and_then(|bytes| parse_index(&bytes)) else {
        return Ok(None);
    };
    Ok((store.blobs().size(&blob.digest)? == Some(blob.size)).then_some(blob))
}

/// The content of a file in `compressed/`; `None` when it is torn.
pub(crate) fn parse_index(bytes: &[u8]) -> Option<Blob> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (digest, size) = text.strip_suffix('\n')?.split_once(' ')?;
    let digest: Digest = digest.parse().ok()?;
    Some(Blob {
        digest,
        size: size.parse().ok()?,
    })
}

/// Writes what a blob contains, uncompressed and verified.
pub(super) fn copy_uncompressed(store: &Store, digest: &Digest, out: &mut dyn Write) -> io::Result<()> {
    let mut verified = store.blobs().open_verified(digest).map_err(io::Error::other)?;
    let (_, mut plain) = decompress(&mut verified, &format!("layer {digest}")).map_err(io::Error::other)?;
    io::copy(&mut plain, out)?;
    drop(plain);
    // A decompressor may stop before the end of the blob; only the end proves the digest.
    io::copy(&mut verified, &mut io::sink())?;
    Ok(())
}

/// An error that came through a writer or reader: what the store says about it, else that the layer failed.
pub(super) fn layer_error(diff_id: &DiffId, source: io::Error) -> ImageError {
    match source.downcast::<StoreError>() {
        Ok(inner) => ImageError::Store(inner),
        Err(source) => ImageError::Layer {
            diff_id: diff_id.to_string(),
            source,
        },
    }
}

/// Passes bytes on and hashes them.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Hashing {
            inner,
            hash: Sha256::new(),
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

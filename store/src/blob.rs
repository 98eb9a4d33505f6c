//! Blobs by digest: compressed layers, configs and manifests exactly as they were pulled, loaded or made.
//!
//! A blob enters through [`BlobWriter`], which hashes while it writes and refuses bytes that do not have the
//! announced digest and size. Reading can verify again, because disks lie.
//!
//! Not here: what is in a blob, and who still needs it (`gc`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rbuild_oci::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::{IoContext, StoreError};
use crate::small_file::{list_dir, remove_if_there, rename_in};
use crate::store::Store;

/// Bytes moved at once.
const CHUNK: usize = 256 * 1024;

/// A blob that is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    /// What it is called.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What is known about a blob before its bytes arrive.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The digest it must have.
    pub digest: Option<Digest>,
    /// The size it must have, in bytes.
    pub size: Option<u64>,
}

impl Expect {
    /// Nothing is known: the digest is what comes out.
    pub fn anything() -> Self {
        Expect::default()
    }

    /// Both are known, as from a descriptor.
    pub fn exactly(digest: Digest, size: u64) -> Self {
        Expect {
            digest: Some(digest),
            size: Some(size),
        }
    }
}

/// Access to the blobs of one store.
#[derive(Clone, Copy, Debug)]
pub struct Blobs<'a> {
    store: &'a Store,
}

impl Store {
    /// Blobs by digest.
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs { store: self }
    }
}

impl<'a> Blobs<'a> {
    /// Where a blob is or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.store.path("blobs/sha256").join(digest.to_hex())
    }

    /// Whether a blob is there. Its bytes are not looked at.
    pub fn has(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.size(digest)?.is_some())
    }

    /// The size in bytes of a blob, `None` when it is not there.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.path(digest);
        match std::fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::from_io("examine", &path, error)),
        }
    }

    /// Stores what `from` gives until its end. Nothing is kept when digest or size are not as expected.
    pub fn put(&self, expect: Expect, from: &mut dyn Read) -> Result<Blob, StoreError> {
        let mut writer = self.writer(expect)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::from_io("read the data for", writer.path(), error)),
            };
            if count == 0 {
                return writer.commit();
            }
            writer.append(&buffer[..count])?;
        }
    }

    /// Stores bytes that are in memory: configs and manifests.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Blob, StoreError> {
        let digest = Digest::of(bytes);
        let size = bytes.len() as u64;
        // A file that lost its bytes in a power loss may have its size still.
        if self.size(&digest)? == Some(size) && self.read(&digest, size).is_ok() {
            return Ok(Blob { digest, size });
        }
        self.put(Expect::exactly(digest, size), &mut &bytes[..])
    }

    /// Starts a blob whose bytes come piece by piece.
    pub fn writer(&self, expect: Expect) -> Result<BlobWriter<'a>, StoreError> {
        let (path, file) = self.store.new_file()?;
        Ok(BlobWriter {
            blobs: *self,
            born: Born { path, keep: false },
            file,
            hash: Sha256::new(),
            written: 0,
            expect,
        })
    }

    /// Opens a blob without verifying it.
    pub fn open(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        match File::open(&path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::MissingBlob {
                digest: digest.to_string(),
            }),
            Err(error) => Err(StoreError::from_io("open", &path, error)),
        }
    }

    /// Opens a blob for reading once, in order; the last `read` fails if the bytes are not what the name says.
    pub fn open_verified(&self, digest: &Digest) -> Result<VerifyingReader<File>, StoreError> {
        let file = self.open(digest)?;
        Ok(VerifyingReader::new(
            file,
            format!("blob `{}`", self.path(digest).display()),
            *digest,
            None,
        ))
    }

    /// Reads a whole blob that is at most `limit` bytes, and verifies it.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let what = format!("blob `{}`", path.display());
        let mut file = self.open(digest)?.take(limit.saturating_add(1));
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).at("read", &path)?;
        if bytes.len() as u64 > limit {
            return Err(StoreError::SizeMismatch {
                what,
                expected: limit,
                actual: bytes.len() as u64,
            });
        }
        expect_digest(&what, digest, &Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Reads a whole blob and compares its hash with its name.
    pub fn verify(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        let mut reader = self.open_verified(digest)?;
        match io::copy(&mut reader, &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(error) => Err(reader.explain(&path, error)),
        }
    }

    /// Removes those of these blobs that are not what their names say; how many there were. Whoever asks brings them
    /// in again.
    pub fn remove_damaged(&self, digests: impl IntoIterator<Item = Digest>) -> Result<usize, StoreError> {
        let mut removed = 0;
        for digest in digests {
            match self.verify(&digest) {
                Err(error) if error.is_corruption() => removed += usize::from(self.remove(&digest)?),
                Ok(()) | Err(StoreError::MissingBlob { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// Removes a blob; `false` when it was not there.
    pub fn remove(&self, digest: &Digest) -> Result<bool, StoreError> {
        remove_if_there(&self.path(digest))
    }

    /// All blobs, sorted. Files that are not named by a digest are left out.
    pub fn list(&self) -> Result<Vec<Digest>, StoreError> {
        let names = list_dir(&self.store.path("blobs/sha256"))?;
        Ok(names
            .iter()
            .filter_map(|name| Digest::from_hex(name).ok())
            .collect())
    }
}

/// Fails with [`StoreError::DigestMismatch`] when the two differ.
pub(crate) fn expect_digest(what: &str, expected: &Digest, actual: &Digest) -> Result<(), StoreError> {
    if expected == actual {
        return Ok(());
    }
    Err(StoreError::DigestMismatch {
        what: what.to_owned(),
        expected: expected.to_string(),
        actual: actual.to_string(),
    })
}

/// A file under `tmp/` that goes away unless it was renamed.
#[derive(Debug)]
struct Born {
    path: PathBuf,
    keep: bool,
}

impl Drop for Born {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A blob that is being written. Dropping it without [`commit`](Self::commit) leaves nothing.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    blobs: Blobs<'a>,
    born: Born,
    file: File,
    hash: Sha256,
    written: u64,
    expect: Expect,
}

impl BlobWriter<'_> {
    fn path(&self) -> &Path {
        &self.born.path
    }

    fn what(&self) -> String {
        match &self.expect.digest {
            Some(digest) => format!("the data for blob {digest}"),
            None => "the data for a blob".to_owned(),
        }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes. Fails at once when there are more than announced.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let after = self.written + bytes.len() as u64;
        if let Some(expected) = self.expect.size
            && after > expected
        {
            return Err(StoreError::SizeMismatch {
                what: self.what(),
                expected,
                actual: after,
            });
        }
        self.file.write_all(bytes).at("write", &self.born.path)?;
        self.hash.update(bytes);
        self.written = after;
        Ok(())
    }

    /// Checks size and digest, then makes the blob visible under its name.
    pub fn commit(mut self) -> Result<Blob, StoreError> {
        let digest = Digest::from_bytes(std::mem::take(&mut self.hash).finalize().into());
        if let Some(expected) = self.expect.size
            && self.written != expected
        {
            return Err(StoreError::SizeMismatch {
                what: self.what(),
                expected,
                actual: self.written,
            });
        }
        if let Some(expected) = &self.expect.digest {
            expect_digest(&self.what(), expected, &digest)?;
        }
        rename_in(&self.born.path, &self.blobs.path(&digest))?;
        self.born.keep = true;
        Ok(Blob {
            digest,
            size: self.written,
        })
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes bytes on and, at their end, fails unless they had the expected digest (and size).
///
/// The failure is an [`io::Error`] of kind `InvalidData` with a [`StoreError`] inside. Whoever stops before the
/// end has verified nothing.
pub struct VerifyingReader<R> {
    inner: R,
    what: String,
    expected: Digest,
    size: Option<u64>,
    seen: u64,
    hash: Option<Sha256>,
}

impl<R: Read> VerifyingReader<R> {
    /// `what` names the object in errors, for example ``blob `…` ``.
    pub fn new(inner: R, what: String, expected: Digest, size: Option<u64>) -> Self {
        VerifyingReader {
            inner,
            what,
            expected,
            size,
            seen: 0,
            hash: Some(Sha256::new()),
        }
    }

    fn explain(&self, path: &Path, error: io::Error) -> StoreError {
        match error.downcast::<StoreError>() {
            Ok(inner) => inner,
            Err(error) => StoreError::from_io("read", path, error),
        }
    }

    fn fail(error: StoreError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        self.seen += count as u64;
        if let Some(expected) = self.size
            && (self.seen > expected || (count == 0 && self.seen < expected))
        {
            let what = self.what.clone();
            return Err(Self::fail(StoreError::SizeMismatch {
                what,
                expected,
                actual: self.seen,
            }));
        }
        if count > 0 {
            if let Some(hash) = &mut self.hash {
                hash.update(&buffer[..count]);
            }
        } else if let Some(hash) = self.hash.take() {
            let actual = Digest::from_bytes(hash.finalize().into());
            expect_digest(&self.what, &self.expected, &actual).map_err(Self::fail)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Need;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "boot", Need::Writing).unwrap();
        (dir, store)
    }

    fn tmp_files(store: &Store) -> usize {
        let tmp = store.path("tmp");
        list_dir(&tmp)
            .unwrap()
            .iter()
            .map(|name| list_dir(&tmp.join(name)).unwrap().len())
            .sum()
    }

    #[test]
    fn what_goes_in_comes_out() {
        let (_dir, store) = store();
        let blob = store.blobs().put(Expect::anything(), &mut &b"hello"[..]).unwrap();
        assert_eq!(
            blob.digest.to_string(),
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(blob.size, 5);
        assert_eq!(store.blobs().put_bytes(b"hello").unwrap(), blob);
        assert_eq!(store.blobs().read(&blob.digest, 5).unwrap(), b"hello");
        assert!(matches!(
            store.blobs().read(&blob.digest, 4),
            Err(StoreError::SizeMismatch { .. })
        ));
        store.blobs().verify(&blob.digest).unwrap();
        assert_eq!(store.blobs().list().unwrap(), [blob.digest]);
        assert!(store.blobs().remove(&blob.digest).unwrap());
        assert!(!store.blobs().remove(&blob.digest).unwrap());
        assert!(matches!(
            store.blobs().open(&blob.digest),
            Err(StoreError::MissingBlob { .. })
        ));
    }

    #[test]
    fn a_blob_that_lost_its_bytes_is_written_again() {
        let (_dir, store) = store();
        let blobs = store.blobs();
        let [one, other] = [&b"hello"[..], b"other"].map(|bytes| blobs.put_bytes(bytes).unwrap().digest);
        std::fs::write(blobs.path(&one), [0; 5]).unwrap();
        assert_eq!(blobs.remove_damaged([one, other]).unwrap(), 1);
        assert_eq!(blobs.list().unwrap(), [other]);
        std::fs::write(blobs.path(&one), [0; 5]).unwrap();
        blobs.put_bytes(b"hello").unwrap();
        blobs.verify(&one).unwrap();
    }

    #[test]
    fn wrong_digest_or_size_leaves_nothing() {
        let (_dir, store) = store();
        let digest = Digest::of(b"hello");
        let cases: [(&[u8], u64); 3] = [(b"hellx", 5), (b"hell", 5), (b"hello, and much more", 5)];
        for (bytes, size) in cases {
            let error = store
                .blobs()
                .put(Expect::exactly(digest, size), &mut &bytes[..])
                .unwrap_err();
            assert!(error.is_corruption(), "{error}");
            assert!(error.to_string().contains(&digest.to_string()), "{error}");
        }
        assert!(!store.blobs().has(&digest).unwrap());
        assert_eq!(tmp_files(&store), 0);
    }

    #[test]
    fn a_source_that_fails_leaves_nothing() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cable pulled"))
            }
        }
        let (_dir, store) = store();
        store.blobs().put(Expect::anything(), &mut Broken).unwrap_err();
        assert_eq!(tmp_files(&store), 0);
    }

    #[test]
    fn a_changed_byte_is_found() {
        let (_dir, store) = store();
        let blob = store.blobs().put_bytes(b"precious").unwrap();
        std::fs::write(store.blobs().path(&blob.digest), b"precioux").unwrap();
        let error = store.blobs().verify(&blob.digest).unwrap_err();
        assert!(matches!(error, StoreError::DigestMismatch { .. }), "{error}");
        assert!(matches!(
            store.blobs().read(&blob.digest, 100),
            Err(StoreError::DigestMismatch { .. })
        ));
        let mut out = Vec::new();
        let error = store
            .blobs()
            .open_verified(&blob.digest)
            .unwrap()
            .read_to_end(&mut out)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

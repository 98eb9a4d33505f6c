//! Files by URL: fetched once, asked for again with the validators of the last answer, kept as blobs.

use super::HttpAddress;
use crate::clock;
use crate::error::{Error, RemoteError};
use crate::registries::Registries;
use rbuild_oci::Digest;
use rbuild_registry::{Authorization, Download, Validators};
use rbuild_store::Store;
use rbuild_store::blob::Expect;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

/// What is known of a URL.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HttpFile {
    /// Its content, a blob of the store.
    pub digest: Digest,
    /// `Last-Modified`, in seconds since 1970.
    pub mtime: Option<i64>,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl HttpFile {
    fn new(digest: Digest, validators: Validators) -> Self {
        let last_modified = validators.last_modified;
        HttpFile {
            digest,
            mtime: last_modified.as_deref().and_then(clock::parse_http_date),
            etag: validators.etag,
            last_modified,
        }
    }

    /// What it is asked for again with.
    fn validators(&self) -> Validators {
        Validators {
            etag: self.etag.clone(),
            last_modified: self.last_modified.clone(),
        }
    }
}

/// Brings a URL's file into the store, or finds that what is there is still right. With `expected`, what is there
/// with that digest needs no question.
///
/// # Errors
/// It cannot be fetched, or its digest is another.
#[expect(clippy::disallowed_methods, reason = "files of the store")]
pub fn fetch(
    store: &Store,
    registries: &Registries,
    address: &HttpAddress,
    authorization: Option<&Authorization>,
    expected: Option<&Digest>,
    progress: &dyn Fn(u64, Option<u64>),
) -> Result<HttpFile, Error> {
    let url = &address.url;
    let known = std::fs::read(memo_path(store, url))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<HttpFile>(&bytes).ok())
        .filter(|file| store.blobs().has(&file.digest).unwrap_or(false));
    if let (Some(known), Some(expected)) = (&known, expected)
        && known.digest == *expected
    {
        return Ok(known.clone());
    }
    let validators = known.as_ref().map(HttpFile::validators).unwrap_or_default();
    let tmp = store.tmp_dir()?;
    let io = |source: std::io::Error| RemoteError::Keep {
        url: url.clone(),
        source,
    };
    let mut file = std::fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(tmp.path().join("download"))
        .map_err(io)?;
    let answer = download(registries, url, &validators, authorization, &mut file, progress)?;
    let found = match (answer, known) {
        (Download::Unchanged { validators }, Some(known)) => {
            // What it says now holds, as it would in an answer with the file.
            let validators = Validators {
                etag: validators.etag.or_else(|| known.etag.clone()),
                last_modified: validators.last_modified.or_else(|| known.last_modified.clone()),
            };
            let found = HttpFile::new(known.digest, validators);
            if found != known {
                remember(store, url, &found);
            }
            found
        }
        (Download::Unchanged { .. }, None) => {
            return Err(RemoteError::Unasked { url: url.clone() }.into());
        }
        (Download::Fetched { validators, .. }, _) => {
            file.seek(SeekFrom::Start(0)).map_err(io)?;
            let blob = store.blobs().put(Expect::anything(), &mut file)?;
            let found = HttpFile::new(blob.digest, validators);
            remember(store, url, &found);
            found
        }
    };
    if let Some(expected) = expected
        && found.digest != *expected
    {
        return Err(RemoteError::OtherDigest {
            url: url.clone(),
            actual: found.digest,
            expected: *expected,
        }
        .into());
    }
    Ok(found)
}

/// Fetches a file by its URL.
///
/// # Errors
/// In words, with what can be done.
pub fn download(
    registries: &Registries,
    url: &str,
    known: &Validators,
    authorization: Option<&Authorization>,
    file: &mut std::fs::File,
    progress: &dyn Fn(u64, Option<u64>),
) -> Result<Download, Error> {
    registries
        .client()
        .download(url, known, authorization, file, progress)
        .map_err(|source| {
            let download = RemoteError::Download {
                url: url.to_owned(),
                authorized: authorization.is_some(),
                source: Box::new(source),
            };
            download.into()
        })
}

/// Without it the file is only fetched again.
fn remember(store: &Store, url: &str, file: &HttpFile) {
    if let Ok(bytes) = serde_json::to_vec(file) {
        let _ = store.write_file(&memo_path(store, url), &bytes);
    }
}

fn memo_path(store: &Store, url: &str) -> PathBuf {
    store
        .memo_dir()
        .join(format!("url-{}", Digest::of(url.as_bytes()).to_hex()))
}

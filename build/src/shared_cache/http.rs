//! A shared cache behind a URL: the plain protocol of Bazel's remote cache, which `bazel-remote`, nginx with WebDAV and
//! gateways of object stores speak.
//!
//! ```text
//! GET, HEAD, PUT URL/ac/<key>         the record of a key
//! GET, HEAD, PUT URL/cas/<sha256>     the bytes that records name
//! ```

use super::action_result;
use super::place::{Place, Source};
use super::record::{LIMIT, Piece, SharedRecord};
use super::spool::Spool;
use crate::error::SharedCacheError;
use crate::registries::Registries;
use rbuild_registry::{Authorization, Download, Validators};
use rbuild_store::Key;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::sync::OnceLock;

/// A shared cache behind a URL.
pub(crate) struct OverHttp {
    /// Without user info and without a slash at its end.
    url: String,
    /// Who we are, if the URL said so; else the files of credentials are asked.
    login: Option<Authorization>,
    found: OnceLock<Option<Authorization>>,
    registries: Registries,
    spool: Spool,
}

impl OverHttp {
    pub(crate) fn new(url: &str, login: Option<Authorization>, registries: Registries, spool: Spool) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            login,
            found: OnceLock::new(),
            registries,
            spool,
        }
    }

    fn authorization(&self) -> Option<&Authorization> {
        let found = || self.registries.client().authorization_for(&self.url);
        self.login
            .as_ref()
            .or_else(|| self.found.get_or_init(found).as_ref())
    }

    fn record_url(&self, key: &Key) -> String {
        format!("{}/ac/{key}", self.url)
    }

    fn bytes_url(&self, piece: &Piece) -> String {
        format!("{}/cas/{}", self.url, piece.digest.to_hex())
    }

    /// A file of the server; `None` when it is not there.
    fn get(&self, url: &str) -> Result<Option<File>, SharedCacheError> {
        let mut file = self.spool.file()?;
        let client = self.registries.client();
        let known = Validators::default();
        match client.download(url, &known, self.authorization(), &mut file, &|_, _| {}) {
            Ok(Download::Fetched { .. } | Download::Unchanged { .. }) => Ok(Some(self.spool.rewound(file)?)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn exists(&self, url: &str) -> Result<bool, SharedCacheError> {
        Ok(self
            .registries
            .client()
            .object_exists(url, self.authorization())?)
    }
}

impl Place for OverHttp {
    fn record(&self, key: &Key) -> Result<Option<Vec<u8>>, SharedCacheError> {
        let Some(file) = self.get(&self.record_url(key))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| SharedCacheError::Read {
                key: key.clone(),
                source,
            })?;
        // What is no such message may be the record itself: a directory that is served as files.
        Ok(Some(action_result::decode(&bytes).unwrap_or(bytes)))
    }

    fn has_record(&self, key: &Key) -> Result<bool, SharedCacheError> {
        self.exists(&self.record_url(key))
    }

    fn put_record(&self, record: &SharedRecord) -> Result<(), SharedCacheError> {
        let bytes = action_result::encode(&record.to_bytes()?, record.pieces());
        let open = || -> io::Result<Box<dyn Read>> { Ok(Box::new(Cursor::new(bytes.clone()))) };
        let url = self.record_url(&record.key);
        let client = self.registries.client();
        Ok(client.put_object(&url, self.authorization(), bytes.len() as u64, &open)?)
    }

    fn open(&self, piece: &Piece) -> Result<Option<Box<dyn Read + Send + '_>>, SharedCacheError> {
        let file = self.get(&self.bytes_url(piece))?;
        Ok(file.map(|file| Box::new(file) as Box<dyn Read + Send>))
    }

    fn has(&self, piece: &Piece) -> Result<bool, SharedCacheError> {
        self.exists(&self.bytes_url(piece))
    }

    fn put(&self, piece: &Piece, source: &Source<'_>) -> Result<(), SharedCacheError> {
        let client = self.registries.client();
        let url = self.bytes_url(piece);
        Ok(client.put_object(&url, self.authorization(), piece.size, &|| source(0))?)
    }
}

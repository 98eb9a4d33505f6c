//! `AuthFile`: one `config.json` or `auth.json`. Fields that we do not know are kept as they are.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Credential, CredentialError};
use crate::secret::Secret;

const SIZE_LIMIT: u64 = 4 << 20;

pub(super) struct AuthFile {
    path: PathBuf,
    root: Map<String, Value>,
}

impl AuthFile {
    pub(super) fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            root: Map::new(),
        }
    }

    /// `None` when there is no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, CredentialError> {
        let io_error = |source| CredentialError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let text = match fs::metadata(path) {
            Ok(meta) if meta.len() > SIZE_LIMIT => {
                return Err(io_error(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "larger than 4 MiB",
                )));
            }
            Ok(_) => fs::read(path).map_err(io_error)?,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(e) => return Err(io_error(e)),
        };
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Some(Self::empty(path)));
        }
        let bad = |reason: String| CredentialError::Json {
            path: path.to_owned(),
            reason,
        };
        // serde_json's messages for plain values hold positions, never the text itself.
        match serde_json::from_slice::<Value>(&text) {
            Ok(Value::Object(root)) => Ok(Some(Self {
                path: path.to_owned(),
                root,
            })),
            Ok(_) => Err(bad("not an object".to_owned())),
            Err(e) => Err(bad(format!("line {}, column {}", e.line(), e.column()))),
        }
    }

    /// `credHelpers[key]`, else `credsStore`.
    pub(super) fn helper_for(&self, keys: &[String]) -> Option<String> {
        let helpers = self.root.get("credHelpers").and_then(Value::as_object);
        let named = helpers.and_then(|h| keys.iter().find_map(|key| h.get(key)?.as_str()));
        let store = self.root.get("credsStore").and_then(Value::as_str);
        named.or(store).filter(|name| !name.is_empty()).map(str::to_owned)
    }

    /// The first usable entry of `keys` in `auths`. An error names the key and what is wrong.
    pub(super) fn entry(&self, keys: &[String]) -> Result<Option<Credential>, (String, &'static str)> {
        let Some(auths) = self.root.get("auths").and_then(Value::as_object) else {
            return Ok(None);
        };
        for key in keys {
            let exact = auths.get_key_value(key);
            let found = exact.or_else(|| auths.iter().find(|(listed, _)| same_registry(listed, key)));
            if let Some((listed, value)) = found
                && let Some(credential) = decode(value).map_err(|reason| (listed.clone(), reason))?
            {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Whether `auths` or `credHelpers` says anything about one of `keys`.
    pub(super) fn has(&self, keys: &[String]) -> bool {
        ["auths", "credHelpers"].iter().any(|table| {
            self.root
                .get(*table)
                .and_then(Value::as_object)
                .is_some_and(|table| {
                    table
                        .keys()
                        .any(|listed| keys.iter().any(|key| same_registry(listed, key)))
                })
        })
    }

    pub(super) fn insert(&mut self, key: String, credential: &Credential) {
        let entry = match credential {
            Credential::Basic { username, password } => {
                json!({ "auth": STANDARD.encode(format!("{username}:{}", password.reveal())) })
            }
            Credential::IdentityToken(token) => json!({ "auth": "", "identitytoken": token.reveal() }),
            Credential::RegistryToken(token) => json!({ "auth": "", "registrytoken": token.reveal() }),
        };
        let auths = self
            .root
            .entry("auths")
            .or_insert_with(|| Value::Object(Map::new()));
        if !auths.is_object() {
            *auths = Value::Object(Map::new());
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.insert(key, entry);
        }
    }

    /// Removes all entries for `keys`; whether there was one.
    pub(super) fn remove(&mut self, keys: &[String]) -> bool {
        let Some(auths) = self.root.get_mut("auths").and_then(Value::as_object_mut) else {
            return false;
        };
        let before = auths.len();
        auths.retain(|listed, _| !keys.iter().any(|key| same_registry(listed, key)));
        auths.len() != before
    }

    /// Writes beside the file and renames, so that a reader sees the old or the new file. Mode 0600.
    pub(super) fn write(&self) -> Result<(), CredentialError> {
        // A configuration that is a symbolic link stays one: its target is replaced.
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let fail = |action, path: &Path| {
            let path = path.to_owned();
            move |source| CredentialError::Io { action, path, source }
        };
        let dir = match target.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&dir).map_err(fail("create", &dir))?;

        let name = target
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
        let mut text = serde_json::to_string_pretty(&self.root)
            .map_err(|e| fail("write", &target)(io::Error::other(e)))?;
        text.push('\n');
        let write = || -> io::Result<()> {
            match fs::remove_file(&temporary) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &target)
        };
        write().map_err(|source| {
            let _ = fs::remove_file(&temporary);
            fail("write", &target)(source)
        })
    }
}

/// Old files list `https://host/v1/` for what is `host` today.
fn same_registry(listed: &str, key: &str) -> bool {
    let strip = |text: &str| {
        let text = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .unwrap_or(text);
        let text = text.trim_end_matches('/');
        let text = text
            .strip_suffix("/v1")
            .or_else(|| text.strip_suffix("/v2"))
            .unwrap_or(text);
        text.to_owned()
    };
    // Only an old-style key may lose its `/v1`: `host/v1` without a scheme is a namespace.
    let listed_host = if listed.contains("://") {
        strip(listed)
    } else {
        listed.trim_end_matches('/').to_owned()
    };
    let key_host = if key.contains("://") {
        strip(key)
    } else {
        key.to_owned()
    };
    listed_host == key_host
}

fn decode(value: &Value) -> Result<Option<Credential>, &'static str> {
    let field = |name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    if let Some(token) = field("identitytoken") {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    if let Some(token) = field("registrytoken") {
        return Ok(Some(Credential::RegistryToken(Secret::new(token))));
    }
    if let Some(auth) = field("auth") {
        let auth = auth.trim();
        let bytes = STANDARD
            .decode(auth)
            .or_else(|_| STANDARD_NO_PAD.decode(auth))
            .map_err(|_| "`auth` is not base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "`auth` is not UTF-8")?;
        let (username, password) = text.split_once(':').ok_or("`auth` holds no `user:password`")?;
        // Docker once padded with NUL bytes.
        let password = Secret::new(password.trim_end_matches('\0'));
        return Ok(Some(Credential::Basic {
            username: username.to_owned(),
            password,
        }));
    }
    if let (Some(username), Some(password)) = (field("username"), field("password")) {
        let (username, password) = (username.to_owned(), Secret::new(password));
        return Ok(Some(Credential::Basic { username, password }));
    }
    Ok(None)
}

//! Credentials: finding them in Docker's and containers' files and helpers, and saving them for login.
//!
//! What lives here: the order of files, which key wins, what is sent to a helper. The file format is in
//! `auth_file`, the helper protocol in `helper`. Nothing here talks to a registry.

mod auth_file;
mod helper;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use rbuild_oci::DOCKER_HUB;

use crate::env::Env;
use crate::secret::Secret;
use auth_file::AuthFile;

/// The key under which Docker keeps the credentials of its hub.
const HUB_LEGACY_KEY: &str = "https://index.docker.io/v1/";

/// How to introduce oneself to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// User name and password.
    Basic {
        /// User name.
        username: String,
        /// Password or access token used as one.
        password: Secret,
    },
    /// An OAuth2 refresh token for the registry's token server.
    IdentityToken(Secret),
    /// A bearer token that is sent as it is.
    RegistryToken(Secret),
}

/// Something odd that did not stop the lookup; credentials are then looked for elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum CredentialWarning {
    /// A configured helper is not installed.
    #[error("credential helper `docker-credential-{helper}` named in {file} is not in PATH; going on without it", file = .file.display())]
    HelperMissing {
        /// Its name without the prefix.
        helper: String,
        /// Which file names it.
        file: PathBuf,
    },
    /// A helper failed or answered nonsense.
    #[error("credential helper `docker-credential-{helper}` failed: {reason}")]
    HelperFailed {
        /// Its name without the prefix.
        helper: String,
        /// What it said, without secrets.
        reason: String,
    },
    /// An entry cannot be used.
    #[error("the entry for `{key}` in {file} is not valid: {reason}", file = .file.display())]
    BadEntry {
        /// The file.
        file: PathBuf,
        /// The key under `auths`.
        key: String,
        /// What is wrong with it, without secrets.
        reason: Cow<'static, str>,
    },
    /// A file cannot be read.
    #[error("cannot read {file}: {reason}", file = .file.display())]
    BadFile {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Why credentials could not be saved or removed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Neither `HOME` nor `DOCKER_CONFIG` is set.
    #[error("no place to keep credentials: set HOME, DOCKER_CONFIG or REGISTRY_AUTH_FILE")]
    NoPlace,
    /// File trouble.
    #[error("cannot {action} {path}", path = .path.display())]
    Io {
        /// `read`, `write` …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The file is there but is not JSON; it is not overwritten.
    #[error("{path} is not valid JSON, so it is left alone: {reason}", path = .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Parser's words (position only).
        reason: String,
    },
    /// The helper that the file names did not do it.
    #[error("credential helper `docker-credential-{helper}` failed: {reason}")]
    Helper {
        /// Its name without the prefix.
        helper: String,
        /// What it said.
        reason: String,
    },
}

/// Where credentials are found and kept.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    env: Env,
    /// What was given for a host; it comes before what is found.
    given: Option<(String, Credential)>,
}

/// What a lookup found.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// The credential, or none: go on anonymously.
    pub credential: Option<Credential>,
    /// What was odd on the way.
    pub warnings: Vec<CredentialWarning>,
}

/// How long a helper is waited for: until it has answered, or nobody wants to know any more.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// Whether the user wants the end.
    pub is_cancelled: &'a dyn Fn() -> bool,
    /// Is told the name of a helper that takes long, once.
    pub slow: &'a dyn Fn(&str),
}

impl Default for Patience<'_> {
    fn default() -> Self {
        Self {
            is_cancelled: &|| false,
            slow: &|_| {},
        }
    }
}

impl Credentials {
    /// Credentials as this environment sees them.
    pub fn new(env: Env) -> Self {
        Self { env, given: None }
    }

    /// The same, with a credential that is to be used for a host.
    #[must_use]
    pub fn with(self, given: Option<(String, Credential)>) -> Self {
        Self { given, ..self }
    }

    /// Finds the credential for a repository. In each file, in order: the helper for the host, the general
    /// helper, then `auths` with the most specific key (`host/ns/repo`, `host/ns`, `host`).
    pub fn lookup(&self, host: &str, repository: &str, patience: &Patience<'_>) -> Lookup {
        let mut found = Lookup::default();
        if let Some((_, credential)) = self.given.as_ref().filter(|(given, _)| given == host) {
            found.credential = Some(credential.clone());
            return found;
        }
        for path in self.env.auth_files() {
            let file = match AuthFile::read(&path) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(error) => {
                    let reason = match error {
                        CredentialError::Io { source, .. } => source.to_string(),
                        other => other.to_string(),
                    };
                    found
                        .warnings
                        .push(CredentialWarning::BadFile { file: path, reason });
                    continue;
                }
            };
            if let Some(helper) = file.helper_for(&host_keys(host)) {
                match helper::get(&self.env, &helper, &helper_key(host), patience) {
                    Ok(Some(credential)) => {
                        found.credential = Some(credential);
                        return found;
                    }
                    Ok(None) => {}
                    Err(helper::HelperError::Missing) => {
                        found.warnings.push(CredentialWarning::HelperMissing {
                            helper,
                            file: path.clone(),
                        });
                    }
                    Err(helper::HelperError::Cancelled) => return found,
                    Err(helper::HelperError::Failed(reason)) => {
                        found
                            .warnings
                            .push(CredentialWarning::HelperFailed { helper, reason });
                    }
                }
            }
            match file.entry(&lookup_keys(host, repository)) {
                Ok(Some(credential)) => {
                    found.credential = Some(credential);
                    return found;
                }
                Ok(None) => {}
                Err((key, reason)) => {
                    found.warnings.push(CredentialWarning::BadEntry {
                        file: path,
                        key,
                        reason: reason.into(),
                    });
                }
            }
        }
        found
    }

    /// Keeps a credential for a host and says where: in the file that already answers for the host, else in
    /// the explicit file, else in Docker's. The file is 0600 and replaced in one rename.
    pub fn save(&self, host: &str, credential: &Credential) -> Result<PathBuf, CredentialError> {
        let path = self.file_for(host)?;
        let mut file = AuthFile::read(&path)?.unwrap_or_else(|| AuthFile::empty(&path));
        if let Some(helper) = file.helper_for(&host_keys(host)) {
            helper::store(&self.env, &helper, &helper_key(host), credential).map_err(|e| {
                CredentialError::Helper {
                    helper,
                    reason: e.to_string(),
                }
            })?;
            return Ok(path);
        }
        file.remove(&host_keys(host));
        file.insert(save_key(host, &path), credential);
        file.write()?;
        Ok(path)
    }

    /// Forgets a host in every file; says from which files something was removed.
    pub fn remove(&self, host: &str) -> Result<Vec<PathBuf>, CredentialError> {
        let mut changed = Vec::new();
        for path in self.env.auth_files() {
            let Some(mut file) = AuthFile::read(&path)? else {
                continue;
            };
            let mut touched = false;
            if let Some(helper) = file.helper_for(&host_keys(host)) {
                touched = helper::erase(&self.env, &helper, &helper_key(host)).map_err(|e| {
                    CredentialError::Helper {
                        helper,
                        reason: e.to_string(),
                    }
                })?;
            }
            if file.remove(&host_keys(host)) {
                file.write()?;
                touched = true;
            }
            if touched {
                changed.push(path);
            }
        }
        Ok(changed)
    }

    fn file_for(&self, host: &str) -> Result<PathBuf, CredentialError> {
        let files = self.env.auth_files();
        for path in &files {
            // A file that is looked at earlier must not shadow what is saved now.
            if let Ok(Some(file)) = AuthFile::read(path)
                && file.has(&host_keys(host))
            {
                return Ok(path.clone());
            }
        }
        match &self.env.registry_auth_file {
            Some(path) => Ok(path.clone()),
            None => self.env.docker_config_file().ok_or(CredentialError::NoPlace),
        }
    }
}

/// The names under which a host may be listed, best first.
fn host_keys(host: &str) -> Vec<String> {
    if host == DOCKER_HUB {
        return [
            DOCKER_HUB,
            HUB_LEGACY_KEY,
            "index.docker.io",
            "registry-1.docker.io",
        ]
        .map(str::to_owned)
        .to_vec();
    }
    vec![host.to_owned()]
}

/// All keys for a repository, most specific first (containers-auth.json(5)).
fn lookup_keys(host: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = repository;
    while !path.is_empty() {
        keys.push(format!("{host}/{path}"));
        path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    keys.extend(host_keys(host));
    keys
}

fn helper_key(host: &str) -> String {
    if host == DOCKER_HUB {
        HUB_LEGACY_KEY.to_owned()
    } else {
        host.to_owned()
    }
}

fn save_key(host: &str, file: &std::path::Path) -> String {
    // Docker only looks under the old key, podman under the host.
    let dockers = file.file_name().is_some_and(|name| name == "config.json");
    if host == DOCKER_HUB && dockers {
        HUB_LEGACY_KEY.to_owned()
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
#[path = "credentials/tests.rs"]
mod tests;

//! [`Access`]: who we are to remote sources. User and password in a URL, the secrets that BuildKit's users know, and
//! for ssh the agent or keys called `default`.
//!
//! | secret | for | is sent as |
//! |---|---|---|
//! | `HTTP_AUTH_HEADER_<host>`, `HTTP_AUTH_TOKEN_<host>` | files | the header as it stands; a bearer token |
//! | `GIT_AUTH_HEADER.<host>`, `GIT_AUTH_TOKEN.<host>`, then both without a host | repositories over http | the header as it stands; the password of `x-access-token` |
//!
//! A host may be given with its port, which then must fit. Values go into one header and nowhere else.

use crate::address::{GitAddress, HttpAddress, authority};
use crate::error::{Error, RemoteError};
use crate::request::Environment;
use crate::request::SshSource;
use crate::request::{Secret, SecretError};
use rbuild_registry::Authorization;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is known of the caller's credentials.
#[derive(Clone)]
pub struct Access<'a> {
    secrets: &'a BTreeMap<String, Secret>,
    ssh: &'a BTreeMap<String, SshSource>,
    environment: &'a Environment,
    /// Where the caller's ssh files are, when ssh would take this process for somebody else.
    ssh_home: Option<PathBuf>,
}

/// Who git is to the server.
#[derive(Debug, Default)]
pub struct GitAccess {
    /// Over http.
    pub authorization: Option<Authorization>,
    /// The socket of an ssh agent, in place of the caller's.
    pub agent: Option<PathBuf>,
    /// How ssh is called.
    pub ssh_command: String,
    /// What git may have of the caller's variables.
    pub environment: Environment,
}

impl<'a> Access<'a> {
    /// With the values of `--secret` and `--ssh`, and the caller's variables.
    #[must_use]
    pub fn new(
        secrets: &'a BTreeMap<String, Secret>,
        ssh: &'a BTreeMap<String, SshSource>,
        environment: &'a Environment,
    ) -> Self {
        Self {
            secrets,
            ssh,
            environment,
            ssh_home: None,
        }
    }

    /// In a user namespace whose root is the caller ssh takes him for root, and root's home for his.
    #[must_use]
    pub fn with_ssh_home(mut self, home: Option<PathBuf>) -> Self {
        self.ssh_home = home;
        self
    }

    /// What the server of a file is told.
    ///
    /// # Errors
    /// A secret cannot be read, or cannot be sent.
    pub fn to_file(&self, address: &HttpAddress) -> Result<Option<Authorization>, Error> {
        if address.login.is_some() {
            return Ok(address.login.clone());
        }
        for host in hosts(&address.url) {
            if let Some((name, value)) = self.secret(format!("HTTP_AUTH_HEADER_{host}"))? {
                return sendable(&name, Authorization::verbatim(&value)).map(Some);
            }
            if let Some((name, value)) = self.secret(format!("HTTP_AUTH_TOKEN_{host}"))? {
                return sendable(&name, Authorization::bearer(&value)).map(Some);
            }
        }
        Ok(None)
    }

    /// What git may use.
    ///
    /// # Errors
    /// As [`Access::to_file`].
    pub fn to_repository(&self, address: &GitAddress) -> Result<GitAccess, Error> {
        let authorization = match &address.login {
            Some(login) => Some(login.clone()),
            None if address.url.starts_with("http") => self.git_secret(&address.url)?,
            None => None,
        };
        let agent = match self.ssh.get("default") {
            Some(SshSource::Socket(path)) => Some(path.clone()),
            _ => None,
        };
        Ok(GitAccess {
            environment: self.environment.clone(),
            authorization,
            agent,
            ssh_command: self.ssh_command(),
        })
    }

    fn git_secret(&self, url: &str) -> Result<Option<Authorization>, Error> {
        let scopes = hosts(url).map(|host| format!(".{host}")).chain([String::new()]);
        for scope in scopes {
            let header = self.secret(format!("GIT_AUTH_HEADER{scope}"))?;
            let token = self.secret(format!("GIT_AUTH_TOKEN{scope}"))?;
            let (name, authorization) = match (header, token) {
                (Some((name, scheme)), Some((_, token))) if is_scheme(&scheme, "bearer") => {
                    (name, Authorization::bearer(&token))
                }
                // A scheme alone is what Docker's documentation shows beside a token.
                (Some((_, scheme)), Some((name, token))) if is_scheme(&scheme, "basic") => {
                    (name, of_token(&token))
                }
                (Some((name, value)), _) => (name, Authorization::verbatim(&value)),
                (None, Some((name, token))) => (name, of_token(&token)),
                (None, None) => continue,
            };
            return sendable(&name, authorization).map(Some);
        }
        Ok(None)
    }

    fn secret(&self, name: String) -> Result<Option<(String, String)>, Error> {
        let Some(secret) = self.secrets.get(&name) else {
            return Ok(None);
        };
        let wrong = |source: SecretError| RemoteError::Secret {
            name: name.clone(),
            source,
        };
        let bytes = secret.bytes().map_err(wrong)?;
        let value = String::from_utf8(bytes.to_vec()).map_err(|_| wrong(SecretError::NotText))?;
        Ok(Some((name, value)))
    }

    /// Nobody is there to be asked. What stands first counts for ssh.
    #[expect(clippy::disallowed_methods, reason = "the caller's own ~/.ssh")]
    fn ssh_command(&self) -> String {
        let mut command = "ssh -o BatchMode=yes".to_owned();
        if let Some(SshSource::Keys(keys)) = self.ssh.get("default") {
            command.push_str(" -o IdentitiesOnly=yes");
            for key in keys {
                let key = std::path::absolute(key).unwrap_or_else(|_| key.clone());
                command.push_str(&format!(" -i {}", quoted(&key)));
            }
        }
        if let Some(home) = &self.ssh_home {
            let dir = home.join(".ssh");
            let known = dir.join("known_hosts");
            // The value is a list of words to ssh.
            command.push_str(&format!(
                " -o {}",
                quoted(Path::new(&format!("UserKnownHostsFile=\"{}\"", known.display())))
            ));
            let config = dir.join("config");
            if config.exists() {
                command.push_str(&format!(" -F {}", quoted(&config)));
            }
            for key in ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| dir.join(name)) {
                if key.exists() {
                    command.push_str(&format!(" -i {}", quoted(&key)));
                }
            }
        }
        command
    }
}

/// The host of a URL with its port, then without.
fn hosts(url: &str) -> impl Iterator<Item = String> {
    let with_port = authority(url).unwrap_or_default().to_ascii_lowercase();
    let bare = match with_port.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.contains(']') => Some(host.to_owned()),
        _ => None,
    };
    std::iter::once(with_port).chain(bare)
}

fn is_scheme(value: &str, scheme: &str) -> bool {
    value.trim().eq_ignore_ascii_case(scheme)
}

/// The user name that GitHub and GitLab expect beside a token.
fn of_token(token: &str) -> Option<Authorization> {
    Authorization::basic("x-access-token", token.trim())
}

fn sendable(name: &str, authorization: Option<Authorization>) -> Result<Authorization, Error> {
    let unsendable = || RemoteError::Secret {
        name: name.to_owned(),
        source: SecretError::Unsendable,
    };
    Ok(authorization.ok_or_else(unsendable)?)
}

/// As one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Remote;
    use crate::request::SecretSource;

    /// Secrets in files, each worth its name and `-value`.
    fn secrets(names: &[&str], dir: &Path) -> BTreeMap<String, Secret> {
        names
            .iter()
            .map(|name| {
                let path = dir.join(name);
                std::fs::write(&path, format!("{name}-value\n")).unwrap();
                ((*name).to_owned(), Secret::new(SecretSource::File(path)))
            })
            .collect()
    }

    fn sent(names: &[&str], url: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let secrets = secrets(names, dir.path());
        let ssh = BTreeMap::new();
        let environment = Environment::default();
        let access = Access::new(&secrets, &ssh, &environment);
        let authorization = match Remote::parse(url).unwrap().unwrap() {
            Remote::Http(address) => access.to_file(&address).unwrap(),
            Remote::Git(address) => access.to_repository(&address).unwrap().authorization,
        };
        authorization.map(|value| value.reveal().to_owned())
    }

    fn basic(user: &str, password: &str) -> Option<String> {
        Authorization::basic(user, password).map(|value| value.reveal().to_owned())
    }

    #[test]
    fn files_by_host() {
        let token = "HTTP_AUTH_TOKEN_h";
        let bearer = Some(format!("Bearer {token}-value"));
        assert_eq!(sent(&[token], "https://h/f"), bearer);
        assert_eq!(sent(&[token], "https://H:8080/f"), bearer);
        assert_eq!(sent(&[token], "https://other/f"), None);
        assert_eq!(sent(&["HTTP_AUTH_TOKEN_h:1"], "https://h:2/f"), None);
        assert_eq!(
            sent(&[token, "HTTP_AUTH_HEADER_h"], "https://h/f").as_deref(),
            Some("HTTP_AUTH_HEADER_h-value")
        );
        assert_eq!(sent(&[token], "https://me:pw@h/f"), basic("me", "pw"));
        assert_eq!(sent(&["GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN.h"], "https://h/f"), None);
    }

    #[test]
    fn repositories_by_host_then_any() {
        let of = |name: &str| basic("x-access-token", &format!("{name}-value"));
        let both = ["GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN.h"];
        assert_eq!(sent(&both, "https://h/r.git"), of("GIT_AUTH_TOKEN.h"));
        assert_eq!(sent(&both, "https://other/r.git"), of("GIT_AUTH_TOKEN"));
        assert_eq!(
            sent(&["GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"], "https://h/r.git").as_deref(),
            Some("GIT_AUTH_HEADER-value")
        );
        assert_eq!(sent(&["GIT_AUTH_TOKEN"], "git@h:r.git"), None);
    }

    #[test]
    fn a_scheme_beside_a_token() {
        let environment = Environment::default();
        let dir = tempfile::tempdir().unwrap();
        let mut secrets = secrets(&["GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"], dir.path());
        std::fs::write(dir.path().join("GIT_AUTH_HEADER"), "Bearer\n").unwrap();
        let ssh = BTreeMap::new();
        let repository = GitAddress {
            url: "https://h/r.git".into(),
            ..GitAddress::default()
        };
        let sent = |secrets: &BTreeMap<_, _>| {
            let access = Access::new(secrets, &ssh, &environment)
                .to_repository(&repository)
                .unwrap();
            access.authorization.unwrap().reveal().to_owned()
        };
        assert_eq!(sent(&secrets), "Bearer GIT_AUTH_TOKEN-value");
        secrets.insert(
            "GIT_AUTH_HEADER".into(),
            Secret::new(SecretSource::Variable("no such variable".into(), None)),
        );
        let access = Access::new(&secrets, &ssh, &environment);
        let failure = access.to_repository(&repository).unwrap_err();
        assert!(failure.to_string().contains("no such variable"), "{failure}");
    }

    #[test]
    fn words_of_ssh() {
        let environment = Environment::default();
        let secrets = BTreeMap::new();
        let keys = SshSource::Keys(vec!["/k/it's".into()]);
        let ssh = BTreeMap::from([("default".to_owned(), keys)]);
        let access = Access::new(&secrets, &ssh, &environment).with_ssh_home(Some("/home/me".into()));
        assert_eq!(
            access.ssh_command(),
            r#"ssh -o BatchMode=yes -o IdentitiesOnly=yes -i '/k/it'\''s' -o 'UserKnownHostsFile="/home/me/.ssh/known_hosts"'"#
        );
    }
}

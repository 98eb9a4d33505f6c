//! `Error::hint`: what the user can do about it.

use rbuild_oci::{DOCKER_HUB, DocumentError};

use crate::error::{Action, Error, ErrorKind, TransportKind, is_quota};

impl Error {
    /// One sentence of advice for the common cases.
    pub fn hint(&self) -> Option<String> {
        let host = &self.attempt.host;
        match &self.kind {
            // What else can be done about a file depends on what it is fetched for.
            ErrorKind::Status { .. } if self.attempt.action == Action::Download => None,
            ErrorKind::Transport {
                kind: TransportKind::NotTls,
                ..
            } if self.attempt.action == Action::Download => {
                Some(format!("{host} does not speak TLS; is `http://` meant?"))
            }
            ErrorKind::Status { status: 401, .. } if self.attempt.action == Action::Authenticate => Some(
                format!("check the user name and password; `rbuild login {host}` stores new ones"),
            ),
            ErrorKind::Status { status: 401, .. } if self.attempt.action == Action::Ping => {
                Some("check the user name and password".to_owned())
            }
            ErrorKind::Status { status: 401, .. } => Some(format!(
                "the repository does not exist or needs a login: `rbuild login {host}`"
            )),
            ErrorKind::Status { status: 403, .. } => Some(format!(
                "the account known for {host} may not do this; `rbuild login {host}` changes it"
            )),
            ErrorKind::Status { status: 404, .. } if self.attempt.action == Action::Ping => Some(format!(
                "{host} answers, but not as a registry; check host and port"
            )),
            ErrorKind::Status { status: 404, .. } if self.attempt.action == Action::FetchManifest => {
                Some("check the spelling of repository and tag".to_owned())
            }
            ErrorKind::Status {
                status: 429,
                messages,
                ..
            } if host == DOCKER_HUB || is_quota(429, messages) => Some(format!(
                "Docker Hub limits anonymous pulls: `rbuild login {host}`, or pull through a mirror of your own"
            )),
            ErrorKind::Status { status: 429, .. } => {
                Some("the registry limits the rate of requests; wait, or use fewer parallel jobs".to_owned())
            }
            ErrorKind::Status {
                status: 400,
                messages,
                ..
            } if messages
                .iter()
                .any(|m| m.message.contains("HTTP request to an HTTPS server")) =>
            {
                Some(format!(
                    "{host} speaks TLS; do not name it in --insecure-registry"
                ))
            }
            ErrorKind::Transport { kind, .. } => transport_hint(*kind, host),
            ErrorKind::NoRoots => {
                Some("install the package ca-certificates, or set SSL_CERT_FILE to a PEM file".to_owned())
            }
            ErrorKind::NoPlatform { available, .. } if available.is_empty() => {
                Some("name an image of the index by its digest, as NAME@sha256:…".to_owned())
            }
            ErrorKind::NoPlatform { .. } => Some("choose one of these with --platform".to_owned()),
            ErrorKind::Document(DocumentError::SchemaOne) => {
                Some("push the image again with a current tool to convert it".to_owned())
            }
            ErrorKind::DigestMismatch { .. } | ErrorKind::SizeMismatch { .. } => {
                Some("the registry, or something between, delivers damaged or forged data".to_owned())
            }
            _ => None,
        }
    }
}

fn transport_hint(kind: TransportKind, host: &str) -> Option<String> {
    match kind {
        TransportKind::NameNotFound => Some(format!(
            "no such host `{host}`: check the spelling, and whether DNS works here"
        )),
        TransportKind::Refused => Some(format!(
            "nothing listens at {host}; is the server running, is the port right?"
        )),
        TransportKind::NotTls => Some(format!(
            "{host} does not speak TLS; if it is meant to be plain HTTP, allow that with --insecure-registry {host}"
        )),
        TransportKind::UnknownAuthority => Some(format!(
            "if the certificate is your own, put its CA into /etc/docker/certs.d/{host}/ca.crt or the system's trust store"
        )),
        TransportKind::WrongName => Some("use the host name that the certificate was made for".to_owned()),
        TransportKind::Expired => Some("renew the certificate, or correct this machine's clock".to_owned()),
        TransportKind::Proxy => Some("check HTTPS_PROXY, HTTP_PROXY and NO_PROXY".to_owned()),
        TransportKind::Unreachable => Some("check the network, or whether a proxy must be set".to_owned()),
        TransportKind::Timeout
        | TransportKind::Cut
        | TransportKind::Tls
        | TransportKind::Http
        | TransportKind::Io => None,
    }
}

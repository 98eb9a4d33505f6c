//! What a user can do about a registry, or a server of files, that fails.

use rbuild_oci::{DOCKER_HUB, DocumentError};
use rbuild_registry::{Action, Error, ErrorKind, TransportKind};

/// One sentence of advice for the common cases.
#[must_use]
pub(super) fn hint(error: &Error) -> Option<String> {
    let host = &error.attempt.host;
    match &error.kind {
        // What else can be done about a file depends on what it is fetched for.
        ErrorKind::Status { .. } if error.attempt.action == Action::Download => None,
        ErrorKind::Transport {
            kind: TransportKind::NotTls,
            ..
        } if error.attempt.action == Action::Download => {
            Some(format!("{host} does not speak TLS; is `http://` meant?"))
        }
        ErrorKind::Status { status: 401, .. } if error.attempt.action == Action::Authenticate => Some(
            format!("check the user name and password; `rbuild login {host}` stores new ones"),
        ),
        ErrorKind::Status { status: 401, .. } if error.attempt.action == Action::Ping => {
            Some("check the user name and password".to_owned())
        }
        ErrorKind::Status { status: 401, .. } => Some(format!(
            "the repository does not exist or needs a login: `rbuild login {host}`"
        )),
        ErrorKind::Status { status: 403, .. } => Some(format!(
            "the account known for {host} may not do this; `rbuild login {host}` changes it"
        )),
        ErrorKind::Status { status: 404, .. } if error.attempt.action == Action::Ping => Some(format!(
            "{host} answers, but not as a registry; check host and port"
        )),
        ErrorKind::Status { status: 404, .. } if error.attempt.action == Action::FetchManifest => {
            Some("check the spelling of repository and tag".to_owned())
        }
        ErrorKind::Status { status: 429, .. } if host == DOCKER_HUB || error.kind.is_quota() => {
            Some(format!(
                "Docker Hub limits anonymous pulls: `rbuild login {host}`, or pull through a mirror of your own"
            ))
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rbuild_registry::{Attempt, RegistryMessage};

    fn hint_of(action: Action, kind: ErrorKind) -> String {
        let attempt = Attempt {
            action,
            host: "r.example:5000".to_owned(),
            repository: "a".to_owned(),
            object: "1".to_owned(),
        };
        let attempt = Box::new(attempt);
        hint(&Error { attempt, kind }).unwrap_or_default()
    }

    fn status(status: u16, message: &str) -> ErrorKind {
        let message = message.to_owned();
        let code = String::new();
        ErrorKind::Status {
            status,
            messages: vec![RegistryMessage { code, message }],
            retry_after: None,
        }
    }

    #[test]
    fn each_common_case_has_its_advice() {
        let no_platform = |available: &[&str]| ErrorKind::NoPlatform {
            wanted: "windows/amd64".to_owned(),
            available: available.iter().map(|&name| name.to_owned()).collect(),
        };
        let pull = Action::FetchManifest;
        let cases = [
            (pull, status(401, ""), "`rbuild login r.example:5000`"),
            (
                Action::Authenticate,
                status(401, ""),
                "`rbuild login r.example:5000`",
            ),
            (Action::Ping, status(401, ""), "user name and password"),
            (pull, status(403, ""), "may not do this"),
            (pull, status(404, ""), "spelling"),
            (Action::Ping, status(404, ""), "not as a registry"),
            (pull, status(429, "pull rate limit"), "mirror of your own"),
            (pull, status(429, ""), "fewer parallel jobs"),
            (pull, no_platform(&["linux/arm64"]), "--platform"),
            (pull, no_platform(&[]), "by its digest"),
            (pull, ErrorKind::NoRoots, "ca-certificates"),
            (Action::Download, status(404, ""), ""),
        ];
        for (action, kind, words) in cases {
            let said = format!("{kind:?}");
            let hint = hint_of(action, kind);
            assert!(
                hint.contains(words) && hint.is_empty() == words.is_empty(),
                "{said}: {hint}"
            );
        }
    }

    #[test]
    fn a_connection_that_fails_has_advice_about_the_connection() {
        use TransportKind::*;
        for (kind, words) in [
            (NameNotFound, "no such host `r.example:5000`"),
            (Refused, "nothing listens at r.example:5000"),
            (NotTls, "--insecure-registry r.example:5000"),
            (UnknownAuthority, "certs.d/r.example:5000"),
            (WrongName, "host name"),
            (Expired, "clock"),
            (Proxy, "HTTPS_PROXY"),
            (Unreachable, "the network"),
        ] {
            let detail = String::new();
            let hint = hint_of(Action::FetchBlob, ErrorKind::Transport { kind, detail });
            assert!(hint.contains(words), "{kind:?}: {hint}");
        }
    }
}

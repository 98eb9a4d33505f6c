//! `Error`: what was attempted, on which registry, and why it failed. What to do about it is the program's to say.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use rbuild_oci::{Digest, DocumentError};

use crate::url::UrlError;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Action {
    /// Asking whether there is a registry, and who we are to it.
    Ping,
    /// Getting a token for the registry.
    Authenticate,
    /// Reading a manifest or index.
    FetchManifest,
    /// Asking whether a manifest is there.
    CheckManifest,
    /// Reading a blob.
    FetchBlob,
    /// Asking whether a blob is there.
    CheckBlob,
    /// Writing a blob.
    PushBlob,
    /// Writing a manifest.
    PushManifest,
    /// Listing tags.
    ListTags,
    /// Fetching a file by its URL, which is the object.
    Download,
    /// Asking whether there is a file at a URL, which is the object.
    CheckObject,
    /// Putting a file to a URL, which is the object.
    PutObject,
}

/// What was being done, and to what.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// What.
    pub action: Action,
    /// The registry as the reference names it, with port.
    pub host: String,
    /// The repository; empty for a ping.
    pub repository: String,
    /// Tag or digest; empty where there is none.
    pub object: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            host,
            repository,
            object,
        } = self;
        let at = if object.contains(':') { '@' } else { ':' };
        match action {
            Action::Ping => write!(f, "reach the registry {host}"),
            Action::Authenticate if repository.is_empty() => write!(f, "log in to {host}"),
            Action::Authenticate => write!(f, "get access to {host}/{repository}"),
            Action::FetchManifest => write!(f, "pull {host}/{repository}{at}{object}"),
            Action::CheckManifest => write!(f, "look up {host}/{repository}{at}{object}"),
            Action::FetchBlob => write!(f, "pull blob {object} of {host}/{repository}"),
            Action::CheckBlob => write!(f, "look up blob {object} in {host}/{repository}"),
            Action::PushBlob => write!(f, "push blob {object} to {host}/{repository}"),
            Action::PushManifest => write!(f, "push {host}/{repository}{at}{object}"),
            Action::ListTags => write!(f, "list the tags of {host}/{repository}"),
            Action::Download => write!(f, "fetch {object}"),
            Action::CheckObject => write!(f, "look up {object}"),
            Action::PutObject => write!(f, "put {object}"),
        }
    }
}

/// One entry of a registry's error body (distribution-spec, "Error Codes").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryMessage {
    /// `MANIFEST_UNKNOWN`, or empty.
    pub code: String,
    /// Its words, shortened, without control characters.
    pub message: String,
}

/// How a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// The name does not resolve.
    NameNotFound,
    /// Nobody listens there.
    Refused,
    /// No route, network down.
    Unreachable,
    /// Cut in the middle, or closed without an answer.
    Cut,
    /// Took too long.
    Timeout,
    /// The server does not speak TLS.
    NotTls,
    /// The certificate is signed by nobody we trust.
    UnknownAuthority,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is expired or not valid yet.
    Expired,
    /// Other TLS trouble.
    Tls,
    /// The proxy refused, or its address is wrong.
    Proxy,
    /// The answer is not HTTP as it should be.
    Http,
    /// Anything else from the operating system.
    Io,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The registry answered with an error.
    #[error("{}", status_text(*.status, .messages))]
    Status {
        /// HTTP status.
        status: u16,
        /// What the registry said.
        messages: Vec<RegistryMessage>,
        /// When to come again, if it said so.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    #[error("{detail}")]
    Transport {
        /// The class of trouble.
        kind: TransportKind,
        /// In words, without addresses that could hold secrets.
        detail: String,
    },
    /// The manifest is refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// No entry of the index fits.
    #[error("no image for platform {wanted}; {}", only(.available))]
    NoPlatform {
        /// What was asked for.
        wanted: String,
        /// What the index has.
        available: Vec<String>,
    },
    /// Indexes within indexes within indexes.
    #[error("indexes are nested more than {0} deep")]
    TooDeep(usize),
    /// Indexes that list indexes without end.
    #[error("its indexes list more than {0} further ones")]
    TooMany(usize),
    /// More bytes than are read of such a document.
    #[error("it is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Other bytes than were asked for.
    #[error("digest mismatch: expected {expected}, got {actual}")]
    DigestMismatch {
        /// What it should be.
        expected: Digest,
        /// What the bytes are.
        actual: Digest,
    },
    /// More or fewer bytes than the descriptor says.
    #[error("size mismatch: expected {expected} bytes, got {actual}")]
    SizeMismatch {
        /// In the descriptor.
        expected: u64,
        /// Received (or announced).
        actual: u64,
    },
    /// The registry broke the protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// A redirect that would send data in clear text or goes in circles.
    #[error("the server redirects to {to}, {reason}")]
    Redirect {
        /// Host that it names.
        to: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// An address that is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Neither Bearer nor Basic.
    #[error("the registry asks for an unknown way of authentication: {0}")]
    AuthScheme(String),
    /// A certificate or key file cannot be used.
    #[error("cannot use {path}: {reason}", path = .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// TLS without any root.
    #[error("this system has no CA certificates")]
    NoRoots,
    /// The receiver of the bytes failed.
    #[error("cannot write what was received")]
    Sink(#[source] io::Error),
    /// The giver of the bytes failed.
    #[error("cannot read what is to be sent")]
    Source(#[source] io::Error),
    /// The caller called it off.
    #[error("cancelled")]
    Cancelled,
}

/// Anything that went wrong between us and a registry.
#[derive(Debug)]
pub struct Error {
    /// What was being done.
    pub attempt: Box<Attempt>,
    /// Why it failed.
    pub kind: ErrorKind,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.attempt, self.kind)
    }
}

impl std::error::Error for Error {
    /// What lies below the kind; the kind itself is part of the message.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

impl Error {
    /// The HTTP status, when there was one.
    pub fn status(&self) -> Option<u16> {
        self.kind.status()
    }
}

impl ErrorKind {
    /// The HTTP status, when there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may succeed later. Never for what the registry has decided (401, 403, 404).
    pub fn is_transient(&self) -> bool {
        match self {
            // 501 and 505 are answers about what the server can do.
            Self::Status { status, .. } => {
                matches!(status, 408 | 429 | 500 | 502..=504 | 506..=599) && !self.is_quota()
            }
            Self::Transport { kind, .. } => matches!(kind, TransportKind::Cut | TransportKind::Timeout),
            _ => false,
        }
    }

    /// Docker Hub's pull quota lasts for hours: asking again within seconds only delays the message.
    pub fn is_quota(&self) -> bool {
        let says = |message: &RegistryMessage| message.message.contains("pull rate limit");
        matches!(self, Self::Status { status: 429, messages, .. } if messages.iter().any(says))
    }

    pub(crate) fn at(self, attempt: &Attempt) -> Error {
        Error {
            attempt: Box::new(attempt.clone()),
            kind: self,
        }
    }
}

fn status_text(status: u16, messages: &[RegistryMessage]) -> String {
    let mut text = match ureq::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
    {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    };
    for (n, RegistryMessage { code, message }) in messages.iter().enumerate() {
        text.push_str(if n == 0 { ": " } else { "; " });
        text.push_str(code);
        if !code.is_empty() && !message.is_empty() {
            text.push_str(": ");
        }
        text.push_str(message);
    }
    text
}

fn only(platforms: &[String]) -> String {
    match platforms {
        [] => "its index names no platform".to_owned(),
        platforms => format!("there is {}", platforms.join(", ")),
    }
}

/// Understands an error body. Any JSON of roughly the shape is taken, other text is not repeated.
pub(crate) fn parse_messages(body: &[u8]) -> Vec<RegistryMessage> {
    let clean = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(300).collect() };
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        // Go's TLS server says this in plain text; it decides the hint.
        let text = String::from_utf8_lossy(body);
        let known = "Client sent an HTTP request to an HTTPS server";
        return if text.contains(known) {
            vec![RegistryMessage {
                code: String::new(),
                message: known.to_owned(),
            }]
        } else {
            Vec::new()
        };
    };
    let text = |value: &serde_json::Value, names: &[&str]| {
        names
            .iter()
            .find_map(|name| value.get(*name)?.as_str())
            .map(clean)
            .unwrap_or_default()
    };
    let list = match value.get("errors").and_then(|e| e.as_array()) {
        Some(errors) => errors.clone(),
        // Token servers: {"details": "..."} or OAuth2's {"error": "...", "error_description": "..."}.
        None => vec![value],
    };
    list.iter()
        .take(4)
        .map(|entry| RegistryMessage {
            code: text(entry, &["code", "error"]),
            message: text(entry, &["message", "error_description", "details", "detail"]),
        })
        .filter(|m| !m.code.is_empty() || !m.message.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let one = |body: &str| {
            parse_messages(body.as_bytes())
                .iter()
                .map(|m| format!("{}|{}", m.code, m.message))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            one(
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no\u001b[31m such","detail":{"a":1}},{"code":"X"}]}"#
            ),
            ["NAME_UNKNOWN|no[31m such", "X|"]
        );
        assert_eq!(
            one(r#"{"details":"incorrect username or password"}"#),
            ["|incorrect username or password"]
        );
        assert_eq!(
            one(r#"{"error":"invalid_grant","error_description":"gone"}"#),
            ["invalid_grant|gone"]
        );
        assert_eq!(one("<html>canary"), [""; 0]);
        assert_eq!(one("[]"), [""; 0]);
        assert_eq!(one(r#"{"errors":[7,null]}"#), [""; 0]);
    }

    #[test]
    fn what_is_worth_a_retry() {
        let status = |status| ErrorKind::Status {
            status,
            messages: Vec::new(),
            retry_after: None,
        };
        for (code, transient) in [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (429, true),
            (500, true),
            (501, false),
            (503, true),
            (520, true),
        ] {
            assert_eq!(status(code).is_transient(), transient, "{code}");
        }
        let quota = ErrorKind::Status {
            status: 429,
            messages: parse_messages(br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#),
            retry_after: None,
        };
        assert!(!quota.is_transient());
    }
}

//! From ureq's and rustls's errors to ours. Their texts may hold addresses, so only chosen words pass.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;

use crate::error::{ErrorKind, TransportKind};

pub(crate) fn from_ureq(error: &ureq::Error) -> ErrorKind {
    use TransportKind as K;
    let (kind, detail) = match error {
        ureq::Error::Io(e) => return from_io_ref(e),
        ureq::Error::Rustls(e) => return from_rustls(e),
        ureq::Error::HostNotFound => (K::NameNotFound, "the host name does not resolve".to_owned()),
        ureq::Error::Timeout(which) => (K::Timeout, format!("timed out ({which})")),
        ureq::Error::InvalidProxyUrl => (K::Proxy, "the proxy address is not valid".to_owned()),
        ureq::Error::ConnectProxyFailed(_) => (K::Proxy, "the proxy refused to connect".to_owned()),
        ureq::Error::ConnectionFailed => (K::Refused, "connection failed".to_owned()),
        ureq::Error::Tls(text) => (K::Tls, (*text).to_owned()),
        ureq::Error::Protocol(e) => (K::Http, format!("the answer is not valid HTTP: {e}")),
        ureq::Error::LargeResponseHeader(..) => (K::Http, "the answer's head is too large".to_owned()),
        ureq::Error::BodyExceedsLimit(_) => (K::Http, "the answer is too large".to_owned()),
        _ => (K::Http, "the exchange failed".to_owned()),
    };
    ErrorKind::Transport { kind, detail }
}

/// For errors of readers.
pub(crate) fn from_io(error: io::Error) -> ErrorKind {
    from_io_ref(&error)
}

fn from_io_ref(error: &io::Error) -> ErrorKind {
    use TransportKind as K;
    // Layers wrap each other's errors; the innermost one knows.
    let mut cause: Option<&(dyn StdError + 'static)> =
        error.get_ref().map(|inner| inner as &(dyn StdError + 'static));
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return from_rustls(tls);
        }
        if let Some(own) = inner.downcast_ref::<ureq::Error>() {
            return from_ureq(own);
        }
        if let Some(nested) = inner.downcast_ref::<io::Error>() {
            return from_io_ref(nested);
        }
        cause = inner.source();
    }
    let (kind, detail) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (K::Refused, "connection refused".to_owned()),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => (K::Cut, "the connection was cut".to_owned()),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => (K::Timeout, "timed out".to_owned()),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            (K::Unreachable, "the network or host is unreachable".to_owned())
        }
        // The resolver's errors have no kind of their own.
        _ if error.to_string().contains("failed to lookup address") => {
            (K::NameNotFound, "the host name does not resolve".to_owned())
        }
        kind => (
            K::Io,
            error
                .raw_os_error()
                .map_or_else(|| kind.to_string(), |_| error.to_string()),
        ),
    };
    ErrorKind::Transport { kind, detail }
}

fn from_rustls(error: &rustls::Error) -> ErrorKind {
    use TransportKind as K;
    let (kind, detail) = match error {
        // What is not a TLS record came from something that is not a TLS server.
        rustls::Error::InvalidMessage(_) => (K::NotTls, "the server does not speak TLS".to_owned()),
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => (
                K::UnknownAuthority,
                "the certificate is signed by an unknown authority".to_owned(),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (K::WrongName, "the certificate is for another name".to_owned())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                (K::Expired, "the certificate has expired".to_owned())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                (K::Expired, "the certificate is not valid yet".to_owned())
            }
            // A self-signed server certificate without CA flag, an old signature, a bad chain.
            CertificateError::Other(_) => (
                K::UnknownAuthority,
                format!("the certificate is not accepted: {error}"),
            ),
            _ => (K::Tls, format!("the certificate is not accepted: {error}")),
        },
        rustls::Error::AlertReceived(alert) => (K::Tls, format!("the server refused TLS: {alert:?}")),
        other => (K::Tls, format!("TLS failed: {other}")),
    };
    ErrorKind::Transport { kind, detail }
}

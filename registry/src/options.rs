//! `ClientOptions`: all that a client is told from outside.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::clock::{Clock, SystemClock};
use crate::credentials::Credentials;
use crate::event::Event;
use crate::proxy::ProxySettings;
use crate::retry::RetryPolicy;

/// A set of registry hosts, with ports where they have one.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum HostSet {
    /// None.
    #[default]
    Empty,
    /// Every host.
    All,
    /// These.
    Listed(BTreeSet<String>),
}

impl HostSet {
    /// Whether `host` (with port) is in the set. An entry without port covers all ports of its host.
    pub fn contains(&self, host: &str) -> bool {
        let bare = match host.rsplit_once(':') {
            Some((bare, port)) if port.bytes().all(|b| b.is_ascii_digit()) => bare,
            _ => host,
        };
        match self {
            Self::Empty => false,
            Self::All => true,
            Self::Listed(hosts) => hosts.contains(host) || hosts.contains(bare),
        }
    }
}

impl FromIterator<String> for HostSet {
    fn from_iter<I: IntoIterator<Item = String>>(hosts: I) -> Self {
        let hosts: BTreeSet<String> = hosts.into_iter().map(|h| h.to_ascii_lowercase()).collect();
        if hosts.is_empty() {
            Self::Empty
        } else {
            Self::Listed(hosts)
        }
    }
}

/// How blobs are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadMode {
    /// One `PUT`; chunks only where the registry refuses that.
    Monolithic,
    /// `PATCH` by `PATCH` of this many bytes, or more where the registry demands a larger minimum.
    Chunked(u64),
}

/// Limits on how long the network may keep silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From name lookup to the end of the TLS handshake.
    pub connect: Duration,
    /// Between two reads or two writes.
    pub silence: Duration,
    /// From the end of a request to the answer's head; registries may take long to check a large upload.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            silence: Duration::from_secs(60),
            answer: Duration::from_secs(300),
        }
    }
}

/// All that a client is told from outside. `Default` is a plain client: TLS only (but for loopback), no
/// credentials, no proxy.
#[derive(Clone)]
pub struct ClientOptions {
    /// Hosts that may be spoken to in plain HTTP when they do not speak TLS. Loopback hosts always may.
    pub insecure: HostSet,
    /// Hosts whose certificate is not checked.
    pub skip_tls_verify: HostSet,
    /// Directories with `<host:port>/{*.crt,*.cert,*.key}`; see [`crate::Env::cert_dirs`].
    pub cert_dirs: Vec<PathBuf>,
    /// PEM files with further roots, for all hosts, beside the system's.
    pub extra_ca: Vec<PathBuf>,
    /// Where credentials are found.
    pub credentials: Credentials,
    /// Proxies.
    pub proxies: ProxySettings,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How long to bear silence.
    pub timeouts: Timeouts,
    /// How blobs are sent.
    pub upload: UploadMode,
    /// Blob transfers at once per registry.
    pub transfers_per_host: usize,
    /// `User-Agent`.
    pub user_agent: String,
    /// Called from any thread when something worth telling happens.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Raised to stop everything.
    pub cancel: Cancel,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            insecure: HostSet::Empty,
            skip_tls_verify: HostSet::Empty,
            cert_dirs: Vec::new(),
            extra_ca: Vec::new(),
            credentials: Credentials::default(),
            proxies: ProxySettings::none(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            upload: UploadMode::Monolithic,
            transfers_per_host: 4,
            user_agent: concat!("rbuild/", env!("CARGO_PKG_VERSION")).to_owned(),
            events: Arc::new(|_| {}),
            clock: Arc::new(SystemClock),
            cancel: Cancel::new(),
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("insecure", &self.insecure)
            .field("skip_tls_verify", &self.skip_tls_verify)
            .field("cert_dirs", &self.cert_dirs)
            .field("extra_ca", &self.extra_ca)
            .field("proxies", &self.proxies)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_sets() {
        let set: HostSet = ["Reg.example".to_owned(), "a:5000".to_owned(), "[::1]".to_owned()]
            .into_iter()
            .collect();
        for (host, expected) in [
            ("reg.example", true),
            ("reg.example:5000", true),
            ("a:5000", true),
            ("a", false),
            ("a:5001", false),
            ("[::1]:5000", true),
            ("[::1]", true),
            ("x.reg.example", false),
        ] {
            assert_eq!(set.contains(host), expected, "{host}");
        }
        assert!(HostSet::All.contains("x") && !HostSet::Empty.contains("x"));
        assert_eq!(std::iter::empty().collect::<HostSet>(), HostSet::Empty);
    }
}

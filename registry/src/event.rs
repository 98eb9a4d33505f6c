//! `Event`: what a caller may want to show. Nothing here writes to a terminal.

use std::time::Duration;

use crate::credentials::CredentialWarning;
use crate::error::Attempt;

/// Something worth telling while it happens.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A request failed and is tried again.
    Retry {
        /// What is being done.
        attempt: Attempt,
        /// Why the last try failed.
        reason: String,
        /// How long we wait.
        delay: Duration,
        /// Number of this retry, from 1.
        number: u32,
    },
    /// A download goes on where it was cut.
    Resumed {
        /// What is being done.
        attempt: Attempt,
        /// Byte offset.
        offset: u64,
    },
    /// The registry is spoken to without TLS.
    PlainHttp {
        /// The registry.
        host: String,
    },
    /// A credential helper has been running for some seconds.
    SlowHelper {
        /// Its name without the prefix.
        helper: String,
    },
    /// Credentials could not be read; going on without.
    Credentials(CredentialWarning),
}

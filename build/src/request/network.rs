//! [`ExecNetwork`]: which network a step has.

/// Network of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ExecNetwork {
    /// What the host makes of it, [`default_network`](crate::host::Host::default_network), which is in no key: it leads
    /// to the same places.
    Default,
    /// Loopback only.
    None,
    /// The host's, asked for by name.
    Host,
}

impl ExecNetwork {
    /// As written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ExecNetwork::Default => "default",
            ExecNetwork::None => "none",
            ExecNetwork::Host => "host",
        }
    }
}

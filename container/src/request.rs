//! [`Request`]: what to run, as data. What it leaves open is as the image says.

use rbuild_sandbox::{Limits, MountKind, Network, Rlimit};
use serde::{Deserialize, Serialize};

/// Everything that shapes a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Replaces the image's entry point and its command; an empty text is none.
    pub entrypoint: Option<String>,
    /// Replaces the image's command.
    pub command: Vec<String>,
    /// Variables, on top of the image's.
    pub env: Vec<(String, String)>,
    /// Working directory, absolute.
    pub workdir: Option<String>,
    /// User and group.
    pub user: Option<String>,
    /// Host name inside.
    pub hostname: String,
    /// Lines of `/etc/hosts`: name and address.
    pub add_hosts: Vec<(String, String)>,
    /// What is mounted, in this order.
    pub mounts: Vec<RequestedMount>,
    /// Whether the root cannot be written; `/run` and `/tmp` are in memory then.
    pub read_only: bool,
    /// Which network it sees.
    pub network: Network,
    /// Whether set-id programs give no privileges.
    pub no_new_privs: bool,
    /// What it may use.
    pub limits: Limits,
    /// What each of its processes may use.
    pub rlimits: Vec<Rlimit>,
    /// How likely the kernel kills it when memory runs out.
    pub oom_score_adj: Option<i16>,
}

/// A mount as it is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestedMount {
    /// Absolute path in the container; links are followed.
    pub target: String,
    /// What appears there.
    pub kind: MountKind,
}

impl Default for Request {
    /// The image's command, as the image says, on the network of the host.
    fn default() -> Self {
        Self {
            entrypoint: None,
            command: Vec::new(),
            env: Vec::new(),
            workdir: None,
            user: None,
            hostname: "rbuild".to_owned(),
            add_hosts: Vec::new(),
            mounts: Vec::new(),
            read_only: false,
            network: Network::Host,
            no_new_privs: false,
            limits: Limits::default(),
            rlimits: Vec::new(),
            oom_score_adj: None,
        }
    }
}

//! RUN: a command in the sandbox.

use crate::instruction::Command;
use crate::mount::Mount;
use crate::{Span, Word};

/// `RUN [flags] command`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Run {
    /// `--mount=`, in order.
    pub mounts: Vec<Mount>,
    /// `--network=`.
    pub network: Network,
    /// `--security=`.
    pub security: Security,
    /// `--device=`, in order.
    pub devices: Vec<Device>,
    /// What is run.
    pub command: Command,
}

/// `RUN --network=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Network {
    /// What the build says.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's; needs an entitlement.
    Host,
}

/// `RUN --security=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Security {
    /// The default.
    #[default]
    Sandbox,
    /// Needs an entitlement.
    Insecure,
}

/// `RUN --device=name[,required[=bool]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Device {
    /// CDI name: `vendor/class=name`, a class or a plain name.
    pub name: Word,
    /// Whether the build fails without it.
    pub required: bool,
    /// The whole flag value.
    pub span: Span,
}

/// What a RUN gives to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunScript {
    /// `SHELL... + text`.
    Shell(String),
    /// No shell.
    Exec(Vec<String>),
    /// A heredoc that begins with `#!`: a file of mode 0755, mounted at `/dev/pipes/<name>` and run.
    Script {
        /// File name.
        name: String,
        /// Content.
        content: String,
    },
}

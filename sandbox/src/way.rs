//! [`Way`]: how commands are run on a host, and [`Wanted`]: which way a user asks for.

use serde::{Deserialize, Serialize};

use crate::confinement::Confinement;

/// How commands are run on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What closes them in.
    pub confinement: Confinement,
    /// Whether their files can be overlays. Else each has a directory with copies.
    pub overlays: bool,
}

impl Way {
    /// The best one: everything that a command is promised holds.
    pub const STRONGEST: Way = Way {
        confinement: Confinement::Namespaces,
        overlays: true,
    };
}

/// Which way a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// The strongest that the host allows.
    #[default]
    Auto,
    /// Namespaces, with every id that images use.
    Namespaces,
    /// A user namespace with one id.
    SingleId,
    /// A directory as the root, for root.
    Chroot,
    /// A process that answers for the kernel.
    Supervisor,
}

impl Wanted {
    /// All, in the order in which they are told.
    pub const ALL: [Wanted; 5] = [
        Wanted::Auto,
        Wanted::Namespaces,
        Wanted::SingleId,
        Wanted::Chroot,
        Wanted::Supervisor,
    ];

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Wanted::Auto => "auto",
            Wanted::Namespaces => "namespaces",
            Wanted::SingleId => "single-id",
            Wanted::Chroot => "chroot",
            Wanted::Supervisor => "supervisor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_documents() {
        for wanted in Wanted::ALL {
            assert_eq!(serde_json::to_value(wanted).unwrap(), wanted.name());
        }
    }
}

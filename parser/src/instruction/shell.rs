//! SHELL: what the shell forms of later instructions run in.

/// `SHELL ["program", "arg"...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Shell {
    /// Program and arguments; never empty, nothing expanded.
    pub args: Vec<String>,
}

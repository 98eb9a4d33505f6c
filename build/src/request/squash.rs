//! Which layers of the result become one.

/// Which layers become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Squash {
    /// None.
    #[default]
    No,
    /// Those that this build makes, on top of the base's.
    New,
    /// All, the base's too.
    All,
}

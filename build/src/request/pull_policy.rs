//! When registries are asked.

/// When to ask the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PullPolicy {
    /// Only for what the store does not have.
    #[default]
    Missing,
    /// Always; the store's image is used when it is the same.
    Always,
    /// Never.
    Never,
}

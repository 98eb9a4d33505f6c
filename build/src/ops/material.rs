//! [`Material`]: what a step took from elsewhere.

/// Something from elsewhere that a build was made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Material {
    /// A base image: its name and the digest of its config.
    Image(String, String),
    /// A file behind a URL, without credentials, and the digest of its bytes.
    Url(String, String),
    /// A repository, without credentials, and its commit.
    Git(String, String),
}

//! Contexts besides the main one, by name.

use crate::address::Remote;
use rbuild_oci::Reference;
use std::path::PathBuf;

/// What a named context is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum NamedContext {
    /// A local directory with its own ignore file.
    Directory(PathBuf),
    /// An OCI layout directory, with an optional tag or digest to choose from its index.
    OciLayout {
        /// The layout directory.
        path: PathBuf,
        /// `org.opencontainers.image.ref.name` to choose.
        tag: Option<String>,
        /// Manifest digest to choose.
        digest: Option<String>,
    },
    /// An image reference (`docker-image://`).
    Image(String),
    /// Another stage of the same Dockerfile (`target:`).
    Stage(String),
    /// A git repository, or an archive at a URL.
    Remote(Remote),
}

/// The name under which a context is found. As for BuildKit `alpine`, `alpine:latest` and `docker.io/library/alpine`
/// are one, and the case of a stage does not count.
#[must_use]
pub fn context_key(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match Reference::parse(name).or_else(|_| Reference::parse(&lower)) {
        Ok(reference) => {
            let familiar = reference.familiar();
            familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned()
        }
        Err(_) => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_image_has_many_names() {
        for name in [
            "alpine",
            "alpine:latest",
            "docker.io/library/alpine",
            "Alpine",
            "index.docker.io/alpine",
        ] {
            assert_eq!(context_key(name), "alpine", "{name}");
        }
        assert_eq!(context_key("docker.io/library/alpine:3"), "alpine:3");
        assert_eq!(context_key("example.org/A:Rc"), "example.org/a:rc");
        assert_eq!(context_key("example.org/a:Rc"), "example.org/a:Rc");
        assert_eq!(context_key("No Reference"), "no reference");
    }
}

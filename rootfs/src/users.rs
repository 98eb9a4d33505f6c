//! Users and groups of an image: `--chown` and USER against its `/etc/passwd` and `/etc/group`.

mod lookup;

pub use lookup::{LookupError, User};

use lookup::{MAX_DATABASE_SIZE, resolve};
use rbuild_layer::tree::{LastLink, NodeKind, Tree, TreeError};
use std::io::{self, Read};

/// Why it is not known who a user is.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The image lists nobody of this name, or the number is no id.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A directory, a device or the like stands where a database should.
    #[error("the image's /{0} is not a regular file")]
    NotAFile(&'static str),
    /// A database is larger than any real one.
    #[error("the image's /{0} is too large")]
    TooLarge(&'static str),
    /// A database could not be found.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A database could not be read.
    #[error("reading the image's /{path}: {source}")]
    Read {
        /// Which.
        path: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl UserError {
    /// Whether the image has answered: whoever asks again gets the same.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            UserError::Lookup(_) | UserError::NotAFile(_) | UserError::TooLarge(_) => true,
            UserError::Tree(_) | UserError::Read { .. } => false,
        }
    }
}

/// USER, or `rbuild run -u`, in an image.
///
/// # Errors
/// The name is not listed, the number is no id, or a database is no regular file of a sane size.
pub fn user(tree: &dyn Tree, spec: &str) -> Result<User, UserError> {
    let (passwd, group) = (database(tree, "etc/passwd")?, database(tree, "etc/group")?);
    Ok(resolve(spec, &passwd, &group)?)
}

/// USER by these databases, empty where there are none: those of a container that runs.
///
/// # Errors
/// The name is not listed, or the number is no id.
pub fn listed_user(spec: &str, passwd: &[u8], group: &[u8]) -> Result<User, LookupError> {
    resolve(spec, passwd, group)
}

/// `--chown=user[:group]`: as USER, but a number alone is the group too.
///
/// # Errors
/// As [`user`].
pub fn chown(tree: &dyn Tree, spec: &str) -> Result<(u32, u32), UserError> {
    if let Some((uid, gid)) = numeric(spec) {
        return Ok((uid, gid));
    }
    let user = user(tree, spec)?;
    Ok((user.uid, user.gid))
}

/// `1000`, `1000:1000`, `root`: needs no database. That root is 0 is true in every image, also in one that lists nobody.
#[must_use]
pub fn numeric(spec: &str) -> Option<(u32, u32)> {
    let id = |text: &str| -> Option<u32> {
        if text == "root" {
            return Some(0);
        }
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // The largest id means "unchanged" to the kernel.
        plain
            .then(|| text.parse::<u32>().ok().filter(|id| *id < u32::MAX))
            .flatten()
    };
    match spec.split_once(':') {
        None => id(spec).map(|uid| (uid, uid)),
        Some((user, group)) => Some((id(user)?, id(group)?)),
    }
}

/// A file of the image that the host reads: small and regular, or empty when it is not there (CVE-2024-9676).
fn database(tree: &dyn Tree, path: &'static str) -> Result<Vec<u8>, UserError> {
    let resolved = match tree.resolve(path.as_bytes(), LastLink::Follow) {
        Ok(resolved) => resolved,
        Err(TreeError::NotADirectory(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let Some(node) = resolved.node else {
        return Ok(Vec::new());
    };
    let NodeKind::File { size, .. } = node.kind else {
        return Err(UserError::NotAFile(path));
    };
    if size > MAX_DATABASE_SIZE {
        return Err(UserError::TooLarge(path));
    }
    let mut bytes = Vec::new();
    tree.open(&node.path)?
        .take(MAX_DATABASE_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| UserError::Read { path, source })?;
    if bytes.len() > MAX_DATABASE_SIZE as usize {
        return Err(UserError::TooLarge(path));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_need_no_database() {
        assert_eq!(numeric("55"), Some((55, 55)));
        assert_eq!(numeric("1:2"), Some((1, 2)));
        assert_eq!((numeric("root"), numeric("root:5")), (Some((0, 0)), Some((0, 5))));
        for other in ["a", "1:a", "", ":1", "1:", "4294967295", "4294967296", "+1"] {
            assert_eq!(numeric(other), None, "{other}");
        }
    }
}

//! [`remove_tree`]: removes a directory with whatever a build left in it.

use std::path::Path;

use rbuild_rootdir::{Errno, Root};

use crate::error::{IoContext, StoreError};

/// Removes `path` and everything below it, never following a link. Nothing there is no error.
pub(crate) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return std::fs::remove_dir(path).at("remove", path);
    };
    let above = if above.as_os_str().is_empty() {
        Path::new(".")
    } else {
        above
    };
    let removed = match Root::open(above) {
        Err(error) if error.errno == Errno::NOENT => return Ok(()),
        Err(error) => Err(error),
        Ok(above) => above.dir().remove_tree(name.as_encoded_bytes()),
    };
    removed.map_err(|error| StoreError::from_io("remove", path, error.errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn links_are_removed_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let canary = dir.path().join("canary");
        std::fs::create_dir(&canary).unwrap();
        std::fs::write(canary.join("alive"), "x").unwrap();
        let doomed = dir.path().join("doomed");
        std::fs::create_dir(&doomed).unwrap();
        symlink(&canary, doomed.join("link")).unwrap();
        remove_tree(&doomed).unwrap();
        assert!(!doomed.exists());
        assert!(canary.join("alive").exists());
        symlink(&canary, &doomed).unwrap();
        remove_tree(&doomed).unwrap();
        assert!(canary.join("alive").exists());
        remove_tree(&doomed).unwrap();
    }

    #[test]
    fn directories_without_permission_bits_go_too() {
        let dir = tempfile::tempdir().unwrap();
        let doomed = dir.path().join("doomed");
        std::fs::create_dir_all(doomed.join("a/b")).unwrap();
        std::fs::write(doomed.join("a/b/f"), "x").unwrap();
        for path in ["a/b", "a"] {
            std::fs::set_permissions(doomed.join(path), std::fs::Permissions::from_mode(0o0)).unwrap();
        }
        remove_tree(&doomed).unwrap();
        assert!(!doomed.exists());
    }

    #[test]
    fn nesting_deeper_than_the_descriptor_limit() {
        let dir = tempfile::tempdir().unwrap();
        let doomed = dir.path().join("doomed");
        std::fs::create_dir(&doomed).unwrap();
        let mut at = Root::open(&doomed).unwrap().dir().try_clone().unwrap();
        for _ in 0..3000 {
            at.mkdir(b"d").unwrap();
            at = at.open_dir(b"d").unwrap();
        }
        drop(at);
        remove_tree(&doomed).unwrap();
        assert!(!doomed.exists());
    }
}

//! Which extended attributes belong to a layer, and which are marks of the overlay.

use std::os::fd::AsFd;

use crate::caps;
use crate::listing::Xattrs;

/// Marks a directory of an upper layer that hides what is below it (`userxattr` mounts).
pub(crate) const OPAQUE: &[u8] = b"user.overlay.opaque";
/// The same on a mount with privileges.
const OPAQUE_TRUSTED: &[u8] = b"trusted.overlay.opaque";
/// Marks an empty file that is a whiteout.
pub(crate) const WHITEOUT: &[u8] = b"user.overlay.whiteout";
const WHITEOUT_TRUSTED: &[u8] = b"trusted.overlay.whiteout";

const CAPABILITY: &[u8] = b"security.capability";

/// True for an attribute that is part of an image: file capabilities and the user's own. Everything else is the host's
/// (`security.selinux`, `system.posix_acl_*`, `trusted.*`) or a tool's bookkeeping.
pub(crate) fn belongs_to_image(name: &[u8]) -> bool {
    name == CAPABILITY
        || (name.starts_with(b"user.")
            && !name.starts_with(b"user.overlay.")
            && !name.starts_with(b"user.containers.")
            && !name.starts_with(b"user.rootlesscontainers")
            && !name.starts_with(b"user.fuseoverlayfs."))
}

/// Adds an attribute from elsewhere if it belongs to an image.
pub(crate) fn keep(xattrs: &mut Xattrs, name: &[u8], value: &[u8]) {
    if name == CAPABILITY {
        xattrs.set(name, &caps::portable(value));
    } else if belongs_to_image(name) {
        xattrs.set(name, value);
    }
}

/// What the attributes of an inode say.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Those that belong to an image.
    pub(crate) kept: Xattrs,
    /// The overlay marked the directory opaque.
    pub(crate) opaque: bool,
    /// The overlay marked the file a whiteout.
    pub(crate) whiteout: bool,
}

/// The attributes of an open inode that belong to an image: file capabilities and `user.*`, less what overlays and
/// container tools keep there.
pub fn image_xattrs(fd: impl AsFd) -> rbuild_rootdir::Result<Xattrs> {
    read(fd).map(|marks| marks.kept)
}

/// Reads the attributes of an open inode.
pub(crate) fn read(fd: impl AsFd) -> rbuild_rootdir::Result<Marks> {
    let fd = fd.as_fd();
    let mut marks = Marks::default();
    for name in rbuild_rootdir::flistxattr(fd)? {
        if name == OPAQUE || name == OPAQUE_TRUSTED {
            // "x" is another mark: this directory may hold xattr whiteouts.
            marks.opaque |= rbuild_rootdir::fgetxattr(fd, &name)?.as_deref() == Some(b"y");
        } else if name == WHITEOUT || name == WHITEOUT_TRUSTED {
            marks.whiteout = true;
        } else if belongs_to_image(&name)
            && let Some(value) = rbuild_rootdir::fgetxattr(fd, &name)?
        {
            keep(&mut marks.kept, &name, &value);
        }
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_capabilities_and_user_attributes_are_kept() {
        let mut kept = Xattrs::new();
        for name in [
            "security.capability",
            "security.selinux",
            "system.posix_acl_access",
            "trusted.overlay.opaque",
            "trusted.x",
            "user.containers.override_stat",
            "user.mime",
            "user.overlay.origin",
            "user.overlays",
        ] {
            keep(&mut kept, name.as_bytes(), b"v");
        }
        let names: Vec<_> = kept
            .iter()
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            .collect();
        assert_eq!(names, ["security.capability", "user.mime", "user.overlays"]);
    }
}

//! The paths on which something is always mounted, so that the caller can provide empty mount points.

/// What kind of empty mount point a path needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StubKind {
    /// An empty directory.
    Dir,
    /// An empty regular file.
    File,
}

/// Container paths that must exist in the root file system: the three that the sandbox itself mounts on, and the
/// three files that a build step or container gets by [`MountKind::ReadOnlyFile`](crate::spec::MountKind).
/// None of them may be a symlink.
pub fn default_mount_points() -> &'static [(&'static str, StubKind)] {
    &[
        ("/dev", StubKind::Dir),
        ("/etc/hostname", StubKind::File),
        ("/etc/hosts", StubKind::File),
        ("/etc/resolv.conf", StubKind::File),
        ("/proc", StubKind::Dir),
        ("/sys", StubKind::Dir),
    ]
}

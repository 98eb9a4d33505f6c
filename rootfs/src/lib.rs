//! What a command needs of its root file system, whoever runs it: the users that the image lists, the files of `/etc`
//! that every container is given, and what its mounts stand on.
//!
//! ```no_run
//! use rbuild_rootfs::{MountPoints, root_of, standard_mounts, users};
//! use rbuild_sandbox::{MountFlags, MountKind, Network, SandboxSpec};
//! use rbuild_store::snapshot::{Form, Snapshot, SnapshotStore};
//!
//! # fn command(snapshots: &SnapshotStore, image: &Snapshot) -> Result<SandboxSpec, Box<dyn std::error::Error>> {
//! let tree = image.tree()?;
//! let mut active = snapshots.begin(Some(image), Form::Overlay)?;
//! let mut points = MountPoints::new(&tree);
//! let mut mounts = standard_mounts(&mut points, &[], "box", Network::None)?;
//! mounts.push(points.mount(
//!     "/tmp",
//!     MountKind::Tmpfs { size: None, mode: 0o1777, flags: MountFlags::default() },
//! )?);
//! points.finish(&mut active)?;
//! let mut spec = SandboxSpec::new(root_of(active.root()?), vec!["/bin/id".into()]);
//! spec.user = users::user(&tree, "daemon")?.credentials();
//! spec.network = Network::None;
//! spec.mounts = mounts;
//! # Ok(spec) }
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | [`users`] | names and numbers of users, by the image's `/etc/passwd` and `/etc/group` |
//! | `etc` | `hosts`, `hostname`, `resolv.conf` |
//! | `mount_points` | where mounts go, and the empty files and directories that they stand on |
//! | [`path`] | paths in a container as text |
//! | `root` | a snapshot as the root of a sandbox |
//!
//! What does not live here: which user, mounts and names are wanted; starting anything.

// The law of paths, whose list is in `clippy.toml`. Tests make and break files as they like.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod etc;
mod mount_points;
pub mod path;
mod root;
pub mod users;

/// `PATH` where an image sets none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub use etc::standard_mounts;
pub use mount_points::{MountPointError, MountPoints, absolute, shows_directory};
pub use root::root_of;

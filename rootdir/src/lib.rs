//! File access that cannot leave a root directory.
//!
//! Container root filesystems and unpacked archives are written by strangers: any name in them may be a symbolic link
//! to `/etc`. Everything here works from an open directory, by descriptors, and either refuses links or keeps them
//! inside the root. Paths are bytes, relative to the root; a leading `/` means the root.
//!
//! ```
//! use rbuild_rootdir::Root;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let root = Root::open(dir.path())?;
//! root.symlink(b"out", b"/etc")?;
//! // Links on the way are refused, or followed as a process would that has the directory for its root.
//! assert!(root.open_file(b"out/passwd").is_err());
//! root.create_dir_all(b"etc")?;
//! root.create_file(b"etc/passwd")?;
//! assert_eq!(root.open_file_in_root(b"out/passwd")?.metadata()?.len(), 0);
//! # Ok(()) }
//! ```
//!
//! What does not live here: policy. Which entries are wanted, which owner a file gets, what a whiteout is.

mod dir;
mod error;
mod path;
mod remove;
mod resolve;
mod root;
mod stat;
mod xattr;

pub use dir::{Dir, DirEntry, fchmod, fchown, fset_mtime, fstat, proc_path};
pub use error::{Error, Result};
pub use path::{check_name, components};
pub use resolve::{LastLink, Resolver};
pub use root::Root;
pub use rustix::io::Errno;
pub use stat::{Kind, Stat, Timestamp};
pub use xattr::{fgetxattr, flistxattr, fremovexattr, fsetxattr};

//! Where the store is: `--root`/`RBUILD_ROOT`, else `/var/lib/rbuild` for root, else `$XDG_DATA_HOME/rbuild`.

use crate::error::Failure;
use std::path::{Path, PathBuf};

/// Decides the store's directory; it need not exist.
///
/// # Errors
/// No home directory is known for an ordinary user.
pub fn locate(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return std::path::absolute(path)
            .map_err(|error| Failure::host(format!("making `{}` absolute: {error}", path.display())));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/rbuild"));
    }
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| Path::new(value).is_absolute())
            .map(PathBuf::from)
    };
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("rbuild"))
        .ok_or_else(|| {
            Failure::host("no directory for the store: neither XDG_DATA_HOME nor HOME is set")
                .hint("set RBUILD_ROOT or give --root DIR")
        })
}

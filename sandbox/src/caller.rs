//! [`Caller`]: who enters the user namespace, as far as the kernel does not say.

use std::ffi::OsString;
use std::path::PathBuf;

/// Who enters, as far as the kernel does not say: both are what the environment of a program has.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Caller {
    /// `PATH`: where `newuidmap` and the like are looked for before the usual places.
    pub path: Option<OsString>,
    /// The name of a user who is not in `/etc/passwd`, as those of directory services are not.
    pub name: Option<String>,
}

impl Caller {
    /// Finds a helper in `PATH` and in the usual places, which a bare environment may leave out.
    pub(crate) fn find_program(&self, name: &str) -> Option<PathBuf> {
        let path = self.path.clone().unwrap_or_default();
        std::env::split_paths(&path)
            .filter(|directory| directory.is_absolute())
            .chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
            .map(|directory| directory.join(name))
            .find(|candidate| candidate.is_file())
    }
}

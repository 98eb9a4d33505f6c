//! [`Environment`]: variables, as data. The library reads none of the process.

use rbuild_registry::{Env, ProxySettings};
use rbuild_sandbox::Caller;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What a build may know of its caller by variables: `HOME`, `PATH` and `USER`, where credentials are, proxies, what git
/// and ssh are given. An empty one is enough where none of that is needed. Clones are one.
///
/// ```
/// use rbuild_build::request::Environment;
///
/// let mine: Environment = std::env::vars_os().collect();
/// assert_eq!(mine.get("PATH"), std::env::var_os("PATH").as_deref());
/// ```
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<(OsString, OsString)>", into = "Vec<(OsString, OsString)>")]
pub struct Environment(Arc<[(OsString, OsString)]>);

impl Environment {
    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_os_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The caller's home.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// Where files of a moment go that belong into no store: `TMPDIR`, else `/tmp`.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        let set = self.get("TMPDIR").filter(|path| !path.is_empty());
        set.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }

    /// Who calls, for the id maps.
    #[must_use]
    pub fn caller(&self) -> Caller {
        let name = self.get("USER").or_else(|| self.get("LOGNAME"));
        Caller {
            path: self.get("PATH").map(OsStr::to_owned),
            name: name.and_then(OsStr::to_str).map(str::to_owned),
        }
    }

    /// Where credentials are found. A helper that hangs does not outlive us.
    #[must_use]
    pub fn credentials(&self) -> Env {
        Env {
            helper: Some(rbuild_sandbox::child::ends_with_us),
            ..Env::from_vars(&|name| self.get(name).map(OsStr::to_owned))
        }
    }

    /// Which proxies lead to registries and servers.
    #[must_use]
    pub fn proxies(&self) -> ProxySettings {
        ProxySettings::from_vars(&|name| self.get(name).and_then(OsStr::to_str).map(str::to_owned))
    }
}

impl Default for Environment {
    fn default() -> Self {
        [].into_iter().collect()
    }
}

impl From<Vec<(OsString, OsString)>> for Environment {
    fn from(variables: Vec<(OsString, OsString)>) -> Self {
        Self(variables.into())
    }
}

impl From<Environment> for Vec<(OsString, OsString)> {
    fn from(environment: Environment) -> Self {
        environment.0.to_vec()
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Without the values, which may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

//! `Env`: what the process environment says about credentials, as data, so that tests are hermetic.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The variables that credential lookup depends on.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: a directory that holds `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `--authfile` or `REGISTRY_AUTH_FILE`: a file in the same format.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// `PATH`, where credential helpers are looked for.
    pub path: Option<OsString>,
    /// What is done to a credential helper before it is started.
    pub helper: Option<fn(&mut Command)>,
}

impl Env {
    /// Reads variables through `var`. An empty one counts as unset.
    pub fn from_vars(var: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let path = |name: &str| var(name).map(PathBuf::from);
        Self {
            home: path("HOME"),
            docker_config: path("DOCKER_CONFIG"),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            xdg_config_home: path("XDG_CONFIG_HOME"),
            path: var("PATH"),
            helper: None,
        }
    }

    /// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
    pub fn docker_config_file(&self) -> Option<PathBuf> {
        let dir = match &self.docker_config {
            Some(dir) => Some(dir.clone()),
            None => self.home.as_ref().map(|home| home.join(".docker")),
        };
        dir.map(|dir| dir.join("config.json"))
    }

    /// The credential files in the order of lookup. An explicit file is the only one.
    ///
    /// Source: containers-auth.json(5) and docker-login(1).
    pub fn auth_files(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.registry_auth_file {
            return vec![file.clone()];
        }
        let config_home = match &self.xdg_config_home {
            Some(dir) => Some(dir.clone()),
            None => self.home.as_ref().map(|home| home.join(".config")),
        };
        let runtime = self
            .xdg_runtime_dir
            .as_ref()
            .map(|dir| dir.join("containers/auth.json"));
        let config = config_home.map(|dir| dir.join("containers/auth.json"));
        [runtime, config, self.docker_config_file()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Where per-registry certificates are kept: `<dir>/<host:port>/{*.crt,*.cert,*.key}`.
    pub fn cert_dirs(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        if let Some(home) = &self.home {
            dirs.push(home.join(".config/containers/certs.d"));
            dirs.push(home.join(".config/docker/certs.d"));
        }
        dirs.push(PathBuf::from("/etc/containers/certs.d"));
        dirs.push(PathBuf::from("/etc/docker/certs.d"));
        dirs
    }
}

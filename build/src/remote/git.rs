//! Git repositories, by the `git` program: which commit a reference is, and its files.
//!
//! git runs with an environment of our making: no prompts, no hooks, no configuration of the caller's but what reaches
//! the remote (proxies, certificates, ssh).

use super::access::GitAccess;
use super::patient;
use crate::address::{GitAddress, authority, is_commit};
use crate::error::{Error, RemoteError};
use rbuild_layer::listing::join;
use rbuild_registry::Cancel;
use rbuild_rootdir::Root;
use rbuild_sandbox::child;
use std::path::Path;
use std::process::{Command, Stdio};

/// The commit (40 or 64 hexadecimal digits) that an address means now.
///
/// # Errors
/// git is not there, the remote cannot be reached, there is no such reference, or the checksum differs.
pub fn resolve(address: &GitAddress, access: &GitAccess, cancel: &Cancel) -> Result<String, Error> {
    let reference = address.reference.as_deref().unwrap_or("HEAD");
    let commit = if is_commit(reference) {
        reference.to_owned()
    } else {
        let git = Git {
            address,
            access,
            cancel,
            dir: None,
        };
        let listed = git.run(&["ls-remote", "--", &address.url])?;
        find(&listed, reference).ok_or_else(|| RemoteError::NoReference {
            url: address.url.clone(),
            reference: reference.to_owned(),
        })?
    };
    if let Some(checksum) = &address.checksum
        && !commit.starts_with(checksum.as_str())
    {
        return Err(RemoteError::OtherCommit {
            url: address.url.clone(),
            reference: reference.to_owned(),
            commit,
            checksum: checksum.clone(),
        }
        .into());
    }
    Ok(commit)
}

/// Checks a commit out into an empty directory.
///
/// # Errors
/// As [`resolve`]; or the commit cannot be fetched.
pub fn checkout(
    address: &GitAddress,
    access: &GitAccess,
    cancel: &Cancel,
    commit: &str,
    dest: &Path,
) -> Result<(), Error> {
    let git = Git {
        address,
        access,
        cancel,
        dir: Some(dest),
    };
    let format = if commit.len() == 64 { "sha256" } else { "sha1" };
    git.run(&[
        "init",
        "--quiet",
        "--template=",
        &format!("--object-format={format}"),
        ".",
    ])?;
    git.fetch(commit)?;
    git.run(&["checkout", "--quiet", "--detach", "--force", commit])?;
    if !address.no_submodules && has_submodules(dest)? {
        git.run(&[
            "submodule",
            "--quiet",
            "update",
            "--init",
            "--recursive",
            "--depth=1",
        ])?;
    }
    if address.keep_git_dir {
        git.run(&["remote", "add", "--", "origin", &address.url])?;
    } else {
        remove_git_dirs(dest)?;
    }
    Ok(())
}

fn has_submodules(dest: &Path) -> Result<bool, Error> {
    match Root::open(dest).and_then(|root| root.lstat(b".gitmodules")) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(RemoteError::Submodules(error).into()),
    }
}

/// Takes away the repository, and what submodules have in its place.
fn remove_git_dirs(dest: &Path) -> Result<(), Error> {
    let at = RemoteError::GitDirs;
    let root = Root::open(dest).map_err(at)?;
    let mut dirs = vec![Vec::new()];
    while let Some(path) = dirs.pop() {
        let dir = root.open_dir(&path).map_err(at)?;
        for entry in dir.read_dir().map_err(at)? {
            if entry.name == b".git" {
                dir.remove_tree(&entry.name).map_err(at)?;
            } else if dir.lstat(&entry.name).map_err(at)?.kind == rbuild_rootdir::Kind::Dir {
                dirs.push(join(&path, &entry.name));
            }
        }
    }
    Ok(())
}

/// The commit of a reference in the answer of `ls-remote`, in git's own order of precedence (gitrevisions(7)); an
/// annotated tag is the commit it points to.
fn find(listed: &str, reference: &str) -> Option<String> {
    let lookup = |name: &str| {
        listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .find(|(_, listed)| *listed == name)
            .map(|(commit, _)| commit.to_owned())
    };
    let candidates = [
        reference.to_owned(),
        format!("refs/tags/{reference}"),
        format!("refs/heads/{reference}"),
        format!("refs/{reference}"),
    ];
    candidates
        .iter()
        .find_map(|name| lookup(&format!("{name}^{{}}")).or_else(|| lookup(name)))
}

/// What of the caller's environment git sees.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
];

const CONFIG: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.logAllRefUpdates", "false"),
    ("protocol.version", "2"),
    ("init.defaultBranch", "main"),
    ("advice.detachedHead", "false"),
    ("safe.directory", "*"),
];

/// How git is called for one repository.
struct Git<'a> {
    address: &'a GitAddress,
    access: &'a GitAccess,
    cancel: &'a Cancel,
    dir: Option<&'a Path>,
}

impl Git<'_> {
    /// Fetches a commit: alone, else what the reference leads to, else everything.
    fn fetch(&self, commit: &str) -> Result<(), Error> {
        let url = &self.address.url;
        let shallow = |what: &str| self.run(&["fetch", "--quiet", "--depth=1", "--", url, what]);
        let Err(refused) = shallow(commit) else {
            return Ok(());
        };
        // A server may give commits by reference only.
        let reference = self.address.reference.as_deref().unwrap_or("HEAD");
        if !is_commit(reference) && shallow(reference).is_ok() {
            return Ok(());
        }
        self.run(&["fetch", "--quiet", "--", url, "+refs/*:refs/remotes/origin/*"])
            .map_err(|_| refused)?;
        Ok(())
    }

    fn run(&self, args: &[&str]) -> Result<String, Error> {
        let mut command = Command::new("git");
        command.env_clear();
        for name in INHERITED {
            if let Some(value) = self.access.environment.get(name) {
                command.env(name, value);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ALLOW_PROTOCOL", "http:https:git:ssh");
        self.configure(&mut command);
        self.configure_ssh(&mut command);
        command.args(args).stdin(Stdio::null());
        // Else the modes of what is checked out would depend on the caller's.
        child::with_usual_umask(&mut command);
        child::ends_with_us(&mut command);
        if let Some(dir) = self.dir {
            command.current_dir(dir);
        }
        let is_over = || self.cancel.is_cancelled();
        let output = patient::output(&mut command, &is_over).map_err(RemoteError::RunGit)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(RemoteError::Git {
            verb: args[0].to_owned(),
            url: self.address.url.clone(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
            authorized: self.access.authorization.is_some(),
        }
        .into())
    }

    /// In the environment, which only processes of the same user can read, not in the arguments, which all can.
    fn configure(&self, command: &mut Command) {
        let mut config: Vec<(String, String)> = CONFIG
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let url = &self.address.url;
        if let Some(authorization) = &self.access.authorization
            && let (Some((scheme, _)), Some(host)) = (url.split_once("://"), authority(url))
        {
            config.push((
                format!("http.{scheme}://{host}/.extraHeader"),
                format!("Authorization: {}", authorization.reveal()),
            ));
            // git would go on with the header wherever the first answer redirects to.
            config.push(("http.followRedirects".to_owned(), "false".to_owned()));
        }
        command.env("GIT_CONFIG_COUNT", config.len().to_string());
        for (at, (key, value)) in config.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{at}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
    }

    fn configure_ssh(&self, command: &mut Command) {
        let of_the_caller = ["GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT"]
            .map(|name| self.access.environment.get(name).map(|value| (name, value)));
        if of_the_caller.iter().flatten().next().is_none() {
            command.env("GIT_SSH_COMMAND", &self.access.ssh_command);
        }
        command.envs(of_the_caller.into_iter().flatten());
        if let Some(agent) = &self.access.agent {
            command.env("SSH_AUTH_SOCK", agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_in_order_of_precedence() {
        let listed = "a\tHEAD\nb\trefs/heads/v1\nc\trefs/tags/v1\nd\trefs/tags/v1^{}\ne\trefs/heads/main\n";
        assert_eq!(find(listed, "v1").as_deref(), Some("d"));
        assert_eq!(find(listed, "refs/heads/v1").as_deref(), Some("b"));
        assert_eq!(find(listed, "main").as_deref(), Some("e"));
        assert_eq!(find(listed, "HEAD").as_deref(), Some("a"));
        assert_eq!(find(listed, "nope"), None);
    }
}

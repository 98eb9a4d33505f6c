//! Git repositories, by the `git` program: which commit a reference is, and its files.
//!
//! git runs with an environment of our making: no prompts, no hooks, no configuration of the caller's but what reaches
//! the remote (proxies, the ssh agent).

use super::address::{GitAddress, redacted};
use crate::error::Failure;
use std::path::Path;
use std::process::{Command, Stdio};

/// The commit (40 or 64 hexadecimal digits) that an address means now.
///
/// # Errors
/// git is not there, the remote cannot be reached, there is no such reference, or the checksum differs.
pub fn resolve(address: &GitAddress) -> Result<String, Failure> {
    let reference = address.reference.as_deref().unwrap_or("HEAD");
    let commit = if is_commit(reference) {
        reference.to_owned()
    } else {
        let listed = run(None, &["ls-remote", "--", &address.url], address)?;
        find(&listed, reference).ok_or_else(|| {
            Failure::host(format!(
                "{} has no branch, tag or commit `{reference}`",
                redacted(&address.url)
            ))
        })?
    };
    if let Some(checksum) = &address.checksum
        && !commit.starts_with(checksum.as_str())
    {
        return Err(Failure::host(format!(
            "{}: `{reference}` is commit {commit}, which does not begin with the checksum {checksum}",
            redacted(&address.url)
        )));
    }
    Ok(commit)
}

/// Checks a commit out into an empty directory.
///
/// # Errors
/// As [`resolve`]; or the commit cannot be fetched.
pub fn checkout(address: &GitAddress, commit: &str, dest: &Path) -> Result<(), Failure> {
    run(Some(dest), &["init", "--quiet", "."], address)?;
    let by_commit = run(
        Some(dest),
        &["fetch", "--quiet", "--depth=1", "--", &address.url, commit],
        address,
    );
    if by_commit.is_err() {
        // A server may give commits by reference only.
        let reference = address.reference.as_deref().unwrap_or("HEAD");
        let narrow = if is_commit(reference) {
            by_commit
        } else {
            run(
                Some(dest),
                &["fetch", "--quiet", "--depth=1", "--", &address.url, reference],
                address,
            )
        };
        if narrow.is_err() {
            run(
                Some(dest),
                &[
                    "fetch",
                    "--quiet",
                    "--",
                    &address.url,
                    "+refs/*:refs/remotes/origin/*",
                ],
                address,
            )?;
        }
    }
    run(
        Some(dest),
        &["checkout", "--quiet", "--detach", "--force", commit],
        address,
    )?;
    if !address.no_submodules && dest.join(".gitmodules").exists() {
        run(
            Some(dest),
            &[
                "submodule",
                "--quiet",
                "update",
                "--init",
                "--recursive",
                "--depth=1",
            ],
            address,
        )?;
    }
    if !address.keep_git_dir {
        std::fs::remove_dir_all(dest.join(".git"))
            .map_err(|error| Failure::host(format!("removing `.git` of a checkout: {error}")))?;
    }
    Ok(())
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
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

fn run(dir: Option<&Path>, args: &[&str], address: &GitAddress) -> Result<String, Failure> {
    let mut command = Command::new("git");
    command.env_clear();
    for name in [
        "PATH",
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
        "HOME",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ALLOW_PROTOCOL", "http:https:git:ssh")
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "protocol.version=2",
            "-c",
            "init.defaultBranch=main",
        ])
        .args([
            "-c",
            "core.autocrlf=false",
            "-c",
            "advice.detachedHead=false",
            "-c",
            "safe.directory=*",
        ])
        .args(args)
        .stdin(Stdio::null());
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let output = command.output().map_err(|error| {
        let failure = Failure::host(format!("running git: {error}"));
        if error.kind() == std::io::ErrorKind::NotFound {
            failure.hint("git sources need the program `git`")
        } else {
            failure
        }
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut failure = Failure::host(format!("git {} of {} failed", args[0], redacted(&address.url)));
    let words = String::from_utf8_lossy(&output.stderr).replace(&address.url, &redacted(&address.url));
    for line in words.lines().filter(|line| !line.trim().is_empty()).take(3) {
        failure = failure.cause(line.trim());
    }
    Err(failure)
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

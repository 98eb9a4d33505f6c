//! The `docker-credential-*` protocol: one verb as argument, data on standard input and output.
//!
//! Source: github.com/docker/docker-credential-helpers, "Development".

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Credential;
use crate::env::Env;
use crate::secret::Secret;

/// A helper names an identity token by this user name.
const TOKEN_USER: &str = "<token>";
const OUTPUT_LIMIT: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum HelperError {
    #[error("not found in PATH")]
    Missing,
    #[error("{0}")]
    Failed(String),
}

pub(super) fn get(env: &Env, helper: &str, server: &str) -> Result<Option<Credential>, HelperError> {
    let output = run(env, helper, "get", server.as_bytes())?;
    if !output.ok {
        return if output.says_not_found() {
            Ok(None)
        } else {
            Err(output.failure())
        };
    }
    // The output is a secret: an error may say that it is wrong, not what it is.
    let bad = || HelperError::Failed("its answer is not the JSON of the protocol".to_owned());
    let answer: Value = serde_json::from_slice(&output.stdout).map_err(|_| bad())?;
    let field = |name: &str| answer.get(name).and_then(Value::as_str);
    let secret = field("Secret").ok_or_else(bad)?;
    if secret.is_empty() {
        return Ok(None);
    }
    Ok(Some(match field("Username").unwrap_or_default() {
        TOKEN_USER => Credential::IdentityToken(Secret::new(secret)),
        username => Credential::Basic {
            username: username.to_owned(),
            password: Secret::new(secret),
        },
    }))
}

pub(super) fn store(
    env: &Env,
    helper: &str,
    server: &str,
    credential: &Credential,
) -> Result<(), HelperError> {
    let (username, secret) = match credential {
        Credential::Basic { username, password } => (username.as_str(), password),
        Credential::IdentityToken(token) | Credential::RegistryToken(token) => (TOKEN_USER, token),
    };
    let message = json!({ "ServerURL": server, "Username": username, "Secret": secret.reveal() });
    let output = run(env, helper, "store", message.to_string().as_bytes())?;
    if output.ok { Ok(()) } else { Err(output.failure()) }
}

/// Whether there was something to erase.
pub(super) fn erase(env: &Env, helper: &str, server: &str) -> Result<bool, HelperError> {
    let output = run(env, helper, "erase", server.as_bytes())?;
    if output.ok || output.says_not_found() {
        Ok(output.ok)
    } else {
        Err(output.failure())
    }
}

struct Output {
    ok: bool,
    stdout: Vec<u8>,
}

impl Output {
    /// Errors come on standard output; this one is the protocol's word for "nothing kept".
    fn says_not_found(&self) -> bool {
        String::from_utf8_lossy(&self.stdout).contains("credentials not found")
    }

    fn failure(&self) -> HelperError {
        let text = String::from_utf8_lossy(&self.stdout);
        let line: String = text
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        HelperError::Failed(if line.is_empty() {
            "it said nothing".to_owned()
        } else {
            line
        })
    }
}

fn run(env: &Env, helper: &str, verb: &str, input: &[u8]) -> Result<Output, HelperError> {
    let program = find(env, helper)?;
    let failed = |e: std::io::Error| HelperError::Failed(e.to_string());
    let mut command = Command::new(program);
    command
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(path) = &env.path {
        command.env("PATH", path);
    }
    if let Some(home) = &env.home {
        command.env("HOME", home);
    }
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says why on its output.
        let _ = stdin.write_all(input);
    }
    let mut stdout = Vec::new();
    let read = match child.stdout.take() {
        Some(pipe) => pipe.take(OUTPUT_LIMIT).read_to_end(&mut stdout).map(|_| ()),
        None => Ok(()),
    };
    let status = child.wait().map_err(failed)?;
    read.map_err(failed)?;
    Ok(Output {
        ok: status.success(),
        stdout,
    })
}

/// A name in a file must not become a path.
fn find(env: &Env, helper: &str) -> Result<PathBuf, HelperError> {
    if !helper
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    {
        return Err(HelperError::Failed("its name is not a plain word".to_owned()));
    }
    let path = env.path.as_ref().ok_or(HelperError::Missing)?;
    std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(format!("docker-credential-{helper}")))
        .find(|file| {
            file.metadata()
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
        .ok_or(HelperError::Missing)
}

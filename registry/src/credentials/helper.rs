//! The `docker-credential-*` protocol: one verb as argument, data on standard input and output.
//!
//! Source: github.com/docker/docker-credential-helpers, "Development".

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::{Value, json};

use super::{Credential, Patience};
use crate::env::Env;
use crate::secret::Secret;

/// A helper names an identity token by this user name.
const TOKEN_USER: &str = "<token>";
const OUTPUT_LIMIT: usize = 1 << 20;
/// How often it is looked whether it is still waited for.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};
/// A helper that has not answered by then is told of: it may wait for a person.
const SLOW: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub(super) enum HelperError {
    #[error("not found in PATH")]
    Missing,
    #[error("{0}")]
    Failed(String),
    #[error("interrupted")]
    Cancelled,
}

pub(super) fn get(
    env: &Env,
    helper: &str,
    server: &str,
    patience: &Patience<'_>,
) -> Result<Option<Credential>, HelperError> {
    let output = run(env, helper, "get", server.as_bytes(), patience)?;
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
    let output = run(
        env,
        helper,
        "store",
        message.to_string().as_bytes(),
        &Patience::default(),
    )?;
    if output.ok { Ok(()) } else { Err(output.failure()) }
}

/// Whether there was something to erase.
pub(super) fn erase(env: &Env, helper: &str, server: &str) -> Result<bool, HelperError> {
    let output = run(env, helper, "erase", server.as_bytes(), &Patience::default())?;
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

fn run(
    env: &Env,
    helper: &str,
    verb: &str,
    input: &[u8],
    patience: &Patience<'_>,
) -> Result<Output, HelperError> {
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
    if let Some(prepare) = env.helper {
        prepare(&mut command);
    }
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says why on its output.
        let _ = stdin.write_all(input);
    }
    let answer = answer(&mut child, helper, patience);
    if answer.is_err() {
        // It may be over already, and nobody is interested in how.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (status, stdout) = answer?;
    Ok(Output {
        ok: status.success(),
        stdout,
    })
}

/// Waits for all that the helper has to say, and for its end. Without a thread: a build may not have one yet.
fn answer(
    child: &mut Child,
    helper: &str,
    patience: &Patience<'_>,
) -> Result<(ExitStatus, Vec<u8>), HelperError> {
    let failed = |e: std::io::Error| HelperError::Failed(e.to_string());
    let begin = Instant::now();
    let mut told = false;
    let mut go_on = || {
        if (patience.is_cancelled)() {
            return Err(HelperError::Cancelled);
        }
        if begin.elapsed() >= SLOW && !std::mem::replace(&mut told, true) {
            (patience.slow)(helper);
        }
        Ok(())
    };
    let mut stdout = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        let mut chunk = [0; 4096];
        while stdout.len() < OUTPUT_LIMIT {
            let mut ready = [PollFd::new(&pipe, PollFlags::IN)];
            match poll(&mut ready, Some(&TICK)) {
                Ok(0) | Err(Errno::INTR) => go_on()?,
                Ok(_) => match pipe.read(&mut chunk).map_err(failed)? {
                    0 => break,
                    read => stdout.extend_from_slice(&chunk[..read]),
                },
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
    // It has said all; mostly it has ended, too.
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok((status, stdout));
        }
        go_on()?;
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
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

//! The command line and the environment of a step.

use crate::engine::Engine;
use crate::ops::OpError;
use crate::ops::spec::{ExecMount, ExecSpec};
use crate::request::SecretError;
use std::ffi::OsString;
use std::path::Path;

/// `MAX_ARG_STRLEN` of linux/binfmts.h: bytes of one argument, its NUL included.
const MAX_ARGUMENT: usize = 128 << 10;
/// Shells that read a file with `.` as if its text stood there.
const SHELLS: [&str; 8] = ["sh", "ash", "bash", "dash", "ksh", "mksh", "yash", "zsh"];
/// The file that holds a text which is too long for an argument.
const LONG_TEXT: &str = "command";

/// What is executed, and the script that is mounted for it.
pub(super) struct Command<'a> {
    pub(super) argv: Vec<OsString>,
    /// Name below `/dev/pipes`, and content.
    pub(super) script: Option<(&'a str, &'a str)>,
}

/// The command of a step. A text that is too long to be an argument of the shell is read from a file instead.
pub(super) fn command(spec: &ExecSpec) -> Command<'_> {
    let mut argv: Vec<OsString> = spec.argv.iter().map(OsString::from).collect();
    let mut script = spec
        .script
        .as_ref()
        .map(|(name, content)| (name.as_str(), content.as_str()));
    if let [shell, .., flag, text] = spec.argv.as_slice()
        && spec.is_shell_form
        && text.len() >= MAX_ARGUMENT
        && takes_text_from_file(shell, flag)
    {
        argv.pop();
        argv.push(format!(". /dev/pipes/{LONG_TEXT}").into());
        script = Some((LONG_TEXT, text));
    }
    Command { argv, script }
}

/// Whether this is a shell whose next argument is a command.
fn takes_text_from_file(shell: &str, flag: &str) -> bool {
    let name = shell.rsplit('/').next().unwrap_or_default();
    SHELLS.contains(&name) && flag.starts_with('-') && flag.ends_with('c')
}

/// The complete environment: ENV and ARG, then what the key leaves out, and HOME where nobody set it.
pub(super) fn environment(
    spec: &ExecSpec,
    home: Option<&Path>,
    secrets: Vec<(String, OsString)>,
) -> Vec<OsString> {
    let mut variables: Vec<(String, OsString)> = Vec::new();
    let mut set = |name: &str, value: OsString| match variables.iter_mut().find(|(other, _)| other == name) {
        Some((_, old)) => *old = value,
        None => variables.push((name.to_owned(), value)),
    };
    let of_devices = &spec.devices.edits.env;
    for (name, value) in spec.env.iter().chain(&spec.hidden_env).chain(of_devices) {
        set(name, value.into());
    }
    for (name, value) in secrets {
        set(&name, value);
    }
    if !variables.iter().any(|(name, _)| name == "HOME") {
        variables.push(("HOME".to_owned(), home.unwrap_or(Path::new("/")).into()));
    }
    variables
        .into_iter()
        .map(|(name, value)| {
            let mut variable = OsString::from(name);
            variable.push("=");
            variable.push(value);
            variable
        })
        .collect()
}

/// Where ssh finds the first agent that was given.
pub(super) fn agent_env(spec: &ExecSpec, engine: &Engine) -> Option<(String, OsString)> {
    spec.mounts.iter().find_map(|mount| match mount {
        ExecMount::Ssh { id, target, .. } if engine.ssh.contains_key(id) => {
            Some(("SSH_AUTH_SOCK".to_owned(), target.into()))
        }
        _ => None,
    })
}

pub(super) fn secret_env(spec: &ExecSpec, engine: &Engine) -> Result<Vec<(String, OsString)>, OpError> {
    use std::os::unix::ffi::OsStringExt;
    let mut variables = Vec::new();
    for mount in &spec.mounts {
        if let ExecMount::Secret {
            id, env: Some(name), ..
        } = mount
        {
            match engine.secret(id)? {
                Some(bytes) if bytes.contains(&0) => {
                    return Err(OpError::Secret {
                        id: id.clone(),
                        why: SecretError::Nul,
                    });
                }
                Some(bytes) => variables.push((name.clone(), OsString::from_vec(bytes.to_vec()))),
                None => {}
            }
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shells_read_files_with_a_dot() {
        for (shell, flag) in [("/bin/sh", "-c"), ("bash", "-euxc"), ("/usr/bin/zsh", "-c")] {
            assert!(takes_text_from_file(shell, flag), "{shell} {flag}");
        }
        for (shell, flag) in [
            ("python3", "-c"),
            ("/bin/fish", "-c"),
            ("/bin/sh", "-e"),
            ("/bin/sh", "c"),
        ] {
            assert!(!takes_text_from_file(shell, flag), "{shell} {flag}");
        }
    }
}

//! `--ssh default|ID[=SOCKET|KEY,…]`.

use crate::error::Failure;
use rbuild_build::request::SshSource;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

/// Reads one `--ssh` value.
///
/// # Errors
/// No agent is known, or a path is neither socket nor file.
pub(super) fn parse(text: &str, auth_sock: Option<&str>) -> Result<(String, SshSource), Failure> {
    let (id, paths) = text.split_once('=').unwrap_or((text, ""));
    if id.is_empty() {
        return Err(Failure::usage(format!(
            "--ssh `{text}` is not of the form ID[=SOCKET|KEY,…]"
        )));
    }
    if paths.is_empty() {
        return match auth_sock.filter(|path| !path.is_empty()) {
            Some(path) => Ok((id.to_owned(), SshSource::Socket(PathBuf::from(path)))),
            None => Err(Failure::usage(format!(
                "--ssh {id}: no agent is running (SSH_AUTH_SOCK is not set)"
            ))
            .hint(format!(
                "start one with `eval $(ssh-agent)`, or give keys: `--ssh {id}=PATH`"
            ))),
        };
    }
    let mut keys = Vec::new();
    let mut sockets = Vec::new();
    for path in paths.split(',').map(PathBuf::from) {
        #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
        let kind = std::fs::metadata(&path)
            .map_err(|error| Failure::usage(format!("--ssh {id}: `{}`: {error}", path.display())))?
            .file_type();
        if kind.is_socket() {
            sockets.push(path);
        } else if kind.is_file() {
            keys.push(path);
        } else {
            return Err(Failure::usage(format!(
                "--ssh {id}: `{}` is neither a socket nor a key",
                path.display()
            )));
        }
    }
    match (sockets.pop(), keys.is_empty(), sockets.is_empty()) {
        (Some(socket), true, true) => Ok((id.to_owned(), SshSource::Socket(socket))),
        (None, false, _) => Ok((id.to_owned(), SshSource::Keys(keys))),
        _ => Err(Failure::usage(format!(
            "--ssh {id}: give one socket, or keys, not both"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        assert_eq!(
            parse("default", Some("/s")).unwrap().1,
            SshSource::Socket("/s".into())
        );
        assert!(
            parse("default", None)
                .unwrap_err()
                .text()
                .contains("SSH_AUTH_SOCK")
        );
        assert!(
            parse("x=/nowhere/at/all", None)
                .unwrap_err()
                .text()
                .contains("/nowhere/at/all")
        );
        assert!(
            parse("x=/", None)
                .unwrap_err()
                .text()
                .contains("neither a socket nor a key")
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        let keys = parse(&format!("k={}", file.path().display()), None).unwrap();
        assert_eq!(keys, ("k".into(), SshSource::Keys(vec![file.path().into()])));
    }
}

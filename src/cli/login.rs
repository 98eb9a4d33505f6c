//! `rbuild login` and `rbuild logout`: credentials for registries, kept where docker and podman keep theirs.

use super::streams::{ask, ask_hidden, note};
use super::transfer::registries;
use crate::error::{Failure, Kind};
use crate::options::registry::RegistryArgs;
use clap::Args;
use rbuild_build::error::TransferError;
use rbuild_oci::DOCKER_HUB;
use rbuild_registry::{Credential, Credentials, Secret};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// What was typed.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// User name
    #[arg(short, long, value_name = "NAME")]
    pub username: Option<String>,

    /// Password, which all who list processes see; better: --password-stdin
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub password: Option<String>,

    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,

    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// Registry: HOST[:PORT]
    #[arg(value_name = "HOST", default_value = DOCKER_HUB)]
    pub host: String,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// File to forget the credentials in
    #[arg(long, env = "REGISTRY_AUTH_FILE", value_name = "FILE")]
    pub authfile: Option<PathBuf>,

    /// Registry: HOST[:PORT]
    #[arg(value_name = "HOST", default_value = DOCKER_HUB)]
    pub host: String,
}

/// Longest password that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// Tries the credentials, then keeps them.
///
/// # Errors
/// The registry does not take them, or they cannot be kept.
pub fn run(args: &LoginArgs) -> Result<u8, Failure> {
    let host = host(&args.host)?;
    let username = match &args.username {
        Some(name) => name.clone(),
        None if args.password_stdin || args.password.is_some() || !std::io::stdin().is_terminal() => {
            return Err(Failure::usage("no user name was given").hint("give -u NAME"));
        }
        None => ask("user name: ")?,
    };
    if username.is_empty() || username.contains(':') {
        return Err(Failure::usage("the user name is empty, or has a colon in it"));
    }
    let password = match &args.password {
        Some(given) => {
            note(
                "warning: a password on a command line is seen by all who list processes: use --password-stdin",
            );
            given.clone()
        }
        None => password(args.password_stdin)?,
    };
    if password.is_empty() {
        return Err(Failure::usage("the password is empty"));
    }
    let credential = Credential::Basic {
        username,
        password: Secret::new(password),
    };
    let registries = registries(args.registry.settings()?);
    registries
        .client()
        .ping(&host, Some(&credential))
        .map_err(|error| TransferError::Registry(Box::new(error)))
        .map_err(rbuild_build::error::Error::from)?;
    let file = credentials(args.registry.authfile.as_deref())
        .save(&host, &credential)
        .map_err(|error| Failure::from_error(Kind::Host, &error))?;
    note(&format!(
        "logged in to {host}; the credentials are in {}",
        file.display()
    ));
    Ok(0)
}

/// Forgets the credentials.
///
/// # Errors
/// They cannot be removed.
pub fn logout(args: &LogoutArgs) -> Result<u8, Failure> {
    let host = host(&args.host)?;
    let files = credentials(args.authfile.as_deref())
        .remove(&host)
        .map_err(|error| Failure::from_error(Kind::Host, &error))?;
    if files.is_empty() {
        note(&format!("there are no credentials for {host}"));
    }
    for file in files {
        note(&format!(
            "removed the credentials for {host} from {}",
            file.display()
        ));
    }
    Ok(0)
}

fn credentials(authfile: Option<&Path>) -> Credentials {
    let mut env = crate::environment::environment().credentials();
    if let Some(file) = authfile {
        env.registry_auth_file = Some(file.to_owned());
    }
    Credentials::new(env)
}

/// The registry that is meant by `https://host/v1/`, `index.docker.io` and other things that people type.
fn host(text: &str) -> Result<String, Failure> {
    let bare = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text)
        .trim_end_matches('/');
    let bare = bare
        .strip_suffix("/v1")
        .or_else(|| bare.strip_suffix("/v2"))
        .unwrap_or(bare);
    let lower = bare.to_ascii_lowercase();
    if lower.is_empty() || lower.contains('/') {
        return Err(Failure::usage(format!("`{text}` is no registry host"))
            .hint("give HOST or HOST:PORT; the repository does not belong to it"));
    }
    Ok(match lower.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "hub.docker.com" => DOCKER_HUB.to_owned(),
        _ => lower,
    })
}

fn password(piped: bool) -> Result<String, Failure> {
    if !piped {
        if std::io::stdin().is_terminal() {
            return ask_hidden("password: ");
        }
        return Err(Failure::usage("no password was given").hint("pipe it in, with --password-stdin"));
    }
    let mut password = String::new();
    std::io::stdin()
        .take(LIMIT)
        .read_to_string(&mut password)
        .map_err(|error| Failure::host(format!("reading the password: {error}")))?;
    password.truncate(password.trim_end_matches(['\r', '\n']).len());
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_people_type_them() {
        for (typed, meant) in [
            ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("http://localhost:5000", "localhost:5000"),
            ("GHCR.io/", "ghcr.io"),
        ] {
            assert_eq!(host(typed).unwrap(), meant);
        }
        assert!(host("ghcr.io/me").is_err());
        assert!(host("https://").is_err());
    }
}

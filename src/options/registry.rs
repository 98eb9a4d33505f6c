//! The flags of everything that talks to registries, and the settings of the client that they make.

use super::choice;
use crate::error::Failure;
use clap::Args;
use rbuild_build::request::PullPolicy;
use rbuild_build::request::RegistrySettings;
use rbuild_registry::{Credential, HostSet, RetryPolicy, Secret};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads `--pull`.
///
/// # Errors
/// An unknown policy.
pub fn pull_policy(text: &str) -> Result<PullPolicy, Failure> {
    match text {
        "missing" | "false" => Ok(PullPolicy::Missing),
        // Asking and fetching what is newer is what `always` does: digests decide, nothing is fetched twice.
        "always" | "true" | "newer" => Ok(PullPolicy::Always),
        "never" => Ok(PullPolicy::Never),
        other => Err(choice("--pull", other, &["always", "missing", "never", "newer"])),
    }
}

/// What was typed.
#[derive(Debug, Clone, Default, Args)]
pub struct RegistryArgs {
    /// Allow plain HTTP and unverified TLS for this registry host (repeatable)
    #[arg(long = "insecure-registry", value_name = "HOST")]
    pub insecure_registries: Vec<String>,

    /// Whether to demand TLS with a valid certificate of every registry
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set, hide_possible_values = true)]
    pub tls_verify: bool,

    /// Directory with further certificates of authorities (*.crt) for every registry
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,

    /// File with registry credentials
    #[arg(long, env = "REGISTRY_AUTH_FILE", value_name = "FILE")]
    pub authfile: Option<PathBuf>,

    /// How often to try a failed transfer again [default: 5]
    #[arg(long, value_name = "N")]
    pub retry: Option<u32>,

    /// How long to wait before the first new try, such as 2s; doubled for each further one
    #[arg(long, value_name = "TIME")]
    pub retry_delay: Option<String>,
}

impl RegistryArgs {
    /// Gives the flags their meaning.
    ///
    /// # Errors
    /// The directory of `--cert-dir` has no certificate, or `--retry-delay` is no time.
    pub fn settings(&self) -> Result<RegistrySettings, Failure> {
        let mut retry = RetryPolicy::default();
        if let Some(retries) = self.retry {
            retry.retries = retries;
        }
        if let Some(text) = &self.retry_delay {
            retry.base = delay(text)?;
            retry.cap = retry.cap.max(retry.base);
        }
        Ok(RegistrySettings {
            insecure: match self.tls_verify {
                true => self.insecure_registries.iter().cloned().collect(),
                false => HostSet::All,
            },
            authorities: self
                .cert_dir
                .as_deref()
                .map(authorities)
                .transpose()?
                .unwrap_or_default(),
            authfile: self.authfile.clone(),
            retry,
            given: None,
        })
    }
}

/// Reads `--creds USER[:PASSWORD]`, for the host of an image.
///
/// # Errors
/// There is no password, or no user.
pub fn creds(text: Option<&str>, host: &str) -> Result<Option<(String, Credential)>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => {
            let credential = Credential::Basic {
                username: user.to_owned(),
                password: Secret::new(password.to_owned()),
            };
            Ok(Some((host.to_owned(), credential)))
        }
        _ => Err(Failure::usage("--creds is not of the form USER:PASSWORD")
            .hint("`rbuild login` asks for a password, and keeps it")),
    }
}

/// `2s`, `1m30s`, or seconds as they are.
fn delay(text: &str) -> Result<Duration, Failure> {
    let seconds = text.parse().map(Duration::from_secs).ok();
    seconds
        .or_else(|| dockerfile_parser::duration::parse(text))
        .ok_or_else(|| Failure::usage(format!("--retry-delay: `{text}` is not a time like 2s")))
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn authorities(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong = |why: String| Failure::usage(format!("--cert-dir `{}` {why}", dir.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| wrong(format!("cannot be read: {error}")))? {
        let path = entry
            .map_err(|error| wrong(format!("cannot be read: {error}")))?
            .path();
        if path.extension().is_some_and(|extension| extension == "crt") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(wrong("has no *.crt in it".to_owned())
            .hint("certificates of a client belong into ~/.config/containers/certs.d/HOST/"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let args = RegistryArgs {
            tls_verify: true,
            retry: Some(1),
            retry_delay: Some("1m30s".into()),
            insecure_registries: vec!["a:5000".into()],
            ..RegistryArgs::default()
        };
        let settings = args.settings().unwrap();
        assert_eq!((settings.retry.retries, settings.retry.base.as_secs()), (1, 90));
        assert!(settings.retry.cap >= settings.retry.base);
        assert!(settings.insecure.contains("a:5000") && !settings.insecure.contains("b"));
        let all = RegistryArgs::default().settings().unwrap();
        assert_eq!(all.insecure, HostSet::All, "--tls-verify=false");
    }

    #[test]
    fn what_is_wrong() {
        let args = RegistryArgs {
            retry_delay: Some("soon".into()),
            ..RegistryArgs::default()
        };
        assert!(
            args.settings()
                .unwrap_err()
                .text()
                .contains("`soon` is not a time")
        );
        let args = RegistryArgs {
            cert_dir: Some("/nonexistent".into()),
            ..RegistryArgs::default()
        };
        assert!(args.settings().unwrap_err().text().contains("cannot be read"));
        assert_eq!(delay("3").unwrap(), Duration::from_secs(3));
    }
}

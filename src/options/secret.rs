//! `--secret id=…,src=…|env=…`.

use super::spec;
use crate::error::Failure;
use rbuild_build::request::{Secret, SecretSource};
use std::ffi::OsString;

const KEYS: &[&str] = &["id", "type", "src", "source", "env"];

/// Reads one `--secret` value. A file must be there, whether a step needs it or not.
///
/// # Errors
/// What is wrong, with a suggestion.
pub(super) fn parse(text: &str) -> Result<(String, Secret), Failure> {
    let (id, source) = source(text, |name| std::env::var_os(name))?;
    let is_file = matches!(source, SecretSource::File(_));
    let secret = Secret::new(source);
    match secret.missing() {
        Some(why) if is_file => Err(Failure::usage(format!("--secret id={id}: {why}"))),
        _ => Ok((id, secret)),
    }
}

/// Without `src` or `env` the id names an environment variable if there is one, else a file.
fn source(
    text: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(String, SecretSource), Failure> {
    let (mut id, mut kind, mut src, mut env) = (None, None, None, None);
    for (key, value) in spec::fields("--secret", text)? {
        let value =
            value.ok_or_else(|| Failure::usage(format!("--secret `{text}`: `{key}` needs a value")))?;
        match key.as_str() {
            "id" => id = Some(value),
            "type" => kind = Some(value),
            "src" | "source" => src = Some(value),
            "env" => env = Some(value),
            other => return Err(spec::unknown_key("--secret", other, KEYS)),
        }
    }
    let id = id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Failure::usage(format!("--secret `{text}`: `id=` is missing")))?;
    let source = match (kind.as_deref(), src, env) {
        (None | Some("file" | "env"), Some(_), Some(_)) => {
            return Err(Failure::usage(format!(
                "--secret `{text}`: `src` and `env` exclude each other"
            )));
        }
        (Some("env"), Some(name), None) | (None | Some("env"), None, Some(name)) => {
            let value = variable(&name);
            SecretSource::Variable(name, value)
        }
        (None | Some("file"), Some(path), None) => SecretSource::File(path.into()),
        (Some("file"), None, Some(_)) => {
            return Err(Failure::usage(format!(
                "--secret `{text}`: `type=file` takes `src`, not `env`"
            )));
        }
        (Some("env"), None, None) => SecretSource::Variable(id.clone(), variable(&id)),
        (None, None, None) => match variable(&id) {
            Some(value) => SecretSource::Variable(id.clone(), Some(value)),
            None => SecretSource::File(id.clone().into()),
        },
        (Some("file"), None, None) => SecretSource::File(id.clone().into()),
        (Some(other), ..) => {
            return Err(Failure::usage(format!("--secret: unknown type `{other}`")).hint("use file or env"));
        }
    };
    Ok((id, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(_: &str) -> Option<OsString> {
        Some("x".into())
    }

    #[test]
    fn default_source_is_env_then_file() {
        assert_eq!(
            source("id=A", set).unwrap().1,
            SecretSource::Variable("A".into(), Some("x".into()))
        );
        assert_eq!(
            source("id=A", |_| None).unwrap().1,
            SecretSource::File("A".into())
        );
        assert_eq!(
            source("id=A,src=f", set).unwrap().1,
            SecretSource::File("f".into())
        );
        assert_eq!(
            source("id=A,type=env", |_| None).unwrap().1,
            SecretSource::Variable("A".into(), None)
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_refused_at_once() {
        for (path, why) in [("/nowhere/at/all", "No such file"), ("/", "is a directory")] {
            let failure = parse(&format!("id=a,src={path}")).unwrap_err();
            assert!(failure.text().contains(why), "{}", failure.text());
        }
    }

    #[test]
    fn missing_id_and_unknown_key() {
        assert!(
            source("src=f", set)
                .unwrap_err()
                .text()
                .contains("`id=` is missing")
        );
        assert!(
            source("id=a,srd=f", set)
                .unwrap_err()
                .text()
                .contains("did you mean `src`?")
        );
    }
}

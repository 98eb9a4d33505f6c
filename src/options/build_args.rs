//! `--build-arg` and what comes beside it: files of them, the caller's proxies, `SOURCE_DATE_EPOCH`.

use crate::cli::build::BuildArgs;
use crate::error::Failure;
use rbuild_build::lower::{HOSTNAME_ARG, PREDEFINED};
use rbuild_build::request::EPOCH_ARG;
use std::collections::BTreeMap;

/// All arguments, each with its value.
///
/// # Errors
/// One without a name, or a file that cannot be read.
pub(super) fn build_args(
    args: &BuildArgs,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut values = BTreeMap::new();
    // Proxies of the caller reach RUN as predefined arguments, as docker's configuration would do it.
    for name in PREDEFINED {
        if let Some(value) = env(name) {
            values.insert(name.to_owned(), value);
        }
    }
    if let Some(epoch) = env(EPOCH_ARG) {
        values.insert(EPOCH_ARG.to_owned(), epoch);
    }
    for file in &args.build_arg_files {
        values.extend(super::env_file::read(file, env)?);
    }
    for text in &args.build_args {
        match text.split_once('=') {
            Some(("", _)) => {
                return Err(Failure::usage("--build-arg: there is no name before `=`"));
            }
            Some((name, value)) => {
                values.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = env(text) {
                    values.insert(text.clone(), value);
                }
            }
        }
    }
    // The flag is the last word, and what a step that declares the argument sees is what the image gets.
    if let Some(epoch) = &args.source_date_epoch {
        values.insert(EPOCH_ARG.to_owned(), epoch.clone());
    }
    Ok(values)
}

/// Whether an argument that switches something is on.
pub(super) fn is_on(build_args: &BTreeMap<String, String>, name: &str) -> bool {
    matches!(
        build_args.get(name).map(String::as_str),
        Some("1" | "t" | "T" | "true" | "True" | "TRUE")
    )
}

/// Refuses arguments that steer the build to where it cannot go.
///
/// # Errors
/// A host name that is none, an index around one platform.
pub(super) fn check_steering(build_args: &BTreeMap<String, String>) -> Result<(), Failure> {
    if let Some(name) = build_args.get(HOSTNAME_ARG) {
        let is_name = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '.' | '_');
        if name.len() > 64 || !name.chars().all(is_name) {
            return Err(Failure::usage(format!(
                "{HOSTNAME_ARG}: `{name}` is not a host name: at most 64 letters, digits, `-`, `.` and `_`"
            )));
        }
    }
    if is_on(build_args, "BUILDKIT_MULTI_PLATFORM") {
        return Err(Failure::usage(
            "BUILDKIT_MULTI_PLATFORM: an index around one platform is not supported",
        ));
    }
    Ok(())
}

/// `SOURCE_DATE_EPOCH`, in seconds since 1970.
///
/// # Errors
/// It is no such number.
pub(super) fn epoch(build_args: &BTreeMap<String, String>) -> Result<Option<i64>, Failure> {
    match build_args.get(EPOCH_ARG).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse::<i64>()
            .ok()
            .filter(|seconds| *seconds >= 0)
            .map(Some)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "{EPOCH_ARG} `{text}` is not a number of seconds since 1970"
                ))
            }),
    }
}

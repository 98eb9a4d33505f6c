//! `--cache-from`, `--cache-to`: caches that machines share.

use super::{choice, spec};
use crate::error::Failure;
use rbuild_build::request::{CacheMode, CachePlace, CacheTarget};
use std::path::PathBuf;

const FROM: &str = "--cache-from";
const TO: &str = "--cache-to";

/// Kinds of caches.
const TYPES: &[&str] = &["local"];
/// Kinds that other builders have, and why there are none here.
const OTHERS: &[(&str, &str)] = &[
    (
        "inline",
        "an image cannot hold the results of the other stages: use type=local",
    ),
    (
        "gha",
        "keep the directory of a type=local cache with actions/cache",
    ),
    ("s3", "keep the directory of a type=local cache in the bucket"),
    (
        "azblob",
        "keep the directory of a type=local cache in the container",
    ),
];
/// What shapes the layers and documents of other builders' caches. Records have one form.
const SHAPES: &[&str] = &[
    "compression",
    "compression-level",
    "force-compression",
    "image-manifest",
    "oci-mediatypes",
];

/// A value of `--cache-from`.
///
/// # Errors
/// What is wrong, with a suggestion.
pub(super) fn from(text: &str) -> Result<CachePlace, Failure> {
    let fields = spec::fields(FROM, text)?;
    let kind = kind(FROM, text, &fields)?;
    let mut place = None;
    for (key, value) in fields {
        match key.as_str() {
            "type" => {}
            "src" if kind == "local" => place = value,
            other => return Err(spec::unknown_key(FROM, other, &["type", "src"])),
        }
    }
    directory(FROM, text, "src", place)
}

/// A value of `--cache-to`; `None`: nothing is to be sent.
///
/// # Errors
/// What is wrong, with a suggestion.
pub(super) fn to(text: &str) -> Result<Option<CacheTarget>, Failure> {
    let fields = spec::fields(TO, text)?;
    let kind = kind(TO, text, &fields)?;
    let mut place = None;
    let mut mode = CacheMode::default();
    let mut ignore_error = true;
    let mut read_only = false;
    for (key, value) in fields {
        match key.as_str() {
            "type" => {}
            "dest" if kind == "local" => place = value,
            "mode" => {
                mode = match value.as_deref().unwrap_or_default() {
                    "min" => CacheMode::Min,
                    "max" => CacheMode::Max,
                    other => return Err(choice("--cache-to mode", other, &["min", "max"])),
                };
            }
            "ignore-error" => ignore_error = boolean("ignore-error", value.as_deref())?,
            "read-only" => read_only = boolean("read-only", value.as_deref())?,
            shape if SHAPES.contains(&shape) => {}
            other => {
                let own = ["type", "dest", "mode", "ignore-error", "read-only"];
                return Err(spec::unknown_key(TO, other, &own));
            }
        }
    }
    let place = directory(TO, text, "dest", place)?;
    Ok((!read_only).then_some(CacheTarget {
        place,
        mode,
        ignore_error,
    }))
}

fn directory(flag: &str, text: &str, key: &str, value: Option<String>) -> Result<CachePlace, Failure> {
    match value.filter(|value| !value.is_empty()) {
        Some(path) => Ok(CachePlace::Directory(PathBuf::from(path))),
        None => Err(Failure::usage(format!("{flag} `{text}`: `{key}=` is missing"))),
    }
}

fn kind(flag: &str, text: &str, fields: &spec::Fields) -> Result<&'static str, Failure> {
    let named = fields.iter().rev().find(|(key, _)| key == "type");
    let named = named.and_then(|(_, value)| value.as_deref());
    let Some(named) = named else {
        return Err(Failure::usage(format!("{flag} `{text}`: `type=` is missing"))
            .hint(format!("known types: {}", TYPES.join(", "))));
    };
    if let Some((_, instead)) = OTHERS.iter().find(|(kind, _)| *kind == named) {
        return Err(Failure::usage(format!("{flag}: there is no cache of type `{named}`")).hint(*instead));
    }
    match TYPES.iter().find(|kind| **kind == named) {
        Some(kind) => Ok(kind),
        None => Err(choice(&format!("{flag} type"), named, TYPES)),
    }
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, Failure> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(Failure::usage(format!(
            "{TO}: `{key}={other}` is neither true nor false"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory() {
        let place = CachePlace::Directory("d,e".into());
        assert_eq!(from("type=local,\"src=d,e\"").unwrap(), place);
        let target = |text: &str| to(text).unwrap().unwrap();
        let plain = target("type=local,\"dest=d,e\"");
        assert_eq!(
            (plain.place, plain.mode, plain.ignore_error),
            (place, CacheMode::Max, true)
        );
        let other =
            target("type=local,dest=x,mode=min,ignore-error=false,compression=zstd,oci-mediatypes=true");
        assert_eq!((other.mode, other.ignore_error), (CacheMode::Min, false));
        assert_eq!(to("type=local,dest=x,read-only").unwrap(), None);
        assert!(to("type=local,dest=x,read-only=false").unwrap().is_some());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("type=local", "`dest=` is missing"),
            ("type=local,src=x", "unknown option `src`"),
            ("type=local,dest=x,mode=most", "use one of: min, max"),
            ("type=local,dest=x,ignore-error=maybe", "neither true nor false"),
            ("type=lokal,dest=x", "did you mean `local`?"),
            ("type=inline", "an image cannot hold"),
            ("type=gha,scope=x", "actions/cache"),
            ("dest=x", "`type=` is missing"),
        ] {
            let failure = to(text).unwrap_err().text();
            assert!(failure.contains(said), "{text}: {failure}");
        }
        assert!(
            from("type=local,dest=x")
                .unwrap_err()
                .text()
                .contains("unknown option `dest`")
        );
    }
}

//! `--cache-from`, `--cache-to`, `--cache-repo`: caches that machines share.

use super::{choice, spec, without_transport};
use crate::error::Failure;
use rbuild_build::remote::Remote;
use rbuild_build::request::{CacheMode, CachePlace, CacheTarget};
use rbuild_oci::Reference;
use std::path::PathBuf;

const FROM: &str = "--cache-from";
const TO: &str = "--cache-to";
const REPO: &str = "--cache-repo";

/// What the tags of records begin with where the reference says nothing.
const PREFIX: &str = "rbuild";
/// A tag has at most 128 characters; a dash and a key take 65 of them.
const PREFIX_MAX: usize = 63;

/// Kinds of caches, and where one is: for `--cache-from`, for `--cache-to`.
const TYPES: &[(&str, [&str; 2])] = &[
    ("registry", ["ref", "ref"]),
    ("local", ["src", "dest"]),
    ("http", ["url", "url"]),
];
/// Kinds that other builders have, and why there are none here.
const OTHERS: &[(&str, &str)] = &[
    (
        "inline",
        "an image cannot hold the results of the other stages: use type=registry,ref=REPOSITORY",
    ),
    (
        "gha",
        "use type=registry with ghcr.io, or keep the directory of a type=local cache with actions/cache",
    ),
    (
        "s3",
        "use type=http with a gateway of the bucket, or type=registry",
    ),
    (
        "azblob",
        "use type=http with a gateway of the container, or type=registry",
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

/// A value of `--cache-from`: fields, or the reference of a repository.
///
/// # Errors
/// What is wrong, with a suggestion.
pub(super) fn from(text: &str) -> Result<CachePlace, Failure> {
    if let Some(place) = bare(FROM, text)? {
        return Ok(place);
    }
    let fields = spec::fields(FROM, text)?;
    let (kind, [wanted, _]) = kind(FROM, text, &fields)?;
    let mut place = None;
    for (key, value) in fields {
        match key.as_str() {
            "type" => {}
            key if key == wanted => place = value,
            other => return Err(spec::unknown_key(FROM, other, &["type", wanted])),
        }
    }
    self::place(FROM, text, kind, wanted, place)
}

/// A value of `--cache-to`; `None`: nothing is to be sent.
///
/// # Errors
/// What is wrong, with a suggestion.
pub(super) fn to(text: &str) -> Result<Option<CacheTarget>, Failure> {
    if let Some(place) = bare(TO, text)? {
        return Ok(Some(target(place)));
    }
    let fields = spec::fields(TO, text)?;
    let (kind, [_, wanted]) = kind(TO, text, &fields)?;
    let mut place = None;
    let mut mode = CacheMode::default();
    let mut ignore_error = true;
    let mut read_only = false;
    for (key, value) in fields {
        match key.as_str() {
            "type" => {}
            key if key == wanted => place = value,
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
                let own = ["type", wanted, "mode", "ignore-error", "read-only"];
                return Err(spec::unknown_key(TO, other, &own));
            }
        }
    }
    let place = self::place(TO, text, kind, wanted, place)?;
    Ok((!read_only).then_some(CacheTarget {
        mode,
        ignore_error,
        ..target(place)
    }))
}

/// A value of `--cache-repo`, kaniko's: a repository that is both.
///
/// # Errors
/// It is none.
pub(super) fn repository(text: &str) -> Result<(CachePlace, CacheTarget), Failure> {
    let place = in_registry(REPO, text)?;
    Ok((place.clone(), target(place)))
}

fn target(place: CachePlace) -> CacheTarget {
    CacheTarget {
        place,
        mode: CacheMode::default(),
        ignore_error: true,
    }
}

/// What has no fields is a reference.
fn bare(flag: &str, text: &str) -> Result<Option<CachePlace>, Failure> {
    match text.contains('=') || text.is_empty() {
        true => Ok(None),
        false => in_registry(flag, text).map(Some),
    }
}

fn place(
    flag: &str,
    text: &str,
    kind: &str,
    wanted: &str,
    value: Option<String>,
) -> Result<CachePlace, Failure> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        // The URL may hold a password.
        let shown = rbuild_build::address::redacted(text);
        return Err(Failure::usage(format!(
            "{flag} `{shown}`: `{wanted}=` is missing"
        )));
    };
    match kind {
        "local" => Ok(CachePlace::Directory(PathBuf::from(value))),
        "http" => over_http(flag, &value),
        _ => in_registry(flag, &value),
    }
}

fn in_registry(flag: &str, text: &str) -> Result<CachePlace, Failure> {
    let wrong = |what: &str| Failure::usage(format!("{flag} `{text}`: {what}"));
    let name = Reference::parse_name(without_transport(text)).map_err(|error| wrong(&error.to_string()))?;
    if name.digest().is_some() {
        return Err(wrong(
            "a digest names one manifest, and each record is one of its own",
        ));
    }
    let prefix = name.tag().unwrap_or(PREFIX);
    if prefix.len() > PREFIX_MAX {
        return Err(wrong(
            "the tag is longer than the 63 characters that those of records may begin with",
        ));
    }
    let named = name.with_tag(prefix).map_err(|error| wrong(&error.to_string()))?;
    Ok(CachePlace::Registry(named))
}

fn over_http(flag: &str, url: &str) -> Result<CachePlace, Failure> {
    let shown = rbuild_build::address::redacted(url);
    match Remote::parse(url) {
        Ok(Some(Remote::Http(address))) => Ok(CachePlace::Http {
            url: address.url,
            login: address.login,
        }),
        _ => Err(Failure::usage(format!("{flag}: `{shown}` is no URL of a server"))
            .hint("as in type=http,url=https://cache.example/rbuild")),
    }
}

fn kind(flag: &str, text: &str, fields: &spec::Fields) -> Result<(&'static str, [&'static str; 2]), Failure> {
    let types: Vec<&str> = TYPES.iter().map(|(kind, _)| *kind).collect();
    let named = fields.iter().rev().find(|(key, _)| key == "type");
    let Some(named) = named.and_then(|(_, value)| value.as_deref()) else {
        let shown = rbuild_build::address::redacted(text);
        return Err(Failure::usage(format!("{flag} `{shown}`: `type=` is missing"))
            .hint(format!("known types: {}", types.join(", "))));
    };
    if let Some((_, instead)) = OTHERS.iter().find(|(kind, _)| *kind == named) {
        return Err(Failure::usage(format!("{flag}: there is no cache of type `{named}`")).hint(*instead));
    }
    match TYPES.iter().find(|(kind, _)| *kind == named) {
        Some((kind, keys)) => Ok((kind, *keys)),
        None => Err(choice(&format!("{flag} type"), named, &types)),
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
    fn a_repository() {
        let place = |text: &str| match from(text).unwrap() {
            CachePlace::Registry(reference) => reference.to_string(),
            other => panic!("{other}"),
        };
        assert_eq!(
            place("type=registry,ref=r.example/team/app"),
            "r.example/team/app:rbuild"
        );
        assert_eq!(place("r.example/team/app:cache"), "r.example/team/app:cache");
        assert_eq!(place("docker://app"), "docker.io/library/app:rbuild");
        let (from, to) = repository("r.example/cache").unwrap();
        assert_eq!(
            (from.to_string(), to.place),
            ("r.example/cache:rbuild".to_owned(), from)
        );
        let pinned = format!("r.example/app@sha256:{}", "0".repeat(64));
        assert!(
            super::from(&pinned)
                .unwrap_err()
                .text()
                .contains("a digest names one")
        );
        let long = format!("r.example/app:{}", "x".repeat(64));
        assert!(super::from(&long).unwrap_err().text().contains("63 characters"));
    }

    #[test]
    fn a_server() {
        let CachePlace::Http { url, login } = from("type=http,url=https://me:canary@h.example/c/").unwrap()
        else {
            panic!("no server");
        };
        assert_eq!(url, "https://h.example/c/");
        assert!(login.is_some() && !format!("{login:?}").contains("canary"));
        let failure = from("type=http,url=ftp://me:canary@h.example/c")
            .unwrap_err()
            .text();
        assert!(
            failure.contains("is no URL") && !failure.contains("canary"),
            "{failure}"
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("type=local", "`dest=` is missing"),
            ("type=registry", "`ref=` is missing"),
            ("type=local,src=x", "unknown option `src`"),
            ("type=local,dest=x,mode=most", "use one of: min, max"),
            ("type=local,dest=x,ignore-error=maybe", "neither true nor false"),
            ("type=lokal,dest=x", "did you mean `local`?"),
            ("type=inline", "an image cannot hold"),
            ("type=gha,scope=x", "actions/cache"),
            ("dest=x", "`type=` is missing"),
            ("UPPER", "lower case"),
        ] {
            let failure = to(text).unwrap_err().text();
            assert!(failure.contains(said), "{text}: {failure}");
        }
        let failure = from("type=local,dest=x").unwrap_err().text();
        assert!(failure.contains("unknown option `dest`"), "{failure}");
    }
}

//! `--build-context NAME=SOURCE`.

use crate::error::Failure;
use rbuild_build::remote::Remote;
use rbuild_build::remote::address::redacted;
use rbuild_build::request::{NamedContext, context_key};
use std::path::PathBuf;

/// Reads one `--build-context` value.
///
/// # Errors
/// A missing name or source, or a kind that is not supported, by name.
pub(super) fn parse(text: &str) -> Result<(String, NamedContext), Failure> {
    let (name, source) = text
        .split_once('=')
        .filter(|(name, source)| !name.is_empty() && !source.is_empty())
        .ok_or_else(|| Failure::usage(format!("--build-context `{text}` is not of the form NAME=SOURCE")))?;
    let context = if let Some(rest) = source.strip_prefix("oci-layout://") {
        oci_layout(rest)
    } else if let Some(reference) = source.strip_prefix("docker-image://") {
        NamedContext::Image(reference.to_owned())
    } else if let Some(stage) = source.strip_prefix("target:") {
        NamedContext::Stage(stage.to_owned())
    } else if let Some(remote) =
        Remote::parse(source).map_err(|why| Failure::usage(format!("--build-context {name}: {why}")))?
    {
        NamedContext::Remote(remote)
    } else if source.contains("://") {
        return Err(Failure::usage(format!(
            "--build-context {name}: `{}` is of a kind that is not supported",
            redacted(source)
        ))
        .hint(
            "use a directory, oci-layout://PATH, docker-image://REF, target:STAGE, an https or a git URL",
        ));
    } else {
        NamedContext::Directory(PathBuf::from(source))
    };
    Ok((context_key(name), context))
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn oci_layout(rest: &str) -> NamedContext {
    let (rest, digest) = match rest.rsplit_once('@') {
        Some((path, digest)) => (path, Some(digest.to_owned())),
        None => (rest, None),
    };
    // A colon in the last component is a tag, unless the path exists as it stands.
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') && !std::path::Path::new(rest).exists() => {
            (path, Some(tag.to_owned()))
        }
        _ => (rest, None),
    };
    NamedContext::OciLayout {
        path: PathBuf::from(path),
        tag,
        digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert_eq!(
            parse("A=dir").unwrap(),
            ("a".into(), NamedContext::Directory("dir".into()))
        );
        assert_eq!(
            parse("b=oci-layout:///x/y:1.0").unwrap().1,
            NamedContext::OciLayout {
                path: "/x/y".into(),
                tag: Some("1.0".into()),
                digest: None
            }
        );
        assert_eq!(
            parse("b=docker-image://alpine").unwrap().1,
            NamedContext::Image("alpine".into())
        );
        assert_eq!(
            parse("b=target:dev").unwrap().1,
            NamedContext::Stage("dev".into())
        );
        assert_eq!(
            parse("b=https://h/x.tar").unwrap().1,
            NamedContext::Remote(Remote::parse("https://h/x.tar").unwrap().unwrap())
        );
        assert!(
            parse("b=ftp://h/x.tar")
                .unwrap_err()
                .text()
                .contains("not supported")
        );
        assert!(parse("b").unwrap_err().text().contains("NAME=SOURCE"));
    }
}

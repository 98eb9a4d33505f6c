//! `--build-context NAME=SOURCE`.

use crate::error::Failure;
use rbuild_build::address::redacted;
use rbuild_build::remote::Remote;
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
    // A colon may be of the path, or of the name: the longest path that exists is meant. Where none does it is a tag.
    let exists = |path: &&str| std::path::Path::new(path).exists();
    let colons = rest.rmatch_indices(':').map(|(at, _)| at);
    let paths = std::iter::once(rest.len())
        .chain(colons)
        .filter_map(|end| rest.get(..end));
    let path = paths.into_iter().find(exists).or_else(|| {
        let (path, tag) = rest.rsplit_once(':')?;
        (!tag.contains('/')).then_some(path)
    });
    let path = path.unwrap_or(rest);
    let tag = rest.get(path.len() + 1..).map(str::to_owned);
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
        let dir = tempfile::tempdir().unwrap();
        let layout = dir.path().join("with:colon");
        std::fs::create_dir(&layout).unwrap();
        let place = format!("oci-layout://{}", layout.display());
        for name in ["v1", "one:v1", "host/one:v1"] {
            assert_eq!(
                parse(&format!("b={place}:{name}")).unwrap().1,
                NamedContext::OciLayout {
                    path: layout.clone(),
                    tag: Some(name.to_owned()),
                    digest: None
                }
            );
        }
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

//! What the command line changes in the image that the Dockerfile describes.

use super::pair;
use crate::cli::build::BuildArgs;
use crate::error::Failure;
use dockerfile_parser::Platform;
use rbuild_build::request::Edits;

/// What the flags say, for images of these platforms.
///
/// # Errors
/// A pair without a key, or an annotation of something that is not made.
pub(super) fn edits(args: &BuildArgs, platforms: &[Platform]) -> Result<Edits, Failure> {
    let mut edits = Edits {
        labels: args
            .labels
            .iter()
            .map(|label| pair("--label", label))
            .collect::<Result<_, _>>()?,
        unset_labels: args.unset_labels.clone(),
        unset_env: args.unset_env.clone(),
        omit_history: args.omit_history,
        ..Edits::default()
    };
    for text in &args.annotations {
        annotate(&mut edits, text, platforms)?;
    }
    Ok(edits)
}

/// `[SCOPE,…:]KEY=VALUE`, where a scope may name a platform: `manifest[linux/amd64]`.
fn annotate(edits: &mut Edits, text: &str, platforms: &[Platform]) -> Result<(), Failure> {
    let key_end = text.find('=').unwrap_or(text.len());
    let (scopes, annotation) = match text[..key_end].split_once(':') {
        Some((scopes, _)) => (scopes, &text[scopes.len() + 1..]),
        None => ("manifest", text),
    };
    if !annotation.contains('=') {
        return Err(Failure::usage(format!(
            "--annotation `{text}` is not of the form [SCOPE:]KEY=VALUE"
        )));
    }
    let (key, value) = pair("--annotation", annotation)?;
    for scope in scopes.split(',') {
        let (scope, of) = match scope.split_once('[') {
            Some((scope, of)) => (scope, Some(of.trim_end_matches(']'))),
            None => (scope, None),
        };
        let image = match of {
            None => &mut edits.annotations,
            Some(of) => edits
                .platform_annotations
                .entry(platform_of(text, of, platforms)?)
                .or_default(),
        };
        let place = match scope {
            "manifest" => &mut image.manifest,
            "manifest-descriptor" => &mut image.descriptor,
            "index" | "index-descriptor" if platforms.len() < 2 => {
                return Err(Failure::usage(format!(
                    "--annotation `{text}`: an image for one platform has no index"
                ))
                .hint("use the scope `manifest`, or `manifest-descriptor`"));
            }
            "index" => &mut edits.index_annotations.index,
            "index-descriptor" => &mut edits.index_annotations.descriptor,
            other => {
                return Err(super::choice(
                    "--annotation",
                    other,
                    &["manifest", "manifest-descriptor", "index", "index-descriptor"],
                ));
            }
        };
        place.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// The name of a platform that an image is made for.
fn platform_of(text: &str, of: &str, platforms: &[Platform]) -> Result<String, Failure> {
    let machine = rbuild_build::request::build_platform();
    let of = Platform::parse(of, platforms.first().unwrap_or(&machine))
        .map_err(|error| Failure::usage(format!("--annotation `{text}`: {error}")))?;
    if platforms.contains(&of) {
        return Ok(of.to_string());
    }
    let all: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    Err(Failure::usage(format!(
        "--annotation `{text}`: the image is for {}, not for {of}",
        all.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(text: &str, architectures: &[&str]) -> Result<Edits, String> {
        let platforms: Vec<Platform> = architectures
            .iter()
            .map(|architecture| Platform::new("linux", architecture, ""))
            .collect();
        let mut edits = Edits::default();
        annotate(&mut edits, text, &platforms).map_err(|error| error.text())?;
        Ok(edits)
    }

    #[test]
    fn scopes_of_an_index() {
        let both = ["amd64", "arm64"];
        let edits = annotated("index,index-descriptor:a=b", &both).unwrap();
        assert_eq!(edits.index_annotations.index["a"], "b");
        assert_eq!(edits.index_annotations.descriptor["a"], "b");
        let edits = annotated("manifest[linux/arm64]:a=b", &both).unwrap();
        let of = |architecture| edits.annotations_for(&Platform::new("linux", architecture, ""));
        assert_eq!(of("arm64").manifest["a"], "b");
        assert!(of("amd64").is_empty());
        let error = annotated("manifest[linux/s390x]:a=b", &both).unwrap_err();
        assert!(
            error.contains("for linux/amd64, linux/arm64, not for linux/s390x"),
            "{error}"
        );
    }

    #[test]
    fn scopes() {
        let annotated = |text| annotated(text, &["amd64"]);
        let both = annotated("manifest,manifest-descriptor[linux/amd64]:a.b=c:d=e").unwrap();
        assert_eq!(both.annotations.manifest["a.b"], "c:d=e");
        let own = both.annotations_for(&Platform::new("linux", "amd64", ""));
        assert_eq!(own.descriptor["a.b"], "c:d=e");
        let plain = annotated("a=").unwrap();
        let plain = plain.annotations;
        assert_eq!((plain.manifest["a"].as_str(), plain.descriptor.len()), ("", 0));
        for (text, said) in [
            ("index:a=b", "has no index"),
            ("index-descriptor:a=b", "has no index"),
            ("manifset:a=b", "did you mean `manifest`?"),
            ("manifest[linux/arm64]:a=b", "not for linux/arm64"),
            ("a", "[SCOPE:]KEY=VALUE"),
            ("manifest:=b", "KEY=VALUE"),
        ] {
            let error = annotated(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}

//! What the command line changes in the image that the Dockerfile describes.

use super::pair;
use crate::cli::build::BuildArgs;
use crate::error::Failure;
use dockerfile_parser::Platform;
use rbuild_build::request::Edits;
use rbuild_oci::Annotations;

/// What the flags say, for an image of this platform.
///
/// # Errors
/// A pair without a key, or an annotation of something that is not made.
pub(super) fn edits(args: &BuildArgs, platform: &Platform) -> Result<Edits, Failure> {
    let mut edits = Edits {
        labels: args
            .labels
            .iter()
            .map(|label| pair("--label", label))
            .collect::<Result<_, _>>()?,
        unset_labels: args.unset_labels.clone(),
        unset_env: args.unset_env.clone(),
        omit_history: args.omit_history,
        annotations: Annotations::default(),
    };
    for text in &args.annotations {
        annotate(&mut edits.annotations, text, platform)?;
    }
    Ok(edits)
}

/// `[SCOPE,…:]KEY=VALUE`, where a scope may name a platform: `manifest[linux/amd64]`.
fn annotate(annotations: &mut Annotations, text: &str, platform: &Platform) -> Result<(), Failure> {
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
        if let Some(of) = of {
            let of = Platform::parse(of, platform)
                .map_err(|error| Failure::usage(format!("--annotation `{text}`: {error}")))?;
            if of != *platform {
                return Err(Failure::usage(format!(
                    "--annotation `{text}`: the image is for {platform}, not for {of}"
                )));
            }
        }
        let place = match scope {
            "manifest" => &mut annotations.manifest,
            "manifest-descriptor" => &mut annotations.descriptor,
            "index" | "index-descriptor" => {
                return Err(Failure::usage(format!(
                    "--annotation `{text}`: an image for one platform has no index"
                ))
                .hint("use the scope `manifest`, or `manifest-descriptor`"));
            }
            other => {
                return Err(super::choice(
                    "--annotation",
                    other,
                    &["manifest", "manifest-descriptor"],
                ));
            }
        };
        place.insert(key.clone(), value.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(text: &str) -> Result<Annotations, String> {
        let mut annotations = Annotations::default();
        annotate(&mut annotations, text, &Platform::new("linux", "amd64", ""))
            .map_err(|error| error.text())?;
        Ok(annotations)
    }

    #[test]
    fn scopes() {
        let both = annotated("manifest,manifest-descriptor[linux/amd64]:a.b=c:d=e").unwrap();
        assert_eq!(both.manifest["a.b"], "c:d=e");
        assert_eq!(both.descriptor["a.b"], "c:d=e");
        let plain = annotated("a=").unwrap();
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

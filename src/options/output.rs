//! `-o type=…,dest=…`: where a result goes.

use super::compression::{check_media_types, layer_compression};
use super::{reference, spec};
use crate::error::Failure;
use rbuild_build::request::{Destination, ImageForm, LayerCompression, Output};
use std::path::PathBuf;

/// Keys that shape an image.
const FORM: &[&str] = &[
    "compression",
    "compression-level",
    "force-compression",
    "oci-mediatypes",
    "rewrite-timestamp",
];
/// Types and the keys that go with them.
const TYPES: &[(&str, &[&str], bool)] = &[
    ("image", &["name", "push"], true),
    ("registry", &["name"], true),
    ("oci", &["dest", "tar", "name"], true),
    (
        "docker",
        &[
            "dest",
            "name",
            "compression",
            "compression-level",
            "force-compression",
            "rewrite-timestamp",
        ],
        false,
    ),
    ("local", &["dest", "platform-split"], false),
    ("tar", &["dest", "platform-split"], false),
    ("cacheonly", &[], false),
];

/// Reads one `-o` value. A text without `=` is a directory for `type=local`; `-` is a tar on standard output.
///
/// # Errors
/// What is wrong, with a suggestion.
pub(super) fn parse(text: &str) -> Result<Output, Failure> {
    if text == "-" {
        return Ok(Output::Tar {
            dest: Destination::Stdout,
            split: None,
        });
    }
    if !text.contains('=') {
        if text.is_empty() {
            return Err(Failure::usage("-o: the destination is empty"));
        }
        return Ok(Output::Local {
            dest: PathBuf::from(text),
            split: None,
        });
    }
    let fields = spec::fields("-o", text)?;
    let kind = kind(text, &fields)?;
    let mut dest = None;
    let mut tar = None;
    let mut names = Vec::new();
    let mut push = kind == "registry";
    let mut form = ImageForm::default();
    let mut compression = None;
    let mut level = None;
    let mut split = None;
    for (key, value) in fields {
        match key.as_str() {
            "type" => {}
            "dest" => dest = value,
            "tar" => tar = Some(boolean("tar", value.as_deref())?),
            "platform-split" => split = Some(boolean("platform-split", value.as_deref())?),
            "push" => push = boolean("push", value.as_deref())?,
            "name" => {
                for name in value.unwrap_or_default().split(',') {
                    names.push(reference("-o name=", name)?);
                }
            }
            "compression" => compression = value,
            "compression-level" => level = Some(value.unwrap_or_default()),
            "force-compression" => form.force_compression = boolean("force-compression", value.as_deref())?,
            "oci-mediatypes" => form.oci_media_types = Some(boolean("oci-mediatypes", value.as_deref())?),
            // Times follow SOURCE_DATE_EPOCH whenever it is given.
            _ => {
                if !boolean("rewrite-timestamp", value.as_deref())? {
                    return Err(Failure::usage("-o: `rewrite-timestamp=false` is not supported")
                        .hint("without SOURCE_DATE_EPOCH times are those of the files"));
                }
            }
        }
    }
    form.compression = match (kind.as_str(), &compression, &level) {
        // Programs of any age read an archive of plain layers.
        ("docker", None, None) => LayerCompression::None,
        _ => layer_compression("-o ", compression.as_deref(), level.as_deref())?,
    };
    check_media_types(form.compression, form.oci_media_types == Some(false))?;
    let destination = || -> Result<Destination, Failure> {
        match dest.as_deref() {
            // A stream without a place goes to standard output, a directory cannot.
            None if kind != "local" => Ok(Destination::Stdout),
            None | Some("") => Err(Failure::usage(format!("-o `{text}`: `dest=` is missing"))),
            Some("-") => Ok(Destination::Stdout),
            Some(path) => Ok(Destination::Path(PathBuf::from(path))),
        }
    };
    match kind.as_str() {
        "oci" => {
            let dest = destination()?;
            let tar = tar.unwrap_or(match &dest {
                Destination::Stdout => true,
                // `dest=DIR`: an existing directory or a trailing slash means a layout directory.
                Destination::Path(path) =>
                {
                    #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
                    !(path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/"))
                }
            });
            if !tar && dest == Destination::Stdout {
                return Err(Failure::usage(
                    "-o type=oci,tar=false needs a directory as `dest=`",
                ));
            }
            Ok(Output::Oci {
                dest,
                tar,
                names,
                form,
            })
        }
        "docker" => Ok(Output::Docker {
            dest: destination()?,
            names,
            form,
        }),
        "tar" => Ok(Output::Tar {
            dest: destination()?,
            split,
        }),
        "cacheonly" => Ok(Output::Cache),
        "local" => match destination()? {
            Destination::Path(dest) => Ok(Output::Local { dest, split }),
            Destination::Stdout => Err(Failure::usage("-o type=local needs a directory as `dest=`")),
        },
        _ => Ok(Output::Image { names, push, form }),
    }
}

/// The type, after checking that every key goes with it.
fn kind(text: &str, fields: &spec::Fields) -> Result<String, Failure> {
    let named = fields
        .iter()
        .rev()
        .find(|(key, _)| key == "type")
        .and_then(|(_, value)| value.as_deref());
    let named = named.ok_or_else(|| Failure::usage(format!("-o `{text}`: `type=` is missing")))?;
    let Some((kind, own, is_image)) = TYPES.iter().find(|(kind, ..)| *kind == named) else {
        let failure = Failure::usage(format!("-o: unknown type `{named}`"));
        let types: Vec<&str> = TYPES.iter().map(|(kind, ..)| *kind).collect();
        return Err(
            match dockerfile_parser::suggest::nearest(named, types.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("known types: {}", types.join(", "))),
            },
        );
    };
    let mut known: Vec<&str> = own.to_vec();
    if *is_image {
        known.extend(FORM);
    }
    for (key, _) in fields {
        if key == "type" || known.contains(&key.as_str()) {
            continue;
        }
        let elsewhere =
            TYPES.iter().any(|(_, keys, _)| keys.contains(&key.as_str())) || FORM.contains(&key.as_str());
        return Err(if elsewhere {
            Failure::usage(format!("-o: `{key}` does not go with `type={kind}`"))
                .hint(format!("options of `type={kind}`: {}", known.join(", ")))
        } else {
            spec::unknown_key("-o", key, &known)
        });
    }
    Ok((*kind).to_owned())
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, Failure> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(Failure::usage(format!(
            "-o: `{key}={other}` is neither true nor false"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_path_is_local() {
        let local = Output::Local {
            dest: "out".into(),
            split: None,
        };
        assert_eq!(parse("out").unwrap(), local);
        assert_eq!(
            parse("-").unwrap(),
            Output::Tar {
                dest: Destination::Stdout,
                split: None,
            }
        );
    }

    #[test]
    fn oci_directory_by_slash_or_option() {
        let directory = Output::Oci {
            dest: Destination::Path("d/".into()),
            tar: false,
            names: Vec::new(),
            form: ImageForm::default(),
        };
        assert_eq!(parse("type=oci,dest=d/").unwrap(), directory);
        assert!(matches!(
            parse("type=oci,dest=d.tar").unwrap(),
            Output::Oci { tar: true, .. }
        ));
    }

    #[test]
    fn a_stream_without_a_place_is_standard_output() {
        let dest = Destination::Stdout;
        let names = Vec::new();
        assert_eq!(
            parse("type=docker").unwrap(),
            Output::Docker {
                dest: dest.clone(),
                names,
                form: ImageForm {
                    compression: LayerCompression::None,
                    ..ImageForm::default()
                }
            }
        );
        assert_eq!(parse("type=tar").unwrap(), Output::Tar { dest, split: None });
        assert!(matches!(
            parse("type=oci").unwrap(),
            Output::Oci {
                tar: true,
                dest: Destination::Stdout,
                ..
            }
        ));
        assert!(parse("type=oci,dest=").is_err());
        assert_eq!(parse("type=cacheonly").unwrap(), Output::Cache);
        assert!(parse("type=cacheonly,dest=x").is_err());
    }

    #[test]
    fn wrong_type_suggests() {
        assert!(
            parse("type=dockr,dest=x")
                .unwrap_err()
                .text()
                .contains("did you mean `docker`?")
        );
        assert!(
            parse("type=local")
                .unwrap_err()
                .text()
                .contains("`dest=` is missing")
        );
        assert!(
            parse("type=oci,dset=x")
                .unwrap_err()
                .text()
                .contains("did you mean `dest`?")
        );
    }

    #[test]
    fn options_of_another_type_are_refused() {
        for (text, said) in [
            (
                "type=local,dest=x,compression=gzip",
                "`compression` does not go with `type=local`",
            ),
            ("type=tar,dest=x,tar=false", "`tar` does not go with `type=tar`"),
            ("type=image,dest=x", "`dest` does not go with `type=image`"),
            (
                "type=docker,dest=x,push=true",
                "`push` does not go with `type=docker`",
            ),
            (
                "type=oci,dest=x,compression=zstd,oci-mediatypes=false",
                "zstd does not go with docker's media types",
            ),
            (
                "type=docker,dest=x,oci-mediatypes=false",
                "`oci-mediatypes` does not go with `type=docker`",
            ),
            (
                "type=oci,dest=x,compression=uncompressed,compression-level=3",
                "compression-level does not go with",
            ),
            (
                "type=oci,dest=x,compression-level=10",
                "gzip has levels from 0 to 9",
            ),
            (
                "type=oci,dest=x,rewrite-timestamp=false",
                "`rewrite-timestamp=false` is not supported",
            ),
            ("type=oci,dest=-,tar=false", "needs a directory"),
            ("type=image,push=maybe", "neither true nor false"),
        ] {
            let failure = parse(text).unwrap_err().text();
            assert!(failure.contains(said), "{text}: {failure}");
        }
    }

    #[test]
    fn form_of_an_image() {
        let parsed = parse(
            "type=registry,\"name=a:1,b:2\",compression=uncompressed,force-compression,oci-mediatypes=0",
        );
        let form = ImageForm {
            compression: LayerCompression::None,
            force_compression: true,
            oci_media_types: Some(false),
        };
        let names = vec![reference("", "a:1").unwrap(), reference("", "b:2").unwrap()];
        assert_eq!(
            parsed.unwrap(),
            Output::Image {
                names,
                push: true,
                form
            }
        );
    }
}

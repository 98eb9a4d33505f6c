//! `-o type=…,dest=…`: where a result goes.

use super::spec;
use crate::error::Failure;
use std::path::PathBuf;

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A file or directory.
    Path(PathBuf),
    /// Standard output (`-`).
    Stdout,
}

/// How layers are compressed in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerCompression {
    /// gzip with the default level, or the given one (0..=9).
    Gzip(Option<u32>),
    /// Tar as it is.
    None,
}

/// One output of a build (FEATURES 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The local store; `push` sends it to its registry too.
    Image {
        /// Names besides those of `-t`.
        names: Vec<String>,
        /// Push after storing.
        push: bool,
    },
    /// OCI layout: an archive, or a directory with `tar=false`.
    Oci {
        /// File or directory.
        dest: Destination,
        /// Whether `dest` is an archive.
        tar: bool,
        /// Compression of layers.
        compression: LayerCompression,
    },
    /// `docker load` archive.
    Docker {
        /// File.
        dest: Destination,
    },
    /// The files of the result in a directory.
    Local {
        /// Directory.
        dest: PathBuf,
    },
    /// The files of the result as a tar.
    Tar {
        /// File.
        dest: Destination,
    },
}

const KEYS: &[&str] = &["type", "dest", "tar", "name", "push", "compression", "compression-level"];
const TYPES: &[&str] = &["image", "registry", "oci", "docker", "local", "tar"];

/// Reads one `-o` value. A text without `=` is a directory for `type=local`; `-` is a tar on standard output.
///
/// # Errors
/// What is wrong, with a suggestion.
pub fn parse(text: &str) -> Result<Output, Failure> {
    if text == "-" {
        return Ok(Output::Tar { dest: Destination::Stdout });
    }
    if !text.contains('=') {
        if text.is_empty() {
            return Err(Failure::usage("-o: the destination is empty"));
        }
        return Ok(Output::Local { dest: PathBuf::from(text) });
    }
    let mut kind = None;
    let mut dest = None;
    let mut tar = None;
    let mut names = Vec::new();
    let mut push = false;
    let mut compression = None;
    let mut level = None;
    for (key, value) in spec::fields("-o", text)? {
        match key.as_str() {
            "type" => kind = value,
            "dest" => dest = value,
            "tar" => tar = Some(boolean("tar", value.as_deref())?),
            "push" => push = boolean("push", value.as_deref())?,
            "name" => names.extend(value.unwrap_or_default().split(',').map(str::to_owned)),
            "compression" => compression = value,
            "compression-level" => {
                let text = value.unwrap_or_default();
                level = Some(text.parse::<u32>().ok().filter(|level| *level <= 9).ok_or_else(|| {
                    Failure::usage(format!("-o: `compression-level={text}` is not a number from 0 to 9"))
                })?);
            }
            other => return Err(spec::unknown_key("-o", other, KEYS)),
        }
    }
    let kind = kind.ok_or_else(|| Failure::usage(format!("-o `{text}`: `type=` is missing")))?;
    let compression = match compression.as_deref() {
        None | Some("gzip") => LayerCompression::Gzip(level),
        Some("uncompressed") => LayerCompression::None,
        Some(other) => {
            return Err(Failure::usage(format!("-o: compression `{other}` is not supported"))
                .hint("use gzip or uncompressed"));
        }
    };
    let destination = || -> Result<Destination, Failure> {
        match dest.as_deref() {
            None | Some("") => Err(Failure::usage(format!("-o `{text}`: `dest=` is missing"))),
            Some("-") => Ok(Destination::Stdout),
            Some(path) => Ok(Destination::Path(PathBuf::from(path))),
        }
    };
    match kind.as_str() {
        "image" => Ok(Output::Image { names, push }),
        "registry" => Ok(Output::Image { names, push: true }),
        "oci" => {
            let dest = destination()?;
            let tar = tar.unwrap_or(match &dest {
                Destination::Stdout => true,
                // `dest=DIR`: an existing directory or a trailing slash means a layout directory.
                Destination::Path(path) => !(path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")),
            });
            if !tar && dest == Destination::Stdout {
                return Err(Failure::usage("-o type=oci,tar=false needs a directory as `dest=`"));
            }
            Ok(Output::Oci { dest, tar, compression })
        }
        "docker" => Ok(Output::Docker { dest: destination()? }),
        "tar" => Ok(Output::Tar { dest: destination()? }),
        "local" => match destination()? {
            Destination::Path(dest) => Ok(Output::Local { dest }),
            Destination::Stdout => Err(Failure::usage("-o type=local needs a directory as `dest=`")),
        },
        other => {
            let failure = Failure::usage(format!("-o: unknown type `{other}`"));
            Err(match dockerfile_parser::suggest::nearest(other, TYPES.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("known types: {}", TYPES.join(", "))),
            })
        }
    }
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, Failure> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(Failure::usage(format!("-o: `{key}={other}` is neither true nor false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_path_is_local() {
        assert_eq!(parse("out").unwrap(), Output::Local { dest: "out".into() });
        assert_eq!(parse("-").unwrap(), Output::Tar { dest: Destination::Stdout });
    }

    #[test]
    fn oci_directory_by_slash_or_option() {
        let directory = Output::Oci {
            dest: Destination::Path("d/".into()),
            tar: false,
            compression: LayerCompression::Gzip(None),
        };
        assert_eq!(parse("type=oci,dest=d/").unwrap(), directory);
        assert!(matches!(parse("type=oci,dest=d.tar").unwrap(), Output::Oci { tar: true, .. }));
    }

    #[test]
    fn wrong_type_suggests() {
        assert!(parse("type=dockr,dest=x").unwrap_err().text().contains("did you mean `docker`?"));
        assert!(parse("type=oci").unwrap_err().text().contains("`dest=` is missing"));
        assert!(parse("type=oci,dset=x").unwrap_err().text().contains("did you mean `dest`?"));
    }
}

//! Where results go, and in which form.

use rbuild_oci::Reference;
use std::fmt;
use std::path::PathBuf;

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Destination {
    /// A file or directory.
    Path(PathBuf),
    /// Standard output (`-`).
    Stdout,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Path(path) => path.display().fmt(f),
            Destination::Stdout => f.write_str("standard output"),
        }
    }
}

/// How layers are compressed in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LayerCompression {
    /// gzip with the default level, or the given one (0..=9).
    Gzip(Option<u32>),
    /// Zstandard with the default level, or the given one (0..=22).
    Zstd(Option<u32>),
    /// Tar as it is.
    None,
}

/// How an image leaves: the compression of its layers and the family of its media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageForm {
    /// Compression of layers that are not compressed yet.
    pub compression: LayerCompression,
    /// Compress layers again that came compressed otherwise.
    pub force_compression: bool,
    /// OCI's media types (`true`) or docker's; `None`: as `--format` says.
    pub oci_media_types: Option<bool>,
}

impl Default for ImageForm {
    fn default() -> Self {
        Self {
            compression: LayerCompression::Gzip(None),
            force_compression: false,
            oci_media_types: None,
        }
    }
}

/// One output of a build.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Output {
    /// Nothing: the results of the steps are kept, as always.
    Cache,
    /// The local store; `push` sends it to its registry too.
    Image {
        /// Names besides those of `-t`.
        names: Vec<Reference>,
        /// Push after storing.
        push: bool,
        /// How it is pushed.
        form: ImageForm,
    },
    /// OCI layout: an archive, or a directory with `tar=false`.
    Oci {
        /// File or directory.
        dest: Destination,
        /// Whether `dest` is an archive.
        tar: bool,
        /// Names besides those of `-t`.
        names: Vec<Reference>,
        /// How it is written.
        form: ImageForm,
    },
    /// `docker load` archive.
    Docker {
        /// File.
        dest: Destination,
        /// Names besides those of `-t`.
        names: Vec<Reference>,
        /// How its layers are compressed. It has no media types.
        form: ImageForm,
    },
    /// The files of the result in a directory.
    Local {
        /// Directory.
        dest: PathBuf,
        /// Whether each platform has a directory in it; `None`: when there are several.
        split: Option<bool>,
    },
    /// The files of the result as a tar.
    Tar {
        /// File.
        dest: Destination,
        /// As for [`Output::Local`].
        split: Option<bool>,
    },
}

impl Output {
    /// Whether it is written to standard output.
    #[must_use]
    pub fn is_stdout(&self) -> bool {
        use Destination::Stdout;
        matches!(
            self,
            Output::Oci { dest: Stdout, .. }
                | Output::Docker { dest: Stdout, .. }
                | Output::Tar { dest: Stdout, .. }
        )
    }

    /// The names that it adds to those of `-t`.
    #[must_use]
    pub fn names(&self) -> &[Reference] {
        match self {
            Output::Image { names, .. } | Output::Oci { names, .. } | Output::Docker { names, .. } => names,
            Output::Cache | Output::Local { .. } | Output::Tar { .. } => &[],
        }
    }
}

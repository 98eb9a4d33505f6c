//! How the layers of an image are compressed when it leaves: the words of `-o`, `save` and `push`.

use super::choice;
use crate::error::Failure;
use clap::Args;
use rbuild_build::request::LayerCompression;

/// What the layers of an image are compressed with.
pub const COMPRESSIONS: [&str; 3] = ["gzip", "zstd", "uncompressed"];

/// What was typed.
#[derive(Debug, Default, Args)]
pub struct CompressionArgs {
    /// Compression of layers that were built here: gzip, zstd or uncompressed
    #[arg(long, alias = "compression-format", value_name = "NAME")]
    pub compression: Option<String>,

    /// 0 to 9 of gzip [default: 2], 1 to 22 of zstd [default: 3]
    #[arg(long, value_name = "N")]
    pub compression_level: Option<String>,

    /// Compress layers again that came compressed otherwise
    #[arg(long)]
    pub force_compression: bool,
}

impl CompressionArgs {
    /// What the flags say; `usual` where they say nothing.
    ///
    /// # Errors
    /// An unknown name, or a level that does not go with it.
    pub fn compression(&self, usual: LayerCompression) -> Result<LayerCompression, Failure> {
        let name = self.compression.as_deref();
        if name.is_none() && self.compression_level.is_none() {
            return Ok(usual);
        }
        layer_compression("--", name, self.compression_level.as_deref())
    }
}

/// The compression of this name and level. `flag` stands before the words in messages.
///
/// # Errors
/// An unknown name, or a level that does not go with it.
pub(super) fn layer_compression(
    flag: &str,
    name: Option<&str>,
    level: Option<&str>,
) -> Result<LayerCompression, Failure> {
    let level_of = |name: &str, most: u32| {
        let Some(text) = level else { return Ok(None) };
        let number = text.parse::<u32>().ok().filter(|level| *level <= most);
        number.map(Some).ok_or_else(|| {
            Failure::usage(format!(
                "{flag}compression-level={text}: {name} has levels from 0 to {most}"
            ))
        })
    };
    match name {
        None | Some("gzip") => Ok(LayerCompression::Gzip(level_of("gzip", 9)?)),
        Some("zstd") => Ok(LayerCompression::Zstd(level_of("zstd", 22)?)),
        Some("uncompressed" | "none") if level.is_some() => Err(Failure::usage(format!(
            "{flag}compression-level does not go with {flag}compression=uncompressed"
        ))),
        Some("uncompressed" | "none") => Ok(LayerCompression::None),
        Some("estargz" | "zstd:chunked") => Err(Failure::usage(format!(
            "{flag}compression={}: layers with a table of their files are not written",
            name.unwrap_or_default()
        ))
        .hint("use zstd or gzip: whoever reads the one reads the other")),
        Some(other) => Err(choice(&format!("{flag}compression"), other, &COMPRESSIONS)),
    }
}

/// Docker's media types have none for zstd that docker itself would take.
///
/// # Errors
/// `compression` is zstd, and the image has docker's media types.
pub fn check_media_types(compression: LayerCompression, docker: bool) -> Result<(), Failure> {
    match compression {
        LayerCompression::Zstd(_) if docker => Err(Failure::usage(
            "zstd does not go with docker's media types: there is none for such a layer",
        )
        .hint("leave out oci-mediatypes=false and --format docker")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels() {
        let read = |name, level| layer_compression("-o ", name, level).map_err(|error| error.text());
        assert_eq!(read(None, None), Ok(LayerCompression::Gzip(None)));
        assert_eq!(read(None, Some("9")), Ok(LayerCompression::Gzip(Some(9))));
        assert_eq!(
            read(Some("zstd"), Some("22")),
            Ok(LayerCompression::Zstd(Some(22)))
        );
        assert_eq!(read(Some("uncompressed"), None), Ok(LayerCompression::None));
        for (name, level, said) in [
            ("gzip", Some("10"), "gzip has levels from 0 to 9"),
            ("zstd", Some("23"), "zstd has levels from 0 to 22"),
            ("zstd", Some("-1"), "zstd has levels from 0 to 22"),
            (
                "uncompressed",
                Some("3"),
                "does not go with -o compression=uncompressed",
            ),
            ("estargz", None, "a table of their files"),
            ("zst", None, "did you mean `zstd`?"),
        ] {
            let error = read(Some(name), level).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(check_media_types(LayerCompression::Zstd(None), true).is_err());
        assert!(check_media_types(LayerCompression::Gzip(None), true).is_ok());
    }
}

//! `rbuild save`: images to an archive that rbuild, docker, podman and skopeo read.

use super::stored::{self, Stored};
use crate::error::Failure;
use crate::interrupt;
use crate::options::choice;
use crate::options::compression::CompressionArgs;
use clap::Args;
use rbuild_build::export::{self, Outgoing};
use rbuild_build::request::{Destination, LayerCompression};
use rbuild_oci::Reference;
use rbuild_store::Store;
use rbuild_store::image::export::ExportOptions;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What was typed.
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// Write to a file, or to a directory with --format oci-dir [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// oci (an OCI layout as an archive that `docker load` reads too), oci-dir, or docker
    #[arg(long, value_name = "FORMAT", default_value = "oci")]
    pub format: String,

    /// Leave the layers as plain tars
    #[arg(long, conflicts_with_all = ["compression", "compression_level"])]
    pub uncompressed: bool,

    /// Compression.
    #[command(flatten)]
    pub compression: CompressionArgs,

    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Oci,
    OciDir,
    Docker,
}

/// Saves.
///
/// # Errors
/// An image is not there, or the archive cannot be written.
pub fn run(args: &SaveArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let format = match args.format.as_str() {
        "oci" | "oci-archive" => Format::Oci,
        "oci-dir" => Format::OciDir,
        "docker" | "docker-archive" => Format::Docker,
        other => return Err(choice("--format", other, &["oci", "oci-dir", "docker"])),
    };
    let usual = match format {
        _ if args.uncompressed => LayerCompression::None,
        Format::Docker => LayerCompression::None,
        Format::Oci | Format::OciDir => LayerCompression::Gzip(None),
    };
    let options = ExportOptions {
        force: args.compression.force_compression,
        ..export::options(args.compression.compression(usual)?, false)
    };
    let dest = match args.output.as_deref() {
        Some(path) if path != Path::new("-") => Destination::Path(path.to_owned()),
        _ if format == Format::OciDir => {
            return Err(Failure::usage("--format oci-dir needs a directory to write to").hint("give -o DIR"));
        }
        _ if std::io::stdout().is_terminal() => {
            return Err(Failure::usage("refusing to write an archive to a terminal")
                .hint("redirect standard output, or give -o FILE"));
        }
        _ => Destination::Stdout,
    };
    let Some(store) = stored::existing(root)? else {
        return Err(stored::no_such_image(
            None,
            args.images.first().map_or("", String::as_str),
        ));
    };
    let images = chosen(&store, &args.images)?;
    let images: Vec<Outgoing<'_>> = images
        .iter()
        .map(|(stored, names)| stored.outgoing(names.clone()))
        .collect();
    // The files of layers that were built here can be read inside the namespace only.
    rbuild_build::engine::enter_namespace(&crate::environment::environment().caller())?;
    let write = || match format {
        Format::Oci | Format::OciDir => {
            export::oci(&store, &images, &dest, format == Format::Oci, &options).map(|_| ())
        }
        Format::Docker => export::docker_archive(&store, &images, &dest, &options),
    };
    let files = store.stop().clone();
    interrupt::stoppable(move || files.stop(), write)?;
    Ok(0)
}

/// Each image once, with the names that it was asked for by; an id stands for no name.
fn chosen(store: &Store, wanted: &[String]) -> Result<Vec<(Stored, Vec<String>)>, Failure> {
    let mut images: Vec<(Stored, Vec<String>)> = Vec::new();
    for name in wanted {
        let stored = stored::find_named(store, name)?;
        let full = Reference::parse(name)
            .ok()
            .filter(|reference| reference.digest().is_none());
        let tag = match full.map(|reference| reference.to_string()) {
            Some(full) => store
                .images()
                .resolve_tag(&full)
                .map_err(Failure::from_host)?
                .map(|_| full),
            None => None,
        };
        let at = match images.iter().position(|(other, _)| *other == stored) {
            Some(at) => at,
            None => {
                images.push((stored, Vec::new()));
                images.len() - 1
            }
        };
        if let (Some(tag), Some((_, names))) = (tag, images.get_mut(at))
            && !names.contains(&tag)
        {
            names.push(tag);
        }
    }
    Ok(images)
}

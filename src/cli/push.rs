//! `rbuild push`: an image of the store to a registry.

use super::stored;
use super::streams::print;
use super::transfer::{self, Transfer, registries};
use crate::error::Failure;
use crate::options::choice;
use crate::options::compression::{CompressionArgs, check_media_types};
use crate::options::registry::{RegistryArgs, creds};
use crate::{interrupt, options};
use clap::Args;
use rbuild_build::request::LayerCompression;
use rbuild_build::request::RegistrySettings;
use rbuild_build::{engine, export};
use rbuild_store::image::export::ExportOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was typed.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// Print only the name with its digest
    #[arg(short, long)]
    pub quiet: bool,

    /// Media types of the image: oci or docker
    #[arg(long, value_name = "FORMAT", default_value = "oci")]
    pub format: String,

    /// Compression.
    #[command(flatten)]
    pub compression: CompressionArgs,

    /// User and password, which all who list processes see; better: `rbuild login`
    #[arg(long, value_name = "USER:PASSWORD")]
    pub creds: Option<String>,

    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// Name or id of the image
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Where it goes: [HOST/]NAME[:TAG] [default: as it is called]
    #[arg(value_name = "NAME")]
    pub destination: Option<String>,
}

/// Pushes.
///
/// # Errors
/// There is no such image, or the registry refuses.
pub fn run(args: &PushArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let docker_format = match args.format.as_str() {
        "oci" => false,
        "docker" => true,
        other => return Err(choice("--format", other, &["oci", "docker"])),
    };
    let compression = args.compression.compression(LayerCompression::Gzip(None))?;
    check_media_types(compression, docker_format)?;
    let reference = options::reference("NAME", args.destination.as_deref().unwrap_or(&args.image))?;
    if reference.digest().is_some() {
        return Err(Failure::usage(format!(
            "`{}` has a digest: push to a tag",
            reference.familiar()
        )));
    }
    let (store, stored) = stored::named(stored::existing(root)?, &args.image)?;
    let outgoing = stored.outgoing(vec![reference.to_string()]);
    let registries = registries(RegistrySettings {
        given: creds(args.creds.as_deref(), reference.host())?,
        ..args.registry.settings()?
    });
    engine::enter_namespace(&crate::environment::environment().caller())?;
    let transfer = Transfer::begin(format!("pushing {}", reference.familiar()), args.quiet);
    let sent = AtomicU64::new(0);
    let options = ExportOptions {
        force: args.compression.force_compression,
        ..export::options(compression, docker_format)
    };
    let pushed = interrupt::stoppable(transfer::stopper(&registries, &store), || {
        rbuild_build::push::push(
            &store,
            &registries,
            &outgoing,
            &reference,
            &options,
            &|done, total| {
                sent.store(total, Ordering::Relaxed);
                transfer.at(done, total);
            },
        )
    })?;
    transfer.end(&format!("pushed {}", reference.familiar()), sent.into_inner());
    print(&format!("{}@{}\n", reference.name(), pushed.digest))?;
    Ok(0)
}

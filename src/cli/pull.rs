//! `rbuild pull`: an image from a registry into the store.

use super::stored;
use super::streams::{note, print};
use super::transfer::{self, Transfer, registries};
use crate::error::Failure;
use crate::options::registry::{RegistryArgs, creds};
use crate::{interrupt, options};
use clap::Args;
use dockerfile_parser::Platform;
use rbuild_build::request::RegistrySettings;
use rbuild_build::request::build_platform;
use rbuild_build::sources::{Origin, stored_name};
use rbuild_build::{clock, engine};
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Print only the image id
    #[arg(short, long)]
    pub quiet: bool,

    /// Platform to take from images for several [default: this machine's]
    #[arg(long, env = "DOCKER_DEFAULT_PLATFORM", value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// User and password, which all who list processes see; better: `rbuild login`
    #[arg(long, value_name = "USER:PASSWORD")]
    pub creds: Option<String>,

    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// Name of the image: [HOST/]NAME[:TAG][@DIGEST]
    #[arg(value_name = "NAME")]
    pub image: String,
}

/// Pulls.
///
/// # Errors
/// The registry's answer, or the store's.
pub fn run(args: &PullArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let reference = options::reference("NAME", &args.image)?;
    let here = build_platform();
    let platform = match args.platform.as_deref() {
        None => here,
        Some(text) => {
            Platform::parse(text, &here).map_err(|error| Failure::usage(format!("--platform: {error}")))?
        }
    };
    let store = stored::open(root)?;
    let registries = registries(RegistrySettings {
        given: creds(args.creds.as_deref(), reference.host())?,
        ..args.registry.settings()?
    });
    let image = registries.resolve(&reference, &platform)?;
    if !image.matches(&platform) {
        note(&format!(
            "warning: `{}` is for {}, not for {platform}",
            reference.familiar(),
            image.platform()
        ));
    }
    let Origin::Registry { resolved, config, .. } = &image.origin else {
        return Err(Failure::host("internal error: a registry's image is elsewhere"));
    };
    // Before the transfers: they are threads, and the namespace is entered by a process that has one.
    engine::enter_namespace(&crate::environment::environment().caller())?;
    let transfer = Transfer::begin(format!("pulling {}", reference.familiar()), args.quiet);
    let total = resolved.image.layers.iter().map(|layer| layer.size).sum();
    let record = interrupt::stoppable(transfer::stopper(&registries, &store), || {
        registries.fetch(
            &store,
            &reference,
            resolved,
            config,
            clock::now(),
            &|done, total| transfer.at(done, total),
        )
    })?;
    // Who asks for another platform by name wants the name to stand for it.
    store
        .images()
        .tag(&stored_name(&reference), &record.id)
        .map_err(Failure::from_host)?;
    transfer.end(&format!("pulled {}", reference.familiar()), total);
    if !args.quiet {
        note(&format!("digest: {}", resolved.top_digest()));
    }
    print(&format!("{}\n", record.id))?;
    Ok(0)
}

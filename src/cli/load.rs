//! `rbuild load`: images from an OCI layout, an OCI archive or a docker archive.

use super::stored;
use super::streams::print;
use crate::error::{Failure, Kind};
use crate::interrupt;
use crate::options;
use clap::Args;
use dockerfile_parser::Platform;
use rbuild_build::request::build_platform;
use rbuild_build::sources::image_platform;
use rbuild_build::{clock, engine, import};
use rbuild_oci::Reference;
use rbuild_store::Store;
use rbuild_store::image::ImageError;
use rbuild_store::image::source::{self, ImageSource};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What was typed.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Archive, or directory with an OCI layout [default: standard input]
    #[arg(short, long, value_name = "FILE|DIR")]
    pub input: Option<PathBuf>,

    /// Print only image ids
    #[arg(short, long)]
    pub quiet: bool,

    /// Name the image, in place of its names in the archive; for archives with one image (repeatable)
    #[arg(short, long = "tag", value_name = "NAME")]
    pub tags: Vec<String>,

    /// Platform to take from images for several [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
}

/// Loads.
///
/// # Errors
/// It is no archive of images, or something in it is damaged.
pub fn run(args: &LoadArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let here = build_platform();
    let platform = match args.platform.as_deref() {
        None => here,
        Some(text) => {
            Platform::parse(text, &here).map_err(|error| Failure::usage(format!("--platform: {error}")))?
        }
    };
    let tags = args
        .tags
        .iter()
        .map(|tag| options::reference("--tag", tag))
        .collect::<Result<Vec<_>, _>>()?;
    let input = args.input.as_deref().filter(|path| *path != Path::new("-"));
    if input.is_none() && std::io::stdin().is_terminal() {
        return Err(Failure::usage("nothing to load: standard input is a terminal")
            .hint("give -i FILE, or redirect standard input"));
    }
    let store = stored::open(root)?;
    // Files are unpacked with the owners that the layers give them, which only the namespace allows.
    engine::enter_namespace(&crate::environment::environment().caller())?;
    let shown = input.unwrap_or(Path::new("standard input"));
    let at = |error: ImageError| {
        Failure::from_error(Kind::Host, &error).context(format!("loading `{}`", shown.display()))
    };
    let source = match input {
        Some(path) => source::open(&store, path),
        None => source::open_stream(&store, shown, std::io::stdin()),
    }
    .map_err(at)?;
    let chosen = choose(source.as_ref(), &platform).map_err(at)?;
    if chosen.is_empty() {
        return Err(Failure::host(format!("`{}` holds no image", shown.display())));
    }
    if chosen.len() > 1 && !tags.is_empty() {
        return Err(Failure::usage(format!(
            "`{}` holds several images: --tag cannot name them",
            shown.display()
        )));
    }
    let files = store.stop().clone();
    // A stream has been read to its end by now, so that nobody keeps us waiting.
    interrupt::stoppable(
        move || files.stop(),
        || {
            for (entry, names) in chosen {
                // A name that is given takes the place of those in the archive.
                let references = match tags.is_empty() {
                    true => references(&names),
                    false => tags.clone(),
                };
                load(&store, source.as_ref(), entry, &references, args.quiet)?;
            }
            Ok::<u8, Failure>(0)
        },
    )
}

/// The entries to load with their names: of a name that several entries have, the one for the platform.
fn choose(
    source: &dyn ImageSource,
    platform: &Platform,
) -> Result<BTreeMap<usize, BTreeSet<String>>, ImageError> {
    let machine = image_platform(platform);
    let mut chosen: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut nameless = Vec::new();
    for (at, entry) in source.entries().iter().enumerate() {
        if entry.names.is_empty() {
            nameless.push(at);
        }
        for name in &entry.names {
            let best = source::choose(source, Some(name), &machine)?;
            chosen.entry(best).or_default().insert(name.clone());
        }
    }
    match nameless.as_slice() {
        [] => {}
        [only] if chosen.is_empty() => {
            chosen.entry(*only).or_default();
        }
        // Without names, entries are images of their own or one image for several platforms: take what runs here.
        several => {
            for at in several {
                let fits = source.entries().get(*at).is_some_and(|entry| {
                    entry
                        .platform
                        .as_ref()
                        .is_none_or(|platform| machine.distance(platform).is_some())
                });
                if fits {
                    chosen.entry(*at).or_default();
                }
            }
            if chosen.is_empty() {
                let best = source::choose(source, None, &machine)?;
                chosen.entry(best).or_default();
            }
        }
    }
    Ok(chosen)
}

/// Names that can be given to an image here; of another sort are digests, and what some tool made up.
fn references(names: &BTreeSet<String>) -> Vec<Reference> {
    names
        .iter()
        .filter_map(|name| Reference::parse(name).ok())
        .filter(|reference| reference.digest().is_none())
        .collect()
}

fn load(
    store: &Store,
    source: &dyn ImageSource,
    entry: usize,
    references: &[Reference],
    quiet: bool,
) -> Result<(), Failure> {
    let record = import::from_source(store, source, entry, clock::now())?;
    for reference in references {
        store
            .images()
            .tag(&reference.to_string(), &record.id)
            .map_err(Failure::from_host)?;
    }
    if quiet {
        return print(&format!("{}\n", record.id));
    }
    if references.is_empty() {
        return print(&format!("loaded {}\n", record.id));
    }
    print(
        &references
            .iter()
            .map(|reference| format!("loaded {}\n", reference.familiar()))
            .collect::<String>(),
    )
}

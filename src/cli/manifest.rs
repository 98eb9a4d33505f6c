//! `rbuild manifest`: images for several platforms under one name, put together by hand.

use super::push;
use super::stored;
use super::streams::{note, print, print_json};
use crate::error::Failure;
use crate::options;
use clap::{Args, Subcommand};
use rbuild_build::export;
use rbuild_build::request::LayerCompression;
use rbuild_build::sources::stored_name;
use rbuild_oci::{Digest, ImagePlatform};
use rbuild_store::Store;
use rbuild_store::image::ImageList;
use rbuild_store::image::export::prepare_set;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// What to do
    #[command(subcommand)]
    pub command: ManifestCommand,
}

/// The verbs of `manifest`.
#[derive(Debug, Subcommand)]
pub enum ManifestCommand {
    /// Make a list, of no images or of these
    Create(CreateArgs),
    /// Add images to a list
    Add(AddArgs),
    /// Change what a list says of one of its images
    Annotate(AnnotateArgs),
    /// Print the index that a push would send
    Inspect(ListArgs),
    /// Send the images of a list to a registry, and then its index
    Push(PushListArgs),
    /// Take images from a list
    Remove(ImagesArgs),
    /// Remove a list; its images stay
    Rm(ListsArgs),
    /// Say by the exit code whether there is such a list
    Exists(ListArgs),
}

/// What was typed.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Add to the list if it is there
    #[arg(short, long)]
    pub amend: bool,

    /// Annotate the index (repeatable)
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub annotations: Vec<String>,

    /// Name of the list
    #[arg(value_name = "LIST")]
    pub list: String,

    /// Names or ids
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What the list says of the images.
    #[command(flatten)]
    pub says: SaysArgs,

    /// Name of the list
    #[arg(value_name = "LIST")]
    pub list: String,

    /// Names or ids; of a list all images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct AnnotateArgs {
    /// What the list says of the image.
    #[command(flatten)]
    pub says: SaysArgs,

    /// Name of the list
    #[arg(value_name = "LIST")]
    pub list: String,

    /// Name or id
    #[arg(value_name = "IMAGE")]
    pub image: String,
}

/// What a list says of an image.
#[derive(Debug, Default, Args)]
pub struct SaysArgs {
    /// Architecture of the image, where its configuration says another
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,

    /// Operating system of the image
    #[arg(long, value_name = "OS")]
    pub os: Option<String>,

    /// Variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,

    /// Annotate the image's entry (repeatable)
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub annotations: Vec<String>,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct PushListArgs {
    /// Remove the list afterwards
    #[arg(long)]
    pub rm: bool,

    /// Push.
    #[command(flatten)]
    pub push: push::PushArgs,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Name of the list
    #[arg(value_name = "LIST")]
    pub list: String,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct ListsArgs {
    /// Names of lists
    #[arg(value_name = "LIST", required = true)]
    pub lists: Vec<String>,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// Name of the list
    #[arg(value_name = "LIST")]
    pub list: String,

    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

/// Does it.
///
/// # Errors
/// There is no such list or image, or the store or the registry fails.
pub fn run(args: &ManifestArgs, root: Option<&Path>) -> Result<u8, Failure> {
    match &args.command {
        ManifestCommand::Create(args) => create(args, root)?,
        ManifestCommand::Add(args) => {
            let (store, mut list) = List::open(root, &args.list)?;
            list.add(&store, &args.images, &args.says)?;
            list.write(&store)?;
        }
        ManifestCommand::Annotate(args) => {
            let (store, mut list) = List::open(root, &args.list)?;
            list.annotate(&store, &args.image, &args.says)?;
            list.write(&store)?;
        }
        ManifestCommand::Inspect(args) => inspect(args, root)?,
        ManifestCommand::Push(args) => {
            let (store, list) = List::open(root, &args.push.image)?;
            let code = push::run(&args.push, root)?;
            if args.rm && code == 0 {
                list.remove(&store)?;
            }
            return Ok(code);
        }
        ManifestCommand::Remove(args) => {
            let (store, mut list) = List::open(root, &args.list)?;
            for image in &args.images {
                let at = list.place(&store, image)?;
                list.list.images.remove(at);
            }
            list.write(&store)?;
        }
        ManifestCommand::Rm(args) => {
            for name in &args.lists {
                let (store, list) = List::open(root, name)?;
                list.remove(&store)?;
                print(&format!("untagged {}\n", stored::familiar(&list.name)))?;
            }
        }
        ManifestCommand::Exists(args) => return Ok(u8::from(List::open(root, &args.list).is_err())),
    }
    Ok(0)
}

fn create(args: &CreateArgs, root: Option<&Path>) -> Result<(), Failure> {
    let store = stored::open(root)?;
    let name = stored_name(&options::reference("LIST", &args.list)?);
    let found = store.images().tag_of(&name).map_err(Failure::from_host)?;
    let list = match found {
        None => ImageList::default(),
        Some(tag) if args.amend => tag.list.unwrap_or_default(),
        Some(_) => {
            return Err(Failure::host(format!("`{}` is there already", args.list))
                .hint("--amend adds to a list; `rbuild manifest rm` removes it"));
        }
    };
    let mut list = List { name, list };
    list.list.annotations.extend(annotations(&args.annotations)?);
    list.add(&store, &args.images, &SaysArgs::default())?;
    list.write(&store)?;
    print(&format!("{}\n", stored::familiar(&list.name)))
}

/// The index as it goes out: its images are compressed for that, once.
fn inspect(args: &ListArgs, root: Option<&Path>) -> Result<(), Failure> {
    let (store, list) = List::open(root, &args.list)?;
    let stored = stored::find_named(&store, &args.list)?;
    rbuild_build::engine::enter_namespace(&crate::environment::environment().caller())?;
    let options = export::options(LayerCompression::Gzip(None), false);
    let outgoing = [stored.outgoing(vec![list.name])];
    let set = export::with_export(&store, &outgoing, |set, pin| {
        prepare_set(&store, set, &options, pin).map_err(rbuild_build::error::Error::from)
    })?;
    let index = set.indexes.first().map(|index| index.bytes.as_slice());
    let index: serde_json::Value = serde_json::from_slice(index.unwrap_or(b"{}"))
        .map_err(|error| Failure::host(format!("the index of `{}`: {error}", args.list)))?;
    print_json(&index)
}

fn annotations(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    given
        .iter()
        .map(|text| options::pair("--annotation", text))
        .collect()
}

/// A list that is changed.
struct List {
    /// As the store has it.
    name: String,
    list: ImageList,
}

impl List {
    fn open(root: Option<&Path>, name: &str) -> Result<(Store, Self), Failure> {
        let missing = || {
            Failure::host(format!("there is no list `{name}` in the store"))
                .hint("`rbuild manifest create` makes one, and so does a build with several platforms")
        };
        let store = stored::existing(root)?.ok_or_else(missing)?;
        let full = stored_name(&options::reference("LIST", name)?);
        let tag = store.images().tag_of(&full).map_err(Failure::from_host)?;
        match tag.map(|tag| tag.list) {
            Some(Some(list)) => Ok((store, List { name: full, list })),
            Some(None) => Err(Failure::host(format!("`{name}` is an image and no list"))),
            None => Err(missing()),
        }
    }

    fn write(&self, store: &Store) -> Result<(), Failure> {
        let main = self.list.main(&ImagePlatform::host()).map(|listed| listed.image);
        let written = store.images().tag_list(&self.name, main.as_ref(), &self.list);
        written.map_err(Failure::from_host)
    }

    fn remove(&self, store: &Store) -> Result<(), Failure> {
        store.images().untag(&self.name).map_err(Failure::from_host)?;
        Ok(())
    }

    /// Adds images. One for a platform that the list has takes the other's place.
    fn add(&mut self, store: &Store, images: &[String], says: &SaysArgs) -> Result<(), Failure> {
        for name in images {
            for mut listed in stored::find_named(store, name)?.listed()? {
                say(says, &mut listed.platform);
                listed.annotations.extend(annotations(&says.annotations)?);
                let platform = listed.platform.normalised();
                let other =
                    |other: &rbuild_store::image::ListedImage| other.platform.normalised() == platform;
                if let Some(at) = self.list.images.iter().position(other) {
                    if self.list.images[at].image != listed.image {
                        note(&format!(
                            "note: `{name}` takes the place of the image for {platform}"
                        ));
                    }
                    self.list.images[at] = listed;
                } else {
                    self.list.images.push(listed);
                }
            }
        }
        Ok(())
    }

    fn annotate(&mut self, store: &Store, image: &str, says: &SaysArgs) -> Result<(), Failure> {
        let at = self.place(store, image)?;
        let listed = &mut self.list.images[at];
        say(says, &mut listed.platform);
        listed.annotations.extend(annotations(&says.annotations)?);
        Ok(())
    }

    /// Where an image stands in the list.
    fn place(&self, store: &Store, image: &str) -> Result<usize, Failure> {
        let id: Digest = stored::find(store, image)?.id;
        let place = self.list.images.iter().position(|listed| listed.image == id);
        place.ok_or_else(|| {
            let list = stored::familiar(&self.name);
            Failure::host(format!("the list `{list}` does not have the image `{image}`"))
        })
    }
}

fn say(says: &SaysArgs, platform: &mut ImagePlatform) {
    if let Some(os) = &says.os {
        platform.os.clone_from(os);
    }
    if let Some(architecture) = &says.arch {
        platform.architecture.clone_from(architecture);
        // That of the other architecture.
        platform.variant = None;
    }
    if says.variant.is_some() {
        platform.variant.clone_from(&says.variant);
    }
}

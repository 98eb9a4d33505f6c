//! `rbuild inspect`: containers and images as JSON, shaped as docker's.

use super::containers;
use super::stored::{self, familiar, no_such_image};
use super::streams::{note, print_json};
use crate::error::Failure;
use crate::options::choice;
use clap::Args;
use rbuild_oci::Reference;
use rbuild_store::Store;
use rbuild_store::image::{ImageRecord, LayerSource};
use rbuild_store::snapshot::SnapshotStore;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Only one of both: container, image [default: a container, else an image]
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,

    /// Names or ids
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Prints.
///
/// # Errors
/// Something is not there; the others are printed.
pub fn run(args: &InspectArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let kind = args.kind.as_deref();
    if let Some(kind) = kind.filter(|kind| !["container", "image"].contains(kind)) {
        return Err(choice("--type", kind, &["container", "image"]));
    }
    let store = stored::readable(root)?;
    let mut found = Vec::new();
    let mut pending: Option<Failure> = None;
    for name in &args.names {
        match one(store.as_ref(), kind, name) {
            Ok(value) => found.push(value),
            // All are tried; the last failure is left for the end of the program to tell.
            Err(failure) => {
                if let Some(earlier) = pending.replace(failure) {
                    note(earlier.text().trim_end());
                }
            }
        }
    }
    print_json(&found)?;
    pending.map_or(Ok(0), Err)
}

fn one(store: Option<&Store>, kind: Option<&str>, name: &str) -> Result<Value, Failure> {
    let container = || containers::find(store, name).and_then(|kept| containers::inspect::describe(&kept));
    let image = || match store {
        Some(store) => stored::find(store, name).and_then(|record| describe(store, &record)),
        None => Err(no_such_image(None, name)),
    };
    match kind {
        Some("container") => container(),
        Some(_) => image(),
        None => container().or_else(|_| image()),
    }
}

fn describe(store: &Store, record: &ImageRecord) -> Result<Value, Failure> {
    let config = record.parse_config().map_err(Failure::from_host)?;
    // The config as it is, so that fields that rbuild does not know are there too.
    let raw: Map<String, Value> = serde_json::from_str(&record.config)
        .map_err(|error| Failure::host(format!("the config of image {}: {error}", record.id)))?;
    let field = |name: &str| raw.get(name).cloned();
    let (tags, digests) = names(store, record)?;
    let mut value = Map::new();
    let mut put = |name: &str, field: Value| {
        value.insert(name.to_owned(), field);
    };
    put("Id", json!(record.id.to_string()));
    put("RepoTags", json!(tags));
    put("RepoDigests", json!(digests));
    put(
        "Comment",
        json!(
            config
                .history
                .last()
                .and_then(|last| last.comment.clone())
                .unwrap_or_default()
        ),
    );
    put("Created", json!(config.created));
    put("Author", json!(config.author.unwrap_or_default()));
    put("Architecture", json!(config.architecture));
    if let Some(variant) = &config.variant {
        put("Variant", json!(variant));
    }
    put("Os", json!(config.os));
    put(
        "Size",
        json!(SnapshotStore::new(store.clone()).image_bytes(record)),
    );
    put("Config", field("config").unwrap_or_else(|| json!({})));
    put(
        "RootFS",
        json!({
            "Type": config.rootfs.kind,
            "Layers": config.rootfs.diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    );
    put("History", field("history").unwrap_or_else(|| json!([])));
    if let Some(manifest) = &record.manifest {
        put("Digest", json!(manifest.digest.to_string()));
        put("ManifestType", json!(manifest.media_type));
    }
    put("Layers", Value::Array(record.layers.iter().map(layer).collect()));
    Ok(Value::Object(value))
}

/// What is known of a layer besides its diff id: the blob that it came as, or the size of its tar.
fn layer(layer: &rbuild_store::image::ImageLayer) -> Value {
    match &layer.source {
        LayerSource::Blob(descriptor) => json!({
            "DiffId": layer.diff_id.to_string(),
            "Digest": descriptor.digest.to_string(),
            "MediaType": descriptor.media_type,
            "Size": descriptor.size,
        }),
        LayerSource::Snapshot { size, .. } => json!({ "DiffId": layer.diff_id.to_string(), "Size": size }),
    }
}

/// Tags and digests of an image, as users write them.
fn names(store: &Store, record: &ImageRecord) -> Result<(Vec<String>, Vec<String>), Failure> {
    let mut tags = Vec::new();
    let mut digests = Vec::new();
    for tag in store.images().tags().map_err(Failure::from_host)? {
        if !tag.names(&record.id) {
            continue;
        }
        match Reference::parse(&tag.name) {
            Ok(reference) => match reference.digest() {
                Some(digest) => digests.push(format!("{}@{digest}", repository(&reference))),
                None => tags.push(reference.familiar()),
            },
            Err(_) => tags.push(tag.name),
        }
    }
    tags.sort();
    digests.sort();
    digests.dedup();
    Ok((tags, digests))
}

fn repository(reference: &Reference) -> String {
    familiar(&reference.name()).trim_end_matches(":latest").to_owned()
}

//! `rbuild df`: what the store holds, and what of it could be freed.

use super::stored::{self, familiar, shown_id};
use super::streams::{print, print_json};
use super::table::Table;
use crate::error::Failure;
use crate::options::choice;
use crate::ui::amount;
use clap::Args;
use rbuild_store::Store;
use rbuild_store::gc::{self, Kind, PruneOptions, Usage};
use rbuild_store::snapshot::SnapshotStore;
use serde_json::{Value, json};
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct DfArgs {
    /// List images, and each thing that a prune could remove
    #[arg(short, long)]
    pub verbose: bool,

    /// How to print: table or json
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
}

/// What a kind is called, in the plural.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Image => "images",
        Kind::BuildCache => "build cache",
        Kind::CompressedLayer => "compressed layers",
        Kind::CacheMount => "cache mounts",
        Kind::Container => "containers",
        Kind::BuildLog => "build logs",
        Kind::Leftover => "leftovers",
    }
}

/// Prints.
///
/// # Errors
/// The store cannot be read.
pub fn run(args: &DfArgs, root: Option<&Path>) -> Result<u8, Failure> {
    if !["table", "json"].contains(&args.format.as_str()) {
        return Err(choice("--format", &args.format, &["table", "json"]));
    }
    let store = stored::readable(root)?;
    if store.is_some() {
        // Files of other ids are measured from within.
        stored::enter_if_possible()?;
    }
    let usage = match &store {
        Some(store) => store.usage().map_err(Failure::from_host)?,
        None => Vec::new(),
    };
    if args.format == "json" {
        print_json(&as_json(&usage, store.as_ref(), args.verbose)?)?;
        return Ok(0);
    }
    let mut text = summary(&usage);
    if let (true, Some(store)) = (args.verbose, &store) {
        text += &format!("\nimages:\n\n{}", images(store)?);
        let removable = removable(store)?;
        text += "\nwhat `rbuild prune -a --cache-mounts` could remove:\n\n";
        let mut table = Table::new(&["TYPE", "NAME", "SIZE"]);
        for (kind, name, bytes) in removable {
            table.row([kind_name(kind).to_owned(), name, amount::bytes(bytes)]);
        }
        text += &table.render();
    }
    print(&text)?;
    Ok(0)
}

fn summary(usage: &[Usage]) -> String {
    let mut table = Table::new(&["TYPE", "TOTAL", "SIZE", "RECLAIMABLE"]);
    for usage in usage {
        table.row([
            kind_name(usage.kind).to_owned(),
            usage.count.to_string(),
            amount::bytes(usage.bytes),
            reclaimable(usage),
        ]);
    }
    table.render()
}

/// `1.2 MB (34%)`.
fn reclaimable(usage: &Usage) -> String {
    match usage.bytes {
        0 => amount::bytes(usage.reclaimable),
        bytes => {
            let percent = u128::from(usage.reclaimable) * 100 / u128::from(bytes);
            format!("{} ({percent}%)", amount::bytes(usage.reclaimable))
        }
    }
}

fn images(store: &Store) -> Result<String, Failure> {
    let snapshots = SnapshotStore::new(store.clone());
    let mut table = Table::new(&["IMAGE ID", "SIZE", "LAYERS", "NAMES"]);
    for (record, names) in store.images().list().map_err(Failure::from_host)? {
        let names: Vec<String> = names
            .iter()
            .filter(|name| !name.contains('@'))
            .map(|name| familiar(name))
            .collect();
        table.row([
            shown_id(&record.id, false),
            amount::bytes(snapshots.image_bytes(&record)),
            record.layers.len().to_string(),
            if names.is_empty() {
                "<none>".to_owned()
            } else {
                names.join(", ")
            },
        ]);
    }
    Ok(table.render())
}

/// Everything that a prune with every option would remove.
fn removable(store: &Store) -> Result<Vec<(Kind, String, u64)>, Failure> {
    let options = PruneOptions {
        all: true,
        cache_mounts: true,
        dry_run: true,
        ..PruneOptions::default()
    };
    let pruned = store
        .prune(&options, gc::beginning())
        .map_err(Failure::from_host)?;
    let mut removable: Vec<(Kind, String, u64)> = pruned
        .removed
        .into_iter()
        .map(|removed| (removed.kind, removed.name, removed.bytes))
        .collect();
    removable.sort_by(|one, other| (one.0, &one.1, one.2).cmp(&(other.0, &other.1, other.2)));
    Ok(removable)
}

fn as_json(usage: &[Usage], store: Option<&Store>, verbose: bool) -> Result<Value, Failure> {
    let kinds: Vec<Value> = usage
        .iter()
        .map(|usage| {
            json!({
                "type": kind_name(usage.kind),
                "count": usage.count,
                "bytes": usage.bytes,
                "reclaimable": usage.reclaimable,
            })
        })
        .collect();
    let mut value = json!({ "usage": kinds });
    if let (true, Some(store)) = (verbose, store) {
        let removable: Vec<Value> = removable(store)?
            .into_iter()
            .map(|(kind, name, bytes)| json!({ "type": kind_name(kind), "name": name, "bytes": bytes }))
            .collect();
        value["removable"] = Value::from(removable);
    }
    Ok(value)
}

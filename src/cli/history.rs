//! `rbuild history`: the instructions that made an image, newest first.

use super::stored::{self, ago, created, shown_id};
use super::streams::{print, print_json_lines};
use super::table::{Table, cut};
use crate::error::Failure;
use crate::options::choice;
use crate::ui::amount;
use clap::Args;
use rbuild_build::clock;
use rbuild_store::Store;
use rbuild_store::image::ImageRecord;
use rbuild_store::snapshot::SnapshotStore;
use serde_json::json;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Print only image ids
    #[arg(short, long)]
    pub quiet: bool,

    /// Cut nothing
    #[arg(long)]
    pub no_trunc: bool,

    /// How to print: table, or json (an object per line)
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,

    /// Name or id of the image
    #[arg(value_name = "IMAGE")]
    pub image: String,
}

/// Columns of CREATED BY and COMMENT that are shown, as docker shows them.
const CREATED_BY: usize = 45;
/// What stands for the id of a step that is no image of its own.
const MISSING: &str = "<missing>";

struct Line {
    id: String,
    created: Option<i64>,
    created_by: String,
    size: u64,
    comment: String,
}

/// Prints.
///
/// # Errors
/// There is no such image.
pub fn run(args: &HistoryArgs, root: Option<&Path>) -> Result<u8, Failure> {
    if !["table", "json"].contains(&args.format.as_str()) {
        return Err(choice("--format", &args.format, &["table", "json"]));
    }
    let (store, record) = stored::image(stored::readable(root)?, &args.image)?;
    let lines = lines(&store, &record, args.no_trunc)?;
    if args.quiet {
        print(
            &lines
                .iter()
                .map(|line| format!("{}\n", line.id))
                .collect::<String>(),
        )?;
        return Ok(0);
    }
    let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
    if args.format == "json" {
        let values: Vec<_> = lines
            .iter()
            .map(|line| {
                json!({
                    "ID": line.id,
                    "CreatedAt": line.created.map(clock::rfc3339),
                    "CreatedSince": line.created.map(|created| ago(created, now)),
                    "CreatedBy": line.created_by,
                    "Size": amount::bytes(line.size),
                    "Bytes": line.size,
                    "Comment": line.comment,
                })
            })
            .collect();
        print_json_lines(&values)?;
        return Ok(0);
    }
    let mut table = Table::new(&["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
    for line in lines {
        // A heredoc has several lines; the table has one.
        let created_by = line.created_by.replace(['\n', '\t'], " ");
        let created_by = if args.no_trunc {
            created_by
        } else {
            cut(&created_by, CREATED_BY)
        };
        table.row([
            line.id,
            line.created
                .map_or_else(|| "N/A".to_owned(), |created| ago(created, now)),
            created_by,
            amount::bytes(line.size),
            line.comment,
        ]);
    }
    print(&table.render())?;
    Ok(0)
}

fn lines(store: &Store, record: &ImageRecord, whole: bool) -> Result<Vec<Line>, Failure> {
    let config = record.parse_config().map_err(Failure::from_host)?;
    let snapshots = SnapshotStore::new(store.clone());
    let mut layers = record.layers.iter();
    let mut lines: Vec<Line> = config
        .history
        .iter()
        .map(|item| {
            // More entries with a layer than layers: the image lies, and is shown as it is.
            let layer = if item.empty_layer { None } else { layers.next() };
            Line {
                id: MISSING.to_owned(),
                created: item.created.as_deref().and_then(clock::parse_rfc3339),
                created_by: item.created_by.clone().unwrap_or_default(),
                size: layer.map_or(0, |layer| snapshots.layer_bytes(layer)),
                comment: item.comment.clone().unwrap_or_default(),
            }
        })
        .collect();
    // Layers that no entry speaks of: the history was left out, or cut.
    lines.extend(layers.map(|layer| Line {
        id: MISSING.to_owned(),
        created: None,
        created_by: String::new(),
        size: snapshots.layer_bytes(layer),
        comment: String::new(),
    }));
    lines.reverse();
    match lines.first_mut() {
        Some(line) => line.id = shown_id(&record.id, whole),
        None => lines.push(Line {
            id: shown_id(&record.id, whole),
            created: Some(created(record, &config)),
            created_by: String::new(),
            size: 0,
            comment: String::new(),
        }),
    }
    Ok(lines)
}

//! `rbuild images`: what is in the store.

use super::stored::{self, ago, created, familiar, shown_id};
use super::streams::{print, print_json_lines};
use super::table::Table;
use crate::error::Failure;
use crate::options::choice;
use crate::ui::amount;
use clap::Args;
use rbuild_build::clock;
use rbuild_oci::Reference;
use rbuild_store::Store;
use rbuild_store::snapshot::SnapshotStore;
use serde_json::json;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// Print only image ids
    #[arg(short, long)]
    pub quiet: bool,

    /// Accepted for compatibility with docker; rbuild keeps no intermediate images, so all are shown anyway
    #[arg(short, long)]
    pub all: bool,

    /// Print whole image ids
    #[arg(long)]
    pub no_trunc: bool,

    /// How to print: table, or json (an object per line)
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,

    /// Only images of this repository, with this tag if there is one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// One name of an image, or an image without one.
struct Row {
    repository: String,
    tag: String,
    id: String,
    created: i64,
    size: u64,
}

const NONE: &str = "<none>";

/// Lists.
///
/// # Errors
/// The store cannot be read.
pub fn run(args: &ImagesArgs, root: Option<&Path>) -> Result<u8, Failure> {
    if !["table", "json"].contains(&args.format.as_str()) {
        return Err(choice("--format", &args.format, &["table", "json"]));
    }
    let wanted = args.name.as_deref().map(Filter::parse).transpose()?;
    let mut rows = match stored::readable(root)? {
        Some(store) => rows(&store, args)?,
        None => Vec::new(),
    };
    if let Some(wanted) = &wanted {
        rows.retain(|row| wanted.takes(row));
    }
    // Newest first; the rest makes the order the same every time.
    rows.sort_by(|one, other| {
        let rest = |row: &Row| (row.repository.clone(), row.tag.clone(), row.id.clone());
        other
            .created
            .cmp(&one.created)
            .then_with(|| rest(one).cmp(&rest(other)))
    });
    if args.quiet {
        let mut ids: Vec<&str> = Vec::new();
        for row in &rows {
            if !ids.contains(&row.id.as_str()) {
                ids.push(&row.id);
            }
        }
        print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>())?;
        return Ok(0);
    }
    let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
    if args.format == "json" {
        let values: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "Repository": row.repository,
                    "Tag": row.tag,
                    "ID": row.id,
                    "CreatedAt": clock::rfc3339(row.created),
                    "CreatedSince": ago(row.created, now),
                    "Size": amount::bytes(row.size),
                    "Bytes": row.size,
                })
            })
            .collect();
        print_json_lines(&values)?;
        return Ok(0);
    }
    let mut table = Table::new(&["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    for row in rows {
        table.row([
            row.repository,
            row.tag,
            row.id,
            ago(row.created, now),
            amount::bytes(row.size),
        ]);
    }
    print(&table.render())?;
    Ok(0)
}

fn rows(store: &Store, args: &ImagesArgs) -> Result<Vec<Row>, Failure> {
    let snapshots = SnapshotStore::new(store.clone());
    let mut rows = Vec::new();
    for (record, names) in store.images().list().map_err(Failure::from_host)? {
        let config = record.parse_config().map_err(Failure::from_host)?;
        let (created, size) = (created(&record, &config), snapshots.image_bytes(&record));
        for (repository, tag) in places(&names) {
            rows.push(Row {
                repository,
                tag,
                id: shown_id(&record.id, args.no_trunc),
                created,
                size,
            });
        }
    }
    Ok(rows)
}

/// Repository and tag of each name; of an image that is known by a digest only, its repository.
fn places(names: &[String]) -> Vec<(String, String)> {
    let mut tagged = Vec::new();
    let mut pinned = Vec::new();
    for name in names {
        match Reference::parse(name) {
            Ok(reference) if reference.digest().is_some() => {
                pinned.push((repository(&reference), NONE.to_owned()))
            }
            Ok(reference) => {
                tagged.push((repository(&reference), reference.tag().unwrap_or(NONE).to_owned()));
            }
            Err(_) => tagged.push((name.clone(), NONE.to_owned())),
        }
    }
    pinned.sort();
    pinned.dedup();
    pinned.retain(|(repository, _)| !tagged.iter().any(|(tagged, _)| tagged == repository));
    tagged.extend(pinned);
    if tagged.is_empty() {
        tagged.push((NONE.to_owned(), NONE.to_owned()));
    }
    tagged
}

/// The familiar form of a name without tag and digest.
fn repository(reference: &Reference) -> String {
    familiar(&reference.name()).trim_end_matches(":latest").to_owned()
}

/// Which images the user wants to see.
struct Filter {
    repository: String,
    tag: Option<String>,
}

impl Filter {
    fn parse(name: &str) -> Result<Self, Failure> {
        let reference = crate::options::reference("NAME", name)?;
        // Whether a tag was typed, or is only implied.
        let tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        Ok(Self {
            repository: repository(&reference),
            tag: reference.tag().filter(|_| tag).map(str::to_owned),
        })
    }

    fn takes(&self, row: &Row) -> bool {
        row.repository == self.repository && self.tag.as_ref().is_none_or(|tag| *tag == row.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_counts_only_when_typed() {
        let row = |tag: &str| Row {
            repository: "localhost:5000/app".to_owned(),
            tag: tag.to_owned(),
            id: String::new(),
            created: 0,
            size: 0,
        };
        let all = Filter::parse("localhost:5000/app").unwrap();
        assert!(all.takes(&row("1")) && all.takes(&row("latest")));
        let one = Filter::parse("localhost:5000/app:1").unwrap();
        assert!(one.takes(&row("1")) && !one.takes(&row("latest")));
        assert!(!Filter::parse("app").unwrap().takes(&row("1")));
    }
}

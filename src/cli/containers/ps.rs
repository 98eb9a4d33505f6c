//! `rbuild ps`: lists containers.

use super::filter::Filters;
use super::{told, words};
use crate::cli::stored;
use crate::cli::streams::{note, print, print_json_lines};
use crate::cli::table::{Table, cut};
use crate::error::Failure;
use crate::options::choice;
use clap::Args;
use rbuild_container::kept::{Kept, KeptError, State, state};
use rbuild_container::time::{Time, now, rfc3339};
use rbuild_store::Store;
use serde_json::{Value, json};
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)]
pub struct PsArgs {
    /// Those too that do not run
    #[arg(short, long)]
    pub all: bool,

    /// Ids alone
    #[arg(short, long)]
    pub quiet: bool,

    /// Whole ids and command lines
    #[arg(long)]
    pub no_trunc: bool,

    /// Only those: status=, name=, label=KEY[=VALUE], id=, ancestor=IMAGE, exited=CODE (repeatable)
    #[arg(short, long = "filter", value_name = "NAME=VALUE")]
    pub filters: Vec<String>,

    /// The last so many that were made, whether they run or not
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub last: Option<usize>,

    /// The last one that was made
    #[arg(short, long)]
    pub latest: bool,

    /// json: each as JSON on a line of its own; table
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
}

/// Prints.
///
/// # Errors
/// The store cannot be read.
pub fn run(args: &PsArgs, root: Option<&Path>) -> Result<u8, Failure> {
    if !["table", "json"].contains(&args.format.as_str()) {
        return Err(choice("--format", &args.format, &["table", "json"]));
    }
    let filters = Filters::parse(
        &args.filters,
        &["status", "name", "label", "id", "ancestor", "exited"],
    )?;
    let found = match stored::readable(root)? {
        Some(store) => listed(&store, args, &filters)?,
        None => Vec::new(),
    };
    let now = now();
    let rows = found
        .iter()
        .map(|(kept, state)| Row::new(kept, state, now, args.no_trunc));
    if args.quiet {
        let ids: String = rows.map(|row| format!("{}\n", row.id)).collect();
        print(&ids)?;
    } else if args.format == "json" {
        print_json_lines(&rows.map(|row| row.json()).collect::<Vec<_>>())?;
    } else {
        let mut table = Table::new(&[
            "CONTAINER ID",
            "IMAGE",
            "COMMAND",
            "CREATED",
            "STATUS",
            "PORTS",
            "NAMES",
        ]);
        for row in rows {
            table.row([
                row.id,
                row.image,
                row.command,
                row.running_for,
                row.status,
                row.ports,
                row.names,
            ]);
        }
        print(&table.render())?;
    }
    Ok(0)
}

/// The containers that are wanted, the newest first. What a container is, is read only of those.
fn listed(store: &Store, args: &PsArgs, filters: &Filters) -> Result<Vec<(Kept, State)>, Failure> {
    let last = if args.latest { Some(1) } else { args.last };
    let all = args.all || last.is_some() || filters.name("status") || filters.name("exited");
    let mut found = Vec::new();
    for id in store.containers().ids().map_err(Failure::from_host)? {
        let dir = store.containers().dir(&id);
        let state = match state(&dir) {
            Ok(state) => state,
            Err(KeptError::Gone(_)) => continue,
            Err(error @ KeptError::Damaged { .. }) => {
                note(&format!("warning: {error}"));
                continue;
            }
            Err(error) => return Err(told(error)),
        };
        if !all && !state.status.is_live() {
            continue;
        }
        match Kept::open(dir) {
            Ok(kept) if filters.take(&kept, &state) => found.push((kept, state)),
            Ok(_) | Err(KeptError::Gone(_)) => {}
            Err(error) => note(&format!("warning: {error}")),
        }
    }
    found.sort_by(|(one, _), (other, _)| {
        let (one, other) = (one.record(), other.record());
        other
            .created
            .cmp(&one.created)
            .then_with(|| one.id.cmp(&other.id))
    });
    if let Some(last) = last {
        found.truncate(last);
    }
    Ok(found)
}

/// What is shown of a container: docker's columns.
pub struct Row {
    id: String,
    image: String,
    command: String,
    created_at: String,
    running_for: String,
    state: &'static str,
    status: String,
    ports: String,
    names: String,
    labels: String,
}

/// Characters of a command that are shown.
const COMMAND: usize = 20;

impl Row {
    fn new(kept: &Kept, state: &State, now: Time, whole: bool) -> Self {
        let record = kept.record();
        let command = record.argv.join(" ");
        let labels: Vec<String> = record
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let created = rfc3339(record.created);
        Self {
            id: match whole {
                true => record.id.to_string(),
                false => record.id.short().to_owned(),
            },
            image: record.image.name.clone(),
            command: words::quoted(&if whole { command } else { cut(&command, COMMAND) }),
            created_at: format!("{} {} +0000 UTC", &created[..10], &created[11..19]),
            running_for: words::ago(record.created, now),
            state: state.status.name(),
            status: words::status(state, now),
            ports: String::new(),
            names: record.name.clone(),
            labels: labels.join(","),
        }
    }

    fn json(&self) -> Value {
        json!({
            "Command": self.command,
            "CreatedAt": self.created_at,
            "ID": self.id,
            "Image": self.image,
            "Labels": self.labels,
            "LocalVolumes": "0",
            "Mounts": "",
            "Names": self.names,
            "Networks": "",
            "Ports": self.ports,
            "RunningFor": self.running_for,
            "Size": "0B",
            "State": self.state,
            "Status": self.status,
        })
    }
}

//! `--call=targets`: the stages. The JSON has the names of BuildKit's `targets` subrequest.

use super::{description, location, source};
use crate::cli::streams::{print, print_json};
use crate::cli::table::Table;
use crate::error::Failure;
use crate::options::BuildOptions;
use dockerfile_parser::{Dockerfile, LineIndex};
use rbuild_build::dockerfile::SourceFile;
use serde_json::{Value, json};

pub(super) fn run(options: &BuildOptions, file: &SourceFile, parsed: &Dockerfile) -> Result<u8, Failure> {
    let last = parsed.stages.len().saturating_sub(1);
    if options.call_json {
        let lines = LineIndex::new(&file.text);
        let targets: Vec<Value> = parsed
            .stages
            .iter()
            .map(|stage| {
                let mut value =
                    json!({ "base": stage.base().text, "location": location(&lines, stage.line.span) });
                if let Some(name) = stage.name() {
                    value["name"] = json!(name);
                    value["description"] = json!(description(&stage.line, name));
                }
                if let Some(platform) = &stage.from.platform {
                    value["platform"] = json!(platform.text);
                }
                value["default"] = json!(stage.index == last);
                value
            })
            .collect();
        print_json(&json!({ "targets": targets, "sources": [source(file)] }))?;
        return Ok(0);
    }
    let mut table = Table::new(&["TARGET", "BASE", "DESCRIPTION"]);
    for stage in &parsed.stages {
        let name = stage
            .name()
            .map_or_else(|| stage.index.to_string(), str::to_owned);
        let about = description(&stage.line, &name).unwrap_or_default();
        let shown = if stage.index == last {
            format!("{name} (default)")
        } else {
            name
        };
        table.row([shown, stage.base().text.clone(), about]);
    }
    print(&table.render())?;
    Ok(0)
}

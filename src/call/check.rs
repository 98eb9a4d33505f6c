//! `--check`: what the checks find. The JSON has the names of BuildKit's `lint` subrequest.

use super::{Bases, location, platform, source};
use crate::cli::streams::{print, print_json};
use crate::context::BuildContext;
use crate::error::Failure;
use crate::ops::copy::names_any;
use crate::options::{BuildOptions, Call};
use crate::pipeline::{SourceFile, check_line, draw_diagnostic, draw_each};
use crate::ui::Look;
use dockerfile_parser::lint::{self, LintInput, Rule};
use dockerfile_parser::{Diagnostic, Dockerfile, Kind, LineIndex, Parsed};
use rbuild_store::Store;
use serde_json::{Value, json};

/// Asks the checks, in file order; errors where `# check=error=true` stands. Cheap enough for every build: what it
/// wants to know of base images is read from the store, or left unknown. What a build finds out anyway, about files and
/// the platforms of images, is looked for with `--check` alone.
#[must_use]
pub fn warnings(
    options: &BuildOptions,
    parsed: &Dockerfile,
    context: &BuildContext,
    store: Option<&Store>,
) -> Vec<Diagnostic> {
    let bases = Bases::new(store);
    let context_matches = |pattern: &str, parents: bool| names_any(context, pattern, parents).ok();
    let base_owner = |stage: usize, owner: &str| bases.knows_owner(parsed, stage, owner);
    let base_platform = |stage: usize| bases.with(parsed, stage, platform).flatten();
    let looks = options.call == Call::Check;
    lint::check(
        parsed,
        &LintInput {
            target_platform: Some(&options.platform),
            ignore: context.ignore_file(),
            base_platform: looks.then_some(&base_platform),
            base_env: Some(&|stage| {
                bases.with(parsed, stage, |config| {
                    let names = config.config.env.iter();
                    names
                        .map(|variable| variable.split('=').next().unwrap_or_default().to_owned())
                        .collect()
                })
            }),
            base_shell: Some(&|stage| {
                bases
                    .with(parsed, stage, |config| config.config.shell.is_some())
                    .unwrap_or(false)
            }),
            context_matches: looks.then_some(&context_matches),
            base_owner: looks.then_some(&base_owner),
            options: None,
        },
    )
}

/// Draws them, each with the name of its check; a blank line between two.
#[must_use]
pub fn draw_warnings(file: &SourceFile, found: &[Diagnostic], look: &Look) -> String {
    draw_each(found, |diagnostic| {
        let check = rule(diagnostic).map(check_line).unwrap_or_default();
        draw_diagnostic(file, diagnostic, look) + &check
    })
}

fn rule(diagnostic: &Diagnostic) -> Option<Rule> {
    match &diagnostic.kind {
        Kind::Check { rule, .. } => Some(*rule),
        _ => None,
    }
}

pub(super) fn run(
    options: &BuildOptions,
    file: &SourceFile,
    parsed: Parsed,
    context: &BuildContext,
    store: Option<&Store>,
    look: &Look,
) -> Result<u8, Failure> {
    // What the parser itself warns of belongs to it too.
    let mut found = parsed.diagnostics;
    found.extend(warnings(options, &parsed.dockerfile, context, store));
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    if options.call_json {
        print_json(&findings_json(file, &found))?;
    } else {
        // The findings are what was asked for, so they are on standard output, whose look is not that of errors.
        let look = if look.is_terminal {
            crate::cli::streams::stdout_look()
        } else {
            Look::PLAIN
        };
        let text = draw_warnings(file, &found, &look);
        let closing = match found.len() {
            0 => "no warnings\n".to_owned(),
            1 => "\n1 warning\n".to_owned(),
            count => format!("\n{count} warnings\n"),
        };
        print(&(text + &closing))?;
    }
    Ok(u8::from(found.iter().any(Diagnostic::is_error)))
}

/// The findings of a file that does not parse: as others, and the first error once more as `buildError`, where BuildKit
/// has the error of a build.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_broken(file: &SourceFile, found: &[Diagnostic]) -> Result<(), Failure> {
    let mut findings = findings_json(file, found);
    if let Some(error) = found.iter().find(|diagnostic| diagnostic.is_error()) {
        let mut place = location(&LineIndex::new(&file.text), error.span);
        place["sourceIndex"] = json!(0);
        findings["buildError"] = json!({ "message": error.message(), "location": place });
    }
    print_json(&findings)
}

/// Findings as buildx writes them: `{warnings, sources}`.
#[must_use]
pub fn findings_json(file: &SourceFile, found: &[Diagnostic]) -> Value {
    let lines = LineIndex::new(&file.text);
    let warnings: Vec<Value> = found
        .iter()
        .map(|diagnostic| {
            let rule = rule(diagnostic);
            let docs = rule.map(|rule| rule.definition().docs);
            let mut place = location(&lines, diagnostic.span);
            place["sourceIndex"] = json!(0);
            json!({
                "ruleName": diagnostic.code(),
                "description": docs.unwrap_or_default(),
                "url": rule.map(Rule::url),
                "detail": diagnostic.message(),
                "help": diagnostic.help,
                "severity": if diagnostic.is_error() { "error" } else { "warning" },
                "location": place,
            })
        })
        .collect();
    json!({ "warnings": warnings, "sources": [source(file)] })
}

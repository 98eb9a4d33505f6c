//! `--check`: what the checks find. The JSON has the names of BuildKit's `lint` subrequest.

use super::{location, source};
use crate::cli::streams::{note, print, print_json};
use crate::error::Failure;
use crate::interrupt;
use crate::options::BuildOptions;
use crate::report::findings::{self, draw_each};
use crate::report::words;
use crate::ui::Style;
use dockerfile_parser::lint::Rule;
use dockerfile_parser::{Diagnostic, Dockerfile, Kind, LineIndex, Span, Stage, suggest};
use rbuild_build::BuildError;
use rbuild_build::bases::Bases;
use rbuild_build::dockerfile::{SourceFile, add_checks_above_errors};
use rbuild_build::error::BaseError;
use rbuild_build::finding::in_file_order;
use rbuild_build::inputs::{Inputs, Looks, ask_checks, lower_input};
use rbuild_build::lower::{Finding, LowerFailure, LowerInput, Lowered, StageBase, lower};
use rbuild_build::ops::Planned;
use rbuild_build::request::PullPolicy;
use rbuild_build::sources::Offline;
use rbuild_oci::Reference;
use rbuild_store::Store;
use serde_json::{Value, json};

fn rule(diagnostic: &Diagnostic) -> Option<Rule> {
    match &diagnostic.kind {
        Kind::Check { rule, .. } => Some(*rule),
        _ => None,
    }
}

/// What is checked, and with what.
pub(super) struct Subject<'a> {
    pub(super) options: &'a BuildOptions,
    pub(super) inputs: &'a Inputs,
    pub(super) store: Option<&'a Store>,
}

/// What was found, in file order.
struct Found {
    /// By the parser and the checks.
    checks: Vec<Diagnostic>,
    /// By the lowering: what a build would say before its first step.
    lowering: Vec<Finding>,
    /// Nothing is known of the image that a stage begins with.
    base_is_unknown: bool,
    /// A check would have to know it.
    missed: bool,
}

pub(super) fn run(subject: &Subject<'_>, style: &Style) -> Result<u8, Failure> {
    let (options, file) = (subject.options, &subject.inputs.file);
    let mut found = find(subject)?;
    // What the parser itself warns of belongs to it too.
    found
        .checks
        .extend(subject.inputs.parsed.diagnostics.iter().cloned());
    found.checks.sort_by_key(|diagnostic| diagnostic.span.start);
    let errors: Vec<Finding> = found
        .lowering
        .extract_if(.., |finding| finding.is_error)
        .collect();
    if options.call_json {
        let mut json = findings_json(file, &found.checks);
        if let Some(error) = errors.first() {
            json["buildError"] = build_error(file, error.span, &error.message());
        }
        print_json(&json)?;
    } else {
        // The findings are what was asked for, so they are on standard output, whose look is not that of errors.
        let style = if style.is_terminal {
            crate::cli::streams::stdout_style()
        } else {
            Style::PLAIN
        };
        print(&findings_text(file, &found, errors.len(), &style))?;
    }
    if !errors.is_empty() {
        return Err(findings::lowering(file, &errors, &[], style));
    }
    Ok(u8::from(found.checks.iter().any(Diagnostic::is_error)))
}

/// Lowers the file and asks the checks. A registry is asked for base images if, and only if, it makes a difference.
fn find(subject: &Subject<'_>) -> Result<Found, Failure> {
    let options = subject.options;
    let dockerfile = &subject.inputs.parsed.dockerfile;
    let images = Offline::new(subject.store);
    let devices = rbuild_build::cdi::Registry::new(&options.request.cdi_spec_dirs);
    let input = lower_input(
        &options.request,
        dockerfile,
        &subject.inputs.contexts,
        &images,
        &devices,
        &|_, _| false,
        true,
    );
    let found = find_once(subject, &input);
    let with_variables = with_variables(dockerfile, &subject.inputs.file.text);
    let depends = |finding: &Finding| {
        let at = with_variables.partition_point(|line| line.end < finding.span.start);
        let line = with_variables.get(at);
        finding.is_error && line.is_some_and(|line| line.start <= finding.span.start)
    };
    let stages: Vec<&str> = dockerfile.stages.iter().filter_map(Stage::name).collect();
    let stage_near = |image: &Reference| {
        let name = image.familiar();
        let name = name.strip_suffix(":latest").unwrap_or(&name);
        suggest::nearest(name, stages.iter().copied())
    };
    let unknown = images.unknown();
    let depends_on_one = found.missed || found.base_is_unknown && found.lowering.iter().any(depends);
    if unknown.is_empty() || !(depends_on_one || unknown.iter().any(|image| stage_near(image).is_some())) {
        return Ok(found);
    }
    let failures = images.ask(|reference, platform| match options.request.pull {
        PullPolicy::Never => Err(BaseError::NotStored {
            name: reference.familiar(),
        }
        .into()),
        PullPolicy::Missing | PullPolicy::Always => subject.inputs.registries.resolve(reference, platform),
    });
    if interrupt::requested() {
        return Err(interrupt::failure());
    }
    let mut found = find_once(subject, &input);
    if !failures.is_empty() {
        for (image, error) in failures {
            let what = words::failure(&error).one_line();
            note(&format!(
                "note: {what}; what depends on that image was not checked"
            ));
            if let Some(stage) = stage_near(&image) {
                note(&format!("help: did you mean stage `{stage}`?"));
            }
        }
        // A variable that is not set may be one that the image sets.
        let base_is_unknown = found.base_is_unknown;
        found
            .lowering
            .retain(|finding| !(base_is_unknown && depends(finding)));
    }
    Ok(found)
}

fn find_once(subject: &Subject<'_>, input: &LowerInput<'_>) -> Found {
    let (lowered, mut lowering) = match lower(input, &subject.options.request.platforms, &Planned) {
        Ok(Lowered { bases, warnings, .. }) => (bases, warnings),
        Err(LowerFailure { bases, findings }) => (bases, findings),
    };
    // What this host or command line lacks says nothing about the file, and the checks have their own finding for what
    // belongs to one of them.
    lowering.retain(|finding| !finding.fault.is_of_host() && finding.rule.is_none());
    let bases = Bases::new(input.dockerfile, &lowered, subject.store);
    let checks = ask_checks(
        &subject.options.request,
        input.dockerfile,
        &subject.inputs.contexts,
        &bases,
        Looks::Everything,
    );
    Found {
        checks,
        lowering,
        base_is_unknown: lowered.values().any(StageBase::is_unknown),
        missed: bases.missed(),
    }
}

/// Where the instructions are that have variables, in file order.
fn with_variables(dockerfile: &Dockerfile, text: &str) -> Vec<Span> {
    let spans = dockerfile.lines().map(|line| line.span);
    spans
        .filter(|span| {
            text.get(span.start..span.end)
                .is_some_and(|text| text.contains('$'))
        })
        .collect()
}

fn findings_text(file: &SourceFile, found: &Found, errors: usize, style: &Style) -> String {
    let all = in_file_order(&found.checks, &found.lowering);
    let shown = findings::Shown::of(file);
    let text = draw_each(&all, |found| findings::draw(found, &shown, style));
    let count = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let of_checks = found.checks.iter().filter(|check| check.is_error()).count();
    let counts = [count(of_checks, "error"), count(all.len() - of_checks, "warning")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    match (counts.is_empty(), errors) {
        (false, _) => format!("{text}\n{}\n", counts.join(", ")),
        (true, 0) => "no warnings\n".to_owned(),
        (true, _) => text,
    }
}

/// The findings of a file that does not parse, and what the checks find above its first error. As JSON the first error
/// stands once more as `buildError`, where BuildKit has the error of a build.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn broken(
    options: &BuildOptions,
    file: SourceFile,
    mut diagnostics: Vec<Diagnostic>,
    dockerfile: Box<Dockerfile>,
) -> Result<BuildError, Failure> {
    add_checks_above_errors(&dockerfile, &mut diagnostics);
    if options.call_json {
        // BuildKit has warnings there alone; what else is wrong is told beside them.
        let (errors, warnings): (Vec<_>, Vec<_>) = diagnostics
            .iter()
            .cloned()
            .partition(|found| found.is_error() && rule(found).is_none());
        let mut findings = findings_json(&file, &warnings);
        findings["errors"] = findings_json(&file, &errors)["warnings"].take();
        if let Some(error) = diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
            findings["buildError"] = build_error(&file, error.span, &error.message());
        }
        print_json(&findings)?;
    }
    Ok(BuildError::Syntax {
        file,
        diagnostics,
        dockerfile: Some(dockerfile),
    })
}

/// What there is to say in JSON of a file that is no text.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn unreadable(options: &BuildOptions, failure: &Failure) -> Result<(), Failure> {
    match options.call_json {
        true => print_json(&json!({ "warnings": [], "buildError": { "message": failure.one_line() } })),
        false => Ok(()),
    }
}

fn build_error(file: &SourceFile, span: Span, message: &str) -> Value {
    let mut place = location(&LineIndex::new(&file.text), span);
    place["sourceIndex"] = json!(0);
    json!({ "message": message, "location": place })
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

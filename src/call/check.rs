//! `--check`: what the checks find. The JSON has the names of BuildKit's `lint` subrequest.

use super::{Bases, location, source};
use crate::cli::streams::{note, print, print_json};
use crate::error::Failure;
use crate::options::{BuildOptions, Call};
use crate::pipeline::{Contexts, SourceFile, draw_each, in_file_order, lower_input, lowering_failure};
use crate::ui::Look;
use dockerfile_parser::lint::{self, LintInput, Rule};
use dockerfile_parser::{Diagnostic, Dockerfile, Kind, LineIndex, Parsed, Span, Stage, suggest};
use rbuild_build::context::BuildContext;
use rbuild_build::lower::{Beginning, Finding, LowerFailure, LowerInput, Lowered, lower};
use rbuild_build::ops::Planned;
use rbuild_build::ops::copy::names_any;
use rbuild_build::pull::Puller;
use rbuild_build::request::PullPolicy;
use rbuild_build::sources::Offline;
use rbuild_oci::Reference;
use rbuild_store::Store;
use serde_json::{Value, json};

/// Asks the checks, in file order; errors where `# check=error=true` stands. Cheap enough for every build. What a build
/// finds out anyway, about files and the platforms of images, is looked for with `--check` alone.
#[must_use]
pub fn warnings(
    options: &BuildOptions,
    parsed: &Dockerfile,
    context: &BuildContext,
    bases: &Bases<'_>,
) -> Vec<Diagnostic> {
    let context_matches = |pattern: &str, parents: bool| names_any(context, pattern, parents).ok();
    let base_owner = |stage: usize, owner: &str| bases.knows_owner(stage, owner);
    let base_platform = |stage: usize| bases.platform(stage);
    let looks = options.call == Call::Check;
    lint::check(
        parsed,
        &LintInput {
            target_platform: Some(&options.request.platform),
            ignore: context.ignore_file(),
            base_platform: looks.then_some(&base_platform),
            base_env: Some(&|stage| bases.variables(stage)),
            base_shell: Some(&|stage| bases.has_shell(stage)),
            context_matches: looks.then_some(&context_matches),
            base_owner: looks.then_some(&base_owner),
            options: None,
        },
    )
}

/// Draws them, each with the name of its check; a blank line between two.
#[must_use]
pub fn draw_warnings(file: &SourceFile, found: &[Diagnostic], look: &Look) -> String {
    draw_each(&in_file_order(found, &[]), |found| found.draw(file, look))
}

fn rule(diagnostic: &Diagnostic) -> Option<Rule> {
    match &diagnostic.kind {
        Kind::Check { rule, .. } => Some(*rule),
        _ => None,
    }
}

/// What is checked, and with what.
pub(super) struct Subject<'a> {
    pub(super) options: &'a BuildOptions,
    pub(super) file: &'a SourceFile,
    pub(super) contexts: &'a Contexts,
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

pub(super) fn run(
    subject: &Subject<'_>,
    parsed: Parsed,
    puller: &Puller,
    look: &Look,
) -> Result<u8, Failure> {
    let (options, file) = (subject.options, subject.file);
    let mut found = find(subject, &parsed.dockerfile, puller);
    // What the parser itself warns of belongs to it too.
    found.checks.extend(parsed.diagnostics);
    found.checks.sort_by_key(|diagnostic| diagnostic.span.start);
    let errors: Vec<Finding> = found
        .lowering
        .extract_if(.., |finding| finding.is_error)
        .collect();
    if options.call_json {
        let mut json = findings_json(file, &found.checks);
        if let Some(error) = errors.first() {
            json["buildError"] = build_error(file, error.span, &error.message);
        }
        print_json(&json)?;
    } else {
        // The findings are what was asked for, so they are on standard output, whose look is not that of errors.
        let look = if look.is_terminal {
            crate::cli::streams::stdout_look()
        } else {
            Look::PLAIN
        };
        print(&findings_text(file, &found, errors.len(), &look))?;
    }
    if !errors.is_empty() {
        return Err(lowering_failure(file, &errors, &[], look));
    }
    Ok(u8::from(found.checks.iter().any(Diagnostic::is_error)))
}

/// Lowers the file and asks the checks. A registry is asked for base images if, and only if, it makes a difference.
fn find(subject: &Subject<'_>, dockerfile: &Dockerfile, puller: &Puller) -> Found {
    let options = subject.options;
    let images = Offline::new(subject.store);
    let devices = rbuild_build::cdi::Registry::new(&options.request.cdi_spec_dirs);
    let input = lower_input(
        options,
        dockerfile,
        subject.contexts,
        &images,
        &devices,
        &|_, _| false,
    );
    let found = find_once(subject, &input);
    let with_variables = with_variables(dockerfile, &subject.file.text);
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
        return found;
    }
    let failures = images.ask(|reference, platform| match options.request.pull {
        PullPolicy::Never => Err(Failure::host(format!(
            "`{}` is not in the store",
            reference.familiar()
        ))),
        PullPolicy::Missing | PullPolicy::Always => puller.resolve(reference, platform),
    });
    let mut found = find_once(subject, &input);
    if !failures.is_empty() {
        for (image, failure) in failures {
            let what = failure.one_line();
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
    found
}

fn find_once(subject: &Subject<'_>, input: &LowerInput<'_>) -> Found {
    let (beginnings, mut lowering) = match lower(input, &Planned) {
        Ok(Lowered {
            beginnings, warnings, ..
        }) => (beginnings, warnings),
        Err(LowerFailure { beginnings, findings }) => (beginnings, findings),
    };
    // What this host or command line lacks says nothing about the file, and the checks have their own finding for what
    // belongs to one of them.
    lowering.retain(|finding| !finding.is_of_host && finding.rule.is_none());
    let bases = Bases::new(input.dockerfile, &beginnings, subject.store);
    let checks = warnings(subject.options, input.dockerfile, &subject.contexts.main, &bases);
    Found {
        checks,
        lowering,
        base_is_unknown: beginnings.values().any(Beginning::is_unknown),
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

fn findings_text(file: &SourceFile, found: &Found, errors: usize, look: &Look) -> String {
    let all = in_file_order(&found.checks, &found.lowering);
    let text = draw_each(&all, |found| found.draw(file, look));
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

/// The findings of a file that does not parse: as others, and the first error once more as `buildError`, where BuildKit
/// has the error of a build.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_broken(file: &SourceFile, found: &[Diagnostic]) -> Result<(), Failure> {
    let mut findings = findings_json(file, found);
    if let Some(error) = found.iter().find(|diagnostic| diagnostic.is_error()) {
        findings["buildError"] = build_error(file, error.span, &error.message());
    }
    print_json(&findings)
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

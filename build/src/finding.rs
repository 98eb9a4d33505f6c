//! [`Found`]: what is wrong with a file, whoever found it.

use crate::lower::Finding;
use dockerfile_parser::lint::Policy;
use dockerfile_parser::{Diagnostic, Dockerfile, Severity, Span};
use std::collections::BTreeSet;

/// What was found in a file.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// By a check or the parser.
    Check(&'a Diagnostic),
    /// By the lowering.
    Lowering(&'a Finding),
}

impl Found<'_> {
    /// Whether nothing can be built because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self {
            Found::Check(check) => check.is_error(),
            Found::Lowering(finding) => finding.is_error,
        }
    }

    /// The guilty words.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Found::Check(check) => check.span,
            Found::Lowering(finding) => finding.span,
        }
    }
}

/// Findings of both kinds in the order of the file.
pub fn in_file_order<'a>(
    checks: impl IntoIterator<Item = &'a Diagnostic>,
    findings: &'a [Finding],
) -> Vec<Found<'a>> {
    let checks = checks.into_iter().map(Found::Check);
    let mut found: Vec<Found<'_>> = checks.chain(findings.iter().map(Found::Lowering)).collect();
    found.sort_by_key(|found| found.span().start);
    found
}

/// Those of the checks' findings that the file wants as errors, or that are about an instruction that failed: a variable
/// that is not set may be the reason.
pub(crate) fn related(
    dockerfile: &Dockerfile,
    findings: &[Finding],
    checks: &[Diagnostic],
) -> Vec<Diagnostic> {
    let lines: Vec<Span> = dockerfile.lines().map(|line| line.span).collect();
    let line_of = |span: Span| lines.partition_point(|line| line.end <= span.start);
    let errors = findings.iter().filter(|finding| finding.is_error);
    let failed: BTreeSet<usize> = errors.map(|finding| line_of(finding.span)).collect();
    let related = checks
        .iter()
        .filter(|check| check.is_error() || failed.contains(&line_of(check.span)));
    related.cloned().collect()
}

/// Drops the findings of checks that the file does not want to hear of, and makes errors of those it wants as errors.
pub(crate) fn judge(findings: &mut Vec<Finding>, policy: &Policy) {
    findings.retain_mut(|finding| {
        let Some(rule) = finding.rule else { return true };
        let severity = policy.severity(rule, finding.span);
        finding.is_error |= severity == Some(Severity::Error);
        severity.is_some()
    });
}

//! Words and pictures for what is wrong with a file.

use std::borrow::Cow;

use crate::error::{Failure, Kind};
use crate::report::{self, Label, Severity, Source, advice};
use crate::ui::Style;
use dockerfile_parser::lint::Rule;
use dockerfile_parser::{Diagnostic, Span};
use rbuild_build::dockerfile::SourceFile;
use rbuild_build::finding::{Found, in_file_order};
use rbuild_build::lower::Finding;

/// A file as excerpts show it: looked through once, however much there is to draw.
pub struct Shown<'f> {
    name: &'f str,
    text: Cow<'f, str>,
}

impl<'f> Shown<'f> {
    /// Of this file.
    pub fn of(file: &'f SourceFile) -> Self {
        Shown {
            name: &file.name,
            text: file.shown(),
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            name: self.name,
            text: &self.text,
        }
    }
}

/// All errors of a file that does not parse.
pub fn parsing(file: &SourceFile, diagnostics: &[Diagnostic], style: &Style) -> Failure {
    let errors = diagnostics.iter().filter(|found| found.is_error()).count();
    let shown = Shown::of(file);
    let drawn = draw_each(diagnostics, |found| draw(&Found::Check(found), &shown, style));
    Failure::new(Kind::Dockerfile, "the Dockerfile has errors").drawn(closing(drawn, file, errors))
}

/// All findings of a lowering that failed, and some of the checks; in file order.
pub fn lowering(file: &SourceFile, findings: &[Finding], checks: &[Diagnostic], style: &Style) -> Failure {
    let found = in_file_order(checks, findings);
    let errors = found.iter().filter(|found| found.is_error()).count();
    let shown = Shown::of(file);
    let drawn = draw_each(&found, |found| draw(found, &shown, style));
    Failure::new(Kind::Dockerfile, "the Dockerfile has errors").drawn(closing(drawn, file, errors))
}

/// The file itself says that findings are errors: `# check=error=true`.
pub fn checks(file: &SourceFile, checks: &[Diagnostic], findings: &[Finding], style: &Style) -> Failure {
    let found = in_file_order(checks, findings);
    let shown = Shown::of(file);
    let drawn = draw_each(&found, |found| draw(found, &shown, style));
    let message = "the checks found something, and the file makes that an error";
    Failure::new(Kind::Dockerfile, message).drawn(drawn)
}

/// Draws what was found, with the name of its check.
pub fn draw(found: &Found<'_>, file: &Shown<'_>, style: &Style) -> String {
    match found {
        Found::Check(check) => {
            let rule = match &check.kind {
                dockerfile_parser::Kind::Check { rule, .. } => check_line(*rule),
                _ => String::new(),
            };
            draw_diagnostic(file, check, style) + &rule
        }
        Found::Lowering(finding) => {
            let check = finding.rule.map(check_line).unwrap_or_default();
            draw_place(file, finding, style) + &check
        }
    }
}

fn closing(mut drawn: String, file: &SourceFile, errors: usize) -> String {
    if errors > 1 {
        drawn.push_str(&format!("\n{errors} errors in {}\n", file.name));
    }
    drawn
}

/// What is drawn of a file's findings; who has more mends the first ones first.
const SHOWN: usize = 100;

/// Draws findings, a blank line between two, and says how many are left out.
pub fn draw_each<T>(findings: &[T], draw: impl Fn(&T) -> String) -> String {
    let mut drawn: Vec<String> = findings.iter().take(SHOWN).map(draw).collect();
    if let Some(more) = findings.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        drawn.push(format!("... and {more} more\n"));
    }
    drawn.join("\n")
}

/// A parser's diagnostic in the file.
fn draw_diagnostic(file: &Shown<'_>, diagnostic: &dockerfile_parser::Diagnostic, style: &Style) -> String {
    let message = diagnostic.message();
    let help: Vec<String> = diagnostic.help.iter().cloned().collect();
    let span = diagnostic.span;
    report::diagnostic(
        file.source(),
        &report::Diagnostic {
            severity: severity(diagnostic.is_error()),
            message: &message,
            primary: Label {
                span: span.start..span.end,
                text: diagnostic.label.as_deref().unwrap_or_default(),
            },
            secondary: &labels(&diagnostic.secondary),
            help: &help,
        },
        style,
    )
}

fn severity(is_error: bool) -> Severity {
    if is_error {
        Severity::Error
    } else {
        Severity::Warning
    }
}

fn labels<T: AsRef<str>>(places: &[(Span, T)]) -> Vec<Label<'_>> {
    places
        .iter()
        .map(|(span, text)| Label {
            span: span.start..span.end,
            text: text.as_ref(),
        })
        .collect()
}

/// Which check it was, and the page that explains it.
fn check_line(rule: Rule) -> String {
    format!("check: {} ({})\n", rule.name(), rule.url())
}

fn draw_place(file: &Shown<'_>, finding: &Finding, style: &Style) -> String {
    let help: Vec<String> = advice::help(finding).into_iter().collect();
    let (message, label) = (finding.message(), finding.label());
    if finding.span == Span::default() {
        let word = if finding.is_error { "error" } else { "warning" };
        let mut text = format!("{word}: {message}\n");
        for help in &help {
            text.push_str(&format!("help: {help}\n"));
        }
        return text;
    }
    let beside: Vec<(Span, String)> = finding
        .secondary
        .iter()
        .map(|(span, what)| (*span, what.to_string()))
        .collect();
    report::diagnostic(
        file.source(),
        &report::Diagnostic {
            severity: severity(finding.is_error),
            message: &message,
            primary: Label {
                span: finding.span.start..finding.span.end,
                text: label.as_deref().unwrap_or_default(),
            },
            secondary: &labels(&beside),
            help: &help,
        },
        style,
    )
}

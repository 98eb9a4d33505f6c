//! Words and pictures for what goes wrong in a build.

use super::SourceFile;
use crate::error::{Failure, Kind};
use crate::lower::Finding;
use crate::report::{self, Label, Severity, Source};
use crate::ui::Look;

/// All errors of a file that does not parse.
pub fn parsing(file: &SourceFile, diagnostics: &[dockerfile_parser::Diagnostic], look: &Look) -> Failure {
    let mut drawn = String::new();
    let mut errors = 0;
    for diagnostic in diagnostics {
        errors += usize::from(diagnostic.is_error());
        drawn.push_str(&draw_diagnostic(file, diagnostic, look));
        drawn.push('\n');
    }
    Failure::new(Kind::Dockerfile, "the Dockerfile has errors").drawn(closing(drawn, file, errors))
}

/// All findings of a lowering that failed.
pub fn lowering(file: &SourceFile, findings: &[Finding], look: &Look) -> Failure {
    let mut drawn = String::new();
    let mut errors = 0;
    for finding in findings {
        errors += usize::from(finding.is_error);
        drawn.push_str(&draw(file, finding, look));
        drawn.push('\n');
    }
    Failure::new(Kind::Dockerfile, "the Dockerfile has errors").drawn(closing(drawn, file, errors))
}

fn closing(mut drawn: String, file: &SourceFile, errors: usize) -> String {
    if errors > 1 {
        drawn.push_str(&format!("{errors} errors in {}\n", file.name));
    } else {
        drawn.truncate(drawn.trim_end().len());
        drawn.push('\n');
    }
    drawn
}

/// A parser's diagnostic in the file.
pub fn draw_diagnostic(file: &SourceFile, diagnostic: &dockerfile_parser::Diagnostic, look: &Look) -> String {
    let message = diagnostic.message();
    let secondary: Vec<Label<'_>> = diagnostic
        .secondary
        .iter()
        .map(|(span, text)| Label { span: span.start..span.end, text })
        .collect();
    let help: Vec<String> = diagnostic.help.iter().cloned().collect();
    let severity = if diagnostic.is_error() { Severity::Error } else { Severity::Warning };
    let span = diagnostic.span;
    report::diagnostic(
        Source { name: &file.name, text: &file.text },
        &report::Diagnostic {
            severity,
            message: &message,
            primary: Label {
                span: span.start..span.end,
                text: diagnostic.label.as_deref().unwrap_or_default(),
            },
            secondary: &secondary,
            help: &help,
        },
        look,
    )
}

/// A finding in the file.
pub fn draw(file: &SourceFile, finding: &Finding, look: &Look) -> String {
    let secondary: Vec<Label<'_>> = finding
        .secondary
        .iter()
        .map(|(span, text)| Label { span: span.start..span.end, text })
        .collect();
    let help: Vec<String> = finding.help.iter().cloned().collect();
    let severity = if finding.is_error { Severity::Error } else { Severity::Warning };
    if finding.span == dockerfile_parser::Span::default() {
        let word = if finding.is_error { "error" } else { "warning" };
        let mut text = format!("{word}: {}\n", finding.message);
        for help in &help {
            text.push_str(&format!("help: {help}\n"));
        }
        return text;
    }
    report::diagnostic(
        Source { name: &file.name, text: &file.text },
        &report::Diagnostic {
            severity,
            message: &finding.message,
            primary: Label {
                span: finding.span.start..finding.span.end,
                text: finding.label.as_deref().unwrap_or_default(),
            },
            secondary: &secondary,
            help: &help,
        },
        look,
    )
}

//! Words and pictures for what goes wrong in a build.

use super::SourceFile;
use crate::error::{Failure, Kind};
use crate::lower::Finding;
use crate::report::{self, Label, Severity, Source};
use crate::ui::Look;

/// All errors of a file that does not parse.
pub(super) fn parsing(
    file: &SourceFile,
    diagnostics: &[dockerfile_parser::Diagnostic],
    look: &Look,
) -> Failure {
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
        .map(|(span, text)| Label {
            span: span.start..span.end,
            text,
        })
        .collect();
    let help: Vec<String> = diagnostic.help.iter().cloned().collect();
    let severity = if diagnostic.is_error() {
        Severity::Error
    } else {
        Severity::Warning
    };
    let span = diagnostic.span;
    // A warning about a secret must not carry it into a log.
    let text = match diagnostic.code() {
        "SecretsUsedInArgOrEnv" => std::borrow::Cow::Owned(values_hidden(&file.text, span.start..span.end)),
        _ => file.shown(),
    };
    report::diagnostic(
        Source {
            name: &file.name,
            text: &text,
        },
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

/// The text, with asterisks for all of the instruction around `shown` but its keyword: other values stand beside it.
fn values_hidden(text: &str, shown: std::ops::Range<usize>) -> String {
    let continued = |line: &str| line.trim_end().ends_with(['\\', '`']);
    let mut first = text[..shown.start].rfind('\n').map_or(0, |at| at + 1);
    while let Some(above) = first.checked_sub(1) {
        let start = text[..above].rfind('\n').map_or(0, |at| at + 1);
        if !continued(&text[start..above]) {
            break;
        }
        first = start;
    }
    let keyword = text[first..]
        .trim_start()
        .find(char::is_whitespace)
        .unwrap_or_default();
    let keyword = first + text[first..].len() - text[first..].trim_start().len() + keyword;
    let last = text[first..]
        .split_inclusive('\n')
        .scan(true, |more, line| {
            std::mem::replace(more, continued(line)).then_some(line.len())
        })
        .sum::<usize>();
    text.char_indices()
        .flat_map(|(at, c)| {
            let is_hidden =
                (keyword..first + last).contains(&at) && !shown.contains(&at) && !c.is_whitespace();
            let (sign, times) = if is_hidden { ('*', c.len_utf8()) } else { (c, 1) };
            std::iter::repeat_n(sign, times)
        })
        .collect()
}

/// A finding in the file.
pub fn draw(file: &SourceFile, finding: &Finding, look: &Look) -> String {
    let secondary: Vec<Label<'_>> = finding
        .secondary
        .iter()
        .map(|(span, text)| Label {
            span: span.start..span.end,
            text,
        })
        .collect();
    let help: Vec<String> = finding.help.iter().cloned().collect();
    let severity = if finding.is_error {
        Severity::Error
    } else {
        Severity::Warning
    };
    if finding.span == dockerfile_parser::Span::default() {
        let word = if finding.is_error { "error" } else { "warning" };
        let mut text = format!("{word}: {}\n", finding.message);
        for help in &help {
            text.push_str(&format!("help: {help}\n"));
        }
        return text;
    }
    report::diagnostic(
        Source {
            name: &file.name,
            text: &file.shown(),
        },
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

#[cfg(test)]
mod tests {
    use super::values_hidden;

    #[test]
    fn values_beside_a_secret_name_are_hidden() {
        let hidden = |text: &str, name: &str| {
            let at = text.find(name).unwrap_or_default();
            let hidden = values_hidden(text, at..at + name.len());
            assert_eq!(hidden.len(), text.len(), "spans stay where they were");
            hidden
        };
        let text = "FROM a\nENV TOKEN=abc \\\n  PASSWORD=d\u{e9}f\nRUN x\n";
        assert_eq!(
            hidden(text, "PASSWORD"),
            "FROM a\nENV ********* *\n  PASSWORD*****\nRUN x\n"
        );
        assert_eq!(
            hidden(text, "TOKEN"),
            "FROM a\nENV TOKEN**** *\n  *************\nRUN x\n"
        );
        assert_eq!(hidden("ARG KEY", "KEY"), "ARG KEY");
        assert_eq!(hidden("ENV KEY some words", "KEY"), "ENV KEY **** *****");
    }
}

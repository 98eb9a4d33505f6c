//! `# syntax=`, `# escape=`, `# check=` at the top of a file.

use crate::diagnostic::Diagnostic;
use crate::dockerfile::{Directive, Directives};
use crate::expand::Escape;
use crate::kind::Kind;
use crate::line::PhysicalLine;
use crate::lint::CheckOptions;
use crate::{Span, frontend};

/// Reads a line as `# key=value` with a known key; `false` when it is something else, which ends the directives.
pub(crate) fn read(
    line: &PhysicalLine<'_>,
    directives: &mut Directives,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let Some((key, value, span)) = key_value(line, "#") else {
        return false;
    };
    let (name, slot) = match key.to_ascii_lowercase().as_str() {
        "syntax" => ("syntax", &mut directives.syntax),
        "escape" => ("escape", &mut directives.escape),
        "check" => ("check", &mut directives.check),
        _ => return false,
    };
    if let Some(first) = slot {
        diagnostics.push(
            Diagnostic::error(Kind::RepeatedDirective { name }, line.span())
                .with_secondary(first.line, "first given here"),
        );
        return true;
    }
    *slot = Some(Directive {
        value: value.to_owned(),
        span,
        line: line.span(),
    });
    match name {
        "escape" => match value {
            "\\" => directives.escape_char = Escape::Backslash,
            "`" => directives.escape_char = Escape::Backtick,
            _ => diagnostics.push(
                Diagnostic::error(
                    Kind::InvalidEscape {
                        value: value.to_owned(),
                    },
                    span,
                )
                .with_help("it is `\\` or `` ` ``"),
            ),
        },
        "syntax" => {
            // What follows the image is for the frontend.
            let image = value.split(' ').next().unwrap_or_default();
            if !frontend::is_builtin(image) {
                let kind = Kind::ForeignSyntax {
                    image: image.to_owned(),
                };
                let span = Span::new(span.start, span.start + image.len());
                diagnostics.push(Diagnostic::warning(kind, span));
            }
        }
        "check" => diagnostics.extend(CheckOptions::parse(value, span).1),
        _ => {}
    }
    true
}

/// The sign of a comment at the first column, a key of letters and digits, `=`, a value: with its place.
pub(crate) fn key_value<'a>(line: &PhysicalLine<'a>, comment: &str) -> Option<(&'a str, &'a str, Span)> {
    let body = line.text.strip_prefix(comment)?;
    let (key, value) = body.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let valid = key.starts_with(|ch: char| ch.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric())
        && !value.is_empty();
    if !valid {
        return None;
    }
    let start = line.start + line.text.len() - body.split_once('=')?.1.trim_start().len();
    Some((key, value, Span::new(start, start + value.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::PhysicalLines;

    fn run(source: &str) -> (Directives, Vec<String>) {
        let (mut directives, mut diagnostics) = (Directives::default(), Vec::new());
        for line in PhysicalLines::new(source, 0) {
            if !read(&line, &mut directives, &mut diagnostics) {
                break;
            }
        }
        (directives, diagnostics.iter().map(Diagnostic::message).collect())
    }

    #[test]
    fn keys_are_free_in_case_and_space() {
        let source = "#Syntax=docker/dockerfile:1\n#  ESCAPE = `  \n# check=skip=all\n";
        let (directives, messages) = run(source);
        assert!(messages.is_empty(), "{messages:?}");
        assert_eq!(directives.escape_char, Escape::Backtick);
        assert_eq!(directives.escape.unwrap().span.text(source), "`");
        assert_eq!(directives.syntax.unwrap().value, "docker/dockerfile:1");
    }

    #[test]
    fn anything_else_ends_them() {
        for source in [
            "# comment\n# escape=`",
            "# unknown=x\n# escape=`",
            " # escape=`",
            "#escape=",
            "\n# escape=`",
        ] {
            assert_eq!(run(source).0.escape, None, "{source}");
        }
    }

    #[test]
    fn complaints() {
        assert_eq!(run("# escape=x\n").1, ["`x` cannot be the escape character"]);
        assert_eq!(
            run("# escape=`\n# Escape=\\\n").1,
            ["the directive `escape` is given twice"]
        );
        assert_eq!(
            run("# syntax=docker.io/docker/dockerfile:1-labs@sha256:0\n").1,
            Vec::<String>::new()
        );
        assert_eq!(
            run("# syntax=example/other:1\n").1,
            ["the frontend `example/other:1` is not used: this file is read as a Dockerfile"]
        );
    }
}

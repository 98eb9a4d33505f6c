//! A blank line inside a continued instruction.

use crate::Span;
use crate::dockerfile::Line;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "A blank line inside a continued instruction is skipped, but it reads like the end of the instruction. Docker has announced that it will be an error.",
    bad: r##"FROM scratch
RUN a \

  b
"##,
    good: r##"FROM scratch
RUN a \
  b
"##,
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let escape = cx.dockerfile.directives.escape_char.char();
    for line in cx.lines() {
        if let Some(blank) = line.empty_continuations.first() {
            // Where BuildKit has it: at the last line of the instruction.
            let diagnostic = cx.report(last_line(line, escape), "a blank line in a continued instruction".to_owned());
            *diagnostic = diagnostic
                .clone()
                .with_secondary(*blank, "here")
                .with_help("remove the line, or put a `#` on it");
        }
    }
}

/// The last line of an instruction, above the heredocs.
fn last_line(line: &Line, escape: char) -> Span {
    let mut start = line.span.start;
    let mut last = line.keyword;
    for text in line.original.split_inclusive('\n') {
        let trimmed = text.trim();
        let indent = text.len() - text.trim_start().len();
        let begin = start + indent;
        start += text.len();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        last = Span::new(begin, begin + trimmed.len());
        if !trimmed.ends_with(escape) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_place() {
        let place = |text: &str| {
            let dockerfile = crate::parse(text).dockerfile;
            let line = &dockerfile.stages[0].instructions[0].line;
            last_line(line, dockerfile.directives.escape_char.char())
                .text(text)
                .to_owned()
        };
        assert_eq!(place("FROM a\nRUN a \\\n\n  # no\n  b \\\n  c\nRUN d\n"), "c");
        assert_eq!(place("# escape=`\nFROM a\nRUN a `\n\n  b\n"), "b");
        assert_eq!(place("FROM a\nRUN cat \\\n\n  <<E\nx\nE\n"), "<<E");
        assert_eq!(place("FROM a\nRUN a \\\n\n"), "RUN a \\");
    }
}

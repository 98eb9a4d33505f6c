//! The first word of an instruction: which keyword it is, or which was meant.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::expand::Escape;
use crate::instruction::{KEYWORDS, is_blank};
use crate::kind::Kind;
use crate::line::Logical;
use crate::{Span, lookalike, suggest};

/// A keyword and where its arguments begin.
pub(crate) struct Head {
    pub(crate) range: Range<usize>,
    /// In upper case; `None` when there is no such keyword.
    pub(crate) name: Option<&'static str>,
    pub(crate) after: usize,
}

impl Head {
    /// Reads the first word of `text[start..]`.
    pub(crate) fn read(text: &str, start: usize) -> Head {
        let rest = text.get(start..).unwrap_or_default();
        let begin = start + (rest.len() - rest.trim_start().len());
        let rest = text.get(begin..).unwrap_or_default().trim_end();
        let end = begin + rest.find(is_blank).unwrap_or(rest.len());
        let word = text.get(begin..end).unwrap_or_default();
        let name = KEYWORDS
            .iter()
            .copied()
            .find(|keyword| keyword.eq_ignore_ascii_case(word));
        Head {
            range: begin..end,
            name,
            after: end,
        }
    }
}

/// The instruction above an unknown one, which may be its beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Above {
    /// `None` when there is no such keyword either.
    keyword: Option<&'static str>,
    /// Behind its last character.
    end: Span,
    /// It has more than one line.
    continued: bool,
    /// It ends with a sign after which a shell line goes on.
    unfinished: bool,
    /// White space before its keyword.
    indent: usize,
    /// A blank line stands between.
    apart: bool,
}

impl Above {
    pub(crate) fn new(logical: &Logical, head: &Head, continued: bool, indent: usize) -> Above {
        let text = logical.text.trim_end();
        let last = logical.span(&(text.len().saturating_sub(1)..text.len()));
        Above {
            keyword: head.name,
            end: Span::at(last.end),
            continued,
            unfinished: ["&&", "||", "|", ";", ","].iter().any(|end| text.ends_with(end)),
            indent,
            apart: false,
        }
    }

    /// After a blank line only a sign of the shell says that more was to come.
    pub(crate) fn over_blank(self) -> Above {
        Above { apart: true, ..self }
    }

    /// Whether its arguments are often written on several lines.
    fn is_long(self) -> bool {
        !matches!(
            self.keyword,
            Some("FROM" | "MAINTAINER" | "STOPSIGNAL" | "USER" | "WORKDIR")
        )
    }
}

/// Whether an unknown word continues the line above.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Continues {
    Surely,
    Perhaps,
    No,
}

fn continues(word: &str, above: Above, indent: usize) -> Continues {
    if above.unfinished || ["&&", "|", ";"].iter().any(|sign| word.starts_with(sign)) {
        return Continues::Surely;
    }
    let is_command = SHELL_COMMANDS.contains(&word);
    let nearest = || suggest::nearest(word, KEYWORDS.iter().copied()).is_some();
    // A keyword in capitals that is only mistyped may be indented too.
    let indented = indent > above.indent && !(word.bytes().all(|b| b.is_ascii_uppercase()) && nearest());
    if !above.apart && above.is_long() && (indented || above.continued && (is_command || !nearest())) {
        return Continues::Perhaps;
    }
    Continues::No
}

/// What to say at the end of the line above, and what to do, when the word may continue that line.
fn continuation(word: &str, above: Above, indent: usize, escape: Escape) -> Option<(String, String)> {
    let sign = match escape {
        Escape::Backslash => "`\\`",
        Escape::Backtick => "`` ` ``",
    };
    match continues(word, above, indent) {
        Continues::Surely => Some((
            format!("{sign} is missing here"),
            format!("end the line above with {sign} to continue it"),
        )),
        Continues::Perhaps => {
            let command = if SHELL_COMMANDS.contains(&word) {
                "; else it needs `RUN` before it"
            } else {
                ""
            };
            let help = format!("if this continues the line above, end that line with {sign}{command}");
            Some((format!("no {sign} here"), help))
        }
        Continues::No => None,
    }
}

/// An instruction that is not there. `above` is the one before it, and `indent` the white space before the word.
pub(crate) fn unknown_instruction(
    logical: &Logical,
    range: &Range<usize>,
    above: Option<Above>,
    indent: usize,
    escape: Escape,
) -> Diagnostic {
    let word = logical.text.get(range.clone()).unwrap_or_default();
    let kind = Kind::UnknownInstruction {
        keyword: word.to_owned(),
    };
    let diagnostic = Diagnostic::error(kind, logical.span(range));
    if let Some(lookalike) = lookalike::find(word)
        && (lookalike.is_blank() || Head::read(&lookalike::plain(word), 0).name.is_some())
    {
        return diagnostic.with_help(lookalike.to_string());
    }
    if let Some(above) = above
        && let Some((label, help)) = continuation(word, above, indent, escape)
    {
        return diagnostic.with_secondary(above.end, label).with_help(help);
    }
    if SHELL_COMMANDS.contains(&word) {
        return diagnostic
            .with_help("a shell command needs `RUN` before it")
            .with_suggestion(format!("RUN {word}"));
    }
    match suggest::nearest(word, KEYWORDS.iter().copied()) {
        Some(nearest) => diagnostic.with_suggestion(nearest),
        None if word.starts_with("//") || word.starts_with("/*") => {
            diagnostic.with_help("a comment begins with `#`")
        }
        None if word.starts_with("```") => {
            diagnostic.with_help("this is a fence of Markdown: remove the line")
        }
        None => diagnostic,
    }
}

/// Commands that a line of a script begins with, in the one case in which they are written.
const SHELL_COMMANDS: &[&str] = &[
    "apk", "apt", "apt-get", "bash", "bundle", "bundler", "cargo", "case", "cat", "cd", "chgrp", "chmod",
    "chown", "composer", "conda", "cp", "curl", "dnf", "dotnet", "dpkg", "echo", "exec", "exit", "export",
    "find", "for", "gem", "git", "go", "groupadd", "gunzip", "gzip", "if", "install", "java", "ldconfig",
    "ln", "ls", "make", "mkdir", "microdnf", "mv", "node", "npm", "npx", "pacman", "patch", "perl", "php",
    "pip", "pip3", "pnpm", "poetry", "python", "python3", "rm", "rmdir", "rpm", "ruby", "sed", "set", "sh",
    "sleep", "source", "su", "sudo", "tar", "tee", "test", "then", "touch", "unzip", "useradd", "usermod",
    "uv", "wget", "while", "yarn", "yum", "zypper",
];

/// Which marker of a merge conflict a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConflictMarker {
    Begin,
    Middle,
    End,
}

impl ConflictMarker {
    /// Git writes seven signs at the start of the line, and perhaps a name behind them.
    pub(crate) fn read(line: &str) -> Option<ConflictMarker> {
        let sign = line.bytes().next()?;
        let marker = match sign {
            b'<' => ConflictMarker::Begin,
            b'|' | b'=' => ConflictMarker::Middle,
            b'>' => ConflictMarker::End,
            _ => return None,
        };
        let rest = line.get(7..)?;
        let signs = line.bytes().take(7).all(|byte| byte == sign);
        (signs && (rest.is_empty() || rest.starts_with(' '))).then_some(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_of_conflicts() {
        assert_eq!(ConflictMarker::read("<<<<<<< HEAD"), Some(ConflictMarker::Begin));
        assert_eq!(ConflictMarker::read("======="), Some(ConflictMarker::Middle));
        assert_eq!(ConflictMarker::read("||||||| 1234"), Some(ConflictMarker::Middle));
        assert_eq!(ConflictMarker::read(">>>>>>> branch"), Some(ConflictMarker::End));
        for none in [
            "",
            "<<<<<<",
            "<<<<<<<<",
            " <<<<<<< HEAD",
            "=======x",
            "<<EOF",
            "<<<<<<ä",
        ] {
            assert_eq!(ConflictMarker::read(none), None, "{none}");
        }
    }

    fn help(source: &str) -> Vec<String> {
        let parsed = crate::parse(source);
        parsed.diagnostics.into_iter().filter_map(|d| d.help).collect()
    }

    #[test]
    fn what_an_unknown_word_was_meant_as() {
        let check = |source: &str, expected: &[&str]| {
            assert_eq!(help(&format!("FROM a\n{source}\n")), expected, "{source}");
        };
        let command = "a shell command needs `RUN` before it";
        for line in [
            "set -e",
            "cd /x",
            "export A=b",
            "apt-get update",
            "if true",
            "  make",
        ] {
            check(line, &[command]);
        }
        let sure = "end the line above with `\\` to continue it";
        check("RUN a &&\nb", &[sure]);
        check("RUN a &&\n\nb", &[sure]);
        check("RUN a\n&& b", &[sure]);
        check("RUN a\n|| b", &[sure]);
        check("RUN a\n\n  && b", &[sure]);
        check("RUN a\n| b", &[sure]);
        let perhaps = "if this continues the line above, end that line with `\\`";
        check("COPY a\\\n b\nzzz", &[perhaps]);
        check("ENV A=b\n    C=d", &[perhaps]);
        check(
            "RUN a\n  make",
            &[&format!("{perhaps}; else it needs `RUN` before it")],
        );
        check("RUN a\n  RNU make", &["did you mean `RUN`?"]);
        check("RUN a \\\n b\ncpy x y", &["did you mean `COPY`?"]);
        check("  RUN a\n  zzz", &[]);
        check("RUN a\n\n  zzz", &[]);
        check("WORKDIR /a\n  zzz", &[]);
        check("```", &["this is a fence of Markdown: remove the line"]);
    }

    #[test]
    fn the_sign_is_the_one_of_the_file() {
        let source = "# escape=`\nFROM a\nRUN a\n&& b\n";
        assert_eq!(help(source), ["end the line above with `` ` `` to continue it"]);
    }
}

//! The tree: directives, global ARGs, stages. Everything owns its text, so the source can be printed back.

use crate::expand::Escape;
use crate::instruction::{Arg, From, InstructionKind};
use crate::{Span, Word};

/// A parsed Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Dockerfile {
    /// `# syntax=`, `# escape=`, `# check=` at the top.
    pub directives: Directives,
    /// `ARG` before the first `FROM`.
    pub global_args: Vec<GlobalArg>,
    /// The stages in file order.
    pub stages: Vec<Stage>,
    /// What is neither: blank lines, comments, and instructions that could not be parsed.
    pub trivia: Vec<Trivia>,
}

/// The parser directives of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Directives {
    /// The frontend image that the file asks for.
    pub syntax: Option<Directive>,
    /// The escape character; `escape_char` is what it means.
    pub escape: Option<Directive>,
    /// Options of the checks: `skip=A,B;error=true`.
    pub check: Option<Directive>,
    /// The escape character in force.
    pub escape_char: Escape,
}

/// One `# key=value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Directive {
    /// The value, trimmed.
    pub value: String,
    /// Where the value stands.
    pub span: Span,
    /// The whole line, without its line end.
    pub line: Span,
}

/// An `ARG` before the first `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GlobalArg {
    /// Where and how it was written.
    pub line: Line,
    /// What it declares.
    pub arg: Arg,
}

/// One `FROM` and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Stage {
    /// Position in the file, from 0.
    pub index: usize,
    /// Where and how the FROM was written.
    pub line: Line,
    /// The FROM itself.
    pub from: From,
    /// What follows, in order.
    pub instructions: Vec<Instruction>,
}

/// One instruction of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Instruction {
    /// Where and how it was written.
    pub line: Line,
    /// What it says.
    pub kind: InstructionKind,
}

/// A logical line: an instruction as it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Line {
    /// From the first character of the first physical line to the last line's end, heredoc bodies included.
    pub span: Span,
    /// The keyword.
    pub keyword: Span,
    /// The keyword as written (`run`, `Run`, `RUN`).
    pub keyword_text: String,
    /// First physical line, from 1.
    pub start_line: usize,
    /// Last physical line, from 1, heredoc bodies included.
    pub end_line: usize,
    /// The instruction as one line: continuations joined, comments dropped, without heredoc bodies.
    pub text: String,
    /// The source, byte for byte, with the final line end.
    pub original: String,
    /// The comments directly above.
    pub comments: Vec<Comment>,
    /// The blank lines inside a continuation.
    pub empty_continuations: Vec<Span>,
}

/// A comment line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Comment {
    /// From `#` to the end of the line.
    pub span: Span,
    /// The text after `#`, trimmed.
    pub text: String,
}

/// Source text that is no instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Trivia {
    /// What it is.
    pub kind: TriviaKind,
    /// Where it stands.
    pub span: Span,
    /// The source, byte for byte, with line ends.
    pub text: String,
}

/// Kinds of source text that is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum TriviaKind {
    /// A byte order mark.
    ByteOrderMark,
    /// A blank line.
    Blank,
    /// A comment, a parser directive or the `#!` line.
    Comment,
    /// An instruction with an error; the diagnostics say which.
    Invalid,
}

impl Dockerfile {
    /// Prints the source back, byte for byte.
    pub fn to_source(&self) -> String {
        let mut pieces: Vec<(usize, &str)> = self
            .trivia
            .iter()
            .map(|t| (t.span.start, t.text.as_str()))
            .chain(self.lines().map(|line| (line.span.start, line.original.as_str())))
            .collect();
        pieces.sort_by_key(|(start, _)| *start);
        pieces.into_iter().map(|(_, text)| text).collect()
    }

    /// Every instruction's line, FROM and global ARG included: the ARGs first, then stage by stage.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.global_args.iter().map(|arg| &arg.line).chain(
            self.stages.iter().flat_map(|stage| {
                std::iter::once(&stage.line).chain(stage.instructions.iter().map(|i| &i.line))
            }),
        )
    }
}

impl Stage {
    /// The stage's name in lower case; `None` without `AS`.
    pub fn name(&self) -> Option<&str> {
        self.from.name.as_ref().map(|name| name.value.as_str())
    }

    /// The base as written.
    pub fn base(&self) -> &Word {
        &self.from.base
    }
}

impl Instruction {
    /// Where it stands, heredoc bodies included.
    pub fn span(&self) -> Span {
        self.line.span
    }

    /// The keyword in upper case.
    pub fn keyword(&self) -> &'static str {
        self.kind.keyword()
    }
}

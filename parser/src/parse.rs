//! `parse()`: the whole file, with every error in it.

mod instruction;
mod unreadable;

use crate::diagnostic::Diagnostic;
use crate::dockerfile::{Comment, Dockerfile, GlobalArg, Instruction, Line, Stage, Trivia, TriviaKind};
use crate::instruction::{FORBIDDEN, From, InstructionKind};
use crate::keyword::Above;
use crate::kind::Kind;
use crate::line::PhysicalLines;
use crate::{Span, directive, frontend, stage};

/// The tree, and what is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What could be parsed; whole when no diagnostic is an error.
    pub dockerfile: Dockerfile,
    /// Errors and warnings in file order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether the build cannot go on.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Parses a Dockerfile. Never fails: what cannot be parsed is reported, the rest is in the tree.
pub fn parse(source: &str) -> Parsed {
    let mut parser = Parser::new(source);
    if let Some(foreign) = frontend::of_another_language(source, parser.lines.offset())
        && !frontend::is_builtin(&foreign.image)
    {
        return parser.foreign(foreign);
    }
    parser.file();
    let Parser {
        dockerfile,
        mut diagnostics,
        instructions,
        ..
    } = parser;
    if instructions == 0 {
        diagnostics.push(Diagnostic::error(Kind::NoInstructions, Span::at(source.len())));
    } else if dockerfile.stages.is_empty() && !diagnostics.iter().any(Diagnostic::is_error) {
        let span = dockerfile
            .global_args
            .last()
            .map_or(Span::default(), |arg| arg.line.span);
        diagnostics.push(Diagnostic::error(Kind::NoStage, span).with_help("a stage begins with `FROM`"));
    }
    stage::check(&dockerfile, &mut diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    Parsed {
        dockerfile,
        diagnostics,
    }
}

/// Parses one trigger of a base image's `OnBuild`, which is always in the default escape.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_onbuild_trigger(text: &str) -> Result<Instruction, Vec<Diagnostic>> {
    let mut parser = Parser::new(text);
    parser.trigger = Some(Vec::new());
    parser.file();
    let Parser {
        mut diagnostics,
        trigger,
        ..
    } = parser;
    let mut found = trigger.unwrap_or_default().into_iter();
    diagnostics.retain(Diagnostic::is_error);
    match (found.next(), found.next()) {
        _ if !diagnostics.is_empty() => Err(diagnostics),
        (Some(only), None) => Ok(only),
        (None, _) => Err(vec![Diagnostic::error(Kind::NoInstructions, Span::at(0))]),
        (_, Some(second)) => {
            let kind = Kind::TooManyArguments {
                keyword: "ONBUILD",
                expected: "one instruction",
            };
            Err(vec![Diagnostic::error(kind, second.line.keyword)])
        }
    }
}

struct Parser<'a> {
    source: &'a str,
    lines: PhysicalLines<'a>,
    dockerfile: Dockerfile,
    diagnostics: Vec<Diagnostic>,
    /// Comments directly above the next instruction.
    comments: Vec<Comment>,
    /// How many instructions there were, wrong ones too.
    instructions: usize,
    /// The first instruction that stands before FROM was reported.
    before_from: bool,
    /// The first NUL byte was reported.
    nul: bool,
    /// Instead of stages, the instructions of a trigger.
    trigger: Option<Vec<Instruction>>,
    /// The instruction before, to explain an unknown one.
    above: Option<Above>,
    /// The merge conflict that was reported: its place among the diagnostics.
    conflict: Option<usize>,
    /// Lines that a merge conflict tore apart are still to be expected.
    torn: bool,
    /// How often the bodies of an unknown instruction are still looked for.
    lookaheads: usize,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Self {
        let start = if source.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let mut dockerfile = Dockerfile::default();
        if start > 0 {
            dockerfile.trivia.push(Trivia {
                kind: TriviaKind::ByteOrderMark,
                span: Span::new(0, start),
                text: source.get(..start).unwrap_or_default().to_owned(),
            });
        }
        Self {
            source,
            lines: PhysicalLines::new(source, start),
            dockerfile,
            diagnostics: Vec::new(),
            comments: Vec::new(),
            instructions: 0,
            before_from: false,
            nul: false,
            trigger: None,
            above: None,
            conflict: None,
            torn: false,
            lookaheads: 16,
        }
    }

    fn file(&mut self) {
        let mut directives = true;
        while let Some(line) = self.lines.next() {
            let trimmed = line.text.trim_start();
            if trimmed.is_empty() {
                directives = false;
                self.comments.clear();
                self.above = self.above.map(Above::over_blank);
                self.trivia(TriviaKind::Blank, line.start);
            } else if let Some(text) = trimmed.strip_prefix('#') {
                let is_directive = directives
                    && directive::read(&line, &mut self.dockerfile.directives, &mut self.diagnostics);
                // `#!` makes a Dockerfile executable; directives may follow.
                let is_interpreter = line.number == 1 && text.starts_with('!');
                if !is_directive && !is_interpreter {
                    directives = false;
                    let span = Span::new(line.start + (line.text.len() - trimmed.len()), line.span().end);
                    self.comments.push(Comment {
                        span,
                        text: text.trim().to_owned(),
                    });
                }
                self.trivia(TriviaKind::Comment, line.start);
            } else {
                directives = false;
                self.instruction(line);
            }
        }
    }

    /// Nothing of the file is read: one error says why.
    fn foreign(mut self, foreign: frontend::Foreign) -> Parsed {
        let start = self.lines.offset();
        while self.lines.next().is_some() {}
        self.trivia(TriviaKind::Invalid, start);
        let kind = Kind::ForeignLanguage { image: foreign.image };
        Parsed {
            dockerfile: self.dockerfile,
            diagnostics: vec![
                Diagnostic::error(kind, foreign.span)
                    .with_help("only Dockerfiles are built here; other frontends need BuildKit"),
            ],
        }
    }

    /// Keeps the source from `start` to the next line as trivia.
    fn trivia(&mut self, kind: TriviaKind, start: usize) {
        let text = self.lines.text_since(start).to_owned();
        let span = Span::new(start, start + text.len());
        self.dockerfile.trivia.push(Trivia { kind, span, text });
    }

    /// Puts an instruction where it belongs.
    fn place(&mut self, keyword: &'static str, kind: Option<InstructionKind>, line: Line, start: usize) {
        if let Some(trigger) = &mut self.trigger {
            if FORBIDDEN.contains(&keyword) {
                let kind = Kind::OnBuildForbidden {
                    keyword: keyword.to_owned(),
                };
                self.diagnostics.push(Diagnostic::error(kind, line.keyword));
            } else if let Some(kind) = kind {
                trigger.push(Instruction { line, kind });
            }
            return;
        }
        match (self.dockerfile.stages.last_mut(), kind) {
            (Some(stage), Some(kind)) => stage.instructions.push(Instruction { line, kind }),
            (None, Some(InstructionKind::Arg(arg))) => {
                self.dockerfile.global_args.push(GlobalArg { line, arg });
            }
            (Some(_), None) => self.trivia(TriviaKind::Invalid, start),
            (None, kind) => {
                if !self.before_from && keyword != "ARG" && (kind.is_some() || keyword != "FROM") {
                    self.before_from = true;
                    let kind = Kind::BeforeFrom {
                        keyword: keyword.to_owned(),
                    };
                    self.diagnostics.push(
                        Diagnostic::error(kind, line.keyword).with_help(
                            "a stage begins with `FROM`; only `ARG` may stand before the first one",
                        ),
                    );
                }
                self.trivia(TriviaKind::Invalid, start);
            }
        }
    }

    fn stage(&mut self, from: Option<From>, line: Line, start: usize) {
        match from {
            Some(from) => {
                let index = self.dockerfile.stages.len();
                self.dockerfile.stages.push(Stage {
                    index,
                    line,
                    from,
                    instructions: Vec::new(),
                });
            }
            None => {
                // What follows belongs to no stage; one error is enough for that.
                self.before_from = true;
                self.trivia(TriviaKind::Invalid, start);
            }
        }
    }

    /// An instruction that cannot be read at all. It may have been a FROM, so none is missed behind it.
    fn broken(&mut self, start: usize) {
        self.before_from |= self.dockerfile.stages.is_empty();
        self.trivia(TriviaKind::Invalid, start);
    }
}

//! `parse()`: the whole file, with every error in it.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Severity};
use crate::dockerfile::{Comment, Dockerfile, GlobalArg, Instruction, Line, Stage, Trivia, TriviaKind};
use crate::expand::ExpandErrorKind;
use crate::flag::{self, Flags};
use crate::heredoc::{self, Heredoc};
use crate::instruction::{Context, FORBIDDEN, From, InstructionKind, OnBuild};
use crate::json::{self, Array};
use crate::keyword::{Above, ConflictMarker, Head, unknown_instruction};
use crate::kind::Kind;
use crate::line::{Logical, PhysicalLine, PhysicalLines};
use crate::lint::CheckOptions;
use crate::{Span, directive, frontend, lookalike, stage};

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

    fn instruction(&mut self, first: PhysicalLine<'a>) {
        self.instructions += 1;
        let comments = std::mem::take(&mut self.comments);
        self.check_comments(&comments);
        let escape = self.dockerfile.directives.escape_char;
        let logical = Logical::read(first, &mut self.lines, escape);
        if let Some(at) = logical.text.find('\0') {
            self.nul_byte(logical.span(&(at..at + 1)));
            return self.broken(first.start);
        }
        if self.conflict(first.start) {
            return self.broken(first.start);
        }
        let head = Head::read(&logical.text, 0);
        let continued = self.lines.number() > first.number;
        let indent = first.text.len() - first.text.trim_start().len();
        let above = self.above.replace(Above::new(&logical, &head, continued, indent));
        if head.range.is_empty() {
            self.diagnostics
                .push(Diagnostic::error(Kind::EmptyInstruction, first.span()));
            return self.trivia(TriviaKind::Invalid, first.start);
        }
        let Some(keyword) = head.name else {
            self.skip_bodies(&logical, head.after);
            if !self.torn {
                let diagnostic = unknown_instruction(&logical, &head.range, above, indent, escape);
                self.diagnostics.push(diagnostic);
            }
            return self.trivia(TriviaKind::Invalid, first.start);
        };
        self.torn = false;
        let (flags, args_start) = flag::read(&logical.text, head.after);
        let args = trim_end(&logical.text, args_start);
        let inner = (keyword == "ONBUILD").then(|| Head::read(&logical.text, args.start));
        let (target, target_flags, target_args) = match &inner {
            Some(inner) => {
                let (flags, start) = flag::read(&logical.text, inner.after);
                (inner.name, Some(flags), trim_end(&logical.text, start))
            }
            None => (Some(keyword), None, args.clone()),
        };
        let open_quote = flag::open_quote(target_flags.as_deref().unwrap_or_default());
        if let Some(quote) = open_quote.or_else(|| flag::open_quote(&flags)) {
            self.open_quote(&logical, quote);
            return self.broken(first.start);
        }
        let heredocs = self.heredocs(target, &logical, &target_args);
        if !heredocs.is_empty() {
            // Nothing continues the line that ends a body.
            self.above = None;
        }
        let mut line = self.line(first, &logical, &head, comments);
        let told = self.diagnostics.len();
        let mut cx = Context {
            source: self.source,
            logical: &logical,
            escape,
            keyword: head.range.clone(),
            heredocs,
            diagnostics: &mut self.diagnostics,
        };
        let parsed = match (keyword, inner, target_flags) {
            ("FROM", ..) => {
                if self.trigger.is_some() {
                    let kind = Kind::OnBuildForbidden {
                        keyword: keyword.to_owned(),
                    };
                    cx.error(kind, &head.range);
                    return;
                }
                let from = From::parse(&mut cx, &args, flags);
                lookalikes(
                    self.source,
                    &logical,
                    self.diagnostics.get_mut(told..).unwrap_or_default(),
                );
                line.text = logical.text;
                return self.stage(from, line, first.start);
            }
            (_, Some(inner), Some(inner_flags)) => {
                Flags::check(&mut cx, keyword, flags, &args, &[]);
                onbuild(&mut cx, &line, inner, inner_flags, &target_args).map(InstructionKind::OnBuild)
            }
            _ => InstructionKind::parse(&mut cx, keyword, &args, flags),
        };
        lookalikes(
            self.source,
            &logical,
            self.diagnostics.get_mut(told..).unwrap_or_default(),
        );
        line.text = logical.text;
        self.place(keyword, parsed, line, first.start);
    }

    /// What is wrong with `# check=` above an instruction. It looks like a directive, but it is a comment: no error.
    fn check_comments(&mut self, comments: &[Comment]) {
        for comment in comments {
            let line = PhysicalLines::new(self.source, comment.span.start).next();
            let Some((key, value, span)) = line.as_ref().and_then(|line| directive::key_value(line, "#"))
            else {
                continue;
            };
            if key.eq_ignore_ascii_case("check") {
                let (_, found) = CheckOptions::parse(value, span);
                self.diagnostics
                    .extend(found.into_iter().map(|diagnostic| Diagnostic {
                        severity: Severity::Warning,
                        ..diagnostic
                    }));
            }
        }
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

    /// Reads the heredocs that the arguments of `keyword` announce.
    fn heredocs(
        &mut self,
        keyword: Option<&'static str>,
        logical: &Logical,
        args: &Range<usize>,
    ) -> Vec<Heredoc> {
        if !matches!(keyword, Some("ADD" | "COPY" | "RUN")) {
            return Vec::new();
        }
        let text = logical.text.get(args.clone()).unwrap_or_default();
        if !text.contains("<<") || json::array(text) != Array::Other {
            return Vec::new();
        }
        let markers = heredoc::markers(&logical.text, args.clone());
        let heredocs = heredoc::read_bodies(markers, logical, &mut self.lines, &mut self.diagnostics);
        for heredoc in &heredocs {
            let body = heredoc.body.span;
            if let Some(at) = body.text(self.source).find('\0') {
                let start = body.start + at;
                self.nul_byte(Span::new(start, start + 1));
            }
        }
        heredocs
    }

    /// The record of the lines that were read since `first`.
    fn line(&self, first: PhysicalLine<'_>, logical: &Logical, head: &Head, comments: Vec<Comment>) -> Line {
        let original = self.lines.text_since(first.start);
        let content = original
            .strip_suffix('\n')
            .unwrap_or(original)
            .trim_end_matches('\r');
        Line {
            span: Span::new(first.start, first.start + content.len()),
            keyword: logical.span(&head.range),
            keyword_text: logical
                .text
                .get(head.range.clone())
                .unwrap_or_default()
                .to_owned(),
            start_line: first.number,
            end_line: self.lines.number(),
            // The text moves in when nothing needs the logical line any more.
            text: String::new(),
            original: original.to_owned(),
            comments,
            empty_continuations: logical.empty_continuations.clone(),
        }
    }

    /// Bodies of heredocs of an instruction that cannot be read would be unknown instructions, line by line. Looking
    /// ahead costs the rest of the file, so it is not done for ever.
    fn skip_bodies(&mut self, logical: &Logical, start: usize) {
        if self.lookaheads > 0 && logical.text.contains("<<") {
            self.lookaheads -= 1;
            let markers = heredoc::markers(&logical.text, start..logical.text.len());
            let mut ahead = self.lines.clone();
            let mut ignored = Vec::new();
            heredoc::read_bodies(markers, logical, &mut ahead, &mut ignored);
            if ignored.is_empty() {
                self.lines = ahead;
            }
        }
    }

    /// Whether a marker of a merge conflict stands in the lines since `start`. All are one error, and what they tear
    /// apart is none.
    fn conflict(&mut self, start: usize) -> bool {
        let text = self.lines.text_since(start);
        // What the first line begins with is no instruction in any case; elsewhere `=======` may be text.
        let first = ConflictMarker::read(text.lines().next().unwrap_or_default()).is_some();
        if self.conflict.is_none() && !first && !text.contains("<<<<<<<") {
            return false;
        }
        let mut found = false;
        for line in PhysicalLines::new(text, 0) {
            let Some(marker) = ConflictMarker::read(line.text) else {
                continue;
            };
            let span = Span::new(start + line.start, start + line.start + 7);
            match (self.conflict, marker) {
                (None, marker) if marker == ConflictMarker::Begin || line.start == 0 => {
                    self.conflict = Some(self.diagnostics.len());
                    self.diagnostics.push(
                        Diagnostic::error(Kind::MergeConflict, span)
                            .with_help("keep one side, or join both, and remove the lines with the markers"),
                    );
                }
                (None, _) => continue,
                (Some(index), marker) => {
                    let label = match marker {
                        ConflictMarker::Begin => "another one",
                        ConflictMarker::Middle => "the other side",
                        ConflictMarker::End => "its end",
                    };
                    // Who has more of them does not need each pointed at.
                    if let Some(first) = self.diagnostics.get_mut(index).filter(|d| d.secondary.len() < 8) {
                        first.secondary.push((span, label.to_owned()));
                    }
                }
            }
            self.torn = true;
            found = true;
        }
        found
    }

    /// A flag that takes the rest of the instruction: what the instruction says cannot be known.
    fn open_quote(&mut self, logical: &Logical, (at, quote): (usize, char)) {
        self.skip_bodies(logical, at + 1);
        let kind = Kind::Expand(ExpandErrorKind::UnclosedQuote(quote));
        let span = logical.span(&(at..at + 1));
        let help = "everything behind it belongs to the flag: close it where the value ends";
        self.diagnostics
            .push(Diagnostic::error(kind, span).with_help(help));
    }

    /// Only the first is reported: a file in another encoding has one in every word.
    fn nul_byte(&mut self, span: Span) {
        if std::mem::replace(&mut self.nul, true) {
            return;
        }
        let mut diagnostic = Diagnostic::error(Kind::NulByte, span);
        let nuls = self.source.bytes().filter(|byte| *byte == 0).count();
        if nuls > self.source.len() / 3 {
            diagnostic = diagnostic.with_help("the file looks like UTF-16; save it as UTF-8");
        }
        self.diagnostics.push(diagnostic);
    }

    /// An instruction that cannot be read at all. It may have been a FROM, so none is missed behind it.
    fn broken(&mut self, start: usize) {
        self.before_from |= self.dockerfile.stages.is_empty();
        self.trivia(TriviaKind::Invalid, start);
    }
}

/// ONBUILD with the instruction in it.
fn onbuild(
    cx: &mut Context<'_>,
    line: &Line,
    head: Head,
    flags: Vec<flag::RawFlag>,
    args: &Range<usize>,
) -> Option<OnBuild> {
    if head.range.is_empty() {
        cx.missing("ONBUILD", "an instruction");
        return None;
    }
    let Some(keyword) = head.name else {
        let diagnostic = unknown_instruction(cx.logical, &head.range, None, 0, cx.escape);
        cx.report(diagnostic);
        return None;
    };
    if FORBIDDEN.contains(&keyword) {
        let kind = Kind::OnBuildForbidden {
            keyword: keyword.to_owned(),
        };
        cx.error(kind, &head.range);
        return None;
    }
    let inner_text = cx
        .logical
        .text
        .get(head.range.start..)
        .unwrap_or_default()
        .to_owned();
    let mut text = inner_text.clone();
    for heredoc in &cx.heredocs {
        text.push('\n');
        text.push_str(&heredoc.body.text);
        text.push_str(&heredoc.name);
    }
    let keyword_span = cx.span(&head.range);
    let inner = Line {
        span: Span::new(keyword_span.start, line.span.end),
        keyword: keyword_span,
        keyword_text: cx.text(&head.range).to_owned(),
        text: inner_text,
        original: cx
            .source
            .get(keyword_span.start..line.span.end)
            .unwrap_or_default()
            .to_owned(),
        comments: Vec::new(),
        ..line.clone()
    };
    cx.keyword = head.range;
    let kind = InstructionKind::parse(cx, keyword, args, flags)?;
    Some(OnBuild {
        text,
        instruction: Box::new(Instruction { line: inner, kind }),
    })
}

/// Names a character that looks like another one, or like none, in the first error of an instruction that has no other
/// explanation.
fn lookalikes(source: &str, logical: &Logical, found: &mut [Diagnostic]) {
    let Some(first) = found.iter_mut().find(|diagnostic| diagnostic.is_error()) else {
        return;
    };
    let text = match first.kind {
        // Words that ran together because of it, or apart.
        Kind::MissingArguments { .. } | Kind::MissingEquals { .. } => logical.text.as_str(),
        _ if first.help.is_none() || matches!(first.kind, Kind::InvalidPort { .. }) => {
            first.span.text(source)
        }
        _ => return,
    };
    if let Some(lookalike) = lookalike::find(text) {
        first.help = Some(lookalike.to_string());
        first.suggestion = None;
    }
}

fn trim_end(text: &str, start: usize) -> Range<usize> {
    start..start + text.get(start..).unwrap_or_default().trim_end().len()
}

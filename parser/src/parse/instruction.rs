//! One instruction: its lines, its pieces, what it says.

use std::ops::Range;

use super::Parser;
use super::unreadable::lookalikes;
use crate::Span;
use crate::diagnostic::{Diagnostic, Severity};
use crate::directive;
use crate::dockerfile::{Comment, Instruction, Line, TriviaKind};
use crate::flag::{self, Flags, RawFlag};
use crate::heredoc::{self, Heredoc};
use crate::instruction::{Context, FORBIDDEN, From, InstructionKind, OnBuild};
use crate::json::{self, Array};
use crate::keyword::{Above, Head, unknown_instruction};
use crate::kind::Kind;
use crate::line::{Logical, PhysicalLine, PhysicalLines};
use crate::lint::CheckOptions;

/// An instruction in pieces, before it is known what they say.
struct Pieces {
    keyword: &'static str,
    logical: Logical,
    head: Head,
    arguments: Arguments,
    heredocs: Vec<Heredoc>,
}

/// What stands behind a keyword.
struct Arguments {
    flags: Vec<RawFlag>,
    range: Range<usize>,
    /// The instruction of an `ONBUILD`.
    inner: Option<Inner>,
}

/// An instruction in the arguments of another one.
struct Inner {
    head: Head,
    flags: Vec<RawFlag>,
    args: Range<usize>,
}

impl Arguments {
    fn read(text: &str, keyword: &str, after: usize) -> Self {
        let (flags, start) = flag::read(text, after);
        let range = trim_end(text, start);
        let inner = (keyword == "ONBUILD").then(|| {
            let head = Head::read(text, range.start);
            let (flags, start) = flag::read(text, head.after);
            let args = trim_end(text, start);
            Inner { head, flags, args }
        });
        Self { flags, range, inner }
    }

    /// A quote of a flag that is not closed.
    fn open_quote(&self) -> Option<(usize, char)> {
        let inner = self.inner.as_ref().map(|inner| inner.flags.as_slice());
        flag::open_quote(inner.unwrap_or_default()).or_else(|| flag::open_quote(&self.flags))
    }

    /// Whose heredocs these are, and where they are announced.
    fn target(&self, keyword: &'static str) -> (Option<&'static str>, Range<usize>) {
        match &self.inner {
            Some(inner) => (inner.head.name, inner.args.clone()),
            None => (Some(keyword), self.range.clone()),
        }
    }
}

impl<'a> Parser<'a> {
    /// Reads the instruction that begins with a line.
    pub(super) fn instruction(&mut self, first: PhysicalLine<'a>) {
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
        let Some(keyword) = self.keyword(first, &logical, &head) else {
            return self.trivia(TriviaKind::Invalid, first.start);
        };
        self.torn = false;
        let arguments = Arguments::read(&logical.text, keyword, head.after);
        if let Some(quote) = arguments.open_quote() {
            self.open_quote(&logical, quote);
            return self.broken(first.start);
        }
        let heredocs = self.heredocs(arguments.target(keyword), &logical);
        if !heredocs.is_empty() {
            // Nothing continues the line that ends a body.
            self.above = None;
        }
        let line = self.line(first, &logical, &head, comments);
        let pieces = Pieces {
            keyword,
            logical,
            head,
            arguments,
            heredocs,
        };
        self.understand(pieces, line, first.start);
    }

    /// The keyword, if there is one of that name; else says what is wrong.
    fn keyword(&mut self, first: PhysicalLine<'a>, logical: &Logical, head: &Head) -> Option<&'static str> {
        let continued = self.lines.number() > first.number;
        let indent = first.text.len() - first.text.trim_start().len();
        let above = self.above.replace(Above::new(logical, head, continued, indent));
        if head.range.is_empty() {
            self.diagnostics
                .push(Diagnostic::error(Kind::EmptyInstruction, first.span()));
        } else if head.name.is_none() {
            self.skip_bodies(logical, head.after);
            if !self.torn {
                let escape = self.dockerfile.directives.escape_char;
                let diagnostic = unknown_instruction(logical, &head.range, above, indent, escape);
                self.diagnostics.push(diagnostic);
            }
        }
        head.name.filter(|_| !head.range.is_empty())
    }

    /// Reads what the pieces say, and puts it into the tree.
    fn understand(&mut self, pieces: Pieces, mut line: Line, start: usize) {
        let Pieces {
            keyword,
            logical,
            head,
            arguments,
            heredocs,
        } = pieces;
        let told = self.diagnostics.len();
        let mut cx = Context {
            source: self.source,
            logical: &logical,
            escape: self.dockerfile.directives.escape_char,
            keyword: head.range.clone(),
            heredocs,
            diagnostics: &mut self.diagnostics,
        };
        let Arguments { flags, range, inner } = arguments;
        if keyword == "FROM" {
            if self.trigger.is_some() {
                let keyword = keyword.to_owned();
                return cx.error(Kind::OnBuildForbidden { keyword }, &head.range);
            }
            let from = From::parse(&mut cx, &range, flags);
            let told = self.diagnostics.get_mut(told..).unwrap_or_default();
            lookalikes(self.source, &logical, told);
            line.text = logical.text;
            return self.stage(from, line, start);
        }
        let parsed = match inner {
            Some(inner) => {
                Flags::check(&mut cx, keyword, flags, &range, &[]);
                onbuild(&mut cx, &line, inner).map(InstructionKind::OnBuild)
            }
            None => InstructionKind::parse(&mut cx, keyword, &range, flags),
        };
        let told = self.diagnostics.get_mut(told..).unwrap_or_default();
        lookalikes(self.source, &logical, told);
        line.text = logical.text;
        self.place(keyword, parsed, line, start);
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

    /// Reads the heredocs that the arguments of `keyword` announce.
    fn heredocs(
        &mut self,
        (keyword, args): (Option<&'static str>, Range<usize>),
        logical: &Logical,
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
}

/// ONBUILD with the instruction in it.
fn onbuild(cx: &mut Context<'_>, line: &Line, Inner { head, flags, args }: Inner) -> Option<OnBuild> {
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
    let kind = InstructionKind::parse(cx, keyword, &args, flags)?;
    Some(OnBuild {
        text,
        instruction: Box::new(Instruction { line: inner, kind }),
    })
}

fn trim_end(text: &str, start: usize) -> Range<usize> {
    start..start + text.get(start..).unwrap_or_default().trim_end().len()
}

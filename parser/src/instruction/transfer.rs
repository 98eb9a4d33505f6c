//! What COPY and ADD have in common: sources, destination, `--chmod`, `--exclude`.

use std::ops::Range;

use crate::chmod::Chmod;
use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::glob;
use crate::heredoc;
use crate::instruction::{Context, Source};
use crate::kind::Kind;
use crate::{Span, Word};

/// Reads `SRC... DEST` in either form.
pub(crate) fn sources_and_dest(
    cx: &mut Context<'_>,
    keyword: &'static str,
    args: &Range<usize>,
) -> Option<(Vec<Source>, Word)> {
    let mut sources = if cx.heredocs.is_empty() {
        cx.list(args)?.into_iter().map(Source::Path).collect()
    } else {
        with_heredocs(cx, args)
    };
    if sources.len() > 2 && !cx.text(args).contains(['[', '"', '\'']) {
        let words = cx.split(args);
        cx.warn_of_comment(&words, 2, "more paths");
    }
    match sources.pop() {
        Some(Source::Path(dest)) if !sources.is_empty() => {
            check_names(cx, &sources);
            Some((sources, dest))
        }
        Some(Source::Heredoc(heredoc)) if !sources.is_empty() => {
            cx.report(Diagnostic::error(
                Kind::HeredocDestination { keyword },
                heredoc.marker,
            ));
            None
        }
        Some(only) => {
            let span = match &only {
                Source::Path(word) => word.span,
                Source::Heredoc(heredoc) => heredoc.marker,
            };
            let kind = Kind::MissingArguments {
                keyword,
                expected: "a source and a destination",
            };
            cx.report(Diagnostic::error(kind, Span::at(span.end)).with_label("the destination is missing"));
            None
        }
        None => {
            cx.missing(keyword, "a source and a destination");
            None
        }
    }
}

/// Sources where some are heredocs: their markers stand among the words.
fn with_heredocs(cx: &mut Context<'_>, args: &Range<usize>) -> Vec<Source> {
    let markers = heredoc::markers(&cx.logical.text, args.clone());
    let mut heredocs = markers
        .into_iter()
        .zip(std::mem::take(&mut cx.heredocs))
        .peekable();
    let mut sources = Vec::new();
    let mut covered = args.start;
    for range in cx.split(args) {
        if range.start < covered {
            // The rest of a quoted delimiter with a space in it.
            continue;
        }
        match heredocs.next_if(|(marker, _)| marker.range.start == range.start) {
            Some((marker, heredoc)) => {
                covered = marker.range.end;
                sources.push(Source::Heredoc(heredoc));
            }
            None => {
                let word = cx.word(range);
                sources.push(Source::Path(word));
            }
        }
    }
    sources
}

/// A heredoc becomes a file named after its delimiter.
fn check_names(cx: &mut Context<'_>, sources: &[Source]) {
    for source in sources {
        if let Source::Heredoc(heredoc) = source {
            if heredoc.name.contains(['/', '\0']) || heredoc.name == "." || heredoc.name == ".." {
                let kind = Kind::HeredocName {
                    name: heredoc.name.clone(),
                };
                let help = "the file is named after the delimiter, which is one component";
                cx.report(Diagnostic::error(kind, heredoc.marker).with_help(help));
            }
            if let Err(error) = heredoc.expand(&|_: &str| None)
                && !error.kind.depends_on_values()
            {
                let help = "quote the delimiter, as in `<<\"EOF\"`, to take the body as it stands";
                cx.report(Diagnostic::error(Kind::Expand(error.kind), error.span).with_help(help));
            }
        }
    }
}

/// `--chmod`, checked where it holds no variable.
pub(crate) fn chmod(cx: &mut Context<'_>, flags: &Flags) -> Option<Word> {
    let chmod = flags.word(cx, "chmod")?;
    if !chmod.text.contains(['$', '"', '\'', '\\', '`']) && Chmod::parse(&chmod.text).is_none() {
        let kind = Kind::InvalidFlagValue {
            flag: "chmod",
            value: chmod.text.clone(),
            expected: "a mode like `0755` or `u=rwX,go=rX`",
        };
        cx.report(Diagnostic::error(kind, chmod.span));
    }
    Some(chmod)
}

/// `--exclude`: patterns as in an ignore file, never expanded.
pub(crate) fn excludes(cx: &mut Context<'_>, flags: &Flags) -> Vec<Word> {
    let mut excludes = Vec::new();
    for flag in flags.all("exclude") {
        let value = flag.value().unwrap_or_default();
        let span = cx.span(&flag.value_range());
        if value.is_empty() {
            cx.report(Diagnostic::error(
                Kind::FlagNeedsValue {
                    flag: "exclude".to_owned(),
                },
                span,
            ));
            continue;
        }
        if glob::check(value).is_err() {
            let kind = Kind::InvalidPattern {
                pattern: value.to_owned(),
            };
            cx.report(Diagnostic::error(kind, span));
            continue;
        }
        excludes.push(Word {
            text: value.to_owned(),
            span,
            exact: flag.is_exact(),
            mode: crate::expand::Mode::Literal,
            escape: cx.escape,
        });
    }
    excludes
}

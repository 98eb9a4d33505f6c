//! COPY: files from the context, from a stage or from an image.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::flag::{FlagType, Flags, RawFlag};
use crate::instruction::{Context, transfer};
use crate::kind::Kind;
use crate::{Heredoc, Word};

/// `COPY [flags] SRC... DEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Copy {
    /// `--from=`: stage, named context or image. Global ARGs may stand in it.
    pub from: Option<Word>,
    /// `--chown=user[:group]`.
    pub chown: Option<Word>,
    /// `--chmod=0755` or symbolic.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude=pattern`, in order; never expanded.
    pub excludes: Vec<Word>,
    /// What is copied, in order.
    pub sources: Vec<Source>,
    /// Where to.
    pub dest: Word,
}

/// A source of COPY or ADD.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Source {
    /// A path, a pattern or (ADD) a URL.
    Path(Word),
    /// A file made of a heredoc.
    Heredoc(Heredoc),
}

const FLAGS: &[(&str, FlagType)] = &[
    ("from", FlagType::Value),
    ("chown", FlagType::Value),
    ("chmod", FlagType::Value),
    ("link", FlagType::Bool),
    ("parents", FlagType::Bool),
    ("exclude", FlagType::List),
];

impl Copy {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>, flags: Vec<RawFlag>) -> Option<Copy> {
        let flags = Flags::check(cx, "COPY", flags, args, FLAGS)?;
        let from = flags.word(cx, "from");
        if let Some(from) = from
            .as_ref()
            .filter(|from| from.text.eq_ignore_ascii_case("scratch"))
        {
            let span = from.span;
            cx.report(
                Diagnostic::error(Kind::CopyFromScratch, span).with_help("`scratch` has no files in it"),
            );
        }
        let chown = flags.word(cx, "chown");
        let chmod = transfer::chmod(cx, &flags);
        let excludes = transfer::excludes(cx, &flags);
        let (sources, dest) = transfer::sources_and_dest(cx, "COPY", args)?;
        Some(Copy {
            from,
            chown,
            chmod,
            link: flags.bool("link").unwrap_or(false),
            parents: flags.bool("parents").unwrap_or(false),
            excludes,
            sources,
            dest,
        })
    }
}

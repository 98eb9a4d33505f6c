//! ADD: copy from the context, from URLs and git, and unpack local archives.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::flag::{FlagType, Flags, RawFlag};
use crate::instruction::{Context, Source, transfer};
use crate::kind::Kind;

/// `ADD [flags] SRC... DEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Add {
    /// `--chown=user[:group]`.
    pub chown: Option<Word>,
    /// `--chmod=0755` or symbolic.
    pub chmod: Option<Word>,
    /// `--checksum=sha256:...`, or a commit prefix for git.
    pub checksum: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--unpack`: forced, forbidden, or as the source asks for.
    pub unpack: Option<bool>,
    /// `--exclude=pattern`, in order; never expanded.
    pub excludes: Vec<Word>,
    /// What is added, in order.
    pub sources: Vec<Source>,
    /// Where to.
    pub dest: Word,
}

const FLAGS: &[(&str, FlagType)] = &[
    ("chown", FlagType::Value),
    ("chmod", FlagType::Value),
    ("checksum", FlagType::Value),
    ("link", FlagType::Bool),
    ("keep-git-dir", FlagType::Bool),
    ("unpack", FlagType::Bool),
    ("exclude", FlagType::List),
];

impl Add {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>, flags: Vec<RawFlag>) -> Option<Add> {
        let flags = Flags::check(cx, "ADD", flags, args, FLAGS)?;
        let chown = flags.word(cx, "chown");
        let chmod = transfer::chmod(cx, &flags);
        let checksum = flags.word(cx, "checksum");
        let excludes = transfer::excludes(cx, &flags);
        let (sources, dest) = transfer::sources_and_dest(cx, "ADD", args)?;
        if let Some(checksum) = &checksum {
            check_checksum(cx, checksum, &sources);
        }
        Some(Add {
            chown,
            chmod,
            checksum,
            link: flags.bool("link").unwrap_or(false),
            keep_git_dir: flags.bool("keep-git-dir").unwrap_or(false),
            unpack: flags.bool("unpack"),
            excludes,
            sources,
            dest,
        })
    }
}

/// One source, and a text that is a digest or a commit.
fn check_checksum(cx: &mut Context<'_>, checksum: &Word, sources: &[Source]) {
    if let [_, second, ..] = sources {
        let span = match second {
            Source::Path(word) => word.span,
            Source::Heredoc(heredoc) => heredoc.marker,
        };
        let kind = Kind::Conflict {
            what: "--checksum",
            with: "several sources",
        };
        cx.report(
            Diagnostic::error(kind, span).with_secondary(checksum.span, "one checksum is for one source"),
        );
    }
    if checksum.text.contains(['$', '"', '\'', '\\', '`']) {
        return;
    }
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let valid = match checksum.text.split_once(':') {
        Some(("sha256", digest)) => hex(digest, 64),
        Some(("sha384", digest)) => hex(digest, 96),
        Some(("sha512", digest)) => hex(digest, 128),
        Some(_) => false,
        None => (1..=64).contains(&checksum.text.len()) && hex(&checksum.text, checksum.text.len()),
    };
    if !valid {
        let kind = Kind::InvalidFlagValue {
            flag: "checksum",
            value: checksum.text.clone(),
            expected: "`sha256:` and 64 hexadecimal digits, or a commit",
        };
        cx.report(Diagnostic::error(kind, checksum.span));
    }
}

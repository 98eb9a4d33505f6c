//! COPY: files from the context, from a stage or from an image.

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

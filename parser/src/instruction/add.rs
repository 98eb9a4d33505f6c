//! ADD: copy from the context, from URLs and git, and unpack local archives.

use crate::Word;
use crate::instruction::Source;

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

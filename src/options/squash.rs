//! `--squash` and `--squash-all`: which layers of the result become one.

use crate::cli::build::BuildArgs;

/// Which layers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Squash {
    /// None.
    No,
    /// Those that this build makes, on top of the base's.
    New,
    /// All, the base's too.
    All,
}

impl Squash {
    /// What the flags say.
    #[must_use]
    pub fn from_args(args: &BuildArgs) -> Self {
        match (args.squash_all, args.squash) {
            (true, _) => Squash::All,
            (false, true) => Squash::New,
            (false, false) => Squash::No,
        }
    }
}

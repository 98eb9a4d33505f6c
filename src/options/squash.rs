//! `--squash` and `--squash-all`: which layers of the result become one.

use crate::cli::build::BuildArgs;
use rbuild_build::request::Squash;

/// What the flags say.
pub(super) fn squash(args: &BuildArgs) -> Squash {
    match (args.squash_all, args.squash) {
        (true, _) => Squash::All,
        (false, true) => Squash::New,
        (false, false) => Squash::No,
    }
}

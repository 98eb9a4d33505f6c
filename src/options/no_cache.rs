//! `--no-cache` and `--no-cache-filter`.

use crate::cli::build::BuildArgs;
use rbuild_build::request::NoCache;

/// What the flags say.
pub(super) fn no_cache(args: &BuildArgs) -> NoCache {
    let filter = &args.no_cache_filter;
    // An empty filter is BuildKit's word for all stages.
    if args.no_cache || filter.iter().any(String::is_empty) {
        NoCache::Everything
    } else if filter.is_empty() {
        NoCache::Nothing
    } else {
        NoCache::Stages(filter.clone())
    }
}

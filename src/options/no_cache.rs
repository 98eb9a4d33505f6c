//! `--no-cache` and `--no-cache-filter`.

use crate::cli::build::BuildArgs;

/// Which steps run whatever the cache holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCache {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// Those of these stages, by name or index.
    Stages(Vec<String>),
}

impl NoCache {
    /// What the flags say.
    #[must_use]
    pub(super) fn from_args(args: &BuildArgs) -> Self {
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

    /// Whether it holds for a stage.
    #[must_use]
    pub fn covers(&self, name: Option<&str>, index: usize) -> bool {
        match self {
            NoCache::Nothing => false,
            NoCache::Everything => true,
            NoCache::Stages(stages) => stages.iter().any(|stage| {
                name.is_some_and(|name| stage.eq_ignore_ascii_case(name)) || *stage == index.to_string()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cache_covers_names_and_indices() {
        let some = NoCache::Stages(vec!["Build".into(), "2".into()]);
        assert!(some.covers(Some("build"), 0));
        assert!(some.covers(None, 2));
        assert!(!some.covers(Some("run"), 1));
        assert!(NoCache::Everything.covers(None, 0));
    }
}

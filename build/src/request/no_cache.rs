//! Which steps run whatever the cache holds.

/// Which steps run whatever the cache holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum NoCache {
    /// None.
    #[default]
    Nothing,
    /// All.
    Everything,
    /// Those of these stages, by name or index.
    Stages(Vec<String>),
}

impl NoCache {
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
    fn names_and_indices_are_covered() {
        let some = NoCache::Stages(vec!["Build".into(), "2".into()]);
        assert!(some.covers(Some("build"), 0));
        assert!(some.covers(None, 2));
        assert!(!some.covers(Some("run"), 1));
        assert!(NoCache::Everything.covers(None, 0));
    }
}

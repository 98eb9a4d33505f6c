//! The checks: one rule per file, each with its documentation, a good and a bad example.

mod config;

pub use config::CheckOptions;

/// The names of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A stage name that is not in lower case.
    StageNameCasing,
}

impl Rule {
    /// The name as `# check=skip=` takes it.
    pub fn name(self) -> &'static str {
        "StageNameCasing"
    }

    /// The rule of that name, in any case.
    pub fn from_name(name: &str) -> Option<Rule> {
        Rule::all().find(|rule| rule.name().eq_ignore_ascii_case(name))
    }

    /// Every rule.
    pub fn all() -> impl Iterator<Item = Rule> {
        [Rule::StageNameCasing].into_iter()
    }
}

//! Asks the rules, and drops what the file does not want to hear.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::dockerfile::{Dockerfile, Line};
use crate::lint::{CheckOptions, Policy, Rule};
use crate::platform::Platform;
use crate::stage::StageIndex;
use crate::{IgnoreFile, Span, Stage, suggest};

/// What the caller knows besides the text. All of it may be missing; rules that need it then say nothing.
#[derive(Clone, Copy, Default)]
pub struct LintInput<'a> {
    /// The platform that is built for.
    pub target_platform: Option<&'a Platform>,
    /// The ignore file of the context.
    pub ignore: Option<&'a IgnoreFile>,
    /// The platform of the base image of a stage.
    pub base_platform: Option<&'a dyn Fn(usize) -> Option<Platform>>,
    /// The names in the environment of the base image of a stage.
    pub base_env: Option<&'a dyn Fn(usize) -> Option<BTreeSet<String>>>,
    /// Whether the base image of a stage sets SHELL.
    pub base_shell: Option<&'a dyn Fn(usize) -> bool>,
    /// Whether a pattern of COPY or ADD names any file of the context.
    pub context_matches: Option<ContextMatches<'a>>,
    /// The text of a file of settings in the context.
    pub context_text: Option<ContextText<'a>>,
    /// Whether the base image of a stage knows the user and group of a `--chown`.
    pub base_owner: Option<BaseOwner<'a>>,
    /// Options besides those of the file.
    pub options: Option<&'a CheckOptions>,
}

/// A pattern and `--parents` to whether there is such a file; `None` where that is not known.
pub type ContextMatches<'a> = &'a dyn Fn(&str, bool) -> Option<bool>;

/// A path to the text of a short file; `None` where that is not known.
pub type ContextText<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The index of a stage and `user[:group]` to whether they are known; `None` where that is not known.
pub type BaseOwner<'a> = &'a dyn Fn(usize, &str) -> Option<bool>;

/// Asks every rule. Warnings are in file order; with `error=true` they are errors.
pub fn check(dockerfile: &Dockerfile, input: &LintInput<'_>) -> Vec<Diagnostic> {
    let mut policy = Policy::new(dockerfile);
    if let Some(more) = input.options {
        policy = policy.with(more);
    }
    let mut checker = Checker {
        dockerfile,
        input,
        index: StageIndex::new(dockerfile),
        found: Vec::new(),
        rule: Rule::StageNameCasing,
        suggestions: 0,
    };
    for rule in Rule::ALL.iter().copied().filter(|rule| policy.allows(*rule)) {
        checker.rule = rule;
        checker.suggestions = 20;
        (rule.definition().check)(&mut checker);
    }
    let mut found: Vec<Diagnostic> = checker
        .found
        .into_iter()
        .filter_map(|(rule, diagnostic)| {
            let severity = policy.severity(rule, diagnostic.span)?;
            Some(Diagnostic {
                severity,
                ..diagnostic
            })
        })
        .collect();
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    found
}

/// What a rule works with.
pub(super) struct Checker<'a> {
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) input: &'a LintInput<'a>,
    pub(super) index: StageIndex<'a>,
    found: Vec<(Rule, Diagnostic)>,
    rule: Rule,
    /// How many nearest names are still looked for: it is the costly part.
    suggestions: usize,
}

impl<'a> Checker<'a> {
    pub(super) fn report(&mut self, span: Span, message: String) -> &mut Diagnostic {
        let at = self.found.len();
        self.found.push((self.rule, self.rule.warning(span, message)));
        &mut self.found[at].1
    }

    pub(super) fn nearest<'n>(
        &mut self,
        word: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<&'n str> {
        self.suggestions = self.suggestions.checked_sub(1)?;
        suggest::nearest(word, names.into_iter().filter(|name| *name != word))
    }

    /// Every line of the file, in file order.
    pub(super) fn lines(&self) -> Vec<&'a Line> {
        self.dockerfile.lines().collect()
    }

    /// The stage that a stage begins from, when its base is one.
    pub(super) fn parent(&self, stage: &Stage) -> Option<usize> {
        if stage.from.base.has_variables() {
            return None;
        }
        self.index.stage_by_ref(&stage.from.base.text, Some(stage.index))
    }
}

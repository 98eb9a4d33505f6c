//! Asks the rules, and drops what the file does not want to hear.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Severity};
use crate::dockerfile::{Dockerfile, Line};
use crate::line::PhysicalLines;
use crate::lint::{CheckOptions, Rule};
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
    /// Options besides those of the file.
    pub options: Option<&'a CheckOptions>,
}

/// Asks every rule. Warnings are in file order; with `error=true` they are errors.
pub fn check(dockerfile: &Dockerfile, input: &LintInput<'_>) -> Vec<Diagnostic> {
    let mut options = match &dockerfile.directives.check {
        Some(directive) => CheckOptions::parse(&directive.value, directive.span).0,
        None => CheckOptions::default(),
    };
    if let Some(more) = input.options {
        options.merge(more);
    }
    let mut checker = Checker {
        dockerfile,
        input,
        index: StageIndex::new(dockerfile),
        found: Vec::new(),
        rule: Rule::StageNameCasing,
        suggestions: 0,
    };
    for rule in Rule::ALL.iter().copied().filter(|rule| options.allows(*rule)) {
        if let Some(check) = rule.definition().check {
            checker.rule = rule;
            checker.suggestions = 20;
            check(&mut checker);
        }
    }
    let mut found = checker.found;
    let inline = Inline::collect(dockerfile);
    found.retain(|(rule, diagnostic)| !inline.skips(*rule, diagnostic.span));
    let mut found: Vec<Diagnostic> = found.into_iter().map(|(_, diagnostic)| diagnostic).collect();
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    if options.error {
        found
            .iter_mut()
            .for_each(|diagnostic| diagnostic.severity = Severity::Error);
    }
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

/// The `# check=` comments above instructions, each for its own instruction.
struct Inline {
    /// Spans in file order, and what is skipped there.
    scopes: Vec<(Span, CheckOptions)>,
}

impl Inline {
    fn collect(dockerfile: &Dockerfile) -> Self {
        let mut scopes = Vec::new();
        for line in dockerfile.lines() {
            for comment in &line.comments {
                let text = format!("#{}", comment.text);
                let value = PhysicalLines::new(&text, 0)
                    .next()
                    .and_then(|line| crate::directive::key_value(&line).map(|(key, value, _)| (key, value)))
                    .filter(|(key, _)| key.eq_ignore_ascii_case("check"))
                    .map(|(_, value)| value.to_owned());
                if let Some(value) = value {
                    scopes.push((line.span, CheckOptions::parse(&value, comment.span).0));
                }
            }
        }
        scopes.sort_by_key(|(span, _)| span.start);
        Self { scopes }
    }

    fn skips(&self, rule: Rule, span: Span) -> bool {
        let after = self
            .scopes
            .partition_point(|(scope, _)| scope.start <= span.start);
        self.scopes
            .get(..after)
            .unwrap_or_default()
            .iter()
            .rev()
            // An instruction may have several such comments.
            .take_while(|(scope, _)| span.start <= scope.end)
            .any(|(_, options)| options.skip_all || options.skip.contains(&rule))
    }
}

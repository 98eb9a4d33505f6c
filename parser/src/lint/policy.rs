//! Which rules count where: `# check=` at the top of the file, and above an instruction for that one.

use crate::diagnostic::Severity;
use crate::dockerfile::{Dockerfile, Line};
use crate::line::PhysicalLines;
use crate::lint::{CheckOptions, Rule};
use crate::{Span, directive};

/// What a file wants to hear of the checks.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    options: CheckOptions,
    /// Instructions with `# check=` comments of their own, in file order.
    scopes: Vec<(Span, CheckOptions)>,
}

impl Policy {
    /// What the file says.
    pub fn new(dockerfile: &Dockerfile) -> Self {
        let directive = dockerfile.directives.check.as_ref();
        let options = directive.map(|directive| CheckOptions::parse(&directive.value, directive.span).0);
        let mut scopes: Vec<(Span, CheckOptions)> = dockerfile
            .lines()
            .filter_map(|line| Some((line.span, inline(line)?)))
            .collect();
        scopes.sort_by_key(|(span, _)| span.start);
        Self {
            options: options.unwrap_or_default(),
            scopes,
        }
    }

    /// With further options, which hold for the whole file.
    #[must_use]
    pub fn with(mut self, more: &CheckOptions) -> Self {
        self.options.merge(more);
        self
    }

    /// Whether the rule is asked at all.
    pub fn allows(&self, rule: Rule) -> bool {
        self.options.allows(rule)
    }

    /// How bad it is that the rule found something at `span`; `None`: nobody wants to know.
    pub fn severity(&self, rule: Rule, span: Span) -> Option<Severity> {
        let after = self
            .scopes
            .partition_point(|(scope, _)| scope.start <= span.start);
        let here = after.checked_sub(1).and_then(|at| self.scopes.get(at));
        let here = here.filter(|(scope, _)| span.start <= scope.end);
        if !self.allows(rule) || here.is_some_and(|(_, options)| options.skips(rule)) {
            return None;
        }
        let error = self.options.error || here.is_some_and(|(_, options)| options.error);
        Some(if error { Severity::Error } else { Severity::Warning })
    }
}

/// The options of the `# check=` comments above an instruction.
fn inline(line: &Line) -> Option<CheckOptions> {
    let mut options: Option<CheckOptions> = None;
    for comment in &line.comments {
        let text = format!("#{}", comment.text);
        let found = PhysicalLines::new(&text, 0).next();
        let Some((key, value, _)) = found.as_ref().and_then(|line| directive::key_value(line, "#")) else {
            continue;
        };
        if key.eq_ignore_ascii_case("check") {
            let (more, _) = CheckOptions::parse(value, comment.span);
            options.get_or_insert_default().merge(&more);
        }
    }
    options
}

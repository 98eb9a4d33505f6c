//! What only a build can check, because it has the files: wildcards that match nothing, files that share a name.

use super::spec::Step;
use super::{CopyPart, OpError, StepCheck, copy};
use dockerfile_parser::instruction::Source;
use dockerfile_parser::lint::{Policy, Rule};
use dockerfile_parser::{Diagnostic, Dockerfile, InstructionKind, Severity, Span};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What the steps of one build found.
#[derive(Debug, Default)]
pub struct StepChecks {
    policy: Policy,
    /// By instruction and word. A key may be asked for twice, so the same may be found twice.
    found: Mutex<BTreeMap<(Span, CopyPart), StepCheck>>,
}

impl StepChecks {
    /// Nothing found yet; the file says what it wants to hear.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            found: Mutex::default(),
        }
    }

    /// Notes what is wrong with what a copy takes.
    ///
    /// # Errors
    /// Something is, and the file makes that an error.
    pub(super) fn copied(&self, step: &Step, sources: &copy::Sources) -> Result<(), OpError> {
        let unmatched = sources.unmatched().map(|(source, pattern)| StepCheck {
            rule: Rule::WildcardMatchedNothing,
            part: CopyPart::Source(source),
            message: step.shown(&format!("no file matches `{pattern}`")),
            help: None,
        });
        let shared = sources.shared_name().map(|dest| StepCheck {
            rule: Rule::SeveralSourcesOneName,
            part: CopyPart::Dest,
            message: step.shown(&format!(
                "several files are copied to the one name `{dest}`, so only the last stays"
            )),
            help: Some(step.shown(&format!("for a directory add a `/`: `{dest}/`"))),
        });
        for check in unmatched.chain(shared) {
            match self.policy.severity(check.rule, step.span) {
                None => {}
                Some(Severity::Error) => return Err(OpError::Check(Box::new(check))),
                Some(Severity::Warning) => {
                    let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.insert((step.span, check.part), check);
                }
            }
        }
        Ok(())
    }

    /// A warning for each finding, at its word in the Dockerfile; that of a trigger is at the FROM it came with.
    #[must_use]
    pub fn warnings(&self, dockerfile: &Dockerfile) -> Vec<Diagnostic> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let warning = |((span, part), check): (&(Span, CopyPart), &StepCheck)| {
            let place = word_of(dockerfile, *span, *part).unwrap_or(*span);
            let warning = check.rule.warning(place, check.message.clone());
            match &check.help {
                Some(help) => warning.with_help(help.clone()),
                None => warning,
            }
        };
        found.iter().map(warning).collect()
    }
}

/// Where a part of the COPY or ADD stands that has this span.
#[must_use]
pub fn word_of(dockerfile: &Dockerfile, span: Span, part: CopyPart) -> Option<Span> {
    let mut instructions = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let instruction = instructions.find(|instruction| instruction.line.span == span)?;
    let (sources, dest, owner) = match &instruction.kind {
        InstructionKind::Copy(copy) => (&copy.sources, &copy.dest, &copy.chown),
        InstructionKind::Add(add) => (&add.sources, &add.dest, &add.chown),
        _ => return None,
    };
    match part {
        CopyPart::Dest => Some(dest.span),
        CopyPart::Owner => owner.as_ref().map(|owner| owner.span),
        CopyPart::Source(at) => match sources.get(at)? {
            Source::Path(word) => Some(word.span),
            Source::Heredoc(heredoc) => Some(heredoc.marker),
        },
    }
}

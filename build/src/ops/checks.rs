//! What only a build can check, because it has the files: wildcards that match nothing.

use super::spec::Step;
use super::{CopyPart, OpError, copy};
use dockerfile_parser::instruction::Source;
use dockerfile_parser::lint::{Policy, Rule};
use dockerfile_parser::{Diagnostic, Dockerfile, InstructionKind, Severity, Span};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What the steps of one build found.
#[derive(Debug, Default)]
pub struct StepChecks {
    policy: Policy,
    /// Patterns by instruction and source. A key may be asked for twice, so the same may be found twice.
    unmatched: Mutex<BTreeMap<(Span, usize), String>>,
}

impl StepChecks {
    /// Nothing found yet; the file says what it wants to hear.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            unmatched: Mutex::default(),
        }
    }

    /// Notes the wildcards of a copy that match nothing.
    ///
    /// # Errors
    /// There is one, and the file makes that an error.
    pub(super) fn copied(&self, step: &Step, sources: &copy::Sources) -> Result<(), OpError> {
        for (source, pattern) in sources.unmatched() {
            match self.policy.severity(Rule::WildcardMatchedNothing, step.span) {
                None => {}
                Some(Severity::Error) => return Err(OpError::Unmatched(pattern.to_owned())),
                Some(Severity::Warning) => {
                    let mut unmatched = self.unmatched.lock().unwrap_or_else(PoisonError::into_inner);
                    unmatched.insert((step.span, source), pattern.to_owned());
                }
            }
        }
        Ok(())
    }

    /// A warning for each finding, at its word in the Dockerfile; that of a trigger is at the FROM it came with.
    #[must_use]
    pub fn warnings(&self, dockerfile: &Dockerfile) -> Vec<Diagnostic> {
        let unmatched = self.unmatched.lock().unwrap_or_else(PoisonError::into_inner);
        let warning = |((span, source), pattern): (&(Span, usize), &String)| {
            let place = word_of(dockerfile, *span, CopyPart::Source(*source)).unwrap_or(*span);
            Rule::WildcardMatchedNothing.warning(place, format!("no file matches `{pattern}`"))
        };
        unmatched.iter().map(warning).collect()
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

//! What the lowering reports: something wrong at one place of the Dockerfile, as data. Drawing is the program's.

use super::fault::Fault;
use crate::error::Error;
use crate::ops::spec::without;
use dockerfile_parser::Span;
use dockerfile_parser::lint::Rule;
use dockerfile_parser::secrets::hidden;
use std::sync::Arc;

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// False: a warning.
    pub is_error: bool,
    /// What is wrong.
    pub fault: Box<Fault>,
    /// The guilty words.
    pub span: Span,
    /// The trigger of a base image that it is in; the words are those that name the image.
    pub trigger: Option<String>,
    /// Other places that help.
    pub secondary: Vec<(Span, Beside)>,
    /// What is behind it, where that is no fault of the Dockerfile.
    pub cause: Option<Arc<Error>>,
    /// The check that it belongs to; the file may not want to hear of that.
    pub rule: Option<Rule>,
    /// Values that are not shown.
    pub hidden: Vec<String>,
}

/// What is at another place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Beside {
    /// The stage that is meant.
    #[error("the stage begins here")]
    Stage,
    /// The name of the stage that looks for an image of that name.
    #[error("the stage itself has this name")]
    Itself,
    /// A stage of that name, further down.
    #[error("a stage of this name begins later: it cannot be used above")]
    Later,
    /// Something that another process has found.
    #[error("{0}")]
    Told(String),
}

impl Finding {
    /// An error.
    pub fn error(fault: Fault, span: Span) -> Self {
        Self {
            is_error: true,
            fault: Box::new(fault),
            span,
            trigger: None,
            secondary: Vec::new(),
            cause: None,
            rule: None,
            hidden: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(fault: Fault, span: Span) -> Self {
        Self {
            is_error: false,
            ..Self::error(fault, span)
        }
    }

    /// Sets the check that it belongs to.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn secondary(mut self, span: Span, what: Beside) -> Self {
        self.secondary.push((span, what));
        self
    }

    /// Keeps these values out of its words.
    #[must_use]
    pub fn hiding(mut self, secrets: &[String]) -> Self {
        self.hidden.extend_from_slice(secrets);
        self
    }

    /// Puts it where a trigger has come from, which has no place in the file.
    #[must_use]
    pub fn of_trigger(self, text: &str, from: Span) -> Self {
        Self {
            trigger: Some(text.to_owned()),
            span: from,
            secondary: Vec::new(),
            ..self
        }
    }

    /// One line, lower case.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.trigger {
            None => self.shown(&self.fault.to_string()),
            Some(text) => self.shown(&format!("ONBUILD trigger `{text}`: {}", self.fault)),
        }
    }

    /// What stands beside the carets.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        match &self.trigger {
            None => self.fault.label().map(|label| self.shown(&label)),
            Some(_) => Some("the base image runs this trigger".to_owned()),
        }
    }

    /// Words about it, without the values that are not shown.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        hidden(&without(&self.hidden, text)).into_owned()
    }
}

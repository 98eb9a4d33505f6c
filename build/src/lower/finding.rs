//! What the lowering reports: something wrong at one place of the Dockerfile, as data. Drawing is the program's.

use crate::error::Error;
use dockerfile_parser::Span;
use dockerfile_parser::lint::Rule;
use std::sync::Arc;

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// False: a warning.
    pub is_error: bool,
    /// It follows from another finding, which says what to do.
    pub is_consequence: bool,
    /// One line, lower case.
    pub message: String,
    /// It is wrong on this host or with this command line; the Dockerfile may be right.
    pub is_of_host: bool,
    /// The guilty words.
    pub span: Span,
    /// What stands beside the carets.
    pub label: Option<Box<str>>,
    /// Other places that help.
    pub secondary: Vec<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
    /// What is behind it, where that is no fault of the Dockerfile.
    pub cause: Option<Arc<Error>>,
    /// The check that it belongs to; the file may not want to hear of that.
    pub rule: Option<Rule>,
}

impl Finding {
    /// An error.
    pub fn error(message: impl Into<String>, span: Span) -> Self {
        Self {
            is_error: true,
            is_consequence: false,
            is_of_host: false,
            message: message.into(),
            span,
            label: None,
            secondary: Vec::new(),
            help: None,
            cause: None,
            rule: None,
        }
    }

    /// A warning.
    pub fn warning(message: impl Into<String>, span: Span) -> Self {
        Self {
            is_error: false,
            ..Self::error(message, span)
        }
    }

    /// An error at a place that needs something whose own error is reported.
    pub fn consequence(name: &str, span: Span) -> Self {
        Self {
            is_consequence: true,
            ..Self::error(format!("`{name}` could not be made"), span)
        }
    }

    /// Says that the host or the command line lacks something.
    #[must_use]
    pub fn of_host(mut self) -> Self {
        self.is_of_host = true;
        self
    }

    /// Sets the check that it belongs to.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    /// Sets the words beside the carets.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into().into_boxed_str());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn secondary(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    /// Sets what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// All of its words, changed.
    #[must_use]
    pub fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        self.message = change(&self.message);
        self.label = self.label.map(|label| change(&label).into());
        self.help = self.help.map(|help| change(&help));
        for (_, label) in &mut self.secondary {
            *label = change(label);
        }
        self
    }

    /// Sets "did you mean" when a candidate is near.
    #[must_use]
    pub fn suggest<'a>(self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match dockerfile_parser::suggest::nearest(word, candidates) {
            Some(near) => {
                let help = format!("did you mean `{near}`?");
                self.help(help)
            }
            None => self,
        }
    }
}

//! What the parser and the checks report. Wording is `message.rs`, drawing is `render.rs`.

use crate::kind::Kind;
use crate::{Span, message, secrets};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Severity {
    /// The build goes on.
    Warning,
    /// The build cannot go on.
    Error,
}

/// One thing that is wrong, at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, as data.
    pub kind: Kind,
    /// The guilty words.
    pub span: Span,
    /// What stands beside the carets.
    pub label: Option<String>,
    /// Other places that help to understand it.
    pub secondary: Vec<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
    /// A text to put in place of the span.
    pub suggestion: Option<Suggestion>,
}

/// A replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Suggestion {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(kind: Kind, span: Span) -> Self {
        Self::new(Severity::Error, kind, span)
    }

    /// A warning at `span`.
    pub fn warning(kind: Kind, span: Span) -> Self {
        Self::new(Severity::Warning, kind, span)
    }

    fn new(severity: Severity, kind: Kind, span: Span) -> Self {
        Self {
            severity,
            kind,
            span,
            label: None,
            secondary: Vec::new(),
            help: None,
            suggestion: None,
        }
    }

    /// Sets the words beside the carets.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(shown(label));
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn with_secondary(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push((span, shown(label)));
        self
    }

    /// Sets what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(shown(help));
        self
    }

    /// Sets a replacement for the span, and says so in the help when there is no other. One that holds a secret is kept to
    /// itself.
    #[must_use]
    pub fn with_suggestion(mut self, replacement: impl Into<String>) -> Self {
        let replacement = replacement.into();
        let shown = secrets::hidden(&replacement);
        if self.help.is_none() {
            self.help = Some(format!("did you mean `{shown}`?"));
        }
        if shown != replacement {
            return self;
        }
        self.suggestion = Some(Suggestion {
            span: self.span,
            replacement,
        });
        self
    }

    /// Whether the build cannot go on.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// One line, lower case, user's words in backticks.
    pub fn message(&self) -> String {
        shown(message::message(&self.kind))
    }

    /// A stable name of the kind: `unknown-instruction`, or the rule's name.
    pub fn code(&self) -> &'static str {
        message::code(&self.kind)
    }
}

/// Words without the values of secrets.
fn shown(text: impl Into<String>) -> String {
    let text = text.into();
    match secrets::hidden(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(hidden) => hidden,
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        #[derive(serde::Serialize)]
        struct Place<'a> {
            span: Span,
            label: &'a str,
        }
        let secondary: Vec<Place<'_>> = self
            .secondary
            .iter()
            .map(|(span, label)| Place { span: *span, label })
            .collect();
        let mut fields = serializer.serialize_struct("Diagnostic", 8)?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("code", self.code())?;
        fields.serialize_field("message", &self.message())?;
        fields.serialize_field("span", &self.span)?;
        fields.serialize_field("label", &self.label)?;
        fields.serialize_field("secondary", &secondary)?;
        fields.serialize_field("help", &self.help)?;
        fields.serialize_field("suggestion", &self.suggestion)?;
        fields.end()
    }
}

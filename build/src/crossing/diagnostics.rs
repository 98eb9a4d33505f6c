//! Diagnostics of the parser, as they cross to another process: the words, not what they were made from.

use dockerfile_parser::lint::Rule;
use dockerfile_parser::{Diagnostic, Kind, Severity, Span};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
struct Words {
    severity: Severity,
    rule: Option<String>,
    message: String,
    span: Span,
    label: Option<String>,
    secondary: Vec<(Span, String)>,
    help: Option<String>,
}

impl From<&Diagnostic> for Words {
    fn from(found: &Diagnostic) -> Self {
        let rule = match &found.kind {
            Kind::Check { rule, .. } => Some(rule.name().to_owned()),
            _ => None,
        };
        Self {
            severity: found.severity,
            rule,
            message: found.message(),
            span: found.span,
            label: found.label.clone(),
            secondary: found.secondary.clone(),
            help: found.help.clone(),
        }
    }
}

impl From<Words> for Diagnostic {
    fn from(words: Words) -> Self {
        let message = words.message;
        Self {
            severity: words.severity,
            kind: match words.rule.as_deref().and_then(Rule::from_name) {
                Some(rule) => Kind::Check { rule, message },
                None => Kind::Told { message },
            },
            span: words.span,
            label: words.label,
            secondary: words.secondary,
            help: words.help,
            suggestion: None,
        }
    }
}

pub(crate) fn serialize<S: Serializer>(all: &[Diagnostic], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(Words::from))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Diagnostic>, D::Error> {
    let all = Vec::<Words>::deserialize(deserializer)?;
    Ok(all.into_iter().map(Diagnostic::from).collect())
}

/// A single one.
pub(crate) mod one {
    use super::{Deserialize, Deserializer, Diagnostic, Serialize, Serializer, Words};

    pub(crate) fn serialize<S: Serializer>(found: &Diagnostic, serializer: S) -> Result<S::Ok, S::Error> {
        Words::from(found).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Diagnostic, D::Error> {
        Words::deserialize(deserializer).map(Diagnostic::from)
    }
}

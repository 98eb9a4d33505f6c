//! Why a mount is refused.

use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::expand::ExpandErrorKind;
use crate::kind::Kind;
use crate::mount::MountType;
use crate::{Span, suggest};

/// Names of options, for suggestions.
const OPTIONS: &[&str] = &[
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "env",
];

/// Why a mount is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountError {
    /// What is wrong.
    pub kind: MountErrorKind,
    /// Where in the source.
    pub span: Span,
}

/// The ways in which a mount is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are the words that the message repeats")]
pub enum MountErrorKind {
    /// Quotes that CSV does not have, or nothing at all.
    Malformed,
    /// No mount has this option.
    UnknownOption { option: String },
    /// An option of other builders that is refused.
    Refused { option: String },
    /// An option without a value.
    NeedsValue { option: String },
    /// A value that the option does not take.
    InvalidValue {
        option: String,
        value: String,
        expected: &'static str,
    },
    /// Mounts of this type do not have the option.
    NotForType { option: String, mount_type: MountType },
    /// Mounts of this type need the option.
    Missing {
        option: &'static str,
        mount_type: MountType,
    },
    /// The target is the root.
    RootTarget,
    /// Two options that say the same thing.
    Conflict {
        first: &'static str,
        second: &'static str,
    },
    /// A seed of a cache without the image that it is in.
    SourceWithoutFrom,
    /// A value does not expand.
    Expand(ExpandErrorKind),
}

impl fmt::Display for MountErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MountErrorKind::Malformed => f.write_str("a mount is options separated by commas"),
            MountErrorKind::UnknownOption { option } => write!(f, "unknown mount option `{option}`"),
            MountErrorKind::Refused { option } => write!(f, "the mount option `{option}` is not supported"),
            MountErrorKind::NeedsValue { option } => write!(f, "the mount option `{option}` needs a value"),
            MountErrorKind::InvalidValue {
                option,
                value,
                expected,
            } => {
                write!(
                    f,
                    "`{value}` is no value for the mount option `{option}`: expected {expected}"
                )
            }
            MountErrorKind::NotForType { option, mount_type } => {
                write!(f, "{} mount has no option `{option}`", with_article(*mount_type))
            }
            MountErrorKind::Missing { option, mount_type } => {
                write!(f, "{} mount needs `{option}`", with_article(*mount_type))
            }
            MountErrorKind::RootTarget => f.write_str("a mount cannot hide the root directory"),
            MountErrorKind::Conflict { first, second } => {
                write!(f, "`{first}` and `{second}` say the same thing")
            }
            MountErrorKind::SourceWithoutFrom => {
                f.write_str("the `source` of a cache mount is in the image that `from` names")
            }
            MountErrorKind::Expand(kind) => kind.fmt(f),
        }
    }
}

fn with_article(mount_type: MountType) -> String {
    let article = if mount_type == MountType::Ssh { "an" } else { "a" };
    format!("{article} {mount_type}")
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for MountError {}

impl MountError {
    /// With a suggestion where one is near.
    pub fn into_diagnostic(self) -> Diagnostic {
        let nearest = match &self.kind {
            MountErrorKind::UnknownOption { option } => suggest::nearest(option, OPTIONS.iter().copied()),
            MountErrorKind::InvalidValue { option, value, .. } if option == "type" => {
                suggest::nearest(value, ["bind", "cache", "tmpfs", "secret", "ssh"])
            }
            MountErrorKind::InvalidValue { option, value, .. } if option == "sharing" => {
                suggest::nearest(value, ["shared", "private", "locked"])
            }
            _ => None,
        };
        let help = match &self.kind {
            MountErrorKind::Refused { option } if option.contains("propagation") => {
                Some("mounts of a step never reach the host: propagation is not offered")
            }
            MountErrorKind::Missing { option: "target", .. } => {
                Some("say where it is mounted: `target=/path`")
            }
            _ => None,
        };
        let mut diagnostic = Diagnostic::error(Kind::Mount(self.kind), self.span);
        if let Some(nearest) = nearest {
            // The span may be the whole option, so no replacement is offered.
            diagnostic = diagnostic.with_help(format!("did you mean `{nearest}`?"));
        }
        match help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        }
    }
}

//! RUN: a command in the sandbox.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::flag::{FlagType, Flags, RawFlag};
use crate::instruction::{Command, CommandForm, Context};
use crate::kind::Kind;
use crate::mount::Mount;
use crate::{Span, Word, heredoc, suggest};

/// `RUN [flags] command`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Run {
    /// `--mount=`, in order.
    pub mounts: Vec<Mount>,
    /// `--network=`.
    pub network: Network,
    /// `--security=`.
    pub security: Security,
    /// `--device=`, in order.
    pub devices: Vec<Device>,
    /// What is run.
    pub command: Command,
}

/// `RUN --network=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Network {
    /// What the build says.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's; needs an entitlement.
    Host,
}

/// `RUN --security=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Security {
    /// The default.
    #[default]
    Sandbox,
    /// Needs an entitlement.
    Insecure,
}

/// `RUN --device=name[,required[=bool]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Device {
    /// `vendor.com/class=name`, `vendor.com/class`, or what the build calls a device.
    pub name: Word,
    /// Whether the build fails without it.
    pub required: bool,
    /// The whole flag value.
    pub span: Span,
}

/// What a RUN gives to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunScript {
    /// `SHELL... + text`.
    Shell(String),
    /// No shell.
    Exec(Vec<String>),
    /// A heredoc that begins with `#!`: a file of mode 0755, mounted at `/dev/pipes/<name>` and run.
    Script {
        /// File name.
        name: String,
        /// Content.
        content: String,
    },
}

const FLAGS: &[(&str, FlagType)] = &[
    ("mount", FlagType::List),
    ("network", FlagType::Value),
    ("security", FlagType::Value),
    ("device", FlagType::List),
];

impl Run {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>, flags: Vec<RawFlag>) -> Option<Run> {
        let flags = Flags::check(cx, "RUN", flags, args, FLAGS)?;
        let mounts = flags
            .all("mount")
            .filter_map(|flag| Mount::parse(cx, flag))
            .collect();
        let network = choice(
            cx,
            &flags,
            "network",
            "`default`, `none` or `host`",
            &[
                ("default", Network::Default),
                ("none", Network::None),
                ("host", Network::Host),
            ],
        );
        let security = choice(
            cx,
            &flags,
            "security",
            "`sandbox` or `insecure`",
            &[("sandbox", Security::Sandbox), ("insecure", Security::Insecure)],
        );
        let devices = flags
            .all("device")
            .filter_map(|flag| Device::parse(cx, flag))
            .collect();
        let command = Command::parse(cx, args)?;
        Some(Run {
            mounts,
            network,
            security,
            devices,
            command,
        })
    }

    /// What is given to whom: a heredoc alone is a script, other heredocs are joined to the text again for the
    /// shell to read.
    pub fn script(&self) -> RunScript {
        match &self.command.form {
            CommandForm::Exec(args) => RunScript::Exec(args.clone()),
            CommandForm::Shell { text, heredocs } => match heredocs.as_slice() {
                [] => RunScript::Shell(text.clone()),
                [only] if heredoc::is_marker(text) => {
                    let content = only.content();
                    if content.starts_with("#!") {
                        RunScript::Script {
                            name: only.name.clone(),
                            content,
                        }
                    } else {
                        RunScript::Shell(content)
                    }
                }
                several => {
                    let mut full = text.clone();
                    for heredoc in several {
                        full.push('\n');
                        full.push_str(&heredoc.body.text);
                        full.push_str(&heredoc.name);
                    }
                    RunScript::Shell(full)
                }
            },
        }
    }
}

/// A flag with a few values.
fn choice<T: Copy + Default>(
    cx: &mut Context<'_>,
    flags: &Flags,
    flag: &'static str,
    expected: &'static str,
    values: &[(&'static str, T)],
) -> T {
    let Some((value, span)) = flags.value(cx, flag) else {
        return T::default();
    };
    if let Some((_, choice)) = values.iter().find(|(name, _)| *name == value) {
        return *choice;
    }
    let nearest = suggest::nearest(&value, values.iter().map(|(name, _)| *name));
    let mut diagnostic = Diagnostic::error(
        Kind::InvalidFlagValue {
            flag,
            value,
            expected,
        },
        span,
    );
    if let Some(nearest) = nearest {
        diagnostic = diagnostic.with_suggestion(nearest);
    }
    cx.report(diagnostic);
    T::default()
}

impl Device {
    /// `NAME`, `name=NAME`, `required`, `required=BOOL`, separated by commas.
    fn parse(cx: &mut Context<'_>, flag: &RawFlag) -> Option<Device> {
        const KEYS: [&str; 2] = ["name", "required"];
        let value = flag.value().unwrap_or_default().to_owned();
        let range = flag.value_range();
        let span = cx.span(&range);
        let mut name = None;
        let mut required = None;
        let mut at = range.start;
        for field in value.split(',') {
            let here = at..at + field.len();
            at = here.end + 1;
            let (key, of_key) = match field.split_once('=') {
                Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
                None => (field.to_ascii_lowercase(), None),
            };
            let is_known = match (key.as_str(), of_key) {
                ("required", None | Some("1" | "t" | "T" | "true" | "TRUE" | "True")) => {
                    required.replace(true).is_none()
                }
                ("required", Some("0" | "f" | "F" | "false" | "FALSE" | "False")) => {
                    required.replace(false).is_none()
                }
                ("required", Some(_)) => false,
                ("name", Some(value)) => !value.is_empty() && name.replace(value).is_none(),
                // A name has a `=` of its own: `vendor.com/class=device`.
                _ => !field.is_empty() && name.replace(field).is_none(),
            };
            if !is_known && !field.is_empty() {
                let kind = Kind::InvalidFlagValue {
                    flag: "device",
                    value: field.to_owned(),
                    expected: "one name, then maybe `,required`",
                };
                // Quotes and escapes shift what stands in the source.
                let guilty = if flag.is_exact() { cx.span(&here) } else { span };
                let mut diagnostic = Diagnostic::error(kind, guilty);
                if !KEYS.contains(&key.as_str())
                    && let Some(nearest) = suggest::nearest(&key, KEYS)
                {
                    diagnostic = diagnostic.with_help(format!("did you mean `{nearest}`?"));
                }
                cx.report(diagnostic);
                return None;
            }
        }
        let Some(name) = name else {
            let kind = Kind::FlagNeedsValue {
                flag: "device".to_owned(),
            };
            cx.report(Diagnostic::error(kind, span));
            return None;
        };
        Some(Device {
            name: cx.decoded_word(name, range, value == name && flag.is_exact()),
            required: required.unwrap_or(false),
            span,
        })
    }
}

//! HEALTHCHECK: how to ask a container whether it is well.

use std::ops::Range;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::flag::{FlagType, Flags, RawFlag};
use crate::instruction::{Command, Context, OWN_LINE};
use crate::json::{self, Array};
use crate::kind::Kind;
use crate::{duration, lookalike, suggest};

/// `HEALTHCHECK [flags] CMD command` or `HEALTHCHECK NONE`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HealthCheck {
    /// What is run.
    pub test: HealthCheckTest,
    /// `--interval`; `None` means inherited.
    pub interval: Option<Duration>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--start-period`.
    pub start_period: Option<Duration>,
    /// `--start-interval`.
    pub start_interval: Option<Duration>,
    /// `--retries`.
    pub retries: Option<u32>,
}

/// What a health check runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum HealthCheckTest {
    /// Disables an inherited check.
    None,
    /// A command; never empty.
    Command(Command),
}

const FLAGS: &[(&str, FlagType)] = &[
    ("interval", FlagType::Value),
    ("timeout", FlagType::Value),
    ("start-period", FlagType::Value),
    ("start-interval", FlagType::Value),
    ("retries", FlagType::Value),
];

impl HealthCheck {
    pub(crate) fn parse(
        cx: &mut Context<'_>,
        args: &Range<usize>,
        flags: Vec<RawFlag>,
    ) -> Option<HealthCheck> {
        let has_flags = !flags.is_empty();
        let flags = Flags::check(cx, "HEALTHCHECK", flags, args, FLAGS)?;
        let Some(word) = cx.split(args).first().cloned() else {
            cx.missing("HEALTHCHECK", "`CMD` and a command, or `NONE`");
            return None;
        };
        let rest = cx.trim(word.end..args.end);
        let test = match cx.text(&word).to_ascii_uppercase().as_str() {
            "NONE" => {
                if has_flags || !rest.is_empty() {
                    let is_comment = cx.text(&rest).starts_with('#');
                    let span = cx.span(if rest.is_empty() { &word } else { &rest });
                    let mut diagnostic = Diagnostic::error(Kind::HealthCheckNone, span);
                    if is_comment {
                        diagnostic = diagnostic.with_help(OWN_LINE);
                    }
                    cx.report(diagnostic);
                    return None;
                }
                HealthCheckTest::None
            }
            "CMD" => {
                let command = Command::parse(cx, &rest)?;
                if command.is_empty() {
                    cx.error(Kind::HealthCheckEmpty, &word);
                    return None;
                }
                HealthCheckTest::Command(command)
            }
            _ => {
                let diagnostic = unknown_type(cx, args, &word);
                cx.report(diagnostic);
                return None;
            }
        };
        Some(HealthCheck {
            test,
            interval: interval(cx, &flags, "interval"),
            timeout: interval(cx, &flags, "timeout"),
            start_period: interval(cx, &flags, "start-period"),
            start_interval: interval(cx, &flags, "start-interval"),
            retries: retries(cx, &flags),
        })
    }
}

/// Another word than CMD and NONE, maybe in the way of a Compose file.
fn unknown_type(cx: &Context<'_>, args: &Range<usize>, word: &Range<usize>) -> Diagnostic {
    let text = cx.text(word);
    let kind = Kind::HealthCheckType {
        word: text.to_owned(),
    };
    let diagnostic = Diagnostic::error(kind, cx.span(word));
    if text.starts_with('#') {
        return diagnostic.with_help(OWN_LINE);
    }
    if text.starts_with('[') {
        return list_without_type(cx, args, diagnostic);
    }
    if text.eq_ignore_ascii_case("CMD-SHELL") {
        return diagnostic
            .with_help("`CMD` with text behind it asks the shell")
            .with_suggestion("CMD");
    }
    if let Some(lookalike) = lookalike::find(text) {
        return diagnostic.with_help(lookalike.to_string());
    }
    match suggest::nearest(text, ["CMD", "NONE"]) {
        Some(nearest) => diagnostic.with_suggestion(nearest),
        None if text.starts_with("--") => diagnostic.with_help("flags stand before `CMD`"),
        None => diagnostic.with_help(format!("did you mean `CMD {text}`?")),
    }
}

/// A list as in a Compose file, where the type is its first element.
fn list_without_type(cx: &Context<'_>, args: &Range<usize>, diagnostic: Diagnostic) -> Diagnostic {
    let text = cx.text(args);
    let plain = diagnostic.clone();
    let Array::Strings(elements) = json::array(text) else {
        return plain.with_help("`CMD` stands before the list: `CMD [\"program\", \"argument\"]`");
    };
    let mut words = elements.iter().map(|element| element.text.as_str());
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    let written = match (first, second, elements.get(1)) {
        ("NONE", None, _) => "NONE".to_owned(),
        ("CMD-SHELL", Some(command), _) if elements.len() == 2 && !command.contains('\n') => {
            format!("CMD {command}")
        }
        ("CMD", _, Some(second)) => {
            let rest = text.get(second.inner.start.saturating_sub(1)..);
            format!("CMD [{}", rest.unwrap_or_default().trim_end())
        }
        _ => format!("CMD {}", text.trim_end()),
    };
    if written.len() > 200 {
        return plain.with_help("`CMD` stands before the list");
    }
    let span = cx.span(args);
    Diagnostic { span, ..diagnostic }.with_suggestion(written)
}

/// A duration of at least a millisecond; an empty one and `0` mean the default.
fn interval(cx: &mut Context<'_>, flags: &Flags, flag: &'static str) -> Option<Duration> {
    let (value, span) = flags.value(cx, flag).filter(|(value, _)| !value.is_empty())?;
    match duration::parse(&value) {
        Some(duration) if duration.is_zero() => None,
        Some(duration) if duration >= Duration::from_millis(1) => Some(duration),
        other => {
            let expected = if other.is_some() {
                "a millisecond or more"
            } else {
                "a duration like `30s` or `1m30s`"
            };
            cx.report(Diagnostic::error(
                Kind::InvalidFlagValue {
                    flag,
                    value,
                    expected,
                },
                span,
            ));
            None
        }
    }
}

/// A number; an empty one and `0` mean the default.
fn retries(cx: &mut Context<'_>, flags: &Flags) -> Option<u32> {
    let (value, span) = flags
        .value(cx, "retries")
        .filter(|(value, _)| !value.is_empty())?;
    match value.parse::<i32>() {
        Ok(0) => None,
        Ok(number) if number > 0 => Some(number.unsigned_abs()),
        _ => {
            let kind = Kind::InvalidFlagValue {
                flag: "retries",
                value,
                expected: "a number, not negative",
            };
            cx.report(Diagnostic::error(kind, span));
            None
        }
    }
}

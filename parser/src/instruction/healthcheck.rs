//! HEALTHCHECK: how to ask a container whether it is well.

use std::ops::Range;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::flag::{FlagType, Flags, RawFlag};
use crate::instruction::{Command, Context};
use crate::kind::Kind;
use crate::{duration, suggest};

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
                    cx.error(
                        Kind::HealthCheckNone,
                        &(if rest.is_empty() { word } else { rest }),
                    );
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
                let text = cx.text(&word).to_owned();
                let span = cx.span(&word);
                let mut diagnostic = Diagnostic::error(Kind::HealthCheckType { word: text.clone() }, span);
                diagnostic = match suggest::nearest(&text, ["CMD", "NONE"]) {
                    Some(nearest) => diagnostic.with_suggestion(nearest),
                    None if text.starts_with("--") => diagnostic.with_help("flags stand before `CMD`"),
                    None => diagnostic.with_help(format!("did you mean `CMD {text}`?")),
                };
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

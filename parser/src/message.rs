//! The words of every kind of diagnostic: lower case, no full stop, the user's words in backticks.

use crate::kind::Kind;
use crate::render::is_invisible;

pub(crate) fn message(kind: &Kind) -> String {
    match kind {
        Kind::NoInstructions => "the file has no instructions".into(),
        Kind::NoStage => "the file has no `FROM`".into(),
        Kind::BeforeFrom { keyword } => format!("`{keyword}` stands before the first `FROM`"),
        Kind::UnknownInstruction { keyword } => format!("unknown instruction `{}`", clip(keyword)),
        Kind::EmptyInstruction => "a line is continued, but no instruction follows".into(),
        Kind::NulByte => "the file contains a NUL byte".into(),
        Kind::MergeConflict => "unresolved merge conflict".into(),
        Kind::RepeatedDirective { name } => format!("the directive `{name}` is given twice"),
        Kind::InvalidEscape { value } => format!("`{}` cannot be the escape character", clip(value)),
        Kind::InvalidCheckDirective { option } => format!("unknown option `{}` of `# check=`", clip(option)),
        Kind::UnknownRule { name } => format!("no check is named `{}`", clip(name)),
        Kind::ForeignSyntax { image } => {
            format!(
                "the frontend `{}` is not used: this file is read as a Dockerfile",
                clip(image)
            )
        }
        Kind::ForeignLanguage { image } => {
            format!(
                "this is no Dockerfile: it is written for the frontend `{}`",
                clip(image)
            )
        }
        Kind::UnterminatedHeredoc { name } => format!("the heredoc `{}` is not terminated", clip(name)),
        Kind::HeredocDestination { keyword } => format!("a heredoc cannot be the destination of `{keyword}`"),
        Kind::HeredocName { name } => format!("`{}` cannot be the name of a file", clip(name)),
        Kind::UnknownFlag { keyword, flag } => format!("unknown flag `--{}` for `{keyword}`", clip(flag)),
        Kind::RepeatedFlag { flag } => format!("the flag `--{flag}` is given twice"),
        Kind::FlagNeedsValue { flag } => format!("the flag `--{flag}` needs a value"),
        Kind::FlagDashes { word } => format!("`{}` is no flag: a flag begins with `--`", clip(word)),
        Kind::MisplacedFlag { flag } => format!("the flag `--{flag}` stands behind the arguments"),
        Kind::FlagNotBoolean { flag, value } => {
            format!("the flag `--{flag}` is `true` or `false`, not `{}`", clip(value))
        }
        Kind::InvalidFlagValue {
            flag,
            value,
            expected,
        } => {
            format!(
                "`{}` is no value for `--{flag}`: expected {expected}",
                clip(value)
            )
        }
        Kind::Conflict { what, with } => format!("`{what}` does not go together with {with}"),
        Kind::MissingArguments { keyword, expected } => format!("`{keyword}` needs {expected}"),
        Kind::TooManyArguments { keyword, expected } => format!("`{keyword}` takes {expected}"),
        Kind::NotStrings => "the JSON form holds strings only".into(),
        Kind::ShellNotJson => "`SHELL` needs the JSON form".into(),
        Kind::FromArguments => "`FROM` takes an image, or an image and `AS name`".into(),
        Kind::InvalidStageName { name } => format!("`{}` cannot be the name of a stage", clip(name)),
        Kind::MissingEquals { keyword, word } => format!("`{}` in `{keyword}` has no `=`", clip(word)),
        Kind::QuotedPair { keyword } => {
            format!("a name in `{keyword}` stands inside of the quotes of its value")
        }
        Kind::TrailingComment { comment, part } => {
            format!("`{}` is no comment: it is read as {part}", clip(comment))
        }
        Kind::BlankName { keyword } => format!("a name in `{keyword}` is empty"),
        Kind::EmptyArgument { keyword } => format!("an argument of `{keyword}` is empty"),
        Kind::Expand(kind) => visible(&kind.to_string()),
        Kind::Mount(kind) => visible(&kind.to_string()),
        Kind::IgnoredMountOption { option } => format!("the mount option `{}` has no effect", clip(option)),
        Kind::OnBuildForbidden { keyword } => format!("`{keyword}` cannot be a trigger of `ONBUILD`"),
        Kind::HealthCheckType { word } => format!(
            "`HEALTHCHECK` is followed by `CMD` or `NONE`, not `{}`",
            clip(word)
        ),
        Kind::HealthCheckNone => "`HEALTHCHECK NONE` takes no flags and no arguments".into(),
        Kind::HealthCheckEmpty => "`HEALTHCHECK CMD` needs a command".into(),
        Kind::InvalidSignal { signal } => format!("`{}` is not a signal", clip(signal)),
        Kind::InvalidPort { port } => format!("`{}` is not a port", clip(port)),
        Kind::InvalidPattern { pattern } => format!("the pattern `{}` is malformed", clip(pattern)),
        Kind::CopyFromScratch => "there is nothing to copy from `scratch`".into(),
        Kind::NoSuchStage { index, stages: 1 } => {
            format!("there is no stage {index}: the file has one stage")
        }
        Kind::NoSuchStage { index, stages } => {
            format!("there is no stage {index}: the file has {stages} stages")
        }
        Kind::Cycle { stages } if stages.len() == 1 => {
            format!("circular dependency: {} needs itself", stages.join(""))
        }
        Kind::Cycle { stages } => format!("circular dependency: {}", stages.join(" needs ")),
        Kind::EmptyReinclude => "`!` needs a pattern".into(),
        Kind::Check { message, .. } | Kind::Told { message } => visible(message),
    }
}

pub(crate) fn code(kind: &Kind) -> &'static str {
    match kind {
        Kind::NoInstructions => "no-instructions",
        Kind::NoStage => "no-stage",
        Kind::BeforeFrom { .. } => "before-from",
        Kind::UnknownInstruction { .. } => "unknown-instruction",
        Kind::EmptyInstruction => "empty-instruction",
        Kind::NulByte => "nul-byte",
        Kind::MergeConflict => "merge-conflict",
        Kind::RepeatedDirective { .. } => "repeated-directive",
        Kind::InvalidEscape { .. } => "invalid-escape",
        Kind::InvalidCheckDirective { .. } => "invalid-check-directive",
        Kind::UnknownRule { .. } => "unknown-rule",
        Kind::ForeignSyntax { .. } => "foreign-syntax",
        Kind::ForeignLanguage { .. } => "foreign-language",
        Kind::UnterminatedHeredoc { .. } => "unterminated-heredoc",
        Kind::HeredocDestination { .. } => "heredoc-destination",
        Kind::HeredocName { .. } => "heredoc-name",
        Kind::UnknownFlag { .. } => "unknown-flag",
        Kind::RepeatedFlag { .. } => "repeated-flag",
        Kind::FlagNeedsValue { .. } => "flag-needs-value",
        Kind::FlagDashes { .. } => "flag-dashes",
        Kind::MisplacedFlag { .. } => "misplaced-flag",
        Kind::FlagNotBoolean { .. } => "flag-not-boolean",
        Kind::InvalidFlagValue { .. } => "invalid-flag-value",
        Kind::Conflict { .. } => "conflict",
        Kind::MissingArguments { .. } => "missing-arguments",
        Kind::TooManyArguments { .. } => "too-many-arguments",
        Kind::NotStrings => "not-strings",
        Kind::ShellNotJson => "shell-not-json",
        Kind::FromArguments => "from-arguments",
        Kind::InvalidStageName { .. } => "invalid-stage-name",
        Kind::MissingEquals { .. } => "missing-equals",
        Kind::QuotedPair { .. } => "quoted-pair",
        Kind::TrailingComment { .. } => "trailing-comment",
        Kind::BlankName { .. } => "blank-name",
        Kind::EmptyArgument { .. } => "empty-argument",
        Kind::Expand(_) => "expansion",
        Kind::Mount(_) => "mount",
        Kind::IgnoredMountOption { .. } => "ignored-mount-option",
        Kind::OnBuildForbidden { .. } => "onbuild-forbidden",
        Kind::HealthCheckType { .. } => "healthcheck-type",
        Kind::HealthCheckNone => "healthcheck-none",
        Kind::HealthCheckEmpty => "healthcheck-empty",
        Kind::InvalidSignal { .. } => "invalid-signal",
        Kind::InvalidPort { .. } => "invalid-port",
        Kind::InvalidPattern { .. } => "invalid-pattern",
        Kind::CopyFromScratch => "copy-from-scratch",
        Kind::NoSuchStage { .. } => "no-such-stage",
        Kind::Cycle { .. } => "cycle",
        Kind::EmptyReinclude => "empty-reinclude",
        Kind::Check { rule, .. } => rule.name(),
        Kind::Told { .. } => "told",
    }
}

/// A user's word that is short enough for a message, on one line.
fn clip(text: &str) -> String {
    shorten(text, 60)
}

/// A message that may hold user's words somewhere: one line, without control characters.
fn visible(text: &str) -> String {
    shorten(text, 300)
}

fn shorten(text: &str, max: usize) -> String {
    let shown: String = text
        .chars()
        .take(max)
        .map(|ch| {
            if ch.is_control() || is_invisible(ch) {
                '\u{fffd}'
            } else {
                ch
            }
        })
        .collect();
    if text.chars().nth(max).is_some() {
        shown + "..."
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_strange_words_are_clipped() {
        assert_eq!(clip("a\u{1b}[31mb"), "a\u{fffd}[31mb");
        assert_eq!(clip("R\u{200b}UN"), "R\u{fffd}UN");
        assert_eq!(clip(&"x".repeat(1000)).len(), 63);
    }
}

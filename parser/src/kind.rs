//! What can be wrong with a Dockerfile, as data. The words are `message.rs`.

use crate::expand::ExpandErrorKind;
use crate::lint::Rule;
use crate::mount::MountErrorKind;

/// The kinds of diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are the words that the message repeats")]
pub enum Kind {
    /// There is no instruction in the file.
    NoInstructions,
    /// There are ARGs, but no FROM.
    NoStage,
    /// Another instruction than ARG stands before the first FROM.
    BeforeFrom { keyword: String },
    /// No instruction has this name.
    UnknownInstruction { keyword: String },
    /// An escape character continues nothing.
    EmptyInstruction,
    /// An instruction or a heredoc with a NUL byte in it.
    NulByte,
    /// The markers that git leaves when two sides changed the same lines.
    MergeConflict,

    /// A parser directive is given twice.
    RepeatedDirective { name: &'static str },
    /// `# escape=` with another character than `\` or `` ` ``.
    InvalidEscape { value: String },
    /// `# check=` with something else than `skip=` and `error=`.
    InvalidCheckDirective { option: String },
    /// `# check=skip=` names no rule.
    UnknownRule { name: String },
    /// `# syntax=` asks for another frontend than docker/dockerfile.
    ForeignSyntax { image: String },

    /// The file is in the language of another frontend.
    ForeignLanguage { image: String },

    /// The body of a heredoc does not end.
    UnterminatedHeredoc { name: String },
    /// A heredoc as destination of COPY or ADD.
    HeredocDestination { keyword: &'static str },
    /// A heredoc name that cannot be a file name.
    HeredocName { name: String },

    /// The instruction has no such flag.
    UnknownFlag { keyword: &'static str, flag: String },
    /// A flag is given twice.
    RepeatedFlag { flag: String },
    /// A flag without a value.
    FlagNeedsValue { flag: String },
    /// A boolean flag with another value.
    FlagNotBoolean { flag: String, value: String },
    /// A word with other dashes than a flag has.
    FlagDashes { word: String },
    /// A flag behind the arguments.
    MisplacedFlag { flag: String },
    /// A flag with a value that it does not take.
    InvalidFlagValue {
        flag: &'static str,
        value: String,
        expected: &'static str,
    },
    /// Two parts of an instruction that do not go together.
    Conflict { what: &'static str, with: &'static str },

    /// Arguments are missing.
    MissingArguments {
        keyword: &'static str,
        expected: &'static str,
    },
    /// There are too many arguments.
    TooManyArguments {
        keyword: &'static str,
        expected: &'static str,
    },
    /// A JSON array with elements that are no strings.
    NotStrings,
    /// SHELL in shell form.
    ShellNotJson,
    /// FROM with other than one or three words.
    FromArguments,
    /// A stage name with characters that no name has.
    InvalidStageName { name: String },
    /// A word of ENV or LABEL without `=`.
    MissingEquals { keyword: &'static str, word: String },
    /// A name and its value in one pair of quotes.
    QuotedPair { keyword: &'static str },
    /// `# text` behind arguments, which is part of them.
    TrailingComment { comment: String, part: &'static str },
    /// `=value` without a name.
    BlankName { keyword: &'static str },
    /// An empty path, port or user.
    EmptyArgument { keyword: &'static str },

    /// Quotes or substitutions that are malformed.
    Expand(ExpandErrorKind),
    /// A mount that is wrong.
    Mount(MountErrorKind),
    /// A mount option that has no effect.
    IgnoredMountOption { option: String },

    /// ONBUILD with an instruction that cannot be a trigger.
    OnBuildForbidden { keyword: String },
    /// HEALTHCHECK with another word than CMD or NONE.
    HealthCheckType { word: String },
    /// HEALTHCHECK NONE with arguments or flags.
    HealthCheckNone,
    /// HEALTHCHECK CMD without a command.
    HealthCheckEmpty,
    /// A text that is no signal.
    InvalidSignal { signal: String },
    /// A text that is no port.
    InvalidPort { port: String },
    /// A pattern that is malformed.
    InvalidPattern { pattern: String },

    /// `COPY --from=scratch`.
    CopyFromScratch,
    /// A stage index that is too high.
    NoSuchStage { index: String, stages: usize },
    /// Stages that need each other.
    Cycle { stages: Vec<String> },

    /// `!` without a pattern in an ignore file.
    EmptyReinclude,

    /// A rule of the checks.
    Check { rule: Rule, message: String },

    /// Found by another process, which says it in words.
    Told { message: String },
}

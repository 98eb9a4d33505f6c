//! Words for a step that failed: what is said, where it points, how the program exits.

use crate::error::{Failure, Kind};
use crate::options::BuildOptions;
use crate::report::remedy::{DISK_FULL, remedy};
use crate::report::{self, Ended, words};
use crate::ui::{ProgressMode, Style};
use rbuild_build::build_error::{StepCause, StepError};
use rbuild_build::dockerfile::SourceFile;
use rbuild_build::error::one_line;
use rbuild_build::ops::spec::{CopySource, StepSpec};
use rbuild_build::ops::{CopyPart, OpError, ProgramError};
use rbuild_build::request::{ContextSource, DockerfileSource};
use rbuild_layer::LayerError;
use rbuild_sandbox::ExitStatus;
use std::path::Path;

/// What a source that is not in the context may have to do with what the context is.
fn about_context(failed: &StepError, error: &OpError, options: &BuildOptions) -> Vec<String> {
    let StepError { step, span, file, .. } = failed;
    let mut help = Vec::new();
    if !matches!(error, OpError::MissingSource { .. }) || !is_of_context(&step.spec, error.guilty_part()) {
        return help;
    }
    if let Some(word) = file.text.get(span.start..span.end)
        && (word.starts_with("..") || word.starts_with('/'))
    {
        help.push("sources are paths inside of the context; `..` does not lead out of it".to_owned());
    }
    if is_dockerfile_alone(options, file) {
        help.push(
            "a Dockerfile alone on standard input has no context: `rbuild -f - DIRECTORY` gives it one"
                .to_owned(),
        );
    }
    help
}

/// The failure of a step, drawn at its place in the Dockerfile.
pub fn failed(failed: &StepError, options: &BuildOptions, style: &Style) -> Failure {
    let StepError { step, span, file, .. } = failed;
    let title = &step.title;
    let error = match &failed.cause {
        StepCause::Op(error) => error,
        StepCause::Panicked(what) => {
            return Failure::host(format!("internal error in step `{title}`: {what}"));
        }
        StepCause::Thread(error) => return Failure::thread(error),
    };
    let Verdict {
        kind,
        ended,
        mut help,
        exit_code,
    } = Verdict::of(error);
    let (tail, log): (&[String], Option<&Path>) = match error {
        OpError::CommandFailed { tail, log, .. } => (tail, log.as_deref()),
        _ => (&[], None),
    };
    help.extend(about_context(failed, error, options));
    let text = file.shown();
    let source = report::Source {
        name: &file.name,
        text: &text,
    };
    let whole = log.filter(|_| report::is_ci(|name| std::env::var(name).ok()));
    let whole = match (whole, options.progress) {
        // Plain progress has shown every line already.
        (Some(path), ProgressMode::Quiet) =>
        {
            #[expect(clippy::disallowed_methods, reason = "the store's own path")]
            std::fs::read(path).ok()
        }
        _ => None,
    };
    let is_command = matches!(error, OpError::CommandFailed { .. });
    let drawn = report::step_failure(
        &report::StepFailure {
            title,
            ended,
            place: (*span != dockerfile_parser::Span::default()).then_some((source, span.start..span.end)),
            took: None,
            output: match &whole {
                Some(bytes) => report::Output::Whole(bytes),
                None if is_command => report::Output::Tail(tail),
                None => report::Output::Shown,
            },
            log,
            help: &help,
        },
        style,
    );
    let message = step.shown(&format!("step `{title}` failed: {error}"));
    let failure = Failure::new(kind, message).drawn(step.shown(&drawn));
    match exit_code {
        Some(code) if options.propagate_exit => failure.with_exit_code(code),
        _ => failure,
    }
}

/// Whether standard input was the Dockerfile and not a context.
fn is_dockerfile_alone(options: &BuildOptions, file: &SourceFile) -> bool {
    let request = &options.request;
    request.context == ContextSource::Stdin
        && request.dockerfile == DockerfileSource::Default
        && file.path.is_none()
}

/// Whether a source of a copy is a path of a local context.
fn is_of_context(spec: &StepSpec, part: Option<CopyPart>) -> bool {
    match (spec, part) {
        (StepSpec::Copy(copy), Some(CopyPart::Source(at))) => {
            matches!(copy.sources.get(at), Some(CopySource::Context { .. }))
        }
        _ => false,
    }
}

/// As a shell ends where a command is missing, and where it cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// What to do about a command that was not started.
fn of_program(error: &ProgramError) -> Option<&'static str> {
    match error {
        ProgramError::TooLong => Some(
            "each argument and variable may have 128 KiB, all together a quarter of the limit of the stack: put what is \
             long into a file",
        ),
        ProgramError::OtherMachine { .. } => Some(
            "install an emulator on this machine: `sudo apt-get install qemu-user-static`; before Linux 6.7 it must be \
             registered too: `binfmt-support`",
        ),
        ProgramError::NoLoader { .. } => {
            Some("a script needs its `#!` program, a dynamic binary its loader; both must be in the image")
        }
        ProgramError::NoShell { .. } => {
            Some("use a base with a shell, the exec form `RUN [\"program\", \"argument\"]`, or SHELL")
        }
        ProgramError::NoProgram { .. }
        | ProgramError::NoInterpreter { .. }
        | ProgramError::Hidden { .. }
        | ProgramError::NotThere { .. }
        | ProgramError::Refused(_) => None,
    }
}

/// What an error comes to.
struct Verdict {
    kind: Kind,
    ended: Ended,
    help: Vec<String>,
    /// That of the command, for `--propagate-exit`.
    exit_code: Option<u8>,
}

impl Verdict {
    fn of(error: &OpError) -> Self {
        let mut verdict = Self::without_remedy(error);
        if let Some(remedy) = remedy_of(error) {
            verdict.help.push(remedy.to_owned());
            if !matches!(error, OpError::CommandFailed { .. }) {
                verdict.kind = Kind::Host;
            }
        }
        verdict
    }

    fn worded(failure: &Failure) -> Self {
        Self {
            kind: failure.kind(),
            ended: Ended::Error(failure.one_line()),
            help: failure.first_hint().map(str::to_owned).into_iter().collect(),
            exit_code: None,
        }
    }

    fn without_remedy(error: &OpError) -> Self {
        let step = |ended| Self {
            kind: Kind::Step,
            ended,
            help: Vec::new(),
            exit_code: None,
        };
        let shown = || Ended::Error(error.to_string());
        match error {
            OpError::CommandFailed {
                status,
                out_of_memory: Some(counted),
                ..
            } => {
                let ended = match *status {
                    ExitStatus::Code(code) => Ended::Code(code),
                    ExitStatus::Signal(signal) => Ended::Signal(signal),
                };
                Self {
                    exit_code: u8::try_from(status.shell_code()).ok(),
                    ..step(Ended::Error(format!("{ended}, {}", report::out_of_memory(counted))))
                }
            }
            OpError::CommandFailed {
                status: ExitStatus::Code(code),
                ..
            } => Self {
                exit_code: u8::try_from(*code).ok(),
                ..step(Ended::Code(*code))
            },
            OpError::CommandFailed {
                status: ExitStatus::Signal(signal),
                ..
            } => Self {
                exit_code: u8::try_from(128 + signal).ok(),
                ..step(Ended::Signal(*signal))
            },
            OpError::Program(error) => Self {
                exit_code: Some(if error.is_missing() { NOT_FOUND } else { NOT_EXECUTABLE }),
                help: of_program(error).map(str::to_owned).into_iter().collect(),
                ..step(shown())
            },
            OpError::MissingSource { near, .. } => Self {
                help: near
                    .iter()
                    .map(|near| format!("did you mean `{near}`?"))
                    .collect(),
                ..step(shown())
            },
            OpError::Check(check) => {
                let rule = check.rule;
                let why = format!("the file makes an error of {} ({})", rule.name(), rule.url());
                Self {
                    kind: Kind::Dockerfile,
                    help: check.help.iter().cloned().chain([why]).collect(),
                    ..step(shown())
                }
            }
            OpError::Other(error) => Self::worded(&words::failure(error)),
            OpError::Fetch(error) => Self::worded(&words::failure(error).of_kind(Kind::Step)),
            OpError::NoSuchId(_) => Self {
                help: vec![
                    "ids that are not in the ranges of /etc/subuid and /etc/subgid do not exist here: `rbuild doctor` \
                     says how many there are"
                        .to_owned(),
                ],
                ..step(shown())
            },
            OpError::NoMountPoint { .. } => Self {
                help: vec![
                    "let the mount around it be writable: what is written to a bind with `rw` is thrown away".to_owned(),
                ],
                ..step(shown())
            },
            OpError::RunAgent(_) => Self {
                kind: Kind::Host,
                help: vec![
                    "keys for `--ssh` need OpenSSH's ssh-agent and ssh-add; or give the socket of an agent".to_owned(),
                ],
                ..step(shown())
            },
            OpError::Thread(error) => Self::worded(&Failure::thread(error)),
            OpError::NoAgent | OpError::KeysRefused { .. } | OpError::FilesGone { .. } | OpError::Internal(_) => {
                Self {
                    kind: Kind::Host,
                    ..step(shown())
                }
            }
            OpError::Layer(LayerError::Changed { .. }) => Self {
                help: vec!["something wrote to the build context meanwhile; build again".to_owned()],
                ..step(shown())
            },
            OpError::Sandbox(sandbox) if sandbox.is_about_image() => step(shown()),
            OpError::Store(_) | OpError::Snapshot(_) | OpError::Sandbox(_) | OpError::Io { .. } => Self {
                kind: Kind::Host,
                ..step(Ended::Error(one_line(error)))
            },
            other => step(Ended::Error(one_line(other))),
        }
    }
}

/// What the user can do about a full disk, a damaged store or a limit that is reached.
fn remedy_of(error: &OpError) -> Option<&'static str> {
    match error {
        OpError::Tree(error) => remedy(error),
        OpError::Store(error) => remedy(error),
        OpError::Snapshot(error) => remedy(error),
        OpError::Layer(error) => remedy(error),
        OpError::Access(error) => remedy(error),
        OpError::Io { source, .. } => remedy(source),
        OpError::Sandbox(error) => remedy(error),
        OpError::CommandFailed { tail, disk_full, .. }
            if *disk_full || tail.iter().any(|line| line.contains("No space left on device")) =>
        {
            Some(DISK_FULL)
        }
        _ => None,
    }
}

//! Words for a step that failed: what is said, where it points, how the program exits.

use crate::error::{Failure, Kind};
use crate::options::BuildOptions;
use crate::report::{self, Ended};
use crate::ui::{ProgressMode, Style};
use rbuild_build::dockerfile::SourceFile;
use rbuild_build::error::{StepCause, StepError};
use rbuild_build::ops::spec::{CopySource, StepSpec};
use rbuild_build::ops::{CopyPart, OpError};
use rbuild_build::request::{ContextSource, DockerfileSource};
use rbuild_layer::LayerError;
use rbuild_sandbox::ExitStatus;
use std::path::Path;

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
    if matches!(error, OpError::MissingSource { .. })
        && is_of_context(&step.spec, error.guilty_part())
        && let Some(word) = file.text.get(span.start..span.end)
        && (word.starts_with("..") || word.starts_with('/'))
    {
        help.push("sources are paths inside of the context; `..` does not lead out of it".to_owned());
    }
    if matches!(error, OpError::MissingSource { .. })
        && is_of_context(&step.spec, error.guilty_part())
        && is_dockerfile_alone(options, file)
    {
        help.push(
            "a Dockerfile alone on standard input has no context: `rbuild -f - DIRECTORY` gives it one"
                .to_owned(),
        );
    }
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
        if let Some(remedy) = error.remedy() {
            verdict.help.push(remedy.to_owned());
            if !matches!(error, OpError::CommandFailed { .. }) {
                verdict.kind = Kind::Host;
            }
        }
        verdict
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
            OpError::Program { message, help, code } => Self {
                exit_code: Some(*code),
                help: help.iter().cloned().collect(),
                ..step(Ended::Error(message.clone()))
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
            OpError::Failure(failure) => Self {
                kind: failure.kind(),
                help: failure.first_hint().map(str::to_owned).into_iter().collect(),
                ..step(Ended::Error(failure.one_line()))
            },
            OpError::Layer(LayerError::Changed { .. }) => Self {
                help: vec!["something wrote to the build context meanwhile; build again".to_owned()],
                ..step(shown())
            },
            OpError::Sandbox(sandbox) if sandbox.is_about_image() => step(shown()),
            OpError::Store(_) | OpError::Snapshot(_) | OpError::Sandbox(_) | OpError::Io { .. } => Self {
                kind: Kind::Host,
                ..step(Ended::Error(chain(error)))
            },
            other => step(Ended::Error(chain(other))),
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

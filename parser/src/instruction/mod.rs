//! One struct per keyword, each with its parser in its own file.

mod add;
mod arg;
mod cmd;
mod command;
mod context;
mod copy;
mod entrypoint;
mod env;
mod expose;
mod from;
mod healthcheck;
mod label;
mod maintainer;
mod onbuild;
mod run;
mod shell;
mod stopsignal;
mod transfer;
mod user;
mod volume;
mod words;
mod workdir;

pub use add::Add;
pub use arg::{Arg, ArgDeclaration};
pub use cmd::Cmd;
pub use command::{Command, CommandForm};
pub(crate) use context::{Context, OWN_LINE, is_blank};
pub use copy::{Copy, Source};
pub use entrypoint::Entrypoint;
pub use env::{Env, KeyValue};
pub use expose::Expose;
pub use from::{From, StageName};
pub use healthcheck::{HealthCheck, HealthCheckTest};
pub use label::Label;
pub use maintainer::Maintainer;
pub(crate) use onbuild::FORBIDDEN;
pub use onbuild::OnBuild;
pub use run::{Device, Network, Run, RunScript, Security};
pub use shell::Shell;
pub use stopsignal::StopSignal;
pub use user::User;
pub use volume::Volume;
pub use workdir::Workdir;

use std::ops::Range;

use crate::Word;
use crate::flag::{Flags, RawFlag};

/// Every keyword, for suggestions and completion.
pub const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What an instruction of a stage says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "instruction"))]
#[expect(missing_docs, reason = "each variant is documented at its struct")]
pub enum InstructionKind {
    Add(Add),
    Arg(Arg),
    Cmd(Cmd),
    Copy(Copy),
    Entrypoint(Entrypoint),
    Env(Env),
    Expose(Expose),
    HealthCheck(HealthCheck),
    Label(Label),
    Maintainer(Maintainer),
    OnBuild(OnBuild),
    Run(Run),
    Shell(Shell),
    StopSignal(StopSignal),
    User(User),
    Volume(Volume),
    Workdir(Workdir),
}

impl InstructionKind {
    /// The names that ARG declares or ENV sets, as written; none of other instructions.
    pub fn sets(&self) -> Vec<&str> {
        match self {
            InstructionKind::Arg(arg) => {
                let declarations = arg.declarations.iter();
                declarations
                    .map(|declaration| declaration.name.text.as_str())
                    .collect()
            }
            InstructionKind::Env(env) => env.pairs.iter().map(|pair| pair.key.text.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// The keyword in upper case.
    pub fn keyword(&self) -> &'static str {
        match self {
            InstructionKind::Add(_) => "ADD",
            InstructionKind::Arg(_) => "ARG",
            InstructionKind::Cmd(_) => "CMD",
            InstructionKind::Copy(_) => "COPY",
            InstructionKind::Entrypoint(_) => "ENTRYPOINT",
            InstructionKind::Env(_) => "ENV",
            InstructionKind::Expose(_) => "EXPOSE",
            InstructionKind::HealthCheck(_) => "HEALTHCHECK",
            InstructionKind::Label(_) => "LABEL",
            InstructionKind::Maintainer(_) => "MAINTAINER",
            InstructionKind::OnBuild(_) => "ONBUILD",
            InstructionKind::Run(_) => "RUN",
            InstructionKind::Shell(_) => "SHELL",
            InstructionKind::StopSignal(_) => "STOPSIGNAL",
            InstructionKind::User(_) => "USER",
            InstructionKind::Volume(_) => "VOLUME",
            InstructionKind::Workdir(_) => "WORKDIR",
        }
    }
}

impl InstructionKind {
    /// The words that are expanded with the variables of the stage, in order. `--from=` and the `from=` of mounts,
    /// which see global ARGs only, are [`crate::Stage::sources`].
    pub fn words(&self) -> Vec<&Word> {
        fn sources(sources: &[Source]) -> impl Iterator<Item = &Word> {
            sources.iter().filter_map(|source| match source {
                Source::Path(word) => Some(word),
                Source::Heredoc(heredoc) => heredoc.expand.then_some(&heredoc.body),
            })
        }
        fn pairs(pairs: &[KeyValue]) -> Vec<&Word> {
            pairs.iter().flat_map(|pair| [&pair.key, &pair.value]).collect()
        }
        match self {
            InstructionKind::Add(add) => [&add.chown, &add.chmod, &add.checksum]
                .into_iter()
                .flatten()
                .chain(sources(&add.sources))
                .chain([&add.dest])
                .collect(),
            InstructionKind::Copy(copy) => [&copy.chown, &copy.chmod]
                .into_iter()
                .flatten()
                .chain(sources(&copy.sources))
                .chain([&copy.dest])
                .collect(),
            InstructionKind::Arg(arg) => arg
                .declarations
                .iter()
                .flat_map(|declaration| std::iter::once(&declaration.name).chain(&declaration.default))
                .collect(),
            InstructionKind::Env(env) => pairs(&env.pairs),
            InstructionKind::Label(label) => pairs(&label.pairs),
            InstructionKind::Expose(expose) => expose.ports.iter().collect(),
            InstructionKind::Run(run) => {
                let options = run.mounts.iter().flat_map(|mount| &mount.options);
                let values = options
                    .filter(|option| option.key != "from")
                    .filter_map(|o| o.value.as_ref());
                values
                    .chain(run.devices.iter().map(|device| &device.name))
                    .collect()
            }
            InstructionKind::StopSignal(stop) => vec![&stop.signal],
            InstructionKind::User(user) => vec![&user.user],
            InstructionKind::Volume(volume) => volume.paths.iter().collect(),
            InstructionKind::Workdir(workdir) => vec![&workdir.path],
            InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::HealthCheck(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::OnBuild(_)
            | InstructionKind::Shell(_) => Vec::new(),
        }
    }

    /// Parses the arguments of any keyword but FROM and ONBUILD, which are more than arguments. `None` when they
    /// are wrong; the errors are in the context then.
    pub(crate) fn parse(
        cx: &mut Context<'_>,
        keyword: &'static str,
        args: &Range<usize>,
        flags: Vec<RawFlag>,
    ) -> Option<InstructionKind> {
        match keyword {
            "ADD" => return Add::parse(cx, args, flags).map(InstructionKind::Add),
            "COPY" => return Copy::parse(cx, args, flags).map(InstructionKind::Copy),
            "HEALTHCHECK" => return HealthCheck::parse(cx, args, flags).map(InstructionKind::HealthCheck),
            "RUN" => return Run::parse(cx, args, flags).map(InstructionKind::Run),
            _ => {}
        }
        Flags::check(cx, keyword, flags, args, &[])?;
        Some(match keyword {
            "ARG" => InstructionKind::Arg(Arg::parse(cx, args)?),
            "CMD" => InstructionKind::Cmd(Cmd::parse(cx, args)?),
            "ENTRYPOINT" => InstructionKind::Entrypoint(Entrypoint::parse(cx, args)?),
            "ENV" => InstructionKind::Env(Env::parse(cx, args)?),
            "EXPOSE" => InstructionKind::Expose(Expose::parse(cx, args)?),
            "LABEL" => InstructionKind::Label(Label::parse(cx, args)?),
            "MAINTAINER" => InstructionKind::Maintainer(Maintainer::parse(cx, args)?),
            "SHELL" => InstructionKind::Shell(Shell::parse(cx, args)?),
            "STOPSIGNAL" => InstructionKind::StopSignal(StopSignal::parse(cx, args)?),
            "USER" => InstructionKind::User(User::parse(cx, args)?),
            "VOLUME" => InstructionKind::Volume(Volume::parse(cx, args)?),
            "WORKDIR" => InstructionKind::Workdir(Workdir::parse(cx, args)?),
            _ => return None,
        })
    }
}

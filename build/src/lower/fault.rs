//! What can be wrong with a Dockerfile that only its lowering finds, as data, and how each is called. What to do about it is
//! for the program to say.

use crate::cdi::Unsupported;
use crate::request::SecretError;
use dockerfile_parser::expand::ExpandErrorKind;
use dockerfile_parser::mount::MountErrorKind;
use dockerfile_parser::platform::PlatformError;
use dockerfile_parser::{Diagnostic, Platform};
use rbuild_oci::DigestError;
use std::borrow::Cow;
use std::path::PathBuf;

/// The kinds of findings. A message is one line, lower case.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "fields are the words that the message repeats")]
pub enum Fault {
    /// Quotes or substitutions that are malformed, or a variable that must be set.
    #[error("{0}")]
    Expand(ExpandErrorKind),
    /// `--platform=` of a FROM.
    #[error("{0}")]
    Platform(PlatformError),

    // Stages.
    /// `--target`.
    #[error("there is no stage `{name}` to build (--target)")]
    NoTarget { name: String, near: Option<String> },
    /// A stage that needs itself, over others.
    #[error("stage `{0}` needs itself: circular dependency")]
    Circle(String),
    /// Too many stages that only a lowering finds.
    #[error("stages need each other through too many variables and triggers")]
    Deep { limit: usize },
    /// Too much is inherited in all.
    #[error("the stages and steps of this file inherit too much from each other")]
    Heavy { limit: usize },
    /// Needs something whose own error is reported.
    #[error("`{0}` could not be made")]
    Consequence(String),
    /// A named context that is a stage.
    #[error("the named context `{name}` is stage `{stage}`, which is not there")]
    NoStageOfContext { name: String, stage: String },
    /// The same of a base.
    #[error("named context `{name}`: there is no stage `{stage}`")]
    NoStageOfBase { name: String, stage: String },
    /// `--from=` its own stage.
    #[error("stage `{0}` cannot take files from itself: circular dependency")]
    FromItself(String),
    /// `--from=` a stage below.
    #[error("stage `{0}` is not made yet")]
    FromLater(String),
    /// `--from=` an index that is too high.
    #[error("there is no stage number {0} above this one")]
    NoStageNumber(String),
    /// `--from=scratch`.
    #[error("`scratch` has no files to take")]
    FromScratch,
    /// `from` that expands to nothing; a variable of that name is an ENV.
    #[error("`{what}` is empty after expansion")]
    NoFrom { what: &'static str, env: Option<String> },
    /// The same, of a name that came another way.
    #[error("`from` is empty after expansion")]
    EmptyFrom,
    /// An ENV of the same name as an ARG; its value, if that is no secret.
    #[error("`{what}` sees the ARG `{name}`, not the ENV")]
    ArgNotEnv {
        what: &'static str,
        name: String,
        value: Option<String>,
    },

    // Bases.
    /// `FROM $BASE` without a BASE.
    #[error("the base `{0}` is empty after expansion")]
    NoBase(String),
    /// It cannot be had; why is the finding's cause.
    #[error("{why}")]
    NoImage { why: String, near: Option<String> },
    /// For another platform than was asked for; an architecture of nearly that name.
    #[error("`{name}` is for {is}, not for {wanted}")]
    OtherPlatform {
        name: String,
        is: Platform,
        wanted: Platform,
        near: Option<String>,
    },
    /// A trigger of the base image that does not parse.
    #[error("ONBUILD trigger `{text}` of the base image: {}", first_of(.found))]
    BrokenTrigger { text: String, found: Vec<Diagnostic> },

    // Metadata.
    #[error("the name of a variable is empty")]
    NoVariableName,
    #[error("the name of a label is empty")]
    NoLabelName,
    #[error("`{0}` is no port")]
    Port(String),
    #[error("more ports are named than there are")]
    TooManyPorts,
    #[error("the path of a volume is empty")]
    NoVolume,
    #[error("`:` names neither a user nor a group")]
    NoUser,
    #[error("`{0}` is no signal")]
    Signal(String),
    /// A word that expands to nothing means something, and is seldom meant.
    #[error("{what} is empty after expansion")]
    Empty {
        what: Cow<'static, str>,
        meaning: &'static str,
    },
    #[error("WORKDIR is longer than a path can be: {0} bytes")]
    LongWorkdir(usize),

    // COPY and ADD.
    #[error("`COPY` takes files, not URLs")]
    CopyOfUrl,
    #[error("{0}")]
    Address(String),
    #[error("`{0}://` is a kind of URL that is not supported")]
    Scheme(String),
    #[error("`--checksum` is for remote sources")]
    ChecksumOfLocal,
    #[error("`--checksum` goes with one source")]
    ChecksumOfSeveral,
    #[error("--checksum: `{text}`: {why}")]
    Checksum { text: String, why: DigestError },
    #[error("--checksum: {0}")]
    CommitChecksum(String),
    #[error("`--keep-git-dir` is for git sources")]
    KeepGitDir,
    #[error("the URL names no file")]
    UrlWithoutName,
    #[error("--chown: `:` names nobody")]
    ChownNobody,
    #[error("--chown: `{0}` has no meaning with --link")]
    ChownByName(String),
    #[error("--chmod: `{0}` is no mode")]
    Chmod(String),

    // RUN.
    #[error("there is no command to run")]
    NoCommand,
    /// Of the shell form it is that of SHELL.
    #[error("the command's name is empty")]
    NoCommandName { of_shell: bool },
    #[error("nothing reads these heredocs")]
    UnreadHeredocs,
    #[error("`--security=insecure` must be allowed for this build")]
    InsecureNotAllowed,
    #[error("`--network=host` must be allowed for this build")]
    HostNetworkNotAllowed,
    #[error("{0}")]
    Mount(MountErrorKind),
    #[error("the mount option `{0}` has no effect")]
    IgnoredMountOption(String),
    #[error("nothing can be mounted on `{0}`")]
    NoMountPoint(String),
    /// Not given at all, or not there.
    #[error("secret `{id}`: {}", .why.as_ref().map_or("the step requires it".into(), ToString::to_string))]
    Secret { id: String, why: Option<SecretError> },
    #[error("the step requires the ssh agent `{0}`, which was not given")]
    Agent(String),

    // Devices.
    #[error("{0}")]
    DeviceName(String),
    #[error("the device `{0}` must be allowed for this build")]
    DeviceNotAllowed(String),
    #[error("{0}")]
    Device(Unsupported),
    #[error("the mode and owner of `{}` stay those of the host", .0.join("`, `"))]
    KeptModes(Vec<String>),
    #[error("there is no device `{}` on this host", .0.wanted)]
    NoDevice(Box<AbsentDevice>),

    /// Found by another process, which says it in words.
    #[error("{message}")]
    Told {
        message: String,
        label: Option<String>,
        is_of_host: bool,
    },
}

/// A device that is not here, and what is.
#[derive(Debug, Clone)]
pub struct AbsentDevice {
    /// Its name.
    pub wanted: String,
    /// Whether the step cannot do without.
    pub required: bool,
    /// Those that are here.
    pub names: Vec<String>,
    /// Where they are described.
    pub directories: Vec<PathBuf>,
    /// What could not be read there.
    pub unread: Vec<String>,
}

fn first_of(found: &[Diagnostic]) -> String {
    found.first().map(Diagnostic::message).unwrap_or_default()
}

impl Fault {
    /// What stands beside the carets.
    #[must_use]
    pub fn label(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Fault::Circle(_) | Fault::Deep { .. } => "this stage".into(),
            Fault::FromItself(_) => "this is the stage's own name".into(),
            Fault::FromLater(_) => "only stages above can be used".into(),
            Fault::ArgNotEnv { value, .. } => format!("it is `{}`", value.as_deref()?).into(),
            Fault::OtherPlatform { .. } => "used as it is".into(),
            Fault::BrokenTrigger { .. } => "this base image".into(),
            Fault::Empty { meaning, .. } => (*meaning).into(),
            Fault::ChownByName(_) => "a name".into(),
            Fault::UnreadHeredocs => "this step does nothing".into(),
            Fault::KeptModes(_) => "the spec asks for others, without effect".into(),
            Fault::NoDevice(absent) if absent.required => "required by this step".into(),
            Fault::NoDevice(_) => "the step runs without it".into(),
            Fault::Told { label, .. } => label.as_deref()?.into(),
            _ => return None,
        })
    }

    /// Whether it is wrong on this host or with this command line, so that the Dockerfile may be right.
    #[must_use]
    pub fn is_of_host(&self) -> bool {
        matches!(
            self,
            Fault::Told { is_of_host: true, .. }
                | Fault::InsecureNotAllowed
                | Fault::HostNetworkNotAllowed
                | Fault::Secret { .. }
                | Fault::Agent(_)
                | Fault::DeviceName(_)
                | Fault::DeviceNotAllowed(_)
                | Fault::Device(_)
                | Fault::KeptModes(_)
                | Fault::NoDevice(_)
        )
    }
}

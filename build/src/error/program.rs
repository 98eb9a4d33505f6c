//! [`ProgramError`]: why a command of an image was not started, as data.

use rbuild_sandbox::SpawnError;
use std::path::PathBuf;

/// Why a command was not started.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It and its variables are longer than the kernel takes.
    #[error("the command and its variables are too long for the kernel")]
    TooLong,
    /// It is for another machine.
    #[error("`{}` is a program for {machine}, which this machine does not execute", path.display())]
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// The machine, in the words of platforms.
        machine: String,
    },
    /// It is a file that nobody executes.
    #[error("`{}` is neither a program nor a script that begins with `#!`", path.display())]
    NoProgram {
        /// The file.
        path: PathBuf,
    },
    /// The first line of a heredoc names what is not there.
    #[error("the interpreter that the heredoc `{heredoc}` begins with, `{line}`, is not in {base}")]
    NoInterpreter {
        /// The heredoc.
        heredoc: String,
        /// Its first line.
        line: String,
        /// What it is not in.
        base: String,
    },
    /// A mount hides the place where it might be.
    #[error("`{program}` is not in what is mounted on `{mount}`")]
    Hidden {
        /// As the step names it.
        program: String,
        /// Where the mount is.
        mount: String,
    },
    /// It is there, but not what it needs.
    #[error("`{program}` is there, but the interpreter or library loader it names is not")]
    NoLoader {
        /// As the step names it.
        program: String,
    },
    /// There is no shell.
    #[error("there is no `{program}` in {base}, which the shell form of RUN needs")]
    NoShell {
        /// The shell.
        program: String,
        /// What it is not in.
        base: String,
    },
    /// It is not there.
    #[error("there is no `{program}` in {base}")]
    NotThere {
        /// As the step names it.
        program: String,
        /// What it is not in.
        base: String,
    },
    /// The kernel does not execute it.
    #[error(transparent)]
    Refused(SpawnError),
}

impl ProgramError {
    /// Whether it is missing, or something that it needs, and not only unfit.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            ProgramError::NoInterpreter { .. }
            | ProgramError::Hidden { .. }
            | ProgramError::NoLoader { .. }
            | ProgramError::NoShell { .. }
            | ProgramError::NotThere { .. } => true,
            ProgramError::TooLong
            | ProgramError::OtherMachine { .. }
            | ProgramError::NoProgram { .. }
            | ProgramError::Refused(_) => false,
        }
    }
}

//! [`Ended`]: how a step's command ended, and the words for it.

use std::fmt;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Its command exited with this code.
    Code(i32),
    /// Its command was killed by this signal.
    Signal(i32),
    /// It never came to a command: what went wrong, one line.
    Error(String),
}

/// Linux numbers the first 31 signals alike on all machines that matter here (signal(7)).
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

fn signal_name(signal: i32) -> Option<&'static str> {
    let index = usize::try_from(signal).ok()?.checked_sub(1)?;
    SIGNALS.get(index).copied()
}

impl Ended {
    /// What to try, where the way it ended says something.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Signal(9) | Self::Code(137) => {
                Some("SIGKILL is what the kernel sends when memory runs out; fewer jobs may help")
            }
            Self::Code(127) => Some("exit code 127 usually means that a command was not found"),
            Self::Code(126) => Some("exit code 126 usually means that a file could not be executed"),
            Self::Code(_) | Self::Signal(_) | Self::Error(_) => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A shell reports a signal of its child as 128 and the signal's number.
            Self::Code(code) => match signal_name(code.saturating_sub(128)) {
                Some(name) => write!(f, "exit code: {code} ({name})"),
                None => write!(f, "exit code: {code}"),
            },
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "killed by {name}"),
                None => write!(f, "killed by signal {signal}"),
            },
            Self::Error(message) => f.write_str(message),
        }
    }
}

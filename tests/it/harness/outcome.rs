//! What a finished child process left: its status and all it printed.

use std::borrow::Cow;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Exit status, stdout and stderr of one run. The asserting methods print all of it when they fail.
pub(crate) struct Outcome {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Outcome {
    /// The exit code, or 128 + the signal as shells count.
    pub(crate) fn code(&self) -> i32 {
        self.status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1)
    }

    /// Standard output as text without the last newline.
    pub(crate) fn out(&self) -> Cow<'_, str> {
        trimmed(&self.stdout)
    }

    /// Standard error as text without the last newline.
    pub(crate) fn err(&self) -> Cow<'_, str> {
        trimmed(&self.stderr)
    }

    #[track_caller]
    pub(crate) fn success(self) -> Outcome {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Outcome {
        assert!(self.code() == code, "expected exit code {code}\n{self}");
        self
    }

    /// Standard output is exactly this text, a last newline aside.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Outcome {
        assert!(
            self.out() == text,
            "expected on standard output: {text:?}\n{self}"
        );
        self
    }

    /// Standard error has this text in it.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Outcome {
        assert!(
            self.err().contains(text),
            "expected in standard error: {text:?}\n{self}"
        );
        self
    }

    /// Neither output has this text in it.
    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Outcome {
        assert!(
            !self.err().contains(text) && !self.out().contains(text),
            "must not be printed: {text:?}\n{self}"
        );
        self
    }

    /// Neither output carries what a bug would print.
    #[track_caller]
    pub(crate) fn no_panic(self) -> Outcome {
        self.never_says("panicked at").never_says("RUST_BACKTRACE")
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}\n({})", self.command, self.status)?;
        writeln!(f, "--- stdout\n{}\n--- stderr\n{}", self.out(), self.err())
    }
}

fn trimmed(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(bytes))
}

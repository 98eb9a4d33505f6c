//! What the user is told when something fails: kind, message, causes, hints and exit code.

use super::remedy::remedy;
use std::error::Error;
use std::fmt::{self, Display, Write as _};

/// What sort of thing went wrong; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line is wrong: 125.
    Usage,
    /// The Dockerfile or the context is wrong: 1.
    Dockerfile,
    /// A step of the build failed: 1.
    Step,
    /// The host, the store, the registry or rbuild itself failed: 125.
    Host,
    /// SIGINT: 130; another signal gives its own number.
    Interrupted,
    /// `rbuild run`: the command exists but cannot be executed: 126.
    NotExecutable,
    /// `rbuild run`: the command is not there: 127.
    NotFound,
}

impl Kind {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Dockerfile | Kind::Step => 1,
            Kind::Usage | Kind::Host => 125,
            Kind::NotExecutable => 126,
            Kind::NotFound => 127,
            Kind::Interrupted => 130,
        }
    }
}

/// A failure as the user sees it.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    exit_code: Option<u8>,
    drawn: Option<String>,
}

impl Failure {
    /// A failure with one line of text: lower case, no full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            exit_code: None,
            drawn: None,
        }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A failure of the host or the store.
    pub fn host(message: impl Into<String>) -> Self {
        Self::new(Kind::Host, message)
    }

    /// A thread that could not be started.
    #[must_use]
    pub fn thread(error: &std::io::Error) -> Self {
        let failure = Self::host(format!("starting a thread: {error}"));
        match error.raw_os_error().and_then(rbuild_sandbox::Shortage::of) {
            Some(shortage) => failure.hint(super::host::more(shortage)),
            None => failure,
        }
    }

    /// A failure whose causes are those of `error`, outermost first.
    pub fn from_error(kind: Kind, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        let mut found = remedy(error);
        let mut source = error.source();
        while let Some(cause) = source {
            failure = failure.cause(cause.to_string());
            found = found.or_else(|| remedy(cause));
            source = cause.source();
        }
        match found {
            Some(remedy) => failure.hint(remedy),
            None => failure,
        }
    }

    /// A failure of the host from any error.
    pub fn from_host(error: impl Error + 'static) -> Self {
        Self::from_error(Kind::Host, &error)
    }

    /// Adds a cause below those there are; one that the message already says is left out.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        let cause = cause.into();
        if !self.message.ends_with(&cause) && self.causes.last().is_none_or(|last| !last.ends_with(&cause)) {
            self.causes.push(cause);
        }
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what was attempted, in front of the message.
    #[must_use]
    pub fn context(mut self, attempted: impl Display) -> Self {
        let message = std::mem::replace(&mut self.message, attempted.to_string());
        if !message.is_empty() {
            self.causes.insert(0, message);
        }
        self
    }

    /// Another exit code than the kind's.
    #[must_use]
    pub fn with_exit_code(mut self, code: u8) -> Self {
        self.exit_code = Some(code);
        self
    }

    /// Text that is printed in place of message and causes (an excerpt of the Dockerfile).
    #[must_use]
    pub fn drawn(mut self, text: String) -> Self {
        self.drawn = Some(text);
        self
    }

    /// As a failure of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code.unwrap_or_else(|| self.kind.exit_code())
    }

    /// Message and causes in one line, to be shown at a place in a Dockerfile.
    #[must_use]
    pub fn one_line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            // A message may end with its cause already.
            if !line.ends_with(cause.as_str()) {
                line.push_str(": ");
                line.push_str(cause);
            }
        }
        line
    }

    /// What the user can do, the first of it.
    #[must_use]
    pub fn first_hint(&self) -> Option<&str> {
        self.hints.first().map(String::as_str)
    }

    /// The whole text for standard error, with a final newline.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        match &self.drawn {
            Some(drawn) => {
                text.push_str(drawn);
                if !drawn.ends_with('\n') {
                    text.push('\n');
                }
            }
            None => {
                let _ = writeln!(text, "error: {}", self.message);
                for cause in &self.causes {
                    let _ = writeln!(text, "  caused by: {cause}");
                }
            }
        }
        for hint in &self.hints {
            let _ = writeln!(text, "help: {hint}");
        }
        text
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_hints_are_lines() {
        let failure = Failure::host("opening the store")
            .cause("permission denied")
            .hint("use --root");
        assert_eq!(
            failure.text(),
            "error: opening the store\n  caused by: permission denied\nhelp: use --root\n"
        );
        assert_eq!(failure.exit_code(), 125);
    }

    #[test]
    fn context_goes_in_front() {
        let failure = Failure::host("no such file").context("reading `x`");
        assert_eq!(failure.text(), "error: reading `x`\n  caused by: no such file\n");
    }

    #[test]
    fn a_cause_is_not_said_twice() {
        let failure = Failure::host("reading `x`: no such file").cause("no such file");
        assert_eq!(failure.text(), "error: reading `x`: no such file\n");
    }
}

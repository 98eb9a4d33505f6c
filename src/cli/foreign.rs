//! Flags of docker, podman, buildx, buildah and kaniko that rbuild does not have: each is accepted because what it asks for is
//! so anyway, or refused with what to use instead. None is unknown, none is ignored without a word.
//!
//! The tables are the whole truth: the parser, the messages and `docs/flags.md` are made from them.

mod run;
mod table;

pub use run::RUN;
pub use table::BUILD;

use crate::error::Failure;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag of another builder.
#[derive(Debug)]
pub struct Foreign {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What clap knows it by: no other argument may have that.
    id: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// Whether a value must follow; otherwise `=VALUE` may.
    pub takes_value: bool,
    /// The values that are accepted without effect.
    pub accepted: Accepted,
    /// Why it has no effect, or what to do instead.
    pub text: &'static str,
}

/// Which values of a flag have no effect. All others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Whatever is given.
    All,
    /// These.
    Only(&'static [&'static str]),
}

/// For switches that ask for what is always so.
const ON: Accepted = Accepted::Only(&["true", "1"]);
/// For switches that ask for what is never so.
const OFF: Accepted = Accepted::Only(&["false", "0"]);

const SYSTEM_CALLS: &str = "the sandbox calls the kernel itself, there is no runtime to choose";

/// What rbuild does anyway, or has no use for.
const fn ignored(name: &'static str, text: &'static str) -> Foreign {
    only(name, Accepted::All, text)
}

const fn only(name: &'static str, accepted: Accepted, text: &'static str) -> Foreign {
    Foreign {
        name,
        id: name,
        short: None,
        takes_value: false,
        accepted,
        text,
    }
}

/// What rbuild does not have.
const fn refused(name: &'static str, text: &'static str) -> Foreign {
    only(name, Accepted::Only(&[]), text).value()
}

impl Foreign {
    const fn value(self) -> Foreign {
        Foreign {
            takes_value: true,
            ..self
        }
    }

    const fn switch(self) -> Foreign {
        Foreign {
            takes_value: false,
            ..self
        }
    }

    const fn id(self, id: &'static str) -> Foreign {
        Foreign { id, ..self }
    }

    const fn short(self, letter: char) -> Foreign {
        Foreign {
            short: Some(letter),
            ..self
        }
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.id)
            .long(self.name)
            .hide(true)
            .action(ArgAction::Append)
            .allow_hyphen_values(true);
        let arg = match self.short {
            Some(letter) => arg.short(letter),
            None => arg,
        };
        if self.takes_value {
            arg.num_args(1)
        } else {
            arg.num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
        }
    }

    /// The word for what becomes of it: `accepted`, or `refused`, some values aside.
    #[must_use]
    pub fn verdict(&self) -> String {
        match self.accepted {
            Accepted::All => "accepted, no effect".to_owned(),
            Accepted::Only([]) => "refused".to_owned(),
            Accepted::Only(values) => {
                let values: Vec<String> = values.iter().map(|value| format!("`={value}`")).collect();
                format!("{} accepted, else refused", values.join(", "))
            }
        }
    }
}

/// The foreign flags that were given, with their values.
#[derive(Debug, Clone, Default)]
pub struct ForeignArgs(Vec<(&'static Foreign, String)>);

impl ForeignArgs {
    /// What to say of those without effect.
    ///
    /// # Errors
    /// Those that are refused, with what to use instead of each.
    pub fn judge(&self) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        let mut refused: Vec<(String, &str)> = Vec::new();
        for (flag, value) in &self.0 {
            let name = flag.name;
            let shown = match (value.as_str(), flag.takes_value) {
                ("true", false) => format!("--{name}"),
                _ => format!("--{name}={value}"),
            };
            match flag.accepted {
                Accepted::All => notes.push(format!("{shown} has no effect: {}", flag.text)),
                // Asking for what is so anyway is worth no word.
                Accepted::Only(values) if values.contains(&value.as_str()) => {}
                Accepted::Only([]) => refused.push((format!("--{name}"), flag.text)),
                Accepted::Only(_) => refused.push((shown, flag.text)),
            }
        }
        refused.dedup();
        if refused.is_empty() {
            notes.dedup();
            return Ok(notes);
        }
        let names: Vec<&str> = refused.iter().map(|(shown, _)| shown.as_str()).collect();
        let failure = Failure::usage(format!("rbuild has no {}", names.join(", ")));
        Err(match refused.as_slice() {
            [(_, text)] => failure.hint(*text),
            several => several.iter().fold(failure, |failure, (shown, text)| {
                failure.hint(format!("{shown}: {text}"))
            }),
        })
    }

    /// A command that builds, and understands these flags too. They are no part of [`super::Cli`]: neither its help nor
    /// completions are to offer what there is not.
    pub(super) fn understood_by_build(command: Command) -> Command {
        command
            .args(BUILD.iter().map(Foreign::arg))
            // kaniko's `--context DIR` gets its hint, not the complaint that the context is missing.
            .mut_arg("context", |context| {
                context
                    .required(false)
                    .required_unless_present(table::CONTEXT_FLAG)
            })
    }

    /// The same for a command that runs an image.
    pub(super) fn understood_by_run(command: Command) -> Command {
        command.args(RUN.iter().map(Foreign::arg))
    }

    /// What was given of a table.
    pub(super) fn given(matches: &ArgMatches, table: &'static [Foreign]) -> Self {
        let mut given = Vec::new();
        for flag in table {
            for value in matches.get_many::<String>(flag.id).into_iter().flatten() {
                given.push((flag, value.clone()));
            }
        }
        Self(given)
    }
}

#[cfg(test)]
mod tests;

//! `rbuild completions` and `rbuild man`: made from the same definitions as the help.

use super::Cli;
use super::streams::print;
use crate::error::Failure;
use crate::options::choice;
use clap::builder::Resettable;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

/// What was typed.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Page of this verb [default: of rbuild itself]
    #[arg(value_name = "VERB")]
    pub verb: Option<String>,
}

/// Prints completions, to be sourced by the shell.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rbuild", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

/// Prints a page in roff, for `man -l -`.
///
/// # Errors
/// There is no such verb.
pub fn man(args: &ManArgs) -> Result<u8, Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Built, so that a verb's page has its full name and the options of all verbs.
    command.build();
    let command = match &args.verb {
        None => command,
        Some(verb) => {
            let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            match command.find_subcommand(verb) {
                Some(found) => found.clone(),
                None => return Err(choice("VERB", verb, &names)),
            }
        }
    };
    let examples = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let command = command.after_help(Resettable::Reset);
    let mut page = Vec::new();
    Man::new(command)
        .source(concat!("rbuild ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Failure::host(format!("making the manual page: {error}")))?;
    page.extend(sections(&examples).bytes());
    print(&String::from_utf8_lossy(&page))?;
    Ok(0)
}

/// What follows the flags, such as the examples, as sections of a manual page: lines stay lines.
fn sections(text: &str) -> String {
    let mut page = String::new();
    for part in text.split("\n\n") {
        let Some((title, lines)) = part.split_once(":\n") else {
            continue;
        };
        page += &format!(".SH {}\n.nf\n", title.to_uppercase());
        // Indented as they are, no line begins like a request of roff.
        page += &lines.replace('\\', "\\e").replace('-', "\\-");
        page += "\n.fi\n";
    }
    page
}

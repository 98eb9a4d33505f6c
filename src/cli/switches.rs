//! Switches with a value, as docker's: `--rm=true`, `--tty=false`, `-t=0`.

use clap::{Arg, ArgAction, Command};

/// A command whose switches, and those of its verbs, take `=true` and `=false`. For its help the plain one is better.
pub(super) fn with_values(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    let command = command.mut_args(with_value);
    names
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, with_values))
}

fn with_value(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .value_parser(parse)
}

/// As Go's `strconv.ParseBool`, which reads the switches of docker and podman.
fn parse(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

//! The command line: one file per subcommand, whose doc comments are its help.
//!
//! Parsing only says what was typed; what it means is decided in [`crate::options`] and the verbs.

// The comments of flags are their help, and there brackets mean that something may be left out.
#![allow(rustdoc::broken_intra_doc_links)]

pub mod build;
pub mod complete;
pub mod containers;
pub mod debug;
pub mod df;
pub mod doctor;
pub mod examples;
pub mod foreign;
pub mod history;
pub mod images;
pub mod inspect;
pub mod load;
pub mod login;
pub mod manifest;
pub mod prune;
pub mod pull;
pub mod push;
pub mod rmi;
pub mod run;
pub mod save;
pub mod store;
pub mod stored;
pub mod streams;
mod switches;
pub mod table;
pub mod tag;
pub mod transfer;
pub mod verbs;
pub mod why;

use crate::error::Failure;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use foreign::ForeignArgs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Build Dockerfiles into OCI images, and run them: no daemon, no privileges.
#[derive(Debug, Parser)]
#[command(
    name = "rbuild",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    help_template = examples::TEMPLATE,
    after_help = examples::PROGRAM
)]
pub struct Cli {
    /// Directory of the store [default: /var/lib/rbuild as root, else $XDG_DATA_HOME/rbuild]
    #[arg(long, env = "RBUILD_ROOT", value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,

    /// What to do; without it: build
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The bare form: `rbuild [OPTIONS] CONTEXT`
    #[command(flatten)]
    pub build: build::BuildArgs,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile (the default verb)
    #[command(help_template = examples::TEMPLATE, after_help = examples::BUILD)]
    Build(Box<build::BuildArgs>),
    /// Run a command in a new container of an image
    #[command(help_template = examples::TEMPLATE, after_help = examples::RUN)]
    Run(Box<run::RunArgs>),
    /// Make a container without starting it
    #[command(
        help_template = examples::TEMPLATE,
        after_help = examples::CREATE,
        override_usage = "rbuild create [OPTIONS] IMAGE [COMMAND]..."
    )]
    Create(Box<containers::create::CreateArgs>),
    /// Start containers that do not run
    #[command(help_template = examples::TEMPLATE, after_help = examples::START)]
    Start(containers::start::StartArgs),
    /// Ask containers to end, and kill those that do not
    #[command(help_template = examples::TEMPLATE, after_help = examples::STOP)]
    Stop(containers::stop::StopArgs),
    /// Stop containers and start them again
    Restart(containers::stop::StopArgs),
    /// Send a signal to containers
    Kill(containers::stop::KillArgs),
    /// Wait until containers have ended, and print their exit codes
    Wait(containers::wait::WaitArgs),
    /// Run a further command in a container that runs
    #[command(help_template = examples::TEMPLATE, after_help = examples::EXEC)]
    Exec(containers::exec::ExecArgs),
    /// List containers
    #[command(help_template = examples::TEMPLATE, after_help = examples::PS)]
    Ps(containers::ps::PsArgs),
    /// Show what a container printed
    #[command(help_template = examples::TEMPLATE, after_help = examples::LOGS)]
    Logs(containers::logs::LogsArgs),
    /// Remove containers
    #[command(help_template = examples::TEMPLATE, after_help = examples::RM)]
    Rm(containers::rm::RmArgs),
    /// Give a container another name
    Rename(containers::rename::RenameArgs),
    /// Look after all containers
    Container(containers::prune::ContainerArgs),
    /// List the images of the local store
    #[command(visible_alias = "ls")]
    Images(images::ImagesArgs),
    /// Remove names and images
    Rmi(rmi::RmiArgs),
    /// Give an image another name
    Tag(tag::TagArgs),
    /// Show the steps that made an image
    History(history::HistoryArgs),
    /// Print what a container or an image is, as JSON
    Inspect(inspect::InspectArgs),
    /// Write images to an archive
    #[command(help_template = examples::TEMPLATE, after_help = examples::SAVE)]
    Save(save::SaveArgs),
    /// Read images from an OCI layout, an OCI archive or a docker archive
    #[command(help_template = examples::TEMPLATE, after_help = examples::LOAD)]
    Load(load::LoadArgs),
    /// Fetch an image from a registry
    Pull(pull::PullArgs),
    /// Send an image to a registry
    #[command(help_template = examples::TEMPLATE, after_help = examples::PUSH)]
    Push(push::PushArgs),
    /// Put images for several platforms under one name
    #[command(help_template = examples::TEMPLATE, after_help = examples::MANIFEST)]
    Manifest(Box<manifest::ManifestArgs>),
    /// Keep credentials for a registry
    #[command(help_template = examples::TEMPLATE, after_help = examples::LOGIN)]
    Login(login::LoginArgs),
    /// Forget the credentials for a registry
    Logout(login::LogoutArgs),
    /// Show what the store holds and what could be freed
    Df(df::DfArgs),
    /// Remove what is not needed
    #[command(help_template = examples::TEMPLATE, after_help = examples::PRUNE)]
    Prune(prune::PruneArgs),
    /// Say why steps of the last build did not come from the cache
    #[command(help_template = examples::TEMPLATE, after_help = examples::WHY)]
    Why(why::WhyArgs),
    /// Say what this host allows, what is missing, and the line that mends it
    Doctor(doctor::DoctorArgs),
    /// Look after the store
    Store(store::StoreArgs),
    /// Show how rbuild reads a Dockerfile
    Debug(debug::DebugArgs),
    /// Print shell completions
    #[command(help_template = examples::TEMPLATE, after_help = examples::COMPLETIONS)]
    Completions(complete::CompletionsArgs),
    /// Print the manual page
    #[command(help_template = examples::TEMPLATE, after_help = examples::MAN)]
    Man(complete::ManArgs),
}

/// The command line of a build by itself.
#[derive(Debug, Parser)]
#[command(name = "rbuild")]
struct BuildAlone {
    #[arg(long, env = "RBUILD_ROOT")]
    root: Option<PathBuf>,

    #[command(flatten)]
    build: build::BuildArgs,
}

/// A plain build, read without the definitions of all other verbs, which take longer than a build in which every step is
/// cached. `None`: it is no build, or not a plain one, or something is wrong with it; then the whole command line says what.
fn build_alone(args: &[OsString]) -> Option<Cli> {
    let first = args.get(1)?.to_str()?;
    let verb = match first {
        "build" => true,
        // A word may be a verb.
        _ if first.starts_with('-') => false,
        _ => return None,
    };
    let words = args.iter().take(1).chain(args.iter().skip(1 + usize::from(verb)));
    let BuildAlone { root, build } = BuildAlone::try_parse_from(words).ok()?;
    Some(match verb {
        true => Cli {
            root,
            command: Some(Command::Build(Box::new(build))),
            // Nobody reads it where there is a verb.
            build: build::BuildArgs::default(),
        },
        false => Cli {
            root,
            command: None,
            build,
        },
    })
}

/// Reads the command line; a build and a run understand the flags of other programs too, and switches take a value.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    if let Some(cli) = build_alone(args) {
        return Ok(cli);
    }
    // They are many, and rarely there.
    match Cli::try_parse_from(args) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownArgument | ErrorKind::TooManyValues
            ) => {}
        other => return other,
    }
    let command = ForeignArgs::understood_by_build(Cli::command())
        .mut_subcommand("build", ForeignArgs::understood_by_build)
        .mut_subcommand("run", ForeignArgs::understood_by_run)
        .mut_subcommand("create", ForeignArgs::understood_by_run);
    let command = switches::with_values(command);
    let matches = command.try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    match (&mut cli.command, matches.subcommand()) {
        (Some(Command::Build(build)), Some((_, matches))) => {
            build.foreign = ForeignArgs::given(matches, foreign::BUILD);
        }
        (Some(Command::Run(run)), Some((_, matches))) => {
            run.foreign = ForeignArgs::given(matches, foreign::RUN);
        }
        (Some(Command::Create(create)), Some((_, matches))) => {
            create.run.foreign = ForeignArgs::given(matches, foreign::RUN);
        }
        (None, _) => cli.build.foreign = ForeignArgs::given(&matches, foreign::BUILD),
        _ => {}
    }
    Ok(cli)
}

/// Runs what was asked for.
///
/// # Errors
/// Everything that goes wrong, worded and with its exit code.
pub fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let root = cli.root.as_deref();
    match cli.command {
        None => {
            build::run(&cli.build, root).map_err(|failure| mistyped(failure, cli.build.context.as_deref()))
        }
        Some(Command::Build(args)) => build::run(&args, root),
        Some(Command::Run(args)) => run::run(&args, root),
        Some(Command::Create(args)) => containers::create::run(&args, root),
        Some(Command::Start(args)) => containers::start::run(&args, root),
        Some(Command::Stop(args)) => containers::stop::stop(&args, root),
        Some(Command::Restart(args)) => containers::stop::restart(&args, root),
        Some(Command::Kill(args)) => containers::stop::kill(&args, root),
        Some(Command::Wait(args)) => containers::wait::run(&args, root),
        Some(Command::Exec(args)) => containers::exec::run(&args, root),
        Some(Command::Ps(args)) => containers::ps::run(&args, root),
        Some(Command::Logs(args)) => containers::logs::run(&args, root),
        Some(Command::Rm(args)) => containers::rm::run(&args, root),
        Some(Command::Rename(args)) => containers::rename::run(&args, root),
        Some(Command::Container(args)) => containers::prune::run(&args, root),
        Some(Command::Images(args)) => images::run(&args, root),
        Some(Command::Rmi(args)) => rmi::run(&args, root),
        Some(Command::Tag(args)) => tag::run(&args, root),
        Some(Command::History(args)) => history::run(&args, root),
        Some(Command::Inspect(args)) => inspect::run(&args, root),
        Some(Command::Save(args)) => save::run(&args, root),
        Some(Command::Load(args)) => load::run(&args, root),
        Some(Command::Pull(args)) => pull::run(&args, root),
        Some(Command::Push(args)) => push::run(&args, root),
        Some(Command::Manifest(args)) => manifest::run(&args, root),
        Some(Command::Login(args)) => login::run(&args),
        Some(Command::Logout(args)) => login::logout(&args),
        Some(Command::Df(args)) => df::run(&args, root),
        Some(Command::Prune(args)) => prune::run(&args, root),
        Some(Command::Why(args)) => why::run(&args, root),
        Some(Command::Doctor(args)) => doctor::run(&args, root),
        Some(Command::Store(args)) => store::run(&args, root),
        Some(Command::Debug(args)) => debug::run(&args, root),
        Some(Command::Completions(args)) => complete::completions(&args),
        Some(Command::Man(args)) => complete::man(&args),
    }
}

/// Adds the verb that was meant when the bare form was given a word that is no context.
fn mistyped(failure: Failure, context: Option<&str>) -> Failure {
    match context.and_then(meant_verb) {
        Some(verb) => failure.hint(format!("did you mean `rbuild {verb}`?")),
        None => failure,
    }
}

/// The words that are neither the program, nor flags of the bare form, nor their values.
fn positional(args: &[String]) -> impl Iterator<Item = &String> {
    let command = Cli::command();
    let takes_value = move |flag: &str| {
        let mut known = command.get_arguments();
        known.any(|known| {
            let long = known
                .get_long()
                .is_some_and(|long| flag.strip_prefix("--") == Some(long));
            let short = known
                .get_short()
                .is_some_and(|short| flag.strip_prefix('-') == Some(short.to_string().as_str()));
            (long || short) && known.get_action().takes_values()
        })
    };
    let pairs = args.iter().zip(args.iter().skip(1));
    pairs
        .filter(move |(before, word)| !word.starts_with('-') && !takes_value(before))
        .map(|(_, word)| word)
}

/// The verb that is nearest to a word that is neither one nor a path.
#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn meant_verb(word: &str) -> Option<String> {
    let command = Cli::command();
    if word.starts_with('-')
        || word.contains('/')
        || command.find_subcommand(word).is_some()
        || Path::new(word).exists()
    {
        return None;
    }
    // What other builders have as a verb.
    let verbs = command.get_subcommands().map(clap::Command::get_name);
    let meant = dockerfile_parser::suggest::nearest(word, verbs.chain(["check"]))?;
    Some(match meant {
        "check" => "--check".to_owned(),
        verb => verb.to_owned(),
    })
}

/// `rbuild --root DIR VERB …` as `rbuild VERB --root DIR …`: clap takes a word after a flag for the bare form's context.
#[must_use]
pub fn root_after_verb(mut args: Vec<OsString>) -> Vec<OsString> {
    let flag = args.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let words = match flag {
        "--root" => 2,
        _ if flag.starts_with("--root=") => 1,
        _ => return args,
    };
    let is_verb = args
        .get(1 + words)
        .and_then(|word| word.to_str())
        .is_some_and(|word| Cli::command().find_subcommand(word).is_some());
    if is_verb {
        args[1..=1 + words].rotate_right(1);
    }
    args
}

/// The usage of the verb as its help has it. clap's own has every flag that was given, and those that a variable of the
/// environment has set count as given.
fn with_plain_usage(mut error: clap::Error, args: &[String]) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    if error.get(ContextKind::Usage).is_none() {
        return error;
    }
    let mut command = Cli::command();
    command.build();
    let usage = usage(&mut command, args.get(1..).unwrap_or_default());
    error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    error
}

/// Of the verb that the words begin with; those behind it may name one of its own.
fn usage(command: &mut clap::Command, words: &[String]) -> clap::builder::StyledStr {
    let verb = words
        .first()
        .filter(|word| command.find_subcommand(word).is_some());
    match verb.and_then(|word| command.find_subcommand_mut(word)) {
        Some(verb) => usage(verb, &words[1..]),
        None => command.render_usage(),
    }
}

/// Names the verb or the flag that was meant. By clap's own measure, which favours long words with the same beginning, `--tga` is
/// nearer to `--target` than to `--tag`.
#[must_use]
pub fn with_nearest_flag(error: clap::Error, args: &[String]) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    let mut error = with_plain_usage(error, args);
    // What follows a mistyped verb was read as arguments of the bare form.
    if matches!(
        error.kind(),
        ErrorKind::ArgumentConflict | ErrorKind::UnknownArgument
    ) && positional(args).all(|word| Cli::command().find_subcommand(word).is_none())
        && let Some((word, meant)) = positional(args).find_map(|word| Some((word, meant_verb(word)?)))
    {
        let message = format!("there is no verb `{word}`; did you mean `rbuild {meant}`?");
        return Cli::command().error(ErrorKind::InvalidSubcommand, message);
    }
    if error.kind() == ErrorKind::ArgumentConflict
        && let Some(ContextValue::String(second)) = error.get(ContextKind::InvalidSubcommand)
        && Cli::command().find_subcommand(second).is_none()
    {
        let message = format!("a build has one context, and `{second}` is a second one");
        return Cli::command().error(ErrorKind::ArgumentConflict, message);
    }
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let wrong = wrong.clone();
    // How to pass it as a word is no help to who meant a flag.
    error.remove(ContextKind::Suggested);
    let Some(wrong) = wrong.strip_prefix("--").map(str::to_owned) else {
        return error;
    };
    let command = Cli::command();
    let verb = args.iter().skip(1).find_map(|word| command.find_subcommand(word));
    let flags: Vec<&str> = verb
        .unwrap_or(&command)
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    // Those of other programs have a verdict that says what to do. Where both are as near, ours is meant.
    let table: &[foreign::Foreign] = match verb.map(clap::Command::get_name) {
        None | Some("build") => foreign::BUILD,
        Some("run" | "create") => foreign::RUN,
        Some(_) => &[],
    };
    let foreign = table.iter().map(|flag| flag.name);
    let near = dockerfile_parser::suggest::nearest(&wrong, flags.iter().copied().chain(foreign));
    let near = near.map(|near| ContextValue::String(format!("--{near}")));
    let before = error.remove(ContextKind::SuggestedArg);
    if before != near {
        // It shows the flag that clap had found.
        error.remove(ContextKind::Usage);
    }
    if let Some(near) = near {
        error.insert(ContextKind::SuggestedArg, near);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_is_read_alone_is_the_build_of_the_whole_command_line() {
        for (line, alone) in [
            ("rbuild -t app .", true),
            (
                "rbuild -f D -t app --build-arg A=1 --platform linux/arm64 .",
                true,
            ),
            ("rbuild --root /r -q .", true),
            ("rbuild build -t app --root=/r .", true),
            ("rbuild build", false),
            ("rbuild -q images", true),
            ("rbuild build images", true),
            ("rbuild .", false),
            ("rbuild images", false),
            ("rbuild -q . images", false),
            ("rbuild build --rm=true .", false),
            ("rbuild --help", false),
            ("rbuild --version", false),
            ("rbuild build --help", false),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let asked = |cli: Cli| match cli.command {
                None => format!("{:?} {:?}", cli.root, cli.build),
                verb => format!("{:?} {verb:?}", cli.root),
            };
            let read = build_alone(&args).map(asked);
            assert_eq!(read.is_some(), alone, "{line}");
            if read.is_some() {
                assert_eq!(Cli::try_parse_from(&args).ok().map(asked), read, "{line}");
            }
        }
    }
}

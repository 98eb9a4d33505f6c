//! `rbuild debug`: how rbuild reads a Dockerfile, as JSON.
//!
//! The documents carry a `version`; it is raised when a field changes its meaning or goes. New fields may come.

mod dag;

use super::streams::print_json;
use crate::cli::build::BuildArgs;
use crate::error::{Failure, Kind};
use crate::options::BuildOptions;
use clap::{Args, Subcommand};
use dockerfile_parser::{Diagnostic, Dockerfile, IgnoreFile, LineIndex, Span, ignore};
use rbuild_build::IGNORE_FILE;
use rbuild_build::context::BuildContext;
use rbuild_build::context::text::{limited, text_at};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What was typed.
#[derive(Debug, Args)]
pub struct DebugArgs {
    /// What to show
    #[command(subcommand)]
    pub command: DebugCommand,
}

/// The verbs of `debug`.
#[derive(Debug, Subcommand)]
pub enum DebugCommand {
    /// Print the syntax tree of a Dockerfile and everything that is wrong with it
    Parse(ParseArgs),
    /// Print the graph that a build would solve; takes the flags of a build
    Dag(Box<BuildArgs>),
    /// Say of paths whether the ignore file hides them, and which pattern decided
    Ignore(IgnoreArgs),
}

/// What was typed.
#[derive(Debug, Args)]
pub struct ParseArgs {
    /// Dockerfile; `-` is standard input
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    pub file: PathBuf,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct IgnoreArgs {
    /// The ignore file [default: .dockerignore of the context]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// The build context
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub context: PathBuf,

    /// Paths, relative to the context
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<String>,
}

/// Version of the documents.
const VERSION: u32 = 1;

/// Prints.
///
/// # Errors
/// A file cannot be read, or the Dockerfile has errors that leave nothing to print.
pub fn run(args: &DebugArgs, root: Option<&Path>) -> Result<u8, Failure> {
    match &args.command {
        DebugCommand::Parse(args) => parse(args),
        DebugCommand::Dag(args) => {
            dag::print(&BuildOptions::from_args(args, root)?)?;
            Ok(0)
        }
        DebugCommand::Ignore(args) => ignored(args),
    }
}

/// What `debug parse` prints.
#[derive(Serialize)]
struct ParseDocument<'a> {
    version: u32,
    file: &'a str,
    dockerfile: &'a Dockerfile,
    diagnostics: Vec<Value>,
}

/// Prints a [`ParseDocument`]; exit code 1 when there are errors among the diagnostics.
fn parse(args: &ParseArgs) -> Result<u8, Failure> {
    let name = args.file.display().to_string();
    let bytes = if args.file == Path::new("-") {
        limited(std::io::stdin().lock())
            .map_err(|error| Failure::host(format!("reading standard input: {error}")))?
    } else {
        read(&args.file)?
    };
    let text = dockerfile_parser::decode(&bytes)
        .map_err(|error| Failure::new(Kind::Dockerfile, format!("{name}: {error}")))?;
    let parsed = dockerfile_parser::parse(text);
    let lines = LineIndex::new(text);
    let diagnostics: Vec<Value> = parsed
        .diagnostics
        .iter()
        .map(|found| diagnostic(found, &lines))
        .collect();
    print_json(&ParseDocument {
        version: VERSION,
        file: &name,
        dockerfile: &parsed.dockerfile,
        diagnostics,
    })?;
    Ok(u8::from(parsed.diagnostics.iter().any(Diagnostic::is_error)))
}

fn diagnostic(found: &Diagnostic, lines: &LineIndex<'_>) -> Value {
    let place = |span: Span| {
        let position = lines.position(span.start);
        json!({ "start": span.start, "end": span.end, "line": position.line, "column": position.column })
    };
    let secondary: Vec<Value> = found
        .secondary
        .iter()
        .map(|(span, label)| json!({ "span": place(*span), "label": label }))
        .collect();
    json!({
        "code": found.code(),
        "severity": found.severity,
        "message": found.message(),
        "span": place(found.span),
        "label": found.label,
        "secondary": secondary,
        "help": found.help,
        "suggestion": found.suggestion.as_ref().map(|suggestion| json!({
            "span": place(suggestion.span),
            "replacement": suggestion.replacement,
        })),
    })
}

/// `{version, file, paths: [{path, excluded, pattern, line}]}`; `pattern` is the last one that matched.
fn ignored(args: &IgnoreArgs) -> Result<u8, Failure> {
    let (path, bytes) = match &args.file {
        Some(file) => (file.clone(), Some(read(file)?)),
        None => {
            let context = BuildContext::open(&args.context)
                .map_err(|error| Failure::from_error(Kind::Usage, &error).context("opening the context"))?;
            let path = args.context.join(IGNORE_FILE);
            let bytes = context.text(IGNORE_FILE.as_bytes());
            let wrong = |error| Failure::usage(format!("reading `{}`: {error}", path.display()));
            (path.clone(), bytes.map_err(wrong)?)
        }
    };
    let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    let patterns = IgnoreFile::parse(&text).map_err(|diagnostics| {
        let lines = LineIndex::new(&text);
        let mut failure = Failure::new(Kind::Dockerfile, format!("`{}` has errors", path.display()));
        for found in diagnostics {
            failure = failure.cause(format!(
                "line {}: {}",
                lines.line(found.span.start),
                found.message()
            ));
        }
        failure
    })?;
    let paths: Vec<Value> = args
        .paths
        .iter()
        .map(|path| {
            let clean = ignore::clean(path.trim_start_matches('/'));
            let decision = patterns.decide(&clean);
            let pattern = decision.pattern.and_then(|at| patterns.patterns().get(at));
            json!({
                "path": clean,
                "excluded": decision.excluded,
                "pattern": pattern.map(|pattern| &pattern.text),
                "line": pattern.map(|pattern| pattern.line),
            })
        })
        .collect();
    print_json(&json!({
        "version": VERSION,
        "file": bytes.is_some().then(|| path.display().to_string()),
        "paths": paths,
    }))?;
    Ok(0)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    text_at(path).map_err(|error| Failure::usage(format!("reading `{}`: {error}", path.display())))
}

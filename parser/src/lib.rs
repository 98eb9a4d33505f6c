//! Dockerfile text to typed instructions with spans: no files, no environment.
//!
//! [`parse()`] reports every error of a file and returns what could be parsed:
//!
//! ```
//! use dockerfile_parser::{InstructionKind, parse};
//!
//! let parsed = parse("FROM alpine:3.20 AS base\nCOPY --chown=1000:$GID src/ /app/\n");
//! assert!(parsed.diagnostics.is_empty());
//! let stage = &parsed.dockerfile.stages[0];
//! assert_eq!(stage.name(), Some("base"));
//! let InstructionKind::Copy(copy) = &stage.instructions[0].kind else { unreachable!() };
//!
//! // Words are expanded when their scope is known.
//! let gid = |name: &str| (name == "GID").then(|| "1000".to_owned());
//! let chown = copy.chown.as_ref().map(|word| word.expand(&gid));
//! assert_eq!(chown.and_then(Result::ok).map(|e| e.value).as_deref(), Some("1000:1000"));
//! ```
//!
//! [`lint::check`] asks the checks, [`render`] draws what was found, [`IgnoreFile`] reads a `.dockerignore`:
//!
//! ```
//! let ignore = dockerfile_parser::IgnoreFile::parse("node_modules\n!node_modules/keep\n").unwrap_or_default();
//! assert!(ignore.decide("node_modules/x").excluded);
//! assert!(!ignore.decide("node_modules/keep/y").excluded);
//! assert!(ignore.may_reinclude_below("node_modules"));
//! ```

pub mod chmod;
pub mod diagnostic;
mod directive;
pub mod dockerfile;
pub mod duration;
pub mod expand;
mod flag;
pub mod frontend;
pub mod glob;
pub mod heredoc;
pub mod ignore;
pub mod instruction;
mod json;
mod keyword;
pub mod kind;
mod line;
pub mod lint;
mod lookalike;
mod matcher;
mod message;
mod misread;
pub mod mount;
mod parse;
pub mod platform;
pub mod port;
pub mod render;
pub mod secrets;
pub mod signal;
pub mod source;
mod span;
pub mod stage;
pub mod suggest;
pub mod word;

pub use diagnostic::{Diagnostic, Severity, Suggestion};
pub use dockerfile::{Dockerfile, GlobalArg, Instruction, Line, Stage};
pub use expand::{Escape, ExpandError, Expanded, Scope};
pub use heredoc::Heredoc;
pub use ignore::IgnoreFile;
pub use instruction::InstructionKind;
pub use kind::Kind;
pub use parse::{Parsed, parse, parse_onbuild_trigger};
pub use platform::Platform;
pub use source::{LineIndex, Position, decode};
pub use span::Span;
pub use word::Word;

/// The examples of the page that a reader meets first.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

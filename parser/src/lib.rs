//! Dockerfile text to typed instructions with spans: no files, no environment.
//!
//! ```
//! let parsed = dockerfile_parser::parse("FROM alpine:3.20 AS base\nRUN echo hi\n");
//! assert!(parsed.diagnostics.is_empty());
//! assert_eq!(parsed.dockerfile.stages[0].name(), Some("base"));
//! ```

pub mod chmod;
pub mod diagnostic;
mod directive;
pub mod dockerfile;
pub mod duration;
pub mod expand;
mod flag;
pub mod glob;
pub mod heredoc;
pub mod ignore;
pub mod instruction;
mod json;
pub mod kind;
mod line;
pub mod lint;
mod matcher;
mod message;
pub mod mount;
mod parse;
mod pattern;
pub mod platform;
pub mod port;
pub mod render;
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

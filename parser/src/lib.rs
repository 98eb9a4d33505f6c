//! Dockerfile text to typed instructions with spans: no files, no environment.
//!
//! ```no_run
//! let parsed = dockerfile_parser::parse("FROM alpine:3.20 AS base\nRUN echo hi\n");
//! assert!(parsed.diagnostics.is_empty());
//! assert_eq!(parsed.dockerfile.stages[0].name(), Some("base"));
//! ```

pub mod diagnostic;
pub mod dockerfile;
pub mod expand;
pub mod heredoc;
pub mod instruction;
pub mod kind;
mod message;
pub mod mount;
mod parse;
pub mod platform;
pub mod source;
mod span;
pub mod suggest;
pub mod word;

pub use diagnostic::{Diagnostic, Severity, Suggestion};
pub use dockerfile::{Dockerfile, GlobalArg, Instruction, Line, Stage};
pub use expand::{Escape, ExpandError, Expanded, Scope};
pub use heredoc::Heredoc;
pub use instruction::InstructionKind;
pub use kind::Kind;
pub use parse::{Parsed, parse, parse_onbuild_trigger};
pub use platform::Platform;
pub use source::{LineIndex, Position, decode};
pub use span::Span;
pub use word::Word;

//! Progress: a consumer of the solver's events. Nothing here knows how steps work, and nothing below `src/` prints.
//!
//! | file | holds |
//! |---|---|
//! | [`mode`] | [`ProgressMode`]: what the user asked for |
//! | [`printer`] | [`Printer`]: takes events from any thread, makes lines of output, hands both to a display |
//! | `tty`, `plain`, `rawjson` | the displays; quiet is none |
//! | [`canvas`] | [`Canvas`](canvas::Canvas): lines of a terminal that are drawn again |
//! | [`style`], [`palette`] | [`Style`]: signs and colours |
//! | [`lines`] | pieces of output to lines, lines to harmless text |
//! | [`summary`], [`amount`] | the last words; times and sizes |

pub mod amount;
pub mod canvas;
pub mod lines;
pub mod mode;
pub mod palette;
mod plain;
pub mod printer;
mod rawjson;
pub mod style;
pub mod summary;
mod tty;

pub use mode::ProgressMode;
pub use printer::Printer;
pub use style::{Paint, Sign, Style};
pub use summary::{Counts, Summary};

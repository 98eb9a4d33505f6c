//! What a container printed: files of lines in the form that Kubernetes has for logs,
//! `TIME STREAM TAG TEXT`, where the tag `P` says that the text goes on in the next line of the stream, and `F` that it
//! ends. Times have one length, so texts of them sort as times do.

mod options;
mod reader;
mod writer;

pub use options::LogOptions;
pub use reader::{Line, LogReader};
pub use writer::LogWriter;

/// Which of the two a command wrote to. With a terminal there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// The name of the file that is written.
const CURRENT: &str = "log";

/// The name of one that was written before: 1 is the last.
fn older(number: u32) -> String {
    format!("{CURRENT}.{number}")
}

#[cfg(test)]
mod tests;

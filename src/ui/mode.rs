//! [`ProgressMode`]: the value of `--progress`.

use std::fmt;
use std::str::FromStr;

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProgressMode {
    /// [`Tty`](Self::Tty) on a terminal, else [`Plain`](Self::Plain).
    #[default]
    Auto,
    /// Lines that are drawn again while steps run.
    Tty,
    /// One line after the other.
    Plain,
    /// Nothing; failures are still reported.
    Quiet,
    /// One JSON object per line.
    RawJson,
}

/// Not a value of `--progress`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown progress mode `{0}`; it is one of auto, tty, plain, quiet, rawjson")]
pub struct ModeError(String);

impl ProgressMode {
    /// The names, as `--progress` takes them. `none` is another name of `quiet`.
    pub const NAMES: [&str; 5] = ["auto", "tty", "plain", "quiet", "rawjson"];
}

impl FromStr for ProgressMode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "tty" => Self::Tty,
            "plain" => Self::Plain,
            "quiet" | "none" => Self::Quiet,
            "rawjson" => Self::RawJson,
            _ => return Err(ModeError(text.to_owned())),
        })
    }
}

impl fmt::Display for ProgressMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Tty => "tty",
            Self::Plain => "plain",
            Self::Quiet => "quiet",
            Self::RawJson => "rawjson",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_written() {
        for name in ProgressMode::NAMES {
            assert_eq!(name.parse::<ProgressMode>().unwrap().to_string(), name);
        }
        assert_eq!("none".parse(), Ok(ProgressMode::Quiet));
        assert_eq!(
            "TTY".parse::<ProgressMode>().unwrap_err().to_string(),
            "unknown progress mode `TTY`; it is one of auto, tty, plain, quiet, rawjson"
        );
    }
}

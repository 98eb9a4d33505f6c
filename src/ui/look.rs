//! [`Look`]: what a terminal can show, and the few signs and colours that are used. Everything reads the same without
//! colour.

/// What the place that text goes to can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// It is a terminal: lines can be drawn again.
    pub is_terminal: bool,
    /// SGR colours.
    pub color: bool,
    /// Signs outside ASCII.
    pub unicode: bool,
}

/// A colour, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It deserves attention.
    Strong,
    /// It can be passed over.
    Faint,
}

/// A sign in front of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Ran.
    Done,
    /// Found in the cache.
    Cached,
    /// Failed.
    Failed,
    /// Stopped.
    Stopped,
    /// Written to.
    Arrow,
}

impl Look {
    /// Neither terminal nor colour nor signs.
    pub const PLAIN: Look = Look {
        is_terminal: false,
        color: false,
        unicode: false,
    };

    /// By the conventions: `NO_COLOR` (any value but the empty one) turns colour off, `CLICOLOR_FORCE` (any but empty
    /// and `0`) turns it on where there is no terminal, `TERM=dumb` is no terminal; the first of `LC_ALL`, `LC_CTYPE`,
    /// `LANG` that is set names the character set.
    pub fn new(is_terminal: bool, environment: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let is_terminal = is_terminal && set("TERM").is_none_or(|term| term != "dumb");
        let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| set(name))
            .unwrap_or_default();
        let locale = locale.to_ascii_uppercase();
        Self {
            is_terminal,
            color: set("NO_COLOR").is_none() && (is_terminal || forced),
            unicode: locale.contains("UTF-8") || locale.contains("UTF8"),
        }
    }

    /// `text` in a colour, where there are colours.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "1;31",
            Paint::Strong => "1",
            Paint::Faint => "2",
        };
        if self.color && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The sign, with its colour.
    pub fn sign(&self, sign: Sign) -> String {
        let (paint, unicode, ascii) = match sign {
            Sign::Done => (Paint::Good, "✔", "+"),
            Sign::Cached => (Paint::Faint, "=", "="),
            Sign::Failed => (Paint::Bad, "✘", "x"),
            Sign::Stopped => (Paint::Faint, "-", "-"),
            Sign::Arrow => (Paint::Faint, "→", "->"),
        };
        self.paint(paint, if self.unicode { unicode } else { ascii })
    }

    /// What turns while a step runs.
    pub fn spinner(&self) -> &'static [&'static str] {
        if self.unicode {
            &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
        } else {
            &["|", "/", "-", "\\"]
        }
    }

    /// A full cell of a bar and its head.
    pub fn bar(&self) -> (&'static str, &'static str) {
        if self.unicode { ("━", "╸") } else { ("=", ">") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(is_terminal: bool, variables: &[(&str, &str)]) -> Look {
        Look::new(is_terminal, |name| {
            variables
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colour_follows_the_conventions() {
        assert!(look(true, &[]).color);
        assert!(
            look(true, &[("NO_COLOR", "")]).color,
            "an empty NO_COLOR counts as unset"
        );
        assert!(!look(true, &[("NO_COLOR", "1")]).color);
        assert!(!look(false, &[]).color);
        assert!(look(false, &[("CLICOLOR_FORCE", "1")]).color);
        assert!(!look(false, &[("CLICOLOR_FORCE", "0")]).color);
        assert!(!look(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).color);
        assert!(!look(true, &[("TERM", "dumb")]).is_terminal);
    }

    #[test]
    fn signs_follow_the_locale() {
        assert!(look(true, &[("LANG", "de_DE.UTF-8")]).unicode);
        assert!(look(true, &[("LANG", "C.utf8")]).unicode);
        assert!(!look(true, &[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]).unicode);
        assert!(!look(true, &[]).unicode);
        assert_eq!(Look::PLAIN.sign(Sign::Done), "+");
        assert_eq!(look(true, &[]).paint(Paint::Bad, "x"), "\x1b[1;31mx\x1b[0m");
    }
}

//! [`Style`]: what a terminal can show, and the few signs and colours that are used. Everything reads the same without
//! colour.

use super::palette::Palette;

/// What the place that text goes to can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// It is a terminal: lines can be drawn again.
    pub is_terminal: bool,
    /// SGR colours.
    pub color: bool,
    /// Signs outside ASCII.
    pub unicode: bool,
    /// Which colours.
    pub palette: Palette,
}

/// A colour, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It was stopped.
    Stopped,
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

impl Style {
    /// Neither terminal nor colour nor signs.
    pub const PLAIN: Style = Style {
        is_terminal: false,
        color: false,
        unicode: false,
        palette: Palette::DEFAULT,
    };

    /// By the conventions: `NO_COLOR` (any value but the empty one) turns colour off, `CLICOLOR_FORCE` (any but empty
    /// and `0`) turns it on where there is no terminal, `TERM=dumb` is no terminal; `BUILDKIT_COLORS` says which colours;
    /// the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set names the character set.
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
            palette: set("BUILDKIT_COLORS").map_or(Palette::DEFAULT, |colors| Palette::parse(&colors)),
        }
    }

    /// `text` in a colour, where there are colours.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => self.palette.run.to_string(),
            Paint::Bad => format!("1;{}", self.palette.error),
            Paint::Stopped => self.palette.cancel.to_string(),
            Paint::Strong => "1".to_owned(),
            Paint::Faint => "2".to_owned(),
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The sign, with its colour.
    pub fn sign(&self, sign: Sign) -> String {
        let (paint, unicode, ascii) = match sign {
            Sign::Done => (Paint::Good, "✔", "+"),
            Sign::Cached => (Paint::Faint, "=", "="),
            Sign::Failed => (Paint::Bad, "✘", "x"),
            Sign::Stopped => (Paint::Stopped, "-", "-"),
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

    /// What stands for what was cut off.
    pub fn dots(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// What stands before the output of a step.
    pub fn rule(&self) -> &'static str {
        if self.unicode { "│" } else { "|" }
    }

    /// `━━━━━━╸             `: how much of a whole is done, in so many cells.
    pub fn meter(&self, done: u64, total: u64, cells: usize) -> String {
        let (full, head) = if self.unicode { ("━", "╸") } else { ("=", ">") };
        let filled = u128::from(done.min(total)) * cells as u128 / u128::from(total.max(1));
        // No more than `cells`, which is one.
        let filled = usize::try_from(filled).unwrap_or(cells);
        let head = if filled < cells { head } else { "" };
        let rest = " ".repeat(cells - filled - head.chars().count());
        let drawn = self.paint(Paint::Good, &format!("{}{head}", full.repeat(filled)));
        format!("{drawn}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(is_terminal: bool, variables: &[(&str, &str)]) -> Style {
        Style::new(is_terminal, |name| {
            variables
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colour_follows_the_conventions() {
        assert!(style(true, &[]).color);
        assert!(
            style(true, &[("NO_COLOR", "")]).color,
            "an empty NO_COLOR counts as unset"
        );
        assert!(!style(true, &[("NO_COLOR", "1")]).color);
        assert!(!style(false, &[]).color);
        assert!(style(false, &[("CLICOLOR_FORCE", "1")]).color);
        assert!(!style(false, &[("CLICOLOR_FORCE", "0")]).color);
        assert!(!style(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).color);
        assert!(!style(true, &[("TERM", "dumb")]).is_terminal);
    }

    #[test]
    fn signs_follow_the_locale() {
        assert!(style(true, &[("LANG", "de_DE.UTF-8")]).unicode);
        assert!(style(true, &[("LANG", "C.utf8")]).unicode);
        assert!(!style(true, &[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]).unicode);
        assert!(!style(true, &[]).unicode);
        assert_eq!(Style::PLAIN.sign(Sign::Done), "+");
        assert_eq!(style(true, &[]).paint(Paint::Bad, "x"), "\x1b[1;31mx\x1b[0m");
        let named = style(true, &[("BUILDKIT_COLORS", "error=200,0,7:run=blue")]);
        assert_eq!(named.paint(Paint::Bad, "x"), "\x1b[1;38;2;200;0;7mx\x1b[0m");
        assert_eq!(named.paint(Paint::Good, "x"), "\x1b[34mx\x1b[0m");
    }

    #[test]
    fn a_meter_is_always_as_wide() {
        let unicode = style(true, &[("LANG", "C.UTF-8"), ("NO_COLOR", "1")]);
        for (done, total, filled) in [
            (0, 100, 0),
            (50, 100, 10),
            (99, 100, 19),
            (100, 100, 20),
            (7, 5, 20),
            (0, 0, 0),
        ] {
            let bar = unicode.meter(done, total, 20);
            assert_eq!(bar.chars().count(), 20, "{done}/{total}");
            assert_eq!(bar.matches('━').count(), filled, "{done}/{total}");
        }
        assert_eq!(
            Style::PLAIN.meter(u64::MAX / 2, u64::MAX, 20),
            "=========>          "
        );
    }
}

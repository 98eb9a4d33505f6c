//! [`Palette`]: the colours of progress, as `BUILDKIT_COLORS` names them.

use std::fmt;

/// The colours that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// What runs or ran well.
    pub run: Color,
    /// What failed.
    pub error: Color,
    /// What was stopped.
    pub cancel: Color,
}

/// A colour; written as the parameters of SGR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// One of the eight, by its number.
    Named(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

const NAMES: [&str; 8] = [
    "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
];

impl Palette {
    /// Unless said otherwise.
    pub const DEFAULT: Palette = Palette {
        run: Color::Named(2),
        error: Color::Named(1),
        cancel: Color::Named(3),
    };

    /// Reads `run=green:error=255,0,0:cancel=yellow`. What is not understood is left as it is, as BuildKit does; so is
    /// its fourth name, `warning`, as warnings are not coloured here.
    pub fn parse(text: &str) -> Self {
        let mut palette = Self::DEFAULT;
        for (name, color) in text.split(':').filter_map(|entry| entry.split_once('=')) {
            let place = match name.trim() {
                "run" => &mut palette.run,
                "error" => &mut palette.error,
                "cancel" => &mut palette.cancel,
                _ => continue,
            };
            *place = Color::parse(color.trim()).unwrap_or(*place);
        }
        palette
    }
}

impl Color {
    fn parse(text: &str) -> Option<Self> {
        if let Some(number) = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return u8::try_from(number).ok().map(Self::Named);
        }
        let parts = text.split(',').map(|part| part.trim().parse().ok());
        match parts.collect::<Option<Vec<u8>>>()?.as_slice() {
            [red, green, blue] => Some(Self::Rgb(*red, *green, *blue)),
            _ => None,
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(number) => write!(f, "{}", 30 + number),
            Self::Rgb(red, green, blue) => write!(f, "38;2;{red};{green};{blue}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_names_or_numbers() {
        let palette =
            Palette::parse("run=Blue:cancel=1, 2,3:error=mauve:warning=red:error:x=y:error=256,0,0");
        assert_eq!(
            palette,
            Palette {
                run: Color::Named(4),
                error: Palette::DEFAULT.error,
                cancel: Color::Rgb(1, 2, 3),
            }
        );
        assert_eq!(
            (Color::Named(4).to_string(), Color::Rgb(1, 2, 3).to_string()),
            ("34".to_owned(), "38;2;1;2;3".to_owned())
        );
        assert_eq!(Palette::parse(""), Palette::DEFAULT);
    }
}

//! Characters that look like others or like none: what a word processor, a web page or another keyboard leaves behind.

use std::fmt;

/// One of them, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookalike {
    pub(crate) at: usize,
    pub(crate) ch: char,
    name: &'static str,
    plain: Plain,
}

/// What was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    Nothing,
    Char(char),
}

impl Lookalike {
    /// Whether nobody can have meant it: a space that separates nothing, or what cannot be seen.
    pub(crate) fn is_blank(self) -> bool {
        matches!(self.plain, Plain::Nothing | Plain::Char(' '))
    }
}

/// What to do about it.
impl fmt::Display for Lookalike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = u32::from(self.ch);
        write!(f, "there is {} (U+{code:04X}) in it; ", self.name)?;
        match self.plain {
            Plain::Nothing => f.write_str("remove it"),
            Plain::Char(' ') => f.write_str("write a plain space"),
            Plain::Char(plain) => write!(f, "write `{plain}`"),
        }
    }
}

/// The first one in `text`.
pub(crate) fn find(text: &str) -> Option<Lookalike> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return None;
    }
    text.char_indices().find_map(|(at, ch)| {
        let (name, plain) = classify(ch)?;
        Some(Lookalike { at, ch, name, plain })
    })
}

/// Whether it looks like the dash of a flag, and is none.
pub(crate) fn is_dash(ch: char) -> bool {
    matches!(classify(ch), Some((_, Plain::Char('-'))))
}

/// The text with plain characters instead.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|ch| match classify(ch) {
            Some((_, Plain::Nothing)) => None,
            Some((_, Plain::Char(plain))) => Some(plain),
            None => Some(ch),
        })
        .collect()
}

fn classify(ch: char) -> Option<(&'static str, Plain)> {
    let plain = |name, plain| Some((name, Plain::Char(plain)));
    match ch {
        '\t' | '\n' | '\r' => None,
        '\u{a0}' | '\u{202f}' => plain("a no-break space", ' '),
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}' => plain("an unusual space", ' '),
        '\u{ad}' => Some(("a soft hyphen", Plain::Nothing)),
        '\u{200b}' => Some(("a zero-width space", Plain::Nothing)),
        '\u{feff}' => Some(("a byte order mark", Plain::Nothing)),
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {
            Some(("an invisible character", Plain::Nothing))
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => plain("a typographic dash", '-'),
        '\u{2018}'..='\u{201b}' => plain("a typographic quote", '\''),
        '\u{201c}'..='\u{201f}' => plain("a typographic quote", '"'),
        '\u{ff01}'..='\u{ff5e}' => plain("a full-width character", char::from_u32(u32::from(ch) - 0xfee0)?),
        '\u{370}'..='\u{3ff}' => plain("a Greek letter", latin(ch)?),
        '\u{400}'..='\u{4ff}' => plain("a Cyrillic letter", latin(ch)?),
        _ if ch.is_control() => Some(("a control character", Plain::Nothing)),
        _ => None,
    }
}

/// The Latin letter that looks the same.
fn latin(ch: char) -> Option<char> {
    const FOREIGN: &str = "АВСЕНІЈКМОРЅТХУаеорсухіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο";
    const LATIN: &str = "ABCEHIJKMOPSTXYaeopcyxijsABEZHIKMNOPTYXo";
    let at = FOREIGN.chars().position(|foreign| foreign == ch)?;
    LATIN.chars().nth(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_remedies() {
        let told = |text: &str| find(text).map(|found| (found.at, found.to_string()));
        let check = |text: &str, at: usize, words: &str| {
            assert_eq!(told(text), Some((at, words.to_owned())), "{text}");
        };
        check(
            "RUN\u{a0}x",
            3,
            "there is a no-break space (U+00A0) in it; write a plain space",
        );
        check(
            "R\u{200b}UN",
            1,
            "there is a zero-width space (U+200B) in it; remove it",
        );
        check(
            "\u{feff}RUN",
            0,
            "there is a byte order mark (U+FEFF) in it; remove it",
        );
        check(
            "\u{2013}from=a",
            0,
            "there is a typographic dash (U+2013) in it; write `-`",
        );
        check(
            "[\u{201c}a\u{201d}]",
            1,
            "there is a typographic quote (U+201C) in it; write `\"`",
        );
        check(
            "\u{2019}a",
            0,
            "there is a typographic quote (U+2019) in it; write `'`",
        );
        check(
            "C\u{41e}PY",
            1,
            "there is a Cyrillic letter (U+041E) in it; write `O`",
        );
        check(
            "\u{395}NV",
            0,
            "there is a Greek letter (U+0395) in it; write `E`",
        );
        check(
            "\u{ff32}UN",
            0,
            "there is a full-width character (U+FF32) in it; write `R`",
        );
        check(
            "R\u{1b}[31m",
            1,
            "there is a control character (U+001B) in it; remove it",
        );
        for fine in ["", "COPY a\tb", "ä漢", "\u{416}"] {
            assert_eq!(told(fine), None, "{fine}");
        }
        assert_eq!(plain("R\u{200b}UN\u{a0}\u{201c}ä\u{201d}"), "RUN \"ä\"");
    }

    #[test]
    fn every_foreign_letter_has_a_latin_one() {
        assert_eq!(latin('\u{3bf}'), Some('o'));
        assert_eq!(latin('У'), Some('Y'));
        assert_eq!(latin('х'), Some('x'));
        assert_eq!(latin('Χ'), Some('X'));
    }
}

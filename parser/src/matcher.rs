//! Matches byte strings against tokens of a path pattern, in time bounded by pattern × path.
//!
//! `glob.rs` and `ignore/` make the tokens, each with its own syntax.

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Token {
    /// This character.
    Char(char),
    /// One character but `/`.
    Any,
    /// One character of a set, `/` too if it is in it.
    Class(Class),
    /// Any number of characters but `/`.
    Star,
}

impl Token {
    /// Whether it matches one character; `None` is a byte that is no text, as which U+FFFD counts in sets.
    pub(crate) fn matches(&self, ch: Option<char>) -> bool {
        match self {
            Token::Char(expected) => ch == Some(*expected),
            Token::Any | Token::Star => ch != Some('/'),
            Token::Class(class) => class.contains(ch.unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
}

/// `[a-z]` or `[^a-z]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn contains(&self, ch: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&ch)) != self.negated
    }

    /// Reads the set after `[`. As in Go, `]` and `-` cannot stand first, and a range may be empty.
    pub(crate) fn read(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Class> {
        let negated = chars.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        loop {
            if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
                return Some(Class { negated, ranges });
            }
            let low = Self::member(chars)?;
            let high = if chars.next_if_eq(&'-').is_some() {
                Self::member(chars)?
            } else {
                low
            };
            ranges.push((low, high));
        }
    }

    fn member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
        match chars.next()? {
            '-' | ']' => None,
            '\\' => chars.next(),
            ch => Some(ch),
        }
    }
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    tokens: Vec<Token>,
    /// What every match begins and ends with: a cheap way to say no.
    prefix: String,
    suffix: String,
}

impl Matcher {
    pub(crate) fn new(tokens: Vec<Token>) -> Self {
        let literal = |token: &Token| match token {
            Token::Char(ch) => Some(*ch),
            _ => None,
        };
        let prefix = tokens.iter().map_while(literal).collect();
        let mut suffix: Vec<char> = tokens.iter().rev().map_while(literal).collect();
        suffix.reverse();
        Self {
            tokens,
            prefix,
            suffix: suffix.into_iter().collect(),
        }
    }

    /// Whether all of `path` matches.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        if !path.starts_with(self.prefix.as_bytes()) || !path.ends_with(self.suffix.as_bytes()) {
            return false;
        }
        // How many tokens the path so far may have used up.
        let size = self.tokens.len() + 1;
        let mut now = vec![false; size];
        let mut next = vec![false; size];
        now[0] = true;
        self.skip_stars(&mut now);
        for ch in Chars(path) {
            next.fill(false);
            let mut alive = false;
            for (index, token) in self.tokens.iter().enumerate() {
                if now[index] && token.matches(ch) {
                    let stays = *token == Token::Star;
                    next[if stays { index } else { index + 1 }] = true;
                    alive = true;
                }
            }
            if !alive {
                return false;
            }
            self.skip_stars(&mut next);
            std::mem::swap(&mut now, &mut next);
        }
        now[size - 1]
    }

    fn skip_stars(&self, states: &mut [bool]) {
        for (index, token) in self.tokens.iter().enumerate() {
            if states[index] && *token == Token::Star {
                states[index + 1] = true;
            }
        }
    }
}

/// Characters of bytes that need not be UTF-8; `None` is a byte that is none.
pub(crate) struct Chars<'a>(pub(crate) &'a [u8]);

impl Iterator for Chars<'_> {
    type Item = Option<char>;

    fn next(&mut self) -> Option<Option<char>> {
        let first = *self.0.first()?;
        let length = match first {
            0..=0x7f => {
                self.0 = &self.0[1..];
                return Some(Some(char::from(first)));
            }
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        let text = self
            .0
            .get(..length)
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let ch = text.and_then(|text| text.chars().next());
        let length = if ch.is_some() { length } else { 1 };
        self.0 = self.0.get(length..).unwrap_or_default();
        Some(ch)
    }
}

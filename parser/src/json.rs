//! The JSON form of arguments: an array of strings, and nothing else.

use std::ops::Range;

/// What a text that may be a JSON array is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Array {
    /// No JSON array: shell form.
    Other,
    /// A JSON array with an element that is no string, which stands at the range.
    NotStrings(Range<usize>),
    /// An array of strings.
    Strings(Vec<Element>),
}

/// One string of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// The string, escapes resolved.
    pub(crate) text: String,
    /// Between the quotes.
    pub(crate) inner: Range<usize>,
    /// No escape was in it.
    pub(crate) exact: bool,
}

/// Reads `text`, which may have white space around it.
pub(crate) fn array(text: &str) -> Array {
    if !text.trim_start().starts_with('[') {
        return Array::Other;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        pos: 0,
    };
    reader.top().unwrap_or(Array::Other)
}

/// The string that is the member of an object, and where it stands between its quotes. Nothing follows the object in its
/// last line.
pub(crate) fn string_member(text: &str, name: &str) -> Option<(String, Range<usize>)> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        pos: 0,
    };
    reader.space();
    if reader.byte()? != b'{' {
        return None;
    }
    let mut found = None;
    loop {
        let key = reader.key()?;
        reader.space();
        let value = if reader.peek()? == b'"' {
            let value = reader.string()?;
            Some((value.text, value.inner))
        } else {
            reader.value()?;
            None
        };
        if key.text == name {
            found = value;
        }
        reader.space();
        match reader.byte()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    let rest = text.get(reader.pos..)?.lines().next().unwrap_or_default();
    found.filter(|_| rest.trim().is_empty())
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.bytes.get(self.pos).is_some_and(|b| b" \t\r\n".contains(b)) {
            self.pos += 1;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.pos)?;
        self.pos += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    /// `None`: not JSON.
    fn top(&mut self) -> Option<Array> {
        let mut strings = Vec::new();
        let mut other = None;
        self.space();
        self.pos += 1;
        self.space();
        if self.peek()? == b']' {
            self.pos += 1;
        } else {
            loop {
                self.space();
                let start = self.pos;
                if self.peek()? == b'"' {
                    strings.push(self.string()?);
                } else {
                    self.value()?;
                    other.get_or_insert(start..self.pos);
                }
                self.space();
                match self.byte()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.space();
        if self.pos != self.bytes.len() {
            return None;
        }
        Some(match other {
            Some(range) => Array::NotStrings(range),
            None => Array::Strings(strings),
        })
    }

    /// Skips one value. Containers are kept on a stack of our own: their depth is the user's.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            self.space();
            let mut complete = true;
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                bracket @ (b'[' | b'{') => {
                    self.pos += 1;
                    self.space();
                    if self.peek()? == bracket + 2 {
                        self.pos += 1;
                    } else {
                        open.push(bracket);
                        complete = false;
                        if bracket == b'{' {
                            self.key()?;
                        }
                    }
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => self.number()?,
            }
            while complete {
                let Some(bracket) = open.last().copied() else {
                    return Some(());
                };
                self.space();
                match self.byte()? {
                    b',' => {
                        if bracket == b'{' {
                            self.key()?;
                        }
                        complete = false;
                    }
                    // `]` and `}` stand two after `[` and `{` in ASCII.
                    byte if byte == bracket + 2 => {
                        open.pop();
                    }
                    _ => return None,
                }
            }
        }
    }

    /// A string and the colon behind it.
    fn key(&mut self) -> Option<Element> {
        self.space();
        if self.peek()? != b'"' {
            return None;
        }
        let key = self.string()?;
        self.space();
        (self.byte()? == b':').then_some(key)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text
            .get(self.pos..)?
            .starts_with(word)
            .then(|| self.pos += word.len())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.pos;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.pos += 1;
        }
        (self.pos > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.pos += 1;
        }
        if self.peek()? == b'0' {
            self.pos += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.pos += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.pos += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.pos += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn string(&mut self) -> Option<Element> {
        self.pos += 1;
        let start = self.pos;
        let mut text = String::new();
        let mut exact = true;
        loop {
            let plain = self.pos;
            while self.peek().is_some_and(|b| b >= 0x20 && b != b'"' && b != b'\\') {
                self.pos += 1;
            }
            text.push_str(self.text.get(plain..self.pos)?);
            match self.byte()? {
                b'"' => {
                    return Some(Element {
                        text,
                        inner: start..self.pos - 1,
                        exact,
                    });
                }
                b'\\' => {
                    exact = false;
                    text.push(self.escape()?);
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.byte()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if (0xd800..0xdc00).contains(&first) && self.text.get(self.pos..)?.starts_with("\\u") {
                    let back = self.pos;
                    self.pos += 2;
                    let second = self.hex()?;
                    if (0xdc00..0xe000).contains(&second) {
                        return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                    }
                    self.pos = back;
                }
                // Half of a surrogate pair is no character.
                char::from_u32(first).unwrap_or('\u{fffd}')
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.pos..self.pos + 4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.pos += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        match array(text) {
            Array::Strings(elements) => elements.into_iter().map(|e| e.text).collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn arrays_of_strings() {
        assert_eq!(strings("[]"), Vec::<String>::new());
        assert_eq!(strings(" [ ] "), Vec::<String>::new());
        assert_eq!(strings(r#"["a", "b c"]"#), ["a", "b c"]);
        assert_eq!(
            strings(r#"["\u0041\/\n\"\\", "\ud83d\ude00"]"#),
            ["A/\n\"\\", "😀"]
        );
        assert_eq!(
            strings(r#"["\ud83d", "\ud83d\u0041"]"#),
            ["\u{fffd}", "\u{fffd}A"]
        );
        let Array::Strings(elements) = array(r#"["ab", "\t"]"#) else {
            panic!()
        };
        assert_eq!(
            (elements[0].inner.clone(), elements[0].exact, elements[1].exact),
            (2..4, true, false)
        );
    }

    #[test]
    fn other_texts_are_shell_form() {
        for text in [
            "",
            "a",
            "['a']",
            r#"["a""#,
            r#"["a",]"#,
            r#"["a"] b"#,
            r#"["a" "b"]"#,
            "[a]",
            r#"["\x"]"#,
            "[\"a\tb\"]",
            "[,]",
            "[ -f x ]",
            r#"["\u00"]"#,
            "[[",
            "[{]",
            "[01]",
            "[1.]",
            "[tru]",
            r#"[{"a"}]"#,
            r#"[{"a":1]"#,
        ] {
            assert_eq!(array(text), Array::Other, "{text}");
        }
    }

    #[test]
    fn arrays_of_other_things() {
        for (text, range) in [
            (r#"["a", 1]"#, 6..7),
            ("[null]", 1..5),
            (r#"[["a"], "b"]"#, 1..6),
            (r#"[{"a": [1, {"b": -1.5e+3}], "c": true}]"#, 1..38),
            ("[[], {}, false]", 1..3),
        ] {
            assert_eq!(array(text), Array::NotStrings(range), "{text}");
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(array(&deep), Array::Other);
        let closed = deep + &"]".repeat(1_000_000);
        assert!(matches!(array(&closed), Array::NotStrings(_)));
    }
}

//! Text that was meant as the JSON form: what keeps it from being one.

use std::ops::Range;

/// What is wrong, at its place in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// The place and what to say there, when it is known.
    pub(super) place: Option<(Range<usize>, &'static str)>,
    /// What to do, where the general word about the form does not say it.
    pub(super) help: Option<&'static str>,
}

impl Fault {
    fn at(range: Range<usize>, label: &'static str) -> Fault {
        Fault {
            place: Some((range, label)),
            help: None,
        }
    }
}

/// What is wrong with text that begins with `[`, was meant as JSON and is none; `None` when it may well be what it is,
/// for instance a test of the shell as in `[ "$x" == "y" ]`.
pub(super) fn fault(text: &str) -> Option<Fault> {
    let inside = text.strip_prefix('[')?;
    // A test needs white space behind its bracket; only commas tell the JSON form from it then.
    let may_be_test = inside.starts_with(char::is_whitespace);
    let mut reader = Reader {
        text,
        at: 1,
        commas: 0,
    };
    let outcome = reader.list();
    if may_be_test && reader.commas == 0 {
        let only = matches!(outcome, Outcome::Complete) && !inside.trim_start().starts_with('"');
        return only.then(|| fault_of_strings(text));
    }
    match outcome {
        Outcome::Complete => Some(fault_of_strings(text)),
        Outcome::Fault(fault) => Some(fault),
        Outcome::Foreign => is_closed(inside).then(Fault::default),
    }
}

/// Whether what follows `[` begins with a quote, ends with `]`, and is no test all the same.
fn is_closed(inside: &str) -> bool {
    const OPERATORS: [&str; 17] = [
        "=", "==", "!=", "=~", "<", ">", "-a", "-o", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-ef", "-nt",
        "-ot",
    ];
    inside.starts_with(is_quote)
        && inside.ends_with(']')
        && !inside.contains("] ")
        && !inside.split_whitespace().any(|word| OPERATORS.contains(&word))
}

/// Of a list in which brackets and commas are right: its quotes, or what stands between them, must be wrong.
fn fault_of_strings(text: &str) -> Fault {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, ch)) = chars.next() {
        match (ch, quote) {
            ('\\', Some('"')) => {
                let next = chars.next().map_or('\\', |(_, next)| next);
                if !"\"\\/bfnrtu".contains(next) {
                    return Fault {
                        help: Some("a backslash is written `\\\\` in the JSON form"),
                        ..Fault::at(at..at + 1 + next.len_utf8(), "JSON has no such escape")
                    };
                }
            }
            ('\'', None) => return Fault::at(at..at + 1, "JSON has double quotes only"),
            (_, None) if is_quote(ch) && ch != '"' => {
                let label = "this is a typographic quote, not `\"`";
                return Fault::at(at..at + ch.len_utf8(), label);
            }
            ('"', None) => quote = Some('"'),
            ('"', Some(_)) => quote = None,
            _ => {}
        }
    }
    Fault::default()
}

/// Straight and typographic quotes.
fn is_quote(ch: char) -> bool {
    matches!(ch, '"' | '\'' | '\u{2018}'..='\u{201f}')
}

enum Outcome {
    /// Strings in quotes of any kind with commas between, and nothing else.
    Complete,
    /// Nearly that.
    Fault(Fault),
    /// Something else.
    Foreign,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    commas: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is no white space; the reader stands before it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    /// Reads the strings, from behind the `[`.
    fn list(&mut self) -> Outcome {
        let mut comma = None;
        loop {
            match (self.peek(), comma) {
                (Some(open), _) if is_quote(open) => {
                    let start = self.at;
                    if !self.string(open) {
                        let range = start..start + open.len_utf8();
                        return Outcome::Fault(Fault::at(range, "this quote is not closed"));
                    }
                }
                (Some(']'), Some(at)) => {
                    return Outcome::Fault(Fault::at(at..at + 1, "no comma stands before the `]`"));
                }
                (None, Some(at)) => {
                    return Outcome::Fault(Fault::at(at..at + 1, "the `]` is missing behind this"));
                }
                _ => return Outcome::Foreign,
            }
            let end = self.at;
            match self.peek() {
                None => {
                    let at = self
                        .text
                        .get(..end)
                        .and_then(|text| text.char_indices().next_back());
                    let range = at.map_or(end, |(at, _)| at)..end;
                    return Outcome::Fault(Fault::at(range, "the `]` is missing behind this"));
                }
                Some(',') => {
                    comma = Some(self.at);
                    self.commas += 1;
                    self.at += 1;
                }
                Some(']') => break,
                Some(next) if is_quote(next) => {
                    let range = self.at..self.at + next.len_utf8();
                    return Outcome::Fault(Fault::at(range, "a comma is missing before this"));
                }
                Some(_) => return Outcome::Foreign,
            }
        }
        self.at += 1;
        self.end()
    }

    /// Behind the `]`.
    fn end(&mut self) -> Outcome {
        let help = match self.peek() {
            None => return Outcome::Complete,
            Some('#') => "a comment needs a line of its own",
            Some(_) => {
                "nothing may follow the `]`: for `&&`, `|` and other signs of the shell leave the JSON form"
            }
        };
        let range = self.at..self.text.trim_end().len();
        Outcome::Fault(Fault {
            help: Some(help),
            ..Fault::at(range, "this follows the `]`")
        })
    }

    /// Moves behind the quote that closes; `false` when there is none.
    fn string(&mut self, open: char) -> bool {
        let typographic = !matches!(open, '"' | '\'');
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, ch)) = chars.next() {
            match ch {
                '\\' if open == '"' => _ = chars.next(),
                _ if ch == open || typographic && is_quote(ch) => {
                    self.at += at + ch.len_utf8();
                    return true;
                }
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_the_shell_are_none() {
        for test in [
            r#"[ "$(id -u)" == "0" ]"#,
            r#"[ "$(id -u)" = 0 ]"#,
            r#"[ "$(cat f)" != "x" ]"#,
            r#"[ "$(cat "f")" =~ x ]"#,
            r#"[ "a,b" ] || true"#,
            r#"[ "$a" -eq "$b" ] && c"#,
            r#"[ "$a" -a "$b" -o "$c" ]"#,
            r#"[ "$a" \< "$b" ]"#,
            r#"[ "$a" < "$b" ]"#,
            r#"[ '1' -gt "$b" ]"#,
            r#"[ "$(grep '\d' f)" ]"#,
            r#"[ "$(echo "" )" ]"#,
            r#"[ -n "$a" ]"#,
            r#"[ -z '$a' ]"#,
            r#"[ ! -f "/a" ]"#,
            r#"[ "$a" = 'x, y' ]"#,
            r#"[[ "$a" == "b" ]]"#,
            r#"["$a" = b ]"#,
            r#"["$a" == "b"]"#,
            "[a]*.txt",
        ] {
            assert_eq!(fault(test), None, "{test}");
        }
    }

    #[test]
    fn places() {
        let check = |text: &str, place: &str, label: &str| {
            let fault = fault(text);
            let found = fault.as_ref().and_then(|fault| fault.place.clone());
            let (range, found) = found.unwrap_or((0..0, ""));
            assert_eq!((&text[range], found), (place, label), "{text} {fault:?}");
        };
        check(r#"["a", "b",]"#, ",", "no comma stands before the `]`");
        check(r#"["a", "b""#, "\"", "the `]` is missing behind this");
        check(r#"["a","#, ",", "the `]` is missing behind this");
        check(r#"["a" "b"]"#, "\"", "a comma is missing before this");
        check(r#"["a", "b]"#, "\"", "this quote is not closed");
        check("['a', 'b']", "'", "JSON has double quotes only");
        check("[ 'a' ]", "'", "JSON has double quotes only");
        check(
            "[\u{201c}a\u{201d}]",
            "\u{201c}",
            "this is a typographic quote, not `\"`",
        );
        check(r#"["a\d"]"#, "\\d", "JSON has no such escape");
        check(r#"["a"] # c"#, "# c", "this follows the `]`");
        check(r#"["a"] && ["b"]"#, "&& [\"b\"]", "this follows the `]`");
        check(r#"[ "a", "b" ] && c "#, "&& c", "this follows the `]`");
        assert_eq!(fault(r#"["a" b]"#), Some(Fault::default()));
    }
}

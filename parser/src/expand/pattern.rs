//! Patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*`, `?` and `\`, no brackets. Paths have `glob.rs`.

/// Most comparisons that one match may take; a hostile pattern is refused instead of run for minutes.
const BUDGET: usize = 20_000_000;

/// A match took more than its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PatternError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    Any,
    Star,
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    /// Parses `text`. `\}` and `\/` are what they escape: the substitution's own syntax needs them.
    ///
    /// # Errors
    /// The escape that means nothing.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(ch) = chars.next() {
            tokens.push(match ch {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => match chars.next() {
                    Some(ch @ ('*' | '?' | '\\' | '}' | '/')) => Token::Char(ch),
                    Some(ch) => return Err(format!("\\{ch}")),
                    None => return Err("\\".to_owned()),
                },
                ch => Token::Char(ch),
            });
        }
        // `**` is `*`; a run of stars would only cost time.
        tokens.dedup_by(|a, b| *a == Token::Star && *b == Token::Star);
        Ok(Self { tokens })
    }

    /// The byte length of the shortest or longest prefix that matches; 0 when none does.
    pub(crate) fn prefix(&self, value: &str, longest: bool) -> Result<usize, PatternError> {
        let end = self.ends(value.chars(), longest, &mut { BUDGET })?;
        Ok(end.map_or(0, |count| value.chars().take(count).map(char::len_utf8).sum()))
    }

    /// Where the shortest or longest suffix that matches begins; the end when none does.
    pub(crate) fn suffix(&self, value: &str, longest: bool) -> Result<usize, PatternError> {
        let reversed = Pattern {
            tokens: self.tokens.iter().rev().copied().collect(),
        };
        let end = reversed.ends(value.chars().rev(), longest, &mut { BUDGET })?;
        let cut: usize = end.map_or(0, |count| {
            value.chars().rev().take(count).map(char::len_utf8).sum()
        });
        Ok(value.len() - cut)
    }

    /// Replaces the first match, or all: leftmost, and of these the longest. `None` when the result is longer
    /// than `limit`.
    pub(crate) fn replace(
        &self,
        value: &str,
        replacement: &str,
        all: bool,
        limit: usize,
    ) -> Result<Option<String>, PatternError> {
        let mut budget = BUDGET;
        let mut out = String::new();
        let mut rest = value;
        let mut after_match = false;
        loop {
            if out.len() > limit {
                return Ok(None);
            }
            let found = self.ends(rest.chars(), true, &mut budget)?;
            let length: Option<usize> = found.map(|count| rest.chars().take(count).map(char::len_utf8).sum());
            // An empty match directly after a match is none.
            let length = length.filter(|length| *length > 0 || !after_match);
            if let Some(length) = length {
                out.push_str(replacement);
                rest = rest.get(length..).unwrap_or_default();
                if !all {
                    break;
                }
                if length > 0 {
                    after_match = true;
                    continue;
                }
            }
            after_match = false;
            match rest.chars().next() {
                Some(ch) => {
                    out.push(ch);
                    rest = rest.get(ch.len_utf8()..).unwrap_or_default();
                }
                None => break,
            }
        }
        out.push_str(rest);
        Ok(if out.len() > limit { None } else { Some(out) })
    }

    /// How many of `chars`, from the first, the pattern matches: fewest or most.
    fn ends(
        &self,
        chars: impl Iterator<Item = char>,
        longest: bool,
        budget: &mut usize,
    ) -> Result<Option<usize>, PatternError> {
        let count = self.tokens.len();
        let mut now = vec![false; count + 1];
        let mut next = vec![false; count + 1];
        now[0] = true;
        self.skip_stars(&mut now);
        let mut found = now[count].then_some(0);
        for (index, ch) in chars.enumerate() {
            if found.is_some() && !longest {
                return Ok(found);
            }
            *budget = budget.checked_sub(count + 1).ok_or(PatternError)?;
            next.fill(false);
            let mut alive = false;
            for (state, token) in self.tokens.iter().enumerate().filter(|(state, _)| now[*state]) {
                let target = match token {
                    Token::Char(expected) if *expected != ch => continue,
                    Token::Char(_) | Token::Any => state + 1,
                    Token::Star => state,
                };
                next[target] = true;
                alive = true;
            }
            if !alive {
                return Ok(found);
            }
            self.skip_stars(&mut next);
            std::mem::swap(&mut now, &mut next);
            if now[count] {
                found = Some(index + 1);
            }
        }
        Ok(found)
    }

    /// A star may match nothing.
    fn skip_stars(&self, states: &mut [bool]) {
        for (state, token) in self.tokens.iter().enumerate() {
            if *token == Token::Star && states[state] {
                states[state + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn prefixes_and_suffixes() {
        assert_eq!(pattern("*/").prefix("a/b/c", false), Ok(2));
        assert_eq!(pattern("*/").prefix("a/b/c", true), Ok(4));
        assert_eq!(pattern("x*").prefix("abc", true), Ok(0));
        assert_eq!(pattern(".*").suffix("a.tar.gz", false), Ok(5));
        assert_eq!(pattern(".*").suffix("a.tar.gz", true), Ok(1));
        assert_eq!(pattern("*").prefix("äö", true), Ok(4));
        assert_eq!(pattern("*").prefix("äö", false), Ok(0));
        assert_eq!(pattern("??").suffix("aäö", true), Ok(1));
        assert_eq!(pattern(r"\*").prefix("*a", true), Ok(1));
        assert_eq!(pattern(r"a\/b").prefix("a/b", true), Ok(3));
    }

    #[test]
    fn replacing() {
        let replace = |p: &str, v: &str, r: &str, all| pattern(p).replace(v, r, all, 1000).unwrap().unwrap();
        assert_eq!(replace("o", "foo boo", "0", false), "f0o boo");
        assert_eq!(replace("o", "foo boo", "0", true), "f00 b00");
        assert_eq!(replace("*", "abc", "x", true), "x");
        assert_eq!(replace("", "ab", "-", true), "-a-b-");
        assert_eq!(replace("b?", "abcbd", "", true), "a");
        assert_eq!(replace("z", "abc", "x", true), "abc");
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        assert_eq!(Pattern::new(r"\x"), Err(r"\x".to_owned()));
        assert_eq!(Pattern::new(r"a\"), Err(r"\".to_owned()));
    }

    #[test]
    fn hostile_patterns_are_cut_short() {
        let hostile = "*a".repeat(10_000);
        let value = "a".repeat(100_000) + "b";
        assert_eq!(pattern(&(hostile + "c")).prefix(&value, true), Err(PatternError));
    }
}

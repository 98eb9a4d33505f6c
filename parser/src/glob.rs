//! Wildcards of COPY and ADD, as Go's `filepath.Match` has them: `*` `?` `[a-z]` `[^a-z]` `\x`.
//!
//! A pattern is matched against one path component or a whole path; paths are bytes. Ignore patterns, which know
//! more, are `ignore/`.

use std::fmt;

use crate::matcher::{Class, Matcher, Token};

/// A pattern that is malformed: `[` without `]`, or `\` at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobError;

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed pattern: `[` is not closed, or `\\` stands at the end")
    }
}

impl std::error::Error for GlobError {}

/// Whether a pattern is a name and a `*` behind it, as in `COPY go.mod go.sum* ./`: among other sources that is how one
/// says that a file may be missing.
pub fn is_optional_name(pattern: &str) -> bool {
    let Some(name) = pattern.strip_suffix('*') else {
        return false;
    };
    !name.is_empty() && !name.ends_with(['/', '\\']) && !name.contains(['*', '?', '['])
}

/// A pattern without `**`. `*` and `?` do not match `/`; a set does if `/` is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    matcher: Matcher,
    literal: Option<String>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn new(text: &str) -> Result<Pattern, GlobError> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(ch) = chars.next() {
            tokens.push(match ch {
                '*' => {
                    if tokens.last() == Some(&Token::Star) {
                        continue;
                    }
                    Token::Star
                }
                '?' => Token::Any,
                '[' => Token::Class(Class::read(&mut chars).ok_or(GlobError)?),
                '\\' => Token::Char(chars.next().ok_or(GlobError)?),
                ch => Token::Char(ch),
            });
        }
        let literal = tokens
            .iter()
            .map(|token| match token {
                Token::Char(ch) => Some(*ch),
                _ => None,
            })
            .collect();
        Ok(Pattern {
            matcher: Matcher::new(tokens),
            literal,
        })
    }

    /// Whether all of `path` matches.
    pub fn matches(&self, path: impl AsRef<[u8]>) -> bool {
        match &self.literal {
            Some(literal) => literal.as_bytes() == path.as_ref(),
            None => self.matcher.matches(path.as_ref()),
        }
    }

    /// The only text that matches, when there is no wildcard.
    pub fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }
}

/// A component of a source path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
    /// A name.
    Literal(String),
    /// Names that match.
    Pattern(Pattern),
    /// `**`: any number of directories, none too. Only with `--parents`.
    AnyDepth,
}

/// Splits a source path at `/` and compiles each component. Empty ones and `.` are dropped, `..` takes the one
/// before it away and never leaves the root. `double_star` gives `**` its meaning; without it, it is `*`.
///
/// # Errors
/// When a component is malformed.
pub fn components(path: &str, double_star: bool) -> Result<Vec<Component>, GlobError> {
    let mut components = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            "**" if double_star => components.push(Component::AnyDepth),
            part => {
                let pattern = Pattern::new(part)?;
                components.push(match pattern.literal {
                    Some(literal) => Component::Literal(literal),
                    None => Component::Pattern(pattern),
                });
            }
        }
    }
    Ok(components)
}

/// Whether `text` has a wildcard; a malformed pattern has one.
pub fn has_wildcard(text: &str) -> bool {
    Pattern::new(text).map_or(true, |pattern| pattern.literal.is_none())
}

/// Only the syntax.
pub(crate) fn check(text: &str) -> Result<(), GlobError> {
    Pattern::new(text).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(path)
    }

    #[test]
    fn as_go_matches() {
        for (pattern, path, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a[!a]b", "a!b", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[x\\-]", "-", true),
            ("[[]x", "[x", true),
            ("*x", "xxx", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("[z-a]", "m", false),
            ("**", "abc", true),
            ("a**", "a/b", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
        for bad in [
            "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "\\", "a\\",
        ] {
            assert_eq!(Pattern::new(bad), Err(GlobError), "{bad}");
        }
    }

    #[test]
    fn bytes_need_not_be_text() {
        assert!(Pattern::new("a?c*").unwrap().matches(b"a\xffc\xc3"));
        assert!(!Pattern::new("a?").unwrap().matches(b"a\xff\xff"));
    }

    #[test]
    fn paths_split_and_stay_inside() {
        let names = |path: &str| -> Vec<String> {
            components(path, true)
                .unwrap()
                .into_iter()
                .map(|c| match c {
                    Component::Literal(name) => name,
                    Component::Pattern(_) => "<pattern>".into(),
                    Component::AnyDepth => "<any>".into(),
                })
                .collect()
        };
        assert_eq!(names("/a/./b//c/"), ["a", "b", "c"]);
        assert_eq!(names("../../a/../b"), ["b"]);
        assert_eq!(names("**/x*/[[]y"), ["<any>", "<pattern>", "<pattern>"]);
        assert_eq!(names("a\\*"), ["a*"]);
        assert!(has_wildcard("a*") && !has_wildcard("a\\*"));
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let pattern = Pattern::new(&("a*".repeat(200) + "c")).unwrap();
        assert!(!pattern.matches("a".repeat(4000) + "b"));
    }
}

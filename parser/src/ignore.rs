//! `.dockerignore`: patterns, and which of them decides about a path.
//!
//! The rules are those of moby's `patternmatcher`: patterns are anchored at the root, match the whole path or any
//! parent directory of it, and the last one that matches wins. Finding the file is the caller's business.
//!
//! One deviation: after `\` every character is literal. Moby hands `\d` or `\b` to Go's regular expressions.

use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::matcher::{Class, Matcher, Token};
use crate::{Span, glob};

/// A parsed ignore file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    patterns: Vec<IgnorePattern>,
}

/// One line of an ignore file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnorePattern {
    /// The pattern as written, trimmed, with `!`.
    pub text: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Where it stands.
    pub span: Span,
    /// `!`: takes back what was excluded before.
    pub reinclude: bool,
    cleaned: String,
    form: Form,
}

/// How a pattern is matched; moby takes shortcuts that matter (`**x` ends with `x`, across directories).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Exact,
    Prefix(String),
    Suffix(String),
    Tokens(Matcher),
}

/// What an ignore file says about a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether the path is excluded.
    pub excluded: bool,
    /// The pattern that decided last, as index into [`IgnoreFile::patterns`]; `None` when none matched.
    pub pattern: Option<usize>,
}

impl IgnoreFile {
    /// Parses the text of an ignore file.
    ///
    /// # Errors
    /// Every malformed pattern, with its place.
    pub fn parse(text: &str) -> Result<IgnoreFile, Vec<Diagnostic>> {
        let mut patterns = Vec::new();
        let mut errors = Vec::new();
        let start = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let mut offset = start;
        for (index, line) in text.get(start..).unwrap_or_default().split('\n').enumerate() {
            let trimmed = line.trim();
            let indent = line.len() - line.trim_start().len();
            let span = Span::new(offset + indent, offset + indent + trimmed.len());
            offset += line.len() + 1;
            if line.starts_with('#') || trimmed.is_empty() {
                continue;
            }
            match IgnorePattern::parse(trimmed, index + 1, span) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => errors.push(*error),
            }
        }
        if errors.is_empty() {
            Ok(IgnoreFile { patterns })
        } else {
            Err(errors)
        }
    }

    /// Patterns that come from elsewhere than a file: `COPY --exclude`. Lines are their positions, from 1.
    ///
    /// # Errors
    /// Every malformed pattern; its span is within its own text.
    pub fn from_patterns<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<IgnoreFile, Vec<Diagnostic>> {
        let mut file = IgnoreFile::default();
        let mut errors = Vec::new();
        for (index, text) in patterns.into_iter().map(str::trim).enumerate() {
            if text.is_empty() {
                continue;
            }
            match IgnorePattern::parse(text, index + 1, Span::new(0, text.len())) {
                Ok(pattern) => file.patterns.push(pattern),
                Err(error) => errors.push(*error),
            }
        }
        if errors.is_empty() { Ok(file) } else { Err(errors) }
    }

    /// The patterns in order.
    pub fn patterns(&self) -> &[IgnorePattern] {
        &self.patterns
    }

    /// What is said about `path`: relative, separated by `/`, without `.` and `..`. The root, an empty path or `.`,
    /// is never excluded.
    pub fn decide(&self, path: impl AsRef<[u8]>) -> Decision {
        let path = path.as_ref();
        let mut decision = Decision::default();
        if path.is_empty() || path == b"." {
            return decision;
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            // A pattern that could only say again what is already decided is not asked.
            if pattern.reinclude == decision.excluded && pattern.matches_path_or_parent(path) {
                decision = Decision {
                    excluded: !pattern.reinclude,
                    pattern: Some(index),
                };
            }
        }
        decision
    }

    /// Whether something below the directory `dir` could be taken back, so that a walk must enter it although it
    /// is excluded. Never wrongly `false`.
    pub fn may_reinclude_below(&self, dir: impl AsRef<[u8]>) -> bool {
        let dir = dir.as_ref();
        let decision = self.decide(dir);
        if !decision.excluded {
            return true;
        }
        let decided = decision.pattern.map_or(0, |index| index + 1);
        self.patterns
            .get(decided..)
            .unwrap_or_default()
            .iter()
            .any(|p| p.reinclude && p.may_match_below(dir))
    }
}

impl IgnorePattern {
    fn parse(text: &str, line: usize, span: Span) -> Result<IgnorePattern, Box<Diagnostic>> {
        let reinclude = text.starts_with('!');
        let body = text.strip_prefix('!').unwrap_or(text).trim();
        if body.is_empty() {
            let help = "to exclude a file whose name is `!`, write `\\!`";
            return Err(Box::new(
                Diagnostic::error(Kind::EmptyReinclude, span).with_help(help),
            ));
        }
        let mut cleaned = clean(body);
        if cleaned.len() > 1 && cleaned.starts_with('/') {
            cleaned.remove(0);
        }
        if glob::check(&cleaned).is_err() {
            let kind = Kind::InvalidPattern {
                pattern: text.to_owned(),
            };
            let help = "a `[` needs a `]`, and a `\\` a character after it";
            return Err(Box::new(Diagnostic::error(kind, span).with_help(help)));
        }
        let form = compile(&cleaned);
        Ok(IgnorePattern {
            text: text.to_owned(),
            line,
            span,
            reinclude,
            cleaned,
            form,
        })
    }

    fn matches_path_or_parent(&self, path: &[u8]) -> bool {
        self.matches(path)
            || path
                .iter()
                .enumerate()
                .any(|(at, byte)| *byte == b'/' && path.get(..at).is_some_and(|parent| self.matches(parent)))
    }

    fn matches(&self, path: &[u8]) -> bool {
        match &self.form {
            Form::Exact => path == self.cleaned.as_bytes(),
            Form::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            Form::Suffix(suffix) => {
                path.ends_with(suffix.as_bytes())
                    || suffix
                        .strip_prefix('/')
                        .is_some_and(|name| path == name.as_bytes())
            }
            Form::Tokens(matcher) => matcher.matches(path),
        }
    }

    /// Whether the pattern could match something below `dir`, or `dir` itself.
    fn may_match_below(&self, dir: &[u8]) -> bool {
        let mut names = dir.split(|byte| *byte == b'/');
        for component in self.cleaned.split('/') {
            // A set may match `/`, and `**` matches any number of them: no use to go on by components.
            if component.contains("**") || component.contains('[') {
                return true;
            }
            let Some(name) = names.next() else { return true };
            // A `/` after a backslash splits wrongly here; the half pattern is malformed then.
            match glob::Pattern::new(component) {
                Ok(pattern) if !pattern.matches(name) => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
        // The pattern matched a parent of what is below, or `dir` itself.
        true
    }
}

/// Translates a pattern with moby's shortcuts: which form results depends on what was seen so far.
fn compile(pattern: &str) -> Form {
    enum Seen {
        Exact,
        Prefix,
        Suffix,
        Tokens,
    }
    let mut seen = Seen::Exact;
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    let mut first = true;
    while let Some(ch) = chars.next() {
        match ch {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_none() {
                    seen = match seen {
                        Seen::Exact => Seen::Prefix,
                        _ => Seen::Tokens,
                    };
                    tokens.push(Token::Rest);
                } else {
                    tokens.push(Token::Dirs);
                    seen = Seen::Tokens;
                }
                if first {
                    seen = Seen::Suffix;
                }
            }
            '*' => {
                tokens.push(Token::Star);
                seen = Seen::Tokens;
            }
            '?' => {
                tokens.push(Token::Any);
                seen = Seen::Tokens;
            }
            '[' => {
                // The syntax was checked before.
                tokens.extend(Class::read(&mut chars).map(Token::Class));
                seen = Seen::Tokens;
            }
            '\\' => {
                tokens.extend(chars.next().map(Token::Char));
                seen = Seen::Tokens;
            }
            ch => {
                if ch == ']' {
                    seen = Seen::Tokens;
                }
                tokens.push(Token::Char(ch));
            }
        }
        first = false;
    }
    match seen {
        Seen::Exact => Form::Exact,
        Seen::Prefix => Form::Prefix(pattern.strip_suffix("**").unwrap_or(pattern).to_owned()),
        Seen::Suffix => Form::Suffix(pattern.strip_prefix("**").unwrap_or(pattern).to_owned()),
        Seen::Tokens => Form::Tokens(Matcher::new(tokens)),
    }
}

/// Go's `path.Clean`: the shortest path that means the same without looking at files.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
#[path = "ignore_tests.rs"]
mod tests;

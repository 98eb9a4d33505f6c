//! `.dockerignore`: patterns, and which of them decides about a path.
//!
//! The rules are those of moby's `patternmatcher`: patterns are anchored at the root, match the whole path or any
//! parent directory of it, and the last one that matches wins. Finding the file is the caller's business.
//!
//! One deviation: after `\` every character is literal. Moby hands `\d` or `\b` to Go's regular expressions.

mod set;

use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::matcher::{Class, Token};
use crate::{Span, glob};
use set::{Label, PatternSet, Steps};

/// A parsed ignore file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    patterns: Vec<IgnorePattern>,
    set: PatternSet,
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
}

/// What an ignore file says about a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether the path is excluded.
    pub excluded: bool,
    /// The last pattern that matches the path or a parent of it, as index into [`IgnoreFile::patterns`]; `None` when none matched.
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
        Self::of(patterns, errors)
    }

    /// Patterns that come from elsewhere than a file: `COPY --exclude`. Lines are their positions, from 1.
    ///
    /// # Errors
    /// Every malformed pattern; its span is within its own text.
    pub fn from_patterns<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<IgnoreFile, Vec<Diagnostic>> {
        let mut parsed = Vec::new();
        let mut errors = Vec::new();
        for (index, text) in patterns.into_iter().map(str::trim).enumerate() {
            if text.is_empty() {
                continue;
            }
            match IgnorePattern::parse(text, index + 1, Span::new(0, text.len())) {
                Ok(pattern) => parsed.push(pattern),
                Err(error) => errors.push(*error),
            }
        }
        Self::of(parsed, errors)
    }

    fn of(
        parsed: Vec<(IgnorePattern, Steps)>,
        errors: Vec<Diagnostic>,
    ) -> Result<IgnoreFile, Vec<Diagnostic>> {
        if !errors.is_empty() {
            return Err(errors);
        }
        let (patterns, steps): (Vec<_>, Vec<_>) = parsed.into_iter().unzip();
        let set = PatternSet::new(&steps);
        Ok(IgnoreFile { patterns, set })
    }

    /// The patterns in order.
    pub fn patterns(&self) -> &[IgnorePattern] {
        &self.patterns
    }

    /// What is said about `path`: relative, separated by `/`, without `.` and `..`. The root, an empty path or `.`,
    /// is never excluded.
    pub fn decide(&self, path: impl AsRef<[u8]>) -> Decision {
        self.find(path.as_ref()).0
    }

    /// Whether something below the directory `dir` could be taken back, so that a walk must enter it although it
    /// is excluded. Never wrongly `false`.
    pub fn may_reinclude_below(&self, dir: impl AsRef<[u8]>) -> bool {
        let (decision, reincludes_below) = self.find(dir.as_ref());
        !decision.excluded || reincludes_below
    }

    fn find(&self, path: &[u8]) -> (Decision, bool) {
        if path.is_empty() || path == b"." || self.patterns.is_empty() {
            return (Decision::default(), false);
        }
        let found = self.set.find(path);
        let pattern = found.last.and_then(|index| self.patterns.get(index));
        let decision = Decision {
            excluded: pattern.is_some_and(|pattern| !pattern.reinclude),
            pattern: found.last,
        };
        (decision, found.reincludes_below)
    }
}

impl IgnorePattern {
    fn parse(text: &str, line: usize, span: Span) -> Result<(IgnorePattern, Steps), Box<Diagnostic>> {
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
        let pattern = IgnorePattern {
            text: text.to_owned(),
            line,
            span,
            reinclude,
        };
        let steps = steps(&cleaned);
        Ok((pattern, Steps { steps, reinclude }))
    }
}

/// Translates a pattern. Moby's shortcut for `**` and a name without wildcards is kept: it ends with the name, across
/// directories (`**x` matches `a/yx`), where `**x*` begins at a name.
fn steps(pattern: &str) -> Vec<Label> {
    let mut steps = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(ch) = chars.next() {
        let token = match ch {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                let is_last = chars.peek().is_none();
                let step = if is_last { Label::Rest } else { Label::Dirs };
                // `**/**/` is `**/`.
                if steps.last() != Some(&step) {
                    steps.push(step);
                }
                continue;
            }
            '*' => Some(Token::Star),
            '?' => Some(Token::Any),
            // The syntax was checked before.
            '[' => Class::read(&mut chars).map(Token::Class),
            '\\' => chars.next().map(Token::Char),
            ch => Some(Token::Char(ch)),
        };
        steps.extend(token.map(Label::Token));
    }
    let ends_with_name = pattern
        .strip_prefix("**")
        .is_some_and(|name| !name.starts_with('/') && !name.contains(['*', '?', '[', ']', '\\']));
    if let (true, Some(first)) = (ends_with_name, steps.first_mut()) {
        *first = Label::Rest;
    }
    steps
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
mod tests;

//! Words of ARG, ENV and LABEL: quotes group, and stay in the word.

use std::ops::Range;

use crate::expand::Escape;

/// The words of `text`, which begins at `start` of the logical line.
pub(crate) fn split(text: &str, start: usize, escape: Escape) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut begin = None;
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, ch)) = chars.next() {
        if quote.is_none() && ch.is_whitespace() {
            words.extend(begin.take().map(|begin| start + begin..start + at));
            continue;
        }
        begin.get_or_insert(at);
        if ch == escape.char() && quote != Some('\'') {
            chars.next();
        } else if quote == Some(ch) {
            quote = None;
        } else if quote.is_none() && (ch == '"' || ch == '\'') {
            quote = Some(ch);
        }
    }
    words.extend(begin.map(|begin| start + begin..start + text.len()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        split(text, 0, Escape::Backslash)
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn quotes_and_escapes_group() {
        assert_eq!(
            words(r#"a=b\ c d="e f" g='h i' j="#),
            ["a=b\\ c", "d=\"e f\"", "g='h i'", "j="]
        );
        assert_eq!(words(r#"a="x\" y" b='\' c"#), ["a=\"x\\\" y\"", "b='\\'", "c"]);
        assert_eq!(words("a=\"open b"), ["a=\"open b"]);
        assert_eq!(words("  "), Vec::<&str>::new());
        assert_eq!(words("''"), ["''"]);
    }
}

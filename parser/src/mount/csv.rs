//! The comma-separated fields of a mount, with the quotes of CSV.

use std::borrow::Cow;
use std::ops::Range;

/// One field: its text without quotes, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) range: Range<usize>,
    /// It was not quoted, so offsets carry over.
    pub(crate) exact: bool,
}

/// Splits a value. `None` when a quote is not closed or stands in the middle of a field.
pub(crate) fn fields(value: &str) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    let mut pos = 0;
    loop {
        let rest = value.get(pos..)?;
        let field = if let Some(quoted) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next()? {
                    (_, '"') if chars.next_if(|(_, ch)| *ch == '"').is_some() => text.push('"'),
                    (at, '"') => break pos + 1 + at + 1,
                    (_, ch) => text.push(ch),
                }
            };
            Field {
                text: Cow::Owned(text),
                range: pos..end,
                exact: false,
            }
        } else {
            let text = rest.split(',').next().unwrap_or_default();
            if text.contains('"') {
                return None;
            }
            Field {
                text: Cow::Borrowed(text),
                range: pos..pos + text.len(),
                exact: true,
            }
        };
        pos = field.range.end;
        fields.push(field);
        match value.get(pos..)?.chars().next() {
            None => return Some(fields),
            Some(',') => pos += 1,
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        let texts = |value: &str| {
            fields(value).map(|f| f.into_iter().map(|f| f.text.into_owned()).collect::<Vec<_>>())
        };
        assert_eq!(texts("a=b,c"), Some(vec!["a=b".into(), "c".into()]));
        assert_eq!(texts("\"a=b,c\",d"), Some(vec!["a=b,c".into(), "d".into()]));
        assert_eq!(texts("\"a\"\"b\""), Some(vec!["a\"b".into()]));
        assert_eq!(texts("a,"), Some(vec!["a".into(), String::new()]));
        for bad in ["\"a", "a\"b", "\"a\"b", "\""] {
            assert_eq!(texts(bad), None, "{bad}");
        }
    }
}

//! `key=value,key=value` option texts as `-o`, `--secret` and `--mount` take them: one CSV record (RFC 4180 quoting).

use crate::error::Failure;

/// The fields of one record; `key` alone has no value.
pub type Fields = Vec<(String, Option<String>)>;

/// Splits `text` at commas outside double quotes and each field at its first `=`.
///
/// # Errors
/// An unbalanced quote or an empty key, naming `flag`.
pub fn fields(flag: &str, text: &str) -> Result<Fields, Failure> {
    let wrong = |why: &str| Failure::usage(format!("{flag} `{text}`: {why}"));
    let mut records = Vec::new();
    let mut current = String::new();
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                current.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => records.push(std::mem::take(&mut current)),
            c => current.push(c),
        }
    }
    if quoted {
        return Err(wrong("a quote is not closed"));
    }
    records.push(current);
    records
        .into_iter()
        .map(|field| {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key.trim().to_ascii_lowercase(), Some(value.to_owned())),
                None => (field.trim().to_owned(), None),
            };
            if key.is_empty() {
                Err(wrong("a field is empty"))
            } else {
                Ok((key, value))
            }
        })
        .collect()
}

/// The error for a key that `flag` does not know, with the nearest one that it does.
#[must_use]
pub fn unknown_key(flag: &str, key: &str, known: &[&str]) -> Failure {
    let failure = Failure::usage(format!("{flag}: unknown option `{key}`"));
    match dockerfile_parser::suggest::nearest(key, known.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("known options: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_commas() {
        let parsed = fields("-o", "type=local,\"dest=a,b\"").unwrap();
        assert_eq!(
            parsed,
            vec![
                ("type".into(), Some("local".into())),
                ("dest".into(), Some("a,b".into()))
            ]
        );
    }

    #[test]
    fn open_quote_is_an_error() {
        assert!(
            fields("-o", "\"a")
                .unwrap_err()
                .text()
                .contains("a quote is not closed")
        );
    }
}

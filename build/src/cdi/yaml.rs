//! YAML to the values of JSON, with the types of YAML's core schema. Specs need no more of YAML: aliases and several
//! documents in one file are refused.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// How deep values may be in each other.
const MAX_DEPTH: usize = 32;

/// Reads one document.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut events = Events(Parser::new_from_str(text));
    let mut document = None;
    loop {
        match events.next()? {
            Event::StreamEnd => return document.ok_or_else(|| "it is empty".to_owned()),
            Event::DocumentStart(_) if document.is_some() => {
                return Err("it has more than one document".to_owned());
            }
            Event::DocumentStart(_) => {
                let first = events.next()?;
                document = Some(events.value(first, 0)?);
            }
            _ => {}
        }
    }
}

struct Events<'t>(Parser<'t, StrInput<'t>>);

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<Event<'t>, String> {
        match self.0.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(Event::StreamEnd),
        }
    }

    fn value(&mut self, event: Event<'t>, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("it is nested too deeply".to_owned());
        }
        match event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) => Ok(plain(&text)),
            Event::Scalar(text, ..) => Ok(Value::String(text.into_owned())),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Value::Array(items)),
                        item => items.push(self.value(item, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut fields = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => return Ok(Value::Object(fields)),
                        Event::Scalar(text, ..) => text.into_owned(),
                        _ => return Err("a key is no plain text".to_owned()),
                    };
                    let value = self.next()?;
                    let value = self.value(value, depth + 1)?;
                    if fields.insert(key.clone(), value).is_some() {
                        return Err(format!("the key `{key}` is there twice"));
                    }
                }
            }
            Event::Alias(_) => Err("aliases (`*name`) are not supported".to_owned()),
            other => Err(format!("unexpected {other:?}")),
        }
    }
}

/// A scalar without quotes: YAML 1.2.2, section 10.3.2.
fn plain(text: &str) -> Value {
    let integer = || {
        if let Some(digits) = text.strip_prefix("0o") {
            return i64::from_str_radix(digits, 8).ok();
        }
        if let Some(digits) = text.strip_prefix("0x") {
            return i64::from_str_radix(digits, 16).ok();
        }
        text.parse().ok()
    };
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => integer()
            .map(Value::from)
            .or_else(|| text.parse::<f64>().ok().filter(|_| is_number).map(Value::from))
            .unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_core_schema() {
        let text = "---\na: 1\nb: 0o17\nc: 0x1f\nd: 1.5\ne: true\nf: ~\ng: 0.6.0\nh: \"1\"\ni: !!str 2\nj: [x, 'y']\nk:\n  - {l: null}\nm: |\n  two\n  lines\n";
        let expected = json!({
            "a": 1, "b": 15, "c": 31, "d": 1.5, "e": true, "f": null, "g": "0.6.0", "h": "1", "i": "2",
            "j": ["x", "y"], "k": [{ "l": null }], "m": "two\nlines\n",
        });
        assert_eq!(parse(text), Ok(expected));
        // JSON is YAML.
        assert_eq!(parse(r#"{"a": [1, "b"]}"#), Ok(json!({ "a": [1, "b"] })));
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        let deep = "[".repeat(100_000);
        for (text, word) in [
            ("", "empty"),
            ("a: 1\na: 2", "twice"),
            ("a: &x 1\nb: *x", "aliases"),
            ("a: 1\n---\nb: 2", "more than one"),
            ("a: [1", ""),
            ("? [a]\n: b", "plain text"),
            (&deep, ""),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word), "{error}");
        }
    }
}

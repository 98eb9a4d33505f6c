//! `--env-file`: KEY=VALUE lines as docker reads them: no quotes, no expansion, `#` at the start is a comment, a bare
//! KEY is taken from the caller's environment.

use crate::error::Failure;
use rbuild_build::context::text::text_at;
use std::path::Path;

/// Reads one file.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or a line has an empty or blank-containing key; with the line.
pub fn read(path: &Path, caller: impl Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, Failure> {
    let wrong = |why: String| Failure::usage(format!("reading --env-file `{}`: {why}", path.display()));
    let bytes = text_at(path).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    parse(&text, caller).map_err(|(line, why)| Failure::usage(format!("{}:{line}: {why}", path.display())))
}

fn parse(
    text: &str,
    caller: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut variables = Vec::new();
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line.trim_end(), caller(line.trim_end())),
        };
        if key.is_empty() {
            return Err((index + 1, "there is no variable name before `=`".to_owned()));
        }
        if key.contains(char::is_whitespace) {
            return Err((index + 1, format!("the variable name `{key}` contains blanks")));
        }
        if let Some(value) = value {
            variables.push((key.to_owned(), value));
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_as_they_stand() {
        let parsed = parse("\u{feff}# c\n\nA=b c \nQ=\"x\"\nE=\nHOME\nNOPE\n", |key| {
            (key == "HOME").then(|| "/root".to_owned())
        });
        let expected = [("A", "b c "), ("Q", "\"x\""), ("E", ""), ("HOME", "/root")];
        assert_eq!(
            parsed.unwrap(),
            expected.map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn wrong_lines_have_numbers() {
        assert_eq!(parse("A=1\n=x", |_| None).unwrap_err().0, 2);
        assert!(parse("A B=1", |_| None).unwrap_err().1.contains("blanks"));
    }
}

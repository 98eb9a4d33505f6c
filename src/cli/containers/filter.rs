//! `--filter` of `ps` and `container prune`: filters of one name add up, those of different names all count.

use crate::cli::prune::until;
use crate::error::Failure;
use crate::options::choice;
use rbuild_container::kept::{Kept, Record, State};
use rbuild_container::time::{Time, now};

/// What containers are to be like.
#[derive(Debug)]
pub struct Filters(Vec<(String, String)>);

impl Filters {
    /// Reads filters.
    ///
    /// # Errors
    /// One is not of these, or has no value.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Self, Failure> {
        let mut filters = Vec::new();
        for text in texts {
            let Some((name, value)) = text.split_once('=') else {
                return Err(Failure::usage(format!(
                    "--filter `{text}` is not of the form NAME=VALUE"
                )));
            };
            if !known.contains(&name) {
                return Err(choice("--filter", name, known));
            }
            let value = match name {
                "until" => {
                    let seconds = now() / 1_000_000_000;
                    until("--filter until", value, seconds)?.to_string()
                }
                "status" => state_name(value)?,
                _ => value.to_owned(),
            };
            filters.push((name.to_owned(), value));
        }
        Ok(Self(filters))
    }

    /// Whether any of this name is there.
    #[must_use]
    pub fn name(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Whether a container is like that.
    #[must_use]
    pub fn take(&self, kept: &Kept, state: &State) -> bool {
        self.0.iter().all(|(name, value)| match name.as_str() {
            // Each label that is asked for must be there.
            "label" | "label!" => fits(name, value, kept.record(), state),
            _ => self
                .0
                .iter()
                .any(|(other, value)| other == name && fits(name, value, kept.record(), state)),
        })
    }
}

fn fits(name: &str, value: &str, record: &Record, state: &State) -> bool {
    match name {
        "status" => state.status.name() == value,
        "name" => is_named(&record.name, value),
        "id" => record.id.as_str().starts_with(value),
        "label" => is_labelled(record, value),
        "label!" => !is_labelled(record, value),
        "exited" => state.finished.is_some() && state.exit_code.to_string() == value,
        "ancestor" => record.image.name == value || record.image.id.to_hex().starts_with(value),
        "until" => value.parse::<Time>().is_ok_and(|until| record.created < until),
        _ => false,
    }
}

/// A part of the name; `^` and `$` stand for its ends, as in the expressions that scripts use.
fn is_named(name: &str, wanted: &str) -> bool {
    let wanted = wanted
        .strip_prefix("^/")
        .map_or_else(|| wanted.to_owned(), |rest| format!("^{rest}"));
    let (start, rest) = match wanted.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, wanted.as_str()),
    };
    let (end, rest) = match rest.strip_suffix('$') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    match (start, end) {
        (true, true) => name == rest,
        (true, false) => name.starts_with(rest),
        (false, true) => name.ends_with(rest),
        (false, false) => name.contains(rest),
    }
}

fn is_labelled(record: &Record, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => record.labels.get(key).is_some_and(|label| label == value),
        None => record.labels.contains_key(wanted),
    }
}

fn state_name(text: &str) -> Result<String, Failure> {
    const STATES: [&str; 7] = [
        "created",
        "running",
        "paused",
        "restarting",
        "exited",
        "removing",
        "dead",
    ];
    match STATES.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(choice("--filter status", text, &STATES)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_a_part_of_them() {
        for (wanted, is) in [
            ("web", true),
            ("^my-web$", true),
            ("^/my-web$", true),
            ("^web", false),
            ("web$", true),
            ("^my", true),
            ("x", false),
        ] {
            assert_eq!(is_named("my-web", wanted), is, "{wanted}");
        }
    }

    #[test]
    fn what_is_no_filter_is_told() {
        let error = |text: &str| {
            Filters::parse(&[text.to_owned()], &["status", "name"])
                .unwrap_err()
                .text()
        };
        assert!(error("status").contains("NAME=VALUE"));
        assert!(
            error("stats=exited").contains("status"),
            "{}",
            error("stats=exited")
        );
        assert!(error("status=exitd").contains("exited"));
    }
}

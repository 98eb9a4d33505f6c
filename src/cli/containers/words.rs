//! docker's words for times and states, which scripts read.

use rbuild_container::kept::{State, Status};
use rbuild_container::time::Time;

const SECOND: i64 = 1_000_000_000;

/// A length of time as docker has it: `Less than a second`, `About a minute`, `3 hours`.
#[must_use]
pub fn length(nanoseconds: Time) -> String {
    let seconds = nanoseconds / SECOND;
    let minutes = seconds / 60;
    // Rounded, as docker rounds hours and nothing else.
    let hours = (seconds + 1800) / 3600;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// `3 hours ago`.
#[must_use]
pub fn ago(then: Time, now: Time) -> String {
    format!("{} ago", length(now.saturating_sub(then)))
}

/// What `ps` says of a container: `Up 3 seconds`, `Exited (137) 2 minutes ago`.
#[must_use]
pub fn status(state: &State, now: Time) -> String {
    let since = |then: Option<Time>| now.saturating_sub(then.unwrap_or(now));
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => format!("Up {}", length(since(state.started))),
        Status::Paused => format!("Up {} (Paused)", length(since(state.started))),
        Status::Restarting => {
            format!(
                "Restarting ({}) {} ago",
                state.exit_code,
                length(since(state.finished))
            )
        }
        Status::Exited => format!(
            "Exited ({}) {} ago",
            state.exit_code,
            length(since(state.finished))
        ),
    }
}

/// A command line in quotes, as Go writes a string.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_docker_words_them() {
        let words = |seconds: i64| length(seconds * SECOND);
        for (seconds, expected) in [
            (-3, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5399, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (13 * 86_400, "13 days"),
            (14 * 86_400, "2 weeks"),
            (59 * 86_400, "8 weeks"),
            (60 * 86_400, "2 months"),
            (730 * 86_400, "2 years"),
        ] {
            assert_eq!(words(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn states_as_docker_words_them() {
        let state = |status| State {
            status,
            started: Some(10 * SECOND),
            finished: Some(20 * SECOND),
            exit_code: 137,
            ..State::default()
        };
        let said = |status| super::status(&state(status), 140 * SECOND);
        assert_eq!(said(Status::Created), "Created");
        assert_eq!(said(Status::Running), "Up 2 minutes");
        assert_eq!(said(Status::Paused), "Up 2 minutes (Paused)");
        assert_eq!(said(Status::Exited), "Exited (137) 2 minutes ago");
        assert_eq!(said(Status::Restarting), "Restarting (137) 2 minutes ago");
        assert_eq!(quoted("sh -c \"a\nb\""), r#""sh -c \"a\nb\"""#);
    }
}

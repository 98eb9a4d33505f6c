//! `SIGTERM`, `TERM`, `15`: signals of Linux.

const NAMES: &[(&str, u8)] = &[
    ("ABRT", 6),
    ("ALRM", 14),
    ("BUS", 7),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("FPE", 8),
    ("HUP", 1),
    ("ILL", 4),
    ("INT", 2),
    ("IO", 29),
    ("IOT", 6),
    ("KILL", 9),
    ("PIPE", 13),
    ("POLL", 29),
    ("PROF", 27),
    ("PWR", 30),
    ("QUIT", 3),
    ("RTMAX", 64),
    ("RTMIN", 34),
    ("SEGV", 11),
    ("STKFLT", 16),
    ("STOP", 19),
    ("SYS", 31),
    ("TERM", 15),
    ("TRAP", 5),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("USR1", 10),
    ("USR2", 12),
    ("VTALRM", 26),
    ("WINCH", 28),
    ("XCPU", 24),
    ("XFSZ", 25),
];

/// The number of a signal: a number from 1 to 64, or a name with or without `SIG`, in any case;
/// `RTMIN+n` and `RTMAX-n` too.
pub fn parse(text: &str) -> Option<u8> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|number| (1..=64).contains(number));
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*number);
    }
    let plus = name
        .strip_prefix("RTMIN+")
        .and_then(|n| n.parse::<u8>().ok())
        .and_then(|n| n.checked_add(34));
    let minus = name
        .strip_prefix("RTMAX-")
        .and_then(|n| n.parse::<u8>().ok())
        .and_then(|n| 64u8.checked_sub(n));
    plus.or(minus).filter(|number| (34..=64).contains(number))
}

/// The name of a signal, with `SIG`; its number where it has none.
pub fn name(number: u8) -> String {
    match NAMES.iter().find(|(_, known)| *known == number) {
        Some((name, _)) => format!("SIG{name}"),
        None => number.to_string(),
    }
}

/// The nearest name, with `SIG`.
pub(crate) fn nearest(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    crate::suggest::nearest(name, NAMES.iter().map(|(name, _)| *name)).map(|name| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("term", 15),
            ("9", 9),
            ("SIGRTMIN", 34),
            ("RTMIN+3", 37),
            ("sigrtmax-1", 63),
        ] {
            assert_eq!(parse(text), Some(number), "{text}");
            assert_eq!(parse(&name(number)), Some(number), "{text}");
        }
        for text in [
            "", "0", "65", "SIGNOPE", "SIG", "RTMIN+31", "RTMAX-40", "-9", "9x", "999",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(nearest("SIGTREM").as_deref(), Some("SIGTERM"));
    }
}

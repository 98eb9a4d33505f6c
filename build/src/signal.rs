//! Names of signals, for messages and suggestions.

/// Names and numbers on Linux for the architectures rbuild runs on (x86-64, arm64: signal(7)).
const SIGNALS: [(&str, u8); 33] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The name of a signal without `SIG`, or its number.
#[must_use]
pub fn name(number: i32) -> String {
    SIGNALS
        .iter()
        .find(|(_, known)| i32::from(*known) == number)
        .map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

/// Names for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    SIGNALS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_numbers() {
        assert_eq!(name(15), "TERM");
        assert_eq!(name(6), "ABRT");
        assert_eq!(name(40), "40");
    }
}

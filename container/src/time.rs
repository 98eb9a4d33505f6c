//! Times of containers: nanoseconds since 1970, and their RFC 3339 form. The clock is read here and nowhere else.

use rbuild_oci::calendar::{civil, days_from_civil};
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since 1970.
pub type Time = i64;

const SECOND: i64 = 1_000_000_000;

/// Now.
#[must_use]
pub fn now() -> Time {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(SECOND).saturating_add(now.tv_nsec)
}

/// `2024-02-29T12:00:00.123456789Z`: always nine digits, so that times of a log are equally long.
#[must_use]
pub fn rfc3339(time: Time) -> String {
    let (seconds, nanoseconds) = (time.div_euclid(SECOND), time.rem_euclid(SECOND));
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{nanoseconds:09}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The time that [`rfc3339`] has written.
#[must_use]
pub fn parse(text: &str) -> Option<Time> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    if text.len() != "2024-02-29T12:00:00.123456789Z".len() {
        return None;
    }
    let days = days_from_civil(number(0..4)?, number(5..7)?, number(8..10)?);
    let seconds = days * 86_400 + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    seconds.checked_mul(SECOND)?.checked_add(number(20..29)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_709_208_000_123_456_789, "2024-02-29T12:00:00.123456789Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(rfc3339(time), text);
            assert_eq!(parse(text), Some(time));
        }
        assert_eq!(parse("2024-02-29T12:00:00Z"), None);
        assert_eq!(parse("2024-02-29Txx:00:00.123456789Z"), None);
    }
}

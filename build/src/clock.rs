//! Times: seconds since 1970, and their RFC 3339 form. The clock is read here and nowhere else.

use rbuild_oci::calendar::{civil, days_from_civil};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// `2024-02-29T12:00:00Z`.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Seconds since 1970 of an RFC 3339 time; fractions are dropped.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let zone = text
        .get(19..)?
        .trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] if zone.len() == 6 => {
            let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
            if *sign == b'-' {
                -minutes * 60
            } else {
                minutes * 60
            }
        }
        _ => return None,
    };
    Some(days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Seconds since 1970 of an HTTP date (RFC 9110, 5.6.7: `Thu, 01 Jan 1970 00:00:09 GMT`).
#[must_use]
pub fn parse_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // A server may send any number of digits.
    let number = |text: &str, max: i64| {
        let number = i64::from(text.parse::<u16>().ok()?);
        (number <= max).then_some(number)
    };
    let mut words = text.split_once(", ")?.1.split(' ');
    let day = number(words.next()?, 31)?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let year = number(words.next()?, 9999)?;
    let mut time = words.next()?.split(':');
    let mut part = |max| number(time.next()?, max);
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    (words.next()? == "GMT")
        .then(|| days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_208_000, "2024-02-29T12:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
            assert_eq!(parse_rfc3339(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn http_dates() {
        assert_eq!(
            parse_http_date("Thu, 29 Feb 2024 12:00:00 GMT"),
            Some(1_709_208_000)
        );
        assert_eq!(parse_http_date("Thu, 01 Jan 1970 00:00:09 GMT"), Some(9));
        for none in [
            "yesterday",
            "Thu, 9223372036854775807 Jan 1970 00:00:09 GMT",
            "Thu, 01 Jan 9223372036854775807 00:00:09 GMT",
            "Thu, 01 Jan 1970 9223372036854775807:00:09 GMT",
            "Thu, 01 Jan 1970 00:00 GMT",
        ] {
            assert_eq!(parse_http_date(none), None, "{none}");
        }
    }

    #[test]
    fn fractions_and_zones() {
        assert_eq!(parse_rfc3339("1970-01-01T01:00:00.5+01:00"), Some(0));
        assert_eq!(parse_rfc3339("1969-12-31T23:30:00-00:30"), Some(0));
        assert_eq!(parse_rfc3339("yesterday"), None);
        assert_eq!(parse_rfc3339("1970-01-01T00:00:00"), None);
    }
}

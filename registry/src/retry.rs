//! When to try again and how long to wait before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;

/// Capped exponential backoff with full jitter over the upper half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RetryPolicy {
    /// How often to try again after the first failure.
    pub retries: u32,
    /// The first wait.
    pub base: Duration,
    /// The longest wait. A server that asks for more than `retry_after_cap` is not waited for.
    pub cap: Duration,
    /// The longest `Retry-After` that is obeyed.
    pub retry_after_cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(20),
            retry_after_cap: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// No second try.
    pub fn never() -> Self {
        Self {
            retries: 0,
            ..Self::default()
        }
    }

    /// The wait before retry number `n` (from 0), or `None` to give up.
    pub fn delay(&self, n: u32, retry_after: Option<Duration>, clock: &dyn Clock) -> Option<Duration> {
        if n >= self.retries {
            return None;
        }
        let full = self
            .base
            .saturating_mul(1u32.checked_shl(n).unwrap_or(u32::MAX))
            .min(self.cap);
        let delay = full.mul_f64(0.5 + clock.jitter().clamp(0.0, 1.0) / 2.0);
        match retry_after {
            None => Some(delay),
            Some(asked) if asked > self.retry_after_cap => None,
            Some(asked) => Some(delay.max(asked)),
        }
    }
}

/// `Retry-After`: seconds or an HTTP date (RFC 9110 section 10.2.3).
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = parse_http_date(value)?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may be sent today.
fn parse_http_date(value: &str) -> Option<SystemTime> {
    let (_, rest) = value.split_once(", ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = fields.as_slice() else {
        return None;
    };
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS.iter().position(|m| m == month)? as i64 + 1;
    let (day, year) = (day.parse::<i64>().ok()?, year.parse::<i64>().ok()?);
    if !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    let clock: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hour, minute, second] = clock.as_slice() else {
        return None;
    };
    if *hour > 23 || *minute > 59 || *second > 60 {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, years counted from March.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = u64::try_from(days).ok()? * 86_400 + hour * 3600 + minute * 60 + second;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(f64);

    impl Clock for Fixed {
        fn now(&self) -> SystemTime {
            UNIX_EPOCH
        }
        fn sleep(&self, _: Duration, _: &dyn Fn() -> bool) {}
        fn jitter(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn grows_to_the_cap_and_stops() {
        let policy = RetryPolicy {
            retries: 8,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(10),
            ..Default::default()
        };
        let waits = |jitter| -> Vec<u64> {
            (0..9)
                .map_while(|n| policy.delay(n, None, &Fixed(jitter)))
                .map(|d| d.as_millis() as u64)
                .collect()
        };
        assert_eq!(waits(0.0), [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000]);
        assert_eq!(waits(1.0), [1000, 2000, 4000, 8000, 10000, 10000, 10000, 10000]);
        assert_eq!(policy.delay(40, None, &Fixed(0.0)), None);
        assert_eq!(RetryPolicy::never().delay(0, None, &Fixed(0.0)), None);
    }

    #[test]
    fn retry_after_is_obeyed_within_reason() {
        let policy = RetryPolicy::default();
        let seconds = Duration::from_secs;
        assert_eq!(policy.delay(0, Some(seconds(30)), &Fixed(0.0)), Some(seconds(30)));
        assert_eq!(
            policy.delay(0, Some(seconds(0)), &Fixed(0.0)),
            Some(Duration::from_millis(250))
        );
        assert_eq!(policy.delay(0, Some(seconds(121)), &Fixed(0.0)), None);
    }

    #[test]
    fn dates() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let parse = |text| parse_retry_after(text, now);
        assert_eq!(
            parse("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(
            parse("Thu, 29 Feb 1996 08:49:37 GMT"),
            Some(Duration::from_secs(825_583_777 - 784_111_777))
        );
        assert_eq!(parse(" 7 "), Some(Duration::from_secs(7)));
        for bad in [
            "",
            "-1",
            "soon",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

//! Words for times and sizes.

use std::time::Duration;

/// `0.3s`, `12.4s`, `3m02s`, `1h04m`.
pub fn duration(time: Duration) -> String {
    // Rounded to tenths first, so that 59.96 s is not `60.0s`.
    let tenths = (time.as_millis() + 50) / 100;
    let seconds = tenths / 10;
    match seconds {
        0..60 => format!("{seconds}.{}s", tenths % 10),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `512 B`, `1.2 kB`, `34.5 MB`: powers of 1000, as image sizes are given everywhere.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    // Tenths of the unit, rounded; one unit further when that makes 1000.0.
    let mut scale: u128 = 1000;
    for unit in UNITS {
        let tenths = (u128::from(count) * 10 + scale / 2) / scale;
        if tenths < 10_000 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        scale *= 1000;
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_into_the_next_unit() {
        let words = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(words(0), "0.0s");
        assert_eq!(words(49), "0.0s");
        assert_eq!(words(50), "0.1s");
        assert_eq!(words(12_440), "12.4s");
        assert_eq!(words(59_960), "1m00s");
        assert_eq!(words(182_000), "3m02s");
        assert_eq!(words(3_840_000), "1h04m");
    }

    #[test]
    fn sizes_round_into_the_next_unit() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.0 kB");
        assert_eq!(bytes(999_949), "999.9 kB");
        assert_eq!(bytes(999_950), "1.0 MB");
        assert_eq!(bytes(34_520_000), "34.5 MB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
    }
}

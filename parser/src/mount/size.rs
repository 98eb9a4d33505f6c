//! `64m`, `1.5GiB`: sizes as docker writes them, always powers of 1024.

/// The bytes of a size: a number with a unit `b`, `k`, `m`, `g`, `t`, `p`, in any case, maybe followed by `b` or `ib`.
pub fn parse(text: &str) -> Option<u64> {
    let digits = text
        .find(|ch: char| !ch.is_ascii_digit() && ch != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let shift = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') {
        return None;
    }
    let scale = 1u64 << shift;
    let mut total = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    // More digits than these are worth less than a byte.
    let fraction = fraction.get(..fraction.len().min(18)).unwrap_or_default();
    if !fraction.is_empty() {
        let digits: u128 = fraction.parse().ok()?;
        let part = u128::from(scale) * digits / 10u128.pow(u32::try_from(fraction.len()).ok()?);
        total = total.checked_add(u64::try_from(part).ok()?)?;
    }
    i64::try_from(total).ok()?;
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("1k", 1024),
            ("64m", 64 << 20),
            ("1GiB", 1 << 30),
            ("2 kb", 2048),
            ("0.5k", 512),
            ("1.25m", 1_310_720),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for bad in ["", "m", "-1", "1x", "1..5k", "99999999p", ".5k", "1kk"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

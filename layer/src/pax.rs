//! Extended header records (POSIX pax, "pax Extended Header"): `length key=value\n`.
//!
//! The value's length is given, so a value may hold any byte, newlines too. Whoever splits at newlines reads a crafted
//! attribute as a record of its own.

/// Appends one record.
pub fn put_record(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    // The length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + digits(len) {
        len = rest + digits(len);
    }
    out.extend_from_slice(len.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Splits a block of records. `None` when it is malformed anywhere.
pub(crate) fn records(mut block: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut list = Vec::new();
    while !block.is_empty() {
        let space = block.iter().take(20).position(|&byte| byte == b' ')?;
        let len = decimal(&block[..space])?;
        let len = usize::try_from(len).ok()?;
        let record = block.get(space + 1..len)?;
        let (&last, record) = record.split_last()?;
        if last != b'\n' {
            return None;
        }
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if key.is_empty() || key.contains(&0) {
            return None;
        }
        list.push((key, value));
        block = &block[len..];
    }
    Some(list)
}

/// A decimal number and nothing else.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A time as pax writes it: `1700000000.123456789`, negative ones with a minus. Digits past the ninth are cut off.
pub(crate) fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let secs = i64::try_from(decimal(whole)?).ok()?;
    let digit = |at: usize| fraction.get(at).map_or(0, |byte| u32::from(byte - b'0'));
    let nanos = (0..9).fold(0, |nanos, at| nanos * 10 + digit(at));
    Some(match (negative, nanos) {
        (false, _) => (secs, nanos),
        (true, 0) => (-secs, 0),
        (true, _) => (-secs - 1, 1_000_000_000 - nanos),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_value_survives(key in "[a-zA-Z.]{1,30}", value: Vec<u8>, more in proptest::collection::vec(0u8..255, 0..300)) {
            let mut block = Vec::new();
            put_record(key.as_bytes(), &value, &mut block);
            put_record(b"next", &more, &mut block);
            let expected = vec![(key.as_bytes(), value.as_slice()), (&b"next"[..], more.as_slice())];
            prop_assert_eq!(records(&block), Some(expected));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = records(&bytes);
            let _ = time(&bytes);
        }
    }

    #[test]
    fn length_counts_itself() {
        for len in 0..1200 {
            let mut block = Vec::new();
            put_record(b"k", &vec![b'x'; len], &mut block);
            let text = block.split(|&byte| byte == b' ').next().unwrap();
            assert_eq!(decimal(text), Some(block.len() as u64));
        }
    }

    #[test]
    fn a_value_cannot_smuggle_a_record() {
        let mut block = Vec::new();
        put_record(b"SCHILY.xattr.user.x", b"\n25 linkpath=/etc/shadow\n", &mut block);
        assert_eq!(records(&block).unwrap().len(), 1);
    }

    #[test]
    fn times() {
        assert_eq!(time(b"12"), Some((12, 0)));
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"12.0000000019"), Some((12, 1)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"-3"), Some((-3, 0)));
        for bad in ["", "-", "1e3", "1.x", " 1", "99999999999999999999"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }
}

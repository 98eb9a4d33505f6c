//! Tag names as file names.
//!
//! Names are opaque here (normalised references such as `docker.io/library/app:latest`). Everything that is not a
//! letter, digit, `-`, `_` or an inner `.` is written as `%XX`, so no name can leave the directory or hide; a name
//! that gets too long for a file name is cut and ends with its hash.

use rbuild_oci::Digest;

use crate::error::StoreError;

/// Most bytes of a file name on Linux file systems.
const NAME_MAX: usize = 255;
/// Most bytes of a tag name: far above what any reference may have.
const TAG_MAX: usize = 4096;

/// The file name of a tag.
pub(super) fn escape(name: &str) -> Result<String, StoreError> {
    let bad = |reason| StoreError::BadName {
        name: name.chars().take(100).collect(),
        reason,
    };
    if name.is_empty() {
        return Err(bad("it is empty"));
    }
    if name.len() > TAG_MAX {
        return Err(bad("it is too long"));
    }
    if name.chars().any(char::is_control) {
        return Err(bad("it has control characters"));
    }
    let mut escaped = String::with_capacity(name.len() + 16);
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(byte as char),
            b'.' if at > 0 => escaped.push('.'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    if escaped.len() > NAME_MAX {
        let hash = Digest::of(name.as_bytes()).to_hex();
        escaped.truncate(NAME_MAX - 1 - hash.len());
        // `%` with a `~` after it occurs in no short name, so long and short ones cannot meet.
        escaped.push('~');
        escaped.push_str(&hash);
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_stay_inside_and_apart() {
        let long = "a".repeat(300);
        let longer = format!("{long}b");
        let names = [
            ".",
            "..",
            "...",
            "a",
            "A",
            "a/b",
            "a%2Fb",
            "a:b",
            "../../etc/passwd",
            "%",
            "%2E",
            "a.b",
            ".a",
            "~",
            "localhost:5000/x/y:1.2_3-4@sha256:00",
            "näme",
            &long,
            &longer,
        ];
        let escaped: BTreeSet<String> = names.iter().map(|name| escape(name).unwrap()).collect();
        assert_eq!(escaped.len(), names.len(), "{escaped:?}");
        for file in &escaped {
            assert!(
                !file.contains('/') && !file.starts_with('.') && file.len() <= 255,
                "{file}"
            );
        }
        assert_eq!(
            escape("docker.io/library/app:latest").unwrap(),
            "docker.io%2Flibrary%2Fapp%3Alatest"
        );
    }

    #[test]
    fn what_cannot_be_a_name() {
        for bad in ["", "a\nb", "a\0", &"x".repeat(5000)] {
            assert!(matches!(escape(bad), Err(StoreError::BadName { .. })), "{bad:?}");
        }
    }
}

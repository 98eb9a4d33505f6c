//! [`Key`]: a cache key as the store sees it, a name of 64 digits.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// A cache key: 64 lower-case hexadecimal digits, so it is safe as a file name. The solver makes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// Accepts exactly 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Key, StoreError> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(digit) {
            return Ok(Key(text.to_owned()));
        }
        Err(StoreError::BadKey(text.chars().take(80).collect()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Key::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_lower_case_digits() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(Key::parse(&good).unwrap().as_str(), good);
        for bad in [
            String::new(),
            good[1..].to_owned(),
            good.to_uppercase(),
            format!("{}/", &good[1..]),
            format!("../{}", &good[3..]),
            format!("{good}0"),
        ] {
            assert!(Key::parse(&bad).is_err(), "{bad}");
        }
    }
}

//! [`ContainerId`]: what a container is called for good.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 64 lower-case hexadecimal digits, so it is safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

/// Digits of an id that are shown.
const SHORT: usize = 12;

impl ContainerId {
    /// An id of these random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Accepts exactly 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 64 && is_hex(text)).then(|| Self(text.to_owned()))
    }

    /// All digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..SHORT]
    }
}

/// Whether these can be the first digits of an id.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ContainerId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        ContainerId::parse(&text).ok_or("no id of a container")
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_lower_case_digits() {
        let id = ContainerId::from_random(&[0xa5; 32]);
        assert_eq!(id.as_str(), "a5".repeat(32));
        assert_eq!(id.short(), "a5a5a5a5a5a5");
        assert_eq!(ContainerId::parse(id.as_str()), Some(id.clone()));
        for wrong in [
            "",
            "a5",
            &"A5".repeat(32),
            &"g5".repeat(32),
            &format!("../{}", "0".repeat(61)),
        ] {
            assert_eq!(ContainerId::parse(wrong), None, "{wrong}");
        }
    }
}

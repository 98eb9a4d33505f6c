//! What all types of a hash have in common: strict parsing, printing, [`hash_type!`](crate::hash_type) that makes one.
//!
//! These strings become file names and parts of URLs, so nothing but 64 lower-case hex digits is taken
//! (CVE-2024-3727: digests used as paths without a check).

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` in front.
    #[error("digest `{0}` has no algorithm: expected `sha256:` and 64 hex digits")]
    NoAlgorithm(String),
    /// The algorithm is not sha256.
    #[error("digest algorithm `{0}` is not supported, only sha256 is")]
    Algorithm(String),
    /// The wrong number of digits.
    #[error("digest `{text}` has {actual} hex digits, not 64")]
    Length {
        /// The text, shortened.
        text: String,
        /// Bytes found where the digits should be.
        actual: usize,
    },
    /// Something that is not `0-9a-f`.
    #[error("digest `{text}` is not lower-case hex at byte {offset}")]
    NotHex {
        /// The text, shortened.
        text: String,
        /// Byte offset in the whole text.
        offset: usize,
    },
}

/// Keeps hostile input from flooding a message.
fn excerpt(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_default).collect()
}

/// Reads what [`write()`] wrote with the same prefix, `sha256:` or none. For [`hash_type!`](crate::hash_type).
pub fn parse(prefix: &str, text: &str) -> Result<[u8; 32], DigestError> {
    let digits = match text.split_once(':') {
        _ if prefix.is_empty() => text,
        None => return Err(DigestError::NoAlgorithm(excerpt(text))),
        Some(("sha256", digits)) => digits,
        Some((algorithm, _)) => return Err(DigestError::Algorithm(excerpt(algorithm))),
    };
    if let Some(bytes) = decoded(digits.as_bytes()) {
        return Ok(bytes);
    }
    Err(match digits.bytes().position(|digit| value(digit).is_none()) {
        Some(at) => DigestError::NotHex {
            text: excerpt(text),
            offset: text.len() - digits.len() + at,
        },
        None => DigestError::Length {
            text: excerpt(text),
            actual: digits.len(),
        },
    })
}

/// 64 digits; each is looked at once.
fn decoded(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Writes a prefix and 64 lower-case hex digits. For [`hash_type!`](crate::hash_type).
pub fn write(prefix: &str, bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

/// 64 lower-case hex digits. For [`hash_type!`](crate::hash_type).
pub fn hex(bytes: &[u8; 32]) -> String {
    struct Hex<'a>(&'a [u8; 32]);
    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write("", self.0, f)
        }
    }
    Hex(bytes).to_string()
}

/// The SHA-256 of these bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Makes a type of a SHA-256 from its docs, its name and what is printed before its digits: `"sha256:"` or `""`.
///
/// The crate that uses it depends on `serde`.
///
/// ```
/// rbuild_oci::hash_type! {
///     /// Names a stone.
///     StoneId, ""
/// }
///
/// let id = StoneId::from_bytes([0x5a; 32]);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("../5a".parse::<StoneId>().is_err());
/// ```
#[macro_export]
macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// From the 32 bytes of a SHA-256.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                $name(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// From 64 lower-case hex digits: the file-name form.
            pub fn from_hex(text: &str) -> Result<Self, $crate::DigestError> {
                $crate::hash::parse("", text).map($name)
            }

            /// 64 lower-case hex digits: the file-name form.
            pub fn to_hex(&self) -> String {
                $crate::hash::hex(&self.0)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::hash::write($prefix, &self.0, f)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::DigestError;

            fn from_str(text: &str) -> Result<Self, $crate::DigestError> {
                $crate::hash::parse($prefix, text).map($name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::DigestError;

            fn try_from(text: String) -> Result<Self, $crate::DigestError> {
                text.parse()
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

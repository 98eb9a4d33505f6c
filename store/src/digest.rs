//! The hashes of the store, one type each, so that the compiler knows a layer from a blob.
//!
//! All are SHA-256. What OCI prints carries `sha256:` in front (`Digest`, `DiffId`, `ChainId`); what only this store knows
//! is plain hex (`ContentId`, `SnapshotId`, `FileHash`). Parsing is strict, because these strings become file names:
//! 64 lower-case hex digits and nothing else.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A text that is no digest of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// There is no `algorithm:` in front.
    #[error("digest `{0}` has no algorithm: expected `sha256:` and 64 hex digits")]
    NoAlgorithm(String),
    /// The algorithm is not one that this store uses.
    #[error("digest algorithm `{0}` is not supported, only sha256 is")]
    UnsupportedAlgorithm(String),
    /// What follows is not 64 lower-case hex digits.
    #[error("digest `{0}` is not 64 lower-case hex digits")]
    NotHex(String),
}

/// Keeps hostile input from flooding a message.
fn excerpt(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_default).collect()
}

fn parse_hex(text: &str) -> Result<[u8; 32], ParseDigestError> {
    let fail = || ParseDigestError::NotHex(excerpt(text));
    let text = text.as_bytes();
    if text.len() != 64 {
        return Err(fail());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(fail()),
        };
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn parse_prefixed(text: &str) -> Result<[u8; 32], ParseDigestError> {
    match text.split_once(':') {
        None => Err(ParseDigestError::NoAlgorithm(excerpt(text))),
        Some(("sha256", hex)) => parse_hex(hex),
        Some((algorithm, _)) => Err(ParseDigestError::UnsupportedAlgorithm(excerpt(algorithm))),
    }
}

fn write_hex(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $parse:ident) => {
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
            pub fn from_hex(text: &str) -> Result<Self, ParseDigestError> {
                parse_hex(text).map($name)
            }

            /// 64 lower-case hex digits: the file-name form.
            pub fn to_hex(&self) -> String {
                format!("{}", Hex(&self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, ParseDigestError> {
                $parse(text).map($name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseDigestError;

            fn try_from(text: String) -> Result<Self, ParseDigestError> {
                text.parse()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.0, f)
    }
}

hash_type! {
    /// Names a blob: the bytes as they are stored and sent.
    Digest, "sha256:", parse_prefixed
}
hash_type! {
    /// Names a layer: the bytes of its uncompressed tar.
    DiffId, "sha256:", parse_prefixed
}
hash_type! {
    /// Names a stack of layers (OCI image-spec, config.md, "Layer ChainID").
    ChainId, "sha256:", parse_prefixed
}
hash_type! {
    /// Names what a snapshot contains, without times.
    ContentId, "", parse_hex
}
hash_type! {
    /// Names one committed snapshot on disk, times included.
    SnapshotId, "", parse_hex
}
hash_type! {
    /// The SHA-256 of a file's content.
    FileHash, "", parse_hex
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(sha256(bytes))
    }
}

impl FileHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        FileHash(sha256(bytes))
    }
}

impl ChainId {
    /// The chain of a whole stack, bottom layer first; `None` for no layers.
    pub fn of(layers: &[DiffId]) -> Option<Self> {
        let (first, rest) = layers.split_first()?;
        Some(
            rest.iter()
                .fold(ChainId(first.0), |chain, layer| chain.then(layer)),
        )
    }

    /// This chain with one more layer on top.
    #[must_use]
    pub fn then(&self, layer: &DiffId) -> Self {
        ChainId(sha256(format!("{self} {layer}").as_bytes()))
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn round_trip() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>(), Ok(Digest::of(b"")));
        assert_eq!(FileHash::of(b"").to_string(), EMPTY[7..]);
        let json = serde_json::to_string(&Digest::of(b"")).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), Digest::of(b""));
    }

    #[test]
    fn hostile_texts_are_refused() {
        let upper = EMPTY.to_uppercase();
        let long = format!("{EMPTY}0");
        for bad in [
            "",
            "sha256:",
            "sha256:../../x",
            &EMPTY[7..],
            &EMPTY[..70],
            &upper,
            &long,
            "sha256:\u{e9}",
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!(matches!(
            "sha512:00".parse::<DiffId>(),
            Err(ParseDigestError::UnsupportedAlgorithm(_))
        ));
        assert!(EMPTY.parse::<SnapshotId>().is_err());
    }

    #[test]
    fn chain_of_one_is_the_layer_itself() {
        let layer = DiffId::from_bytes([7; 32]);
        assert_eq!(ChainId::of(&[layer]).unwrap().as_bytes(), layer.as_bytes());
        let two = ChainId::of(&[layer, layer]).unwrap();
        assert_eq!(two.as_bytes(), &sha256(format!("{layer} {layer}").as_bytes()));
        assert_eq!(ChainId::of(&[]), None);
    }
}

//! `Digest`: the name of a blob by its bytes, parsed strictly before it may name anything.
//!
//! A digest from a registry ends up in URLs and, by way of the caller, in file names. So only what the OCI
//! descriptor specification registers is accepted (CVE-2024-3727: unvalidated digests used as paths).

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

/// A hash algorithm that the OCI image specification registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `sha256`, 64 hex digits.
    Sha256,
    /// `sha512`, 128 hex digits.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hex digits follow the colon.
    pub fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// A fresh incremental hash.
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Self::Sha512 => Hasher::Sha512(sha2::Sha512::new()),
        }
    }

    /// The digest of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// Hashes a blob while it streams by.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// SHA-256 in progress.
    Sha256(sha2::Sha256),
    /// SHA-512 in progress.
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// Feeds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of all that was fed.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(h) => Digest {
                algorithm: Algorithm::Sha256,
                hex: hex(h.finalize().as_slice()),
            },
            Self::Sha512(h) => Digest {
                algorithm: Algorithm::Sha512,
                hex: hex(h.finalize().as_slice()),
            },
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// `sha256:<64 hex>` or `sha512:<128 hex>`, lower case (OCI image-spec, descriptor.md, "Digests").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Algorithm::Sha256.digest(bytes)
    }

    /// Which hash.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part after the colon.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

/// Why a string is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` part.
    #[error("a digest has the form `sha256:<64 hex digits>`")]
    NoAlgorithm,
    /// Not sha256 or sha512.
    #[error("digest algorithm `{0}` is not supported; use sha256 or sha512")]
    Algorithm(String),
    /// The wrong number of digits.
    #[error("a {} digest has {} hex digits, this one has {actual}", .algorithm.name(), .algorithm.hex_len())]
    Length {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// Bytes found after the colon.
        actual: usize,
    },
    /// Something that is not `0-9a-f`.
    #[error("a digest is written in lower-case hex; byte {offset} is not")]
    Hex {
        /// Byte offset in the whole digest string.
        offset: usize,
    },
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(s: &str) -> Result<Self, DigestError> {
        let (name, hex) = s.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => return Err(DigestError::Algorithm(other.chars().take(32).collect())),
        };
        if let Some(bad) = hex.bytes().position(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Hex {
                offset: name.len() + 1 + bad,
            });
        }
        if hex.len() != algorithm.hex_len() {
            return Err(DigestError::Length {
                algorithm,
                actual: hex.len(),
            });
        }
        Ok(Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(
            Digest::sha256(b"").to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let long = Algorithm::Sha512.digest(b"abc");
        assert!(long.hex().starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(long.to_string().parse::<Digest>().unwrap(), long);
    }

    #[test]
    fn only_strict_digests_parse() {
        let a = "a".repeat(64);
        assert!(format!("sha256:{a}").parse::<Digest>().is_ok());
        for bad in [
            "".to_owned(),
            a.clone(),
            "sha256:".to_owned(),
            "sha256:../../x".to_owned(),
            format!("sha256:{}", "A".repeat(64)),
            format!("sha256:{}", "a".repeat(63)),
            format!("sha256:{}", "a".repeat(65)),
            format!("sha256:{a}\n"),
            format!("sha256:{}/", "a".repeat(63)),
            format!("SHA256:{a}"),
            format!("md5:{}", "a".repeat(32)),
            format!("sha384:{}", "a".repeat(96)),
            format!("sha512:{a}"),
            format!("sha256+b64:{a}"),
            format!(" sha256:{a}"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?} must be refused");
        }
        let at = format!("sha256:{}g{}", "a".repeat(3), "a".repeat(60)).parse::<Digest>();
        assert_eq!(at, Err(DigestError::Hex { offset: 10 }));
    }
}

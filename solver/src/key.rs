//! [`CacheKey`]: the name of a piece of work, and [`KeyHasher`], the one rule by which names are made.
//!
//! A key is the SHA-256 of length-prefixed, named fields under a version, so no two different field lists can give
//! the same bytes. What enters a key is the business of each [`Op`](crate::Op); how it enters is decided here only.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Version of the hashing rule. Raising it makes every older record a clean miss.
pub const KEY_VERSION: u32 = 1;

/// Names a piece of *work*; never to be mixed up with the digest of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CacheKey([u8; 32]);

/// Names what a vertex *is*, before anything is known about its inputs. Vertices with equal definitions and equal
/// inputs are merged by [`Graph::add`](crate::Graph::add).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionDigest([u8; 32]);

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cache key (64 lower-case hexadecimal digits)")]
pub struct ParseKeyError(String);

impl CacheKey {
    /// A key from its raw bytes, as read from a store.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl DefinitionDigest {
    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}

impl fmt::Debug for DefinitionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DefinitionDigest(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

impl FromStr for CacheKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseKeyError(text.chars().take(80).collect());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
                return Err(error());
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Feeds named fields to SHA-256: each part is preceded by its length, each value by what sort of value it is.
pub struct KeyHasher(Sha256);

impl KeyHasher {
    /// Starts a key for work of this `kind` (`exec`, `copy`, ...), whose own rules have this `revision`.
    pub fn new(kind: &str, revision: u32) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.0.update(b"rbuild key\0");
        hasher.0.update(KEY_VERSION.to_le_bytes());
        hasher.part(kind.as_bytes());
        hasher.0.update(revision.to_le_bytes());
        hasher
    }

    /// A value that is hashed as it is.
    pub fn text(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.field(b't', name, value)
    }

    /// The identity of what another vertex made.
    pub fn input(&mut self, name: &str, identity: &[u8]) -> &mut Self {
        self.field(b'i', name, identity)
    }

    /// A list of files, by its own digest ([`Fingerprints::digest`](crate::Fingerprints::digest)), so that it can be stored apart.
    pub fn tree(&mut self, name: &str, digest: &[u8; 32]) -> &mut Self {
        self.field(b'f', name, digest)
    }

    /// A value that may be missing: nothing is not the same as empty.
    pub fn optional(&mut self, name: &str, value: Option<impl AsRef<[u8]>>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value.as_ref()),
            None => self,
        }
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.text(name, if value { b"true" } else { b"false" })
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        self.text(name, value.to_string().as_bytes())
    }

    /// A number that may be missing.
    pub fn optional_number(&mut self, name: &str, value: Option<impl fmt::Display>) -> &mut Self {
        self.optional(name, value.map(|number| number.to_string()))
    }

    /// Values in order.
    pub fn list(&mut self, name: &str, values: impl IntoIterator<Item = impl AsRef<[u8]>>) -> &mut Self {
        for value in values {
            self.text(name, value.as_ref());
        }
        self
    }

    /// Names and their values in order.
    pub fn pairs<'p>(
        &mut self,
        name: &str,
        pairs: impl IntoIterator<Item = &'p (String, String)>,
    ) -> &mut Self {
        for (left, right) in pairs {
            self.text(name, left.as_bytes()).text("value", right.as_bytes());
        }
        self
    }

    /// The key.
    pub fn finish(self) -> CacheKey {
        CacheKey(self.0.finalize().into())
    }

    /// The same hash as the name of a definition.
    pub fn finish_definition(self) -> DefinitionDigest {
        DefinitionDigest(self.0.finalize().into())
    }

    fn field(&mut self, sort: u8, name: &str, value: &[u8]) -> &mut Self {
        self.0.update([sort]);
        self.part(name.as_bytes());
        self.part(value);
        self
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, revision: u32, fields: &[(&str, &str)]) -> CacheKey {
        let mut hasher = KeyHasher::new(kind, revision);
        for (name, value) in fields {
            hasher.text(name, value.as_bytes());
        }
        hasher.finish()
    }

    #[test]
    fn literal_keys_are_pinned() {
        // A change here throws away every user's cache: raise KEY_VERSION and say so in the changelog.
        assert_eq!(
            key("exec", 1, &[]).to_string(),
            "75e6c0d7fd80b574306705eb73938d2f0f2b19e157029fad6437341cb5734ef3"
        );
        assert_eq!(
            key("exec", 1, &[("argv", "make"), ("cwd", "/src")]).to_string(),
            "347cc70ee4c83236238967e9dd66ffc1e51d7a323b6fe69a6ccaeb839ac05de6"
        );
    }

    #[test]
    fn moving_a_boundary_makes_another_key() {
        assert_ne!(key("exec", 1, &[("a", "bc")]), key("exec", 1, &[("ab", "c")]));
        assert_ne!(
            key("exec", 1, &[("a", "b"), ("c", "d")]),
            key("exec", 1, &[("a", "bcd")])
        );
        assert_ne!(key("exec", 1, &[("a", "")]), key("exec", 1, &[]));
        assert_ne!(key("exec", 1, &[]), key("exec", 2, &[]));
        assert_ne!(key("exec", 1, &[]), key("copy", 1, &[]));
    }

    #[test]
    fn the_sort_of_a_value_counts() {
        let mut text = KeyHasher::new("exec", 1);
        text.text("base", &[7; 32]);
        let mut input = KeyHasher::new("exec", 1);
        input.input("base", &[7; 32]);
        let mut tree = KeyHasher::new("exec", 1);
        tree.tree("base", &[7; 32]);
        let (text, input, tree) = (text.finish(), input.finish(), tree.finish());
        assert_ne!(text, input);
        assert_ne!(text, tree);
        assert_ne!(input, tree);
    }

    #[test]
    fn keys_round_trip_as_text() {
        let made = key("exec", 1, &[("argv", "make")]);
        assert_eq!(made.to_string().parse(), Ok(made));
        assert_eq!(CacheKey::from_bytes(*made.as_bytes()), made);
        for bad in [
            "",
            "abc",
            &"A".repeat(64),
            &"g".repeat(64),
            &"0".repeat(65),
            &"é".repeat(32),
        ] {
            assert!(bad.parse::<CacheKey>().is_err(), "{bad:?} was taken for a key");
        }
    }
}

//! Bytes that never appear in the text form of a spec, in a log or in a debug print.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// File content for the sandbox. Serialises as its length only; the bytes travel beside it in memory that has no
/// name, and are put back with `fill`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob {
    bytes: Vec<u8>,
    length: usize,
}

impl Blob {
    /// The bytes; empty in a blob that was deserialised and not yet filled.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes belong here, whether they are here or not.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Takes this blob's bytes from the front of `stream`; false when the stream is too short.
    pub(crate) fn fill(&mut self, stream: &mut &[u8]) -> bool {
        let Some((mine, rest)) = stream.split_at_checked(self.length) else {
            return false;
        };
        self.bytes = mine.to_vec();
        *stream = rest;
        true
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            length: bytes.len(),
            bytes,
        }
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        text.as_bytes().to_vec().into()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.length)
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.length as u64)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let length = u64::deserialize(deserializer)?;
        let length = usize::try_from(length).map_err(serde::de::Error::custom)?;
        Ok(Self {
            bytes: Vec::new(),
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_stay_out_of_text() {
        let blob = Blob::from("canary");
        assert_eq!(serde_json::to_string(&blob).unwrap(), "6");
        assert!(!format!("{blob:?}").contains("canary"));
    }

    #[test]
    fn bytes_are_put_back_in_order() {
        let mut blobs: Vec<Blob> = serde_json::from_str("[2,0,3]").unwrap();
        let mut stream: &[u8] = b"abcde";
        assert!(blobs.iter_mut().all(|blob| blob.fill(&mut stream)));
        assert_eq!(blobs[0].bytes(), b"ab");
        assert_eq!(blobs[2].bytes(), b"cde");
        assert!(!Blob::from("x").fill(&mut stream));
    }
}

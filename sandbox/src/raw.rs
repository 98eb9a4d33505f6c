//! Serde for paths and strings that need not be UTF-8: text where it is, a list of bytes where it is not.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One string in its lossless form.
pub(crate) struct Raw(pub(crate) OsString);

struct RawRef<'a>(&'a OsStr);

impl Serialize for RawRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_seq(self.0.as_bytes()),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrBytes;
        impl<'de> Visitor<'de> for TextOrBytes {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of bytes")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(Raw(OsString::from_vec(bytes)))
            }
        }
        deserializer.deserialize_any(TextOrBytes)
    }
}

pub(crate) mod path {
    use std::path::{Path, PathBuf};

    use super::*;

    pub(crate) fn serialize<S: Serializer>(path: &Path, s: S) -> Result<S::Ok, S::Error> {
        RawRef(path.as_os_str()).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PathBuf, D::Error> {
        Ok(Raw::deserialize(d)?.0.into())
    }
}

pub(crate) mod option_path {
    use std::path::PathBuf;

    use super::*;

    pub(crate) fn serialize<S: Serializer>(path: &Option<PathBuf>, s: S) -> Result<S::Ok, S::Error> {
        path.as_ref().map(|path| RawRef(path.as_os_str())).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Raw>::deserialize(d)?.map(|raw| raw.0.into()))
    }
}

pub(crate) mod paths {
    use std::path::PathBuf;

    use super::*;

    pub(crate) fn serialize<S: Serializer>(paths: &[PathBuf], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(paths.iter().map(|path| RawRef(path.as_os_str())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<Raw>::deserialize(d)?
            .into_iter()
            .map(|raw| raw.0.into())
            .collect())
    }
}

pub(crate) mod os_strings {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(strings: &[OsString], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(strings.iter().map(|string| RawRef(string)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<OsString>, D::Error> {
        Ok(Vec::<Raw>::deserialize(d)?.into_iter().map(|raw| raw.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct All {
        #[serde(with = "path")]
        path: PathBuf,
        #[serde(with = "option_path")]
        none: Option<PathBuf>,
        #[serde(with = "option_path")]
        some: Option<PathBuf>,
        #[serde(with = "os_strings")]
        strings: Vec<OsString>,
    }

    #[test]
    fn every_byte_survives() {
        let odd = OsString::from_vec(vec![b'/', 0xff, b'"', b'\n', 0x80]);
        let all = All {
            path: odd.clone().into(),
            none: None,
            some: Some(odd.clone().into()),
            strings: vec!["plain".into(), odd, "ü\u{1F600}".into()],
        };
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<All>(&text).unwrap(), all);
    }
}

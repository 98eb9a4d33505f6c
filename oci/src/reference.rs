//! `Reference`: where an image lives, `[host/]repository[:tag][@digest]`.
//!
//! The grammar is the distribution specification's with Docker's short names (`alpine` is
//! `docker.io/library/alpine`). Errors are data with a position, so that a caller can point at the character.

mod grammar;

pub use grammar::is_registry_host;

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::hash::DigestError;
use grammar::{
    Fault, below, check_host, check_repository, check_tag, full_repository, is_host, known_host,
    split_digest, split_tag,
};

/// The host that short names stand for.
pub const DOCKER_HUB: &str = "docker.io";

const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;
/// Where Docker Hub keeps repositories with a name of one part.
const OFFICIAL: &str = "library/";

/// A parsed and normalised reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// As its text.
impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Reference::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a string is no reference, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ReferenceError {
    /// What was parsed.
    pub input: String,
    /// Byte offset of the fault in `input` (may equal its length).
    pub offset: usize,
    /// How many bytes are at fault; at least 1 unless the input ended too early.
    pub len: usize,
    /// What is wrong.
    pub kind: ReferenceErrorKind,
}

/// The kinds of faults in a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceErrorKind {
    /// Nothing there.
    #[error("an image reference cannot be empty")]
    Empty,
    /// `https://...` or `docker://...`.
    #[error("an image reference has no `{0}://` in front")]
    Scheme(String),
    /// A capital letter in the repository.
    #[error("a repository name must be lower case")]
    Uppercase,
    /// A character that the grammar does not know here.
    #[error("`{0}` is not allowed in a repository name")]
    Character(char),
    /// `a//b`, a leading or a trailing slash.
    #[error("a repository name has an empty part between slashes")]
    EmptyComponent,
    /// A part that begins or ends with a separator, or holds two in a row.
    #[error("`.`, `_`, `__` and `-` may only stand between letters or digits")]
    Separator,
    /// Over 255 bytes.
    #[error("a repository name has at most {NAME_MAX} characters")]
    NameTooLong,
    /// 64 hex digits, which would look like an image id.
    #[error("a repository name cannot be 64 hex digits, that is an image id")]
    LooksLikeId,
    /// Not a host name or address.
    #[error("the registry host is not a valid name or address")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the registry port is not a number from 1 to 65535")]
    Port,
    /// A colon with nothing after it.
    #[error("the tag is empty")]
    TagEmpty,
    /// Over 128 bytes.
    #[error("a tag has at most {TAG_MAX} characters")]
    TagTooLong,
    /// Not `[A-Za-z0-9_][A-Za-z0-9_.-]*`.
    #[error("`{0}` is not allowed here in a tag")]
    TagCharacter(char),
    /// The part after `@`.
    #[error("{0}")]
    Digest(DigestError),
}

impl Reference {
    /// Parses a reference as a user writes it. Without tag and digest it means `:latest`.
    pub fn parse(input: &str) -> Result<Self, ReferenceError> {
        let mut reference = Self::parse_name(input)?;
        if reference.tag.is_none() && reference.digest.is_none() {
            reference.tag = Some("latest".to_owned());
        }
        Ok(reference)
    }

    /// Like [`Reference::parse`], but adds no `:latest`.
    pub fn parse_name(input: &str) -> Result<Self, ReferenceError> {
        Self::parts(input).map_err(|(offset, len, kind)| ReferenceError {
            input: input.to_owned(),
            offset,
            len,
            kind,
        })
    }

    fn parts(input: &str) -> Result<Self, Fault> {
        if input.is_empty() {
            return Err((0, 0, ReferenceErrorKind::Empty));
        }
        if let Some(at) = input.find("://") {
            let scheme = input[..at].to_owned();
            return Err((0, at + 3, ReferenceErrorKind::Scheme(scheme)));
        }
        let (rest, digest) = split_digest(input)?;
        let (name, tag) = split_tag(rest);
        if let Some((at, tag)) = tag {
            check_tag(tag).map_err(|fault| below(at, fault))?;
        }
        if name.is_empty() {
            return Err((0, 0, ReferenceErrorKind::Empty));
        }
        let (host, start) = match name.split_once('/') {
            Some((first, _)) if is_host(first) => (Some(first), first.len() + 1),
            _ => (None, 0),
        };
        if let Some(host) = host {
            check_host(host)?;
        }
        let repository = &name[start..];
        check_repository(repository).map_err(|fault| below(start, fault))?;
        if host.is_none() && repository.len() == 64 && repository.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err((0, repository.len(), ReferenceErrorKind::LooksLikeId));
        }
        let host = host.map_or_else(|| DOCKER_HUB.to_owned(), known_host);
        Ok(Self {
            repository: full_repository(&host, repository, start)?,
            host,
            tag: tag.map(|(_, tag)| tag.to_owned()),
            digest,
        })
    }

    /// Host as written, lower case, with its port: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Path of the repository on its host: `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was given or implied.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest pin.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// What to ask a registry for: the digest where there is one, else the tag, else `latest`.
    pub fn object(&self) -> String {
        match (self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// `docker.io/library/alpine`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// The same repository with this tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        check_tag(tag).map_err(|(offset, len, kind)| ReferenceError {
            input: tag.to_owned(),
            offset,
            len,
            kind,
        })?;
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same repository, pinned; the tag stays for display.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The short form that users write: `alpine:3.20`, `user/app@sha256:…`, `ghcr.io/a/b:1`.
    pub fn familiar(&self) -> String {
        let mut out = if self.host != DOCKER_HUB {
            self.name()
        } else if let Some(short) = self
            .repository
            .strip_prefix("library/")
            .filter(|s| !s.contains('/'))
        {
            short.to_owned()
        } else {
            self.repository.clone()
        };
        self.push_suffix(&mut out);
        out
    }

    fn push_suffix(&self, out: &mut String) {
        if let Some(tag) = &self.tag {
            out.push(':');
            out.push_str(tag);
        }
        if let Some(digest) = self.digest {
            out.push('@');
            out.push_str(&digest.to_string());
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.name();
        self.push_suffix(&mut out);
        f.write_str(&out)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(s: &str) -> Result<Self, ReferenceError> {
        Self::parse(s)
    }
}

#[cfg(test)]
mod tests;

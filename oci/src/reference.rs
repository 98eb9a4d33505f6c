//! `Reference`: where an image lives, `[host/]repository[:tag][@digest]`.
//!
//! The grammar is the distribution specification's with Docker's short names (`alpine` is
//! `docker.io/library/alpine`). Errors are data with a position, so that a caller can point at the character.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::hash::DigestError;

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

/// A fault of a part that begins at `start`.
fn below(start: usize, (offset, len, kind): Fault) -> Fault {
    (start + offset, len, kind)
}

/// What stands before `@`, and the digest behind it.
fn split_digest(input: &str) -> Result<(&str, Option<Digest>), Fault> {
    let Some((rest, text)) = input.split_once('@') else {
        return Ok((input, None));
    };
    let start = rest.len() + 1;
    match text.parse::<Digest>() {
        Ok(digest) => Ok((rest, Some(digest))),
        Err(error) => {
            let (offset, len) = match &error {
                DigestError::NotHex { offset: at, .. } => {
                    (start + at, text[*at..].chars().next().map_or(1, char::len_utf8))
                }
                _ => (start, text.len()),
            };
            Err((offset, len, ReferenceErrorKind::Digest(error)))
        }
    }
}

/// The name, and where its tag begins and what it is. A colon after the last slash starts the tag; before it, it belongs
/// to the host. An address in brackets without a path is not a repository.
fn split_tag(rest: &str) -> (&str, Option<(usize, &str)>) {
    let path_start = rest.rfind('/').map_or(0, |at| at + 1);
    match rest[path_start..].find(':') {
        Some(at) if !rest.starts_with('[') || path_start > 0 => {
            let at = path_start + at;
            (&rest[..at], Some((at + 1, &rest[at + 1..])))
        }
        _ => (rest, None),
    }
}

/// A host in the one form that it has here.
fn known_host(host: &str) -> String {
    match host.to_ascii_lowercase() {
        host if host == "index.docker.io" || host == "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        host => host,
    }
}

/// The repository with what Docker Hub puts before names of one part; `start`: where it begins in the text.
fn full_repository(host: &str, repository: &str, start: usize) -> Result<String, Fault> {
    if host != DOCKER_HUB || repository.contains('/') {
        return Ok(repository.to_owned());
    }
    // What it stands for must be a name too.
    let room = NAME_MAX - OFFICIAL.len();
    if repository.len() > room {
        let excess = repository.len() - room;
        return Err((start + room, excess, ReferenceErrorKind::NameTooLong));
    }
    Ok(format!("{OFFICIAL}{repository}"))
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

type Fault = (usize, usize, ReferenceErrorKind);

/// Whether it can be the host of a reference, with or without a port: a name, an IPv4 address, an IPv6 address in
/// brackets.
pub fn is_registry_host(host: &str) -> bool {
    check_host(host).is_ok()
}

/// Docker's rule, except that a capital letter alone does not make a host out of a first path part.
fn is_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':', '['])
}

/// Checks a registry host with optional port, as it stands before the first slash of a reference.
fn check_host(host: &str) -> Result<(), Fault> {
    let whole = |kind| Err((0, host.len(), kind));
    let (name, port) = if let Some(rest) = host.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return whole(ReferenceErrorKind::Host);
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return whole(ReferenceErrorKind::Host);
        }
        match after.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if after.is_empty() => (None, None),
            None => return whole(ReferenceErrorKind::Host),
        }
    } else {
        match host.split_once(':') {
            Some((name, port)) => (Some(name), Some(port)),
            None => (Some(host), None),
        }
    };
    if let Some(name) = name {
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label_ok) {
            return Err((0, name.len().max(1), ReferenceErrorKind::Host));
        }
    }
    if let Some(port) = port {
        let number = port.parse::<u16>().ok().filter(|n| *n > 0);
        if number.is_none() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err((host.len() - port.len(), port.len(), ReferenceErrorKind::Port));
        }
    }
    Ok(())
}

fn check_repository(repository: &str) -> Result<(), Fault> {
    let mut start = 0;
    for component in repository.split('/') {
        if component.is_empty() {
            return Err((start, 1, ReferenceErrorKind::EmptyComponent));
        }
        check_component(component).map_err(|(offset, len, kind)| (start + offset, len, kind))?;
        start += component.len() + 1;
    }
    if repository.len() > NAME_MAX {
        return Err((
            NAME_MAX,
            repository.len() - NAME_MAX,
            ReferenceErrorKind::NameTooLong,
        ));
    }
    Ok(())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn check_component(component: &str) -> Result<(), Fault> {
    for (at, c) in component.char_indices() {
        match c {
            'a'..='z' | '0'..='9' | '.' | '_' | '-' => {}
            'A'..='Z' => return Err((at, 1, ReferenceErrorKind::Uppercase)),
            other => return Err((at, other.len_utf8(), ReferenceErrorKind::Character(other))),
        }
    }
    let mut at = 0;
    for run in component.split_inclusive(|c: char| c.is_ascii_alphanumeric()) {
        // `run` is some separators, then one letter or digit (only the last may lack it).
        let separator = run.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        let closed = separator.len() < run.len();
        let legal = matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
        if !separator.is_empty() && (at == 0 || !closed || !legal) {
            return Err((at, separator.len(), ReferenceErrorKind::Separator));
        }
        at += run.len();
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), Fault> {
    if tag.is_empty() {
        return Err((0, 0, ReferenceErrorKind::TagEmpty));
    }
    for (at, c) in tag.char_indices() {
        let ok = c.is_ascii_alphanumeric() || c == '_' || (at > 0 && matches!(c, '.' | '-'));
        if !ok {
            return Err((at, c.len_utf8(), ReferenceErrorKind::TagCharacter(c)));
        }
    }
    if tag.len() > TAG_MAX {
        return Err((TAG_MAX, tag.len() - TAG_MAX, ReferenceErrorKind::TagTooLong));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

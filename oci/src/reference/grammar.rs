//! The grammar of references: what each part may be, and where one is wrong.

use super::{DOCKER_HUB, NAME_MAX, OFFICIAL, ReferenceErrorKind, TAG_MAX};
use crate::digest::Digest;
use crate::hash::DigestError;

/// Where a text is wrong, how much of it, and why.
pub(super) type Fault = (usize, usize, ReferenceErrorKind);

/// Whether it can be the host of a reference, with or without a port: a name, an IPv4 address, an IPv6 address in
/// brackets.
pub fn is_registry_host(host: &str) -> bool {
    check_host(host).is_ok()
}

/// Docker's rule, except that a capital letter alone does not make a host out of a first path part.
pub(super) fn is_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':', '['])
}

/// Checks a registry host with optional port, as it stands before the first slash of a reference.
pub(super) fn check_host(host: &str) -> Result<(), Fault> {
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

pub(super) fn check_repository(repository: &str) -> Result<(), Fault> {
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
pub(super) fn check_component(component: &str) -> Result<(), Fault> {
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

pub(super) fn check_tag(tag: &str) -> Result<(), Fault> {
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

/// A fault of a part that begins at `start`.
pub(super) fn below(start: usize, (offset, len, kind): Fault) -> Fault {
    (start + offset, len, kind)
}

/// What stands before `@`, and the digest behind it.
pub(super) fn split_digest(input: &str) -> Result<(&str, Option<Digest>), Fault> {
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
pub(super) fn split_tag(rest: &str) -> (&str, Option<(usize, &str)>) {
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
pub(super) fn known_host(host: &str) -> String {
    match host.to_ascii_lowercase() {
        host if host == "index.docker.io" || host == "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        host => host,
    }
}

/// The repository with what Docker Hub puts before names of one part; `start`: where it begins in the text.
pub(super) fn full_repository(host: &str, repository: &str, start: usize) -> Result<String, Fault> {
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

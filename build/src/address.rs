//! Telling remote sources apart: `https://…/file`, `https://…/repo.git#ref:subdir`, `git@host:path`, `git://…`, `ssh://…`.

use rbuild_registry::Authorization;
use std::borrow::Cow;

/// A remote source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Remote {
    /// A file.
    Http(HttpAddress),
    /// A repository.
    Git(GitAddress),
}

/// A file by its URL. What prints it shows no password: the URL has none.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HttpAddress {
    /// The URL without user and password.
    pub url: String,
    /// User and password that stood in the URL, as they are sent.
    #[serde(with = "crate::crossing::hidden::authorization")]
    pub login: Option<Authorization>,
}

/// A repository, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct GitAddress {
    /// What git is given: without password, over http without user too.
    pub url: String,
    /// User and password that stood in the URL, as they are sent.
    #[serde(with = "crate::crossing::hidden::authorization")]
    pub login: Option<Authorization>,
    /// Branch, tag, commit, or full ref; `None` is the remote's HEAD.
    pub reference: Option<String>,
    /// Directory in it.
    pub subdir: Option<String>,
    /// Commit (or the beginning of one) that must come out.
    pub checksum: Option<String>,
    /// Keep `.git`.
    pub keep_git_dir: bool,
    /// Leave submodules out.
    pub no_submodules: bool,
}

impl Remote {
    /// The remote source that `text` is; `None` for a path.
    ///
    /// # Errors
    /// A query parameter of a git URL that is not known, or a malformed one.
    pub fn parse(text: &str) -> Result<Option<Remote>, String> {
        let is_http = text.starts_with("http://") || text.starts_with("https://");
        let scp = text
            .split_once(':')
            .is_some_and(|(host, _)| host.starts_with("git@") && !host.contains('/'));
        let is_git_scheme = text.starts_with("git://") || text.starts_with("ssh://") || scp;
        if !is_http && !is_git_scheme {
            return Ok(None);
        }
        let base = text.split(['#', '?']).next().unwrap_or(text);
        let is_file = is_http && !base.ends_with(".git");
        let (url, login) = if is_http {
            without_login(text)?
        } else {
            (text.to_owned(), None)
        };
        if is_file {
            return Ok(Some(Remote::Http(HttpAddress { url, login })));
        }
        if !is_http && user_info(base).is_some_and(|(_, info, _)| info.contains(':')) {
            return Err("a password has no effect on this kind of URL".to_owned());
        }
        git(&url, login).map(|address| Some(Remote::Git(address)))
    }
}

impl GitAddress {
    /// As it could be written: the URL, and `#ref:directory` of what is wanted of it.
    #[must_use]
    pub fn shown(&self) -> String {
        let reference = self.reference.as_deref().unwrap_or_default();
        match &self.subdir {
            Some(subdir) => format!("{}#{reference}:{subdir}", self.url),
            None if reference.is_empty() => self.url.clone(),
            None => format!("{}#{reference}", self.url),
        }
    }

    /// The commit, where the address itself says it.
    #[must_use]
    pub fn pinned(&self) -> Option<&str> {
        let checksum = self.checksum.as_deref();
        match self.reference.as_deref().filter(|reference| is_commit(reference)) {
            // A checksum that contradicts it must come to light.
            Some(commit) => checksum
                .is_none_or(|checksum| commit.starts_with(checksum))
                .then_some(commit),
            None => checksum.filter(|checksum| is_commit(checksum)),
        }
    }
}

/// `https://USER:PASSWORD@host/…` to the URL without them, and what is sent in their place.
fn without_login(text: &str) -> Result<(String, Option<Authorization>), String> {
    let Some((before, info, after)) = user_info(text) else {
        return Ok((text.to_owned(), None));
    };
    let (user, password) = info.split_once(':').unwrap_or((info, ""));
    let login = percent_decoded(user)
        .zip(percent_decoded(password))
        .and_then(|(user, password)| Authorization::basic(&user, &password))
        .ok_or("the user or password in the URL cannot be read")?;
    Ok((format!("{before}{after}"), Some(login)))
}

/// What is in front of the user info of a URL, the user info, and what comes after its `@`.
fn user_info(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("://")? + 3;
    let end = text[start..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |at| start + at);
    let at = start + text[start..end].rfind('@')?;
    Some((&text[..start], &text[start..at], &text[at + 1..]))
}

fn git(text: &str, login: Option<Authorization>) -> Result<GitAddress, String> {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (url, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut address = GitAddress {
        url: url.to_owned(),
        login,
        ..GitAddress::default()
    };
    let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    address.reference = some(reference);
    address.subdir = some(subdir);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !fragment.is_empty() && matches!(name, "ref" | "branch" | "tag" | "commit" | "subdir") {
            return Err(format!("`{name}=` and a fragment (`#…`) exclude each other"));
        }
        let yes = || match value {
            "" | "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            other => Err(format!("`{name}={other}` is neither true nor false")),
        };
        match name {
            "ref" => address.reference = some(value),
            "branch" => address.reference = some(value).map(|branch| format!("refs/heads/{branch}")),
            "tag" => address.reference = some(value).map(|tag| format!("refs/tags/{tag}")),
            // Without a reference a whole commit is the reference too.
            "commit" if is_commit(value) && address.reference.is_none() => {
                address.reference = some(value);
                address.checksum = some(value);
            }
            "commit" | "checksum" => address.checksum = Some(commit_prefix(value)?),
            "subdir" => address.subdir = some(value),
            "keep-git-dir" => address.keep_git_dir = yes()?,
            "submodules" => address.no_submodules = !yes()?,
            other => {
                let known = [
                    "ref",
                    "branch",
                    "tag",
                    "commit",
                    "checksum",
                    "subdir",
                    "keep-git-dir",
                    "submodules",
                ];
                return Err(match dockerfile_parser::suggest::nearest(other, known) {
                    Some(near) => format!("unknown parameter `{other}` of a git URL: did you mean `{near}`?"),
                    None => format!("unknown parameter `{other}` of a git URL"),
                });
            }
        }
    }
    if let Some(subdir) = &address.subdir
        && subdir.split('/').any(|name| name == "..")
    {
        return Err(format!("`{subdir}` leads out of the repository"));
    }
    for (what, value) in [("reference", &address.reference), ("checksum", &address.checksum)] {
        // What starts with a dash would be an option to git.
        if let Some(value) = value
            && (value.starts_with('-') || value.chars().any(|c| c.is_whitespace() || c.is_control()))
        {
            return Err(format!("`{value}` is no git {what}"));
        }
    }
    Ok(address)
}

/// A commit, or its beginning.
///
/// # Errors
/// It is neither: in words.
pub fn commit_prefix(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !(7..=64).contains(&text.len()) {
        return Err(format!(
            "`{text}` is neither a commit nor its first seven digits or more"
        ));
    }
    Ok(text.to_ascii_lowercase())
}

/// Whether this is the whole name of a commit: SHA-1 or SHA-256 in hexadecimal digits.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The URL without user and password, for what shows it (CVE-2023-26054).
#[must_use]
pub fn redacted(url: &str) -> String {
    match user_info(url) {
        Some((before, _, after)) => format!("{before}{after}"),
        None => url.to_owned(),
    }
}

/// A line with URLs, each without user and password.
#[must_use]
pub fn redacted_line(line: &str) -> String {
    line.split_inclusive(char::is_whitespace).map(redacted).collect()
}

/// The scheme of what is meant to be a URL, of whatever kind.
#[must_use]
pub fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    is_scheme.then_some(scheme)
}

/// A text with the passwords of its URLs painted over, each byte by a `*`, so that what stands where stays.
#[must_use]
pub fn passwords_hidden(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut hidden = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        match user_info(word).and_then(|(before, info, after)| Some((before, info.split_once(':')?, after))) {
            Some((before, (user, password), after)) => {
                let stars = "*".repeat(password.len());
                hidden.push_str(&format!("{before}{user}:{stars}@{after}"));
            }
            None => hidden.push_str(word),
        }
    }
    Cow::Owned(hidden)
}

/// `host` or `host:port` of an address, also of `git@host:path`.
#[must_use]
pub fn authority(url: &str) -> Option<&str> {
    let Some((_, rest)) = url.split_once("://") else {
        let (host, _) = url.split_once(':')?;
        return Some(host.rsplit_once('@').map_or(host, |(_, host)| host));
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

/// The file name at the end of a URL's path, percent-decoded; `None` when there is none.
#[must_use]
pub fn file_name(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let path = rest.split(['?', '#']).next()?.split_once('/')?.1;
    let name = percent_decoded(path.rsplit('/').next()?)?;
    (!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])).then_some(name)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut input = text.bytes();
    while let Some(byte) = input.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(input.next()?)?, digit(input.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;

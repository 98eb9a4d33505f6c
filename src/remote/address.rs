//! Telling remote sources apart: `https://…/file`, `https://…/repo.git#ref:subdir`, `git@host:path`, `git://…`, `ssh://…`.

/// A remote source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A file.
    Http(String),
    /// A repository.
    Git(GitAddress),
}

/// A repository, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitAddress {
    /// What git is given.
    pub url: String,
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
        if is_http && !base.ends_with(".git") {
            return Ok(Some(Remote::Http(text.to_owned())));
        }
        git(text).map(|address| Some(Remote::Git(address)))
    }
}

fn git(text: &str) -> Result<GitAddress, String> {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (url, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut address = GitAddress {
        url: url.to_owned(),
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
            "commit" | "checksum" => address.checksum = some(value),
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

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The URL without user and password: for keys, logs and messages (CVE-2023-26054).
#[must_use]
pub fn redacted(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// The file name at the end of a URL's path, percent-decoded; `None` when there is none.
#[must_use]
pub fn file_name(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let path = rest.split(['?', '#']).next()?.split_once('/')?.1;
    let name = path.rsplit('/').next()?;
    let mut bytes = Vec::new();
    let mut input = name.bytes();
    while let Some(byte) = input.next() {
        if byte == b'%' {
            let hex = [input.next()?, input.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git_of(text: &str) -> GitAddress {
        match Remote::parse(text) {
            Ok(Some(Remote::Git(address))) => address,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn kinds() {
        for path in ["a/b", "./x.git", "/x", "git", "C:\\x", "a:b"] {
            assert_eq!(Remote::parse(path), Ok(None), "{path}");
        }
        assert_eq!(
            Remote::parse("https://h/a.tar#x"),
            Ok(Some(Remote::Http("https://h/a.tar#x".into())))
        );
        assert_eq!(git_of("git@h:me/r.git").url, "git@h:me/r.git");
        assert_eq!(git_of("git://h/r").url, "git://h/r");
    }

    #[test]
    fn fragments_and_queries() {
        let address = git_of("https://h/r.git#v1:dir/sub");
        assert_eq!(
            (address.reference.as_deref(), address.subdir.as_deref()),
            (Some("v1"), Some("dir/sub"))
        );
        let address = git_of("https://h/r.git?tag=v1&subdir=d&keep-git-dir=1&submodules=false&checksum=abc");
        assert_eq!(address.reference.as_deref(), Some("refs/tags/v1"));
        assert!(address.keep_git_dir && address.no_submodules);
        assert_eq!(address.checksum.as_deref(), Some("abc"));
        assert!(
            Remote::parse("https://h/r.git?tga=v1")
                .unwrap_err()
                .contains("did you mean `tag`?")
        );
        assert!(Remote::parse("https://h/r.git#--upload-pack=x").is_err());
    }

    #[test]
    fn names_and_redaction() {
        assert_eq!(file_name("https://h/a/b%20c.txt?x=1").as_deref(), Some("b c.txt"));
        for url in [
            "https://h",
            "https://h/",
            "https://h/a/",
            "https://h/..",
            "https://h/%2e%2e",
            "https://h/a%2Fb",
        ] {
            assert_eq!(file_name(url), None, "{url}");
        }
        assert_eq!(redacted("https://user:pw@h/r.git"), "https://h/r.git");
        assert_eq!(redacted("git@h:r.git"), "git@h:r.git");
    }
}

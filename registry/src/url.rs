//! `Url`: the little of RFC 3986 that a registry client needs. Its `Debug` and `Display` hide the query, because
//! storage backends put signatures there.

use std::fmt;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// An absolute URL without user info and fragment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: Scheme,
    /// `host[:port]`, lower case.
    authority: String,
    /// Begins with `/`.
    path: String,
    query: Option<String>,
}

/// A `Location`, a realm or an address of the user's that is no usable URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address is not a usable http or https URL")]
pub struct UrlError;

impl Url {
    pub(crate) fn new(scheme: Scheme, authority: &str, path: &str) -> Self {
        Self {
            scheme,
            authority: authority.to_owned(),
            path: path.to_owned(),
            query: None,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(UrlError),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        // User info in an address that a server sends could only mislead.
        if authority.contains('@') || !rbuild_oci::is_registry_host(authority) {
            return Err(UrlError);
        }
        let (path, query) = path_and_query(rest)?;
        let path = if path.is_empty() { "/".to_owned() } else { path };
        Ok(Self {
            scheme,
            authority: authority.to_ascii_lowercase(),
            path,
            query,
        })
    }

    /// Resolves a `Location` or `Link` against this URL (RFC 3986 section 5.2).
    pub(crate) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let mut url = self.resolve(location)?;
        url.path = without_dot_segments(&url.path);
        Ok(url)
    }

    fn resolve(&self, location: &str) -> Result<Self, UrlError> {
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme.name()));
        }
        let scheme_end = location.find("://");
        let path_start = location.find(['/', '?', '#']).unwrap_or(location.len());
        if scheme_end.is_some_and(|at| at < path_start) {
            return Self::parse(location);
        }
        let (path, mut query) = path_and_query(location)?;
        let path = if path.is_empty() {
            query = query.or_else(|| self.query.clone());
            self.path.clone()
        } else if path.starts_with('/') {
            path
        } else {
            let dir = self.path.rfind('/').map_or(0, |at| at + 1);
            format!("{}{path}", &self.path[..dir])
        };
        Ok(Self {
            scheme: self.scheme,
            authority: self.authority.clone(),
            path,
            query,
        })
    }

    /// With one more query parameter; `value` is percent-encoded.
    pub(crate) fn with_query(mut self, name: &str, value: &str) -> Self {
        let query = self.query.get_or_insert_default();
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        query.push_str(&encode(value));
        self
    }

    /// The same path and query at another place.
    pub(crate) fn at(mut self, scheme: Scheme, authority: &str) -> Self {
        self.scheme = scheme;
        self.authority = authority.to_owned();
        self
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Begins with `/`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The host without port and brackets.
    pub(crate) fn hostname(&self) -> &str {
        if let Some(rest) = self.authority.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        self.authority.split(':').next().unwrap_or(&self.authority)
    }

    pub(crate) fn port(&self) -> u16 {
        let after = self.authority.rsplit(']').next().unwrap_or("");
        after
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .unwrap_or(match self.scheme {
                Scheme::Http => 80,
                Scheme::Https => 443,
            })
    }

    /// Same scheme, host and port: the only case in which credentials may follow.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.hostname() == other.hostname() && self.port() == other.port()
    }

    /// The whole URL, for the wire only.
    pub(crate) fn wire(&self) -> String {
        let mut out = format!("{}://{}{}", self.scheme.name(), self.authority, self.path);
        if let Some(query) = &self.query {
            out.push('?');
            out.push_str(query);
        }
        out
    }
}

/// A path that begins with `/` without `.` and `..` (RFC 3986 section 5.2.4). None of them climbs out.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
        // `/a/..` is a directory as `/a/../` is.
        if matches!(segment, "." | "..") && segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Splits off query and fragment; refuses what would break out of a request line.
fn path_and_query(text: &str) -> Result<(String, Option<String>), UrlError> {
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(UrlError);
    }
    let text = text.split('#').next().unwrap_or("");
    match text.split_once('?') {
        Some((path, query)) => Ok((path.to_owned(), Some(query.to_owned()))),
        None => Ok((text.to_owned(), None)),
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(crate) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority, self.path)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_locations() {
        let base = Url::parse("https://reg.example:5000/v2/a/blobs/uploads/?x=1").unwrap();
        for (location, expected) in [
            (
                "/v2/a/blobs/uploads/7",
                "https://reg.example:5000/v2/a/blobs/uploads/7",
            ),
            (
                "7?_state=a%2Fb",
                "https://reg.example:5000/v2/a/blobs/uploads/7?_state=a%2Fb",
            ),
            ("?s=2", "https://reg.example:5000/v2/a/blobs/uploads/?s=2"),
            ("http://other/x", "http://other/x"),
            ("//other/x", "https://other/x"),
            ("HTTPS://Other:1/x#frag", "https://other:1/x"),
            ("/cb?u=http://z/", "https://reg.example:5000/cb?u=http://z/"),
            ("https://h?q", "https://h/?q"),
            ("", "https://reg.example:5000/v2/a/blobs/uploads/?x=1"),
            ("#frag", "https://reg.example:5000/v2/a/blobs/uploads/?x=1"),
            ("../7", "https://reg.example:5000/v2/a/blobs/7"),
            ("./7/./8", "https://reg.example:5000/v2/a/blobs/uploads/7/8"),
            ("..", "https://reg.example:5000/v2/a/blobs/"),
            ("../..", "https://reg.example:5000/v2/a/"),
            (".", "https://reg.example:5000/v2/a/blobs/uploads/"),
            ("../../../../../../x?a=..", "https://reg.example:5000/x?a=.."),
            ("/a/b/../../../c//d/.", "https://reg.example:5000/c//d/"),
            ("//other/a/../b", "https://other/b"),
            ("http://other/a/./../b", "http://other/b"),
            (
                "..7/.8./...",
                "https://reg.example:5000/v2/a/blobs/uploads/..7/.8./...",
            ),
        ] {
            assert_eq!(base.join(location).unwrap().wire(), expected, "{location}");
        }
        for bad in [
            "ftp://x/",
            "https://user:pw@h/",
            "https:///x",
            "/a b",
            "/a\r\nX: y",
            "https://h:0/",
            "https://h:99999/",
        ] {
            assert_eq!(base.join(bad), Err(UrlError), "{bad}");
        }
    }

    #[test]
    fn parts_and_privacy() {
        let url = Url::parse("https://[::1]:5000/x?sig=canary")
            .unwrap()
            .with_query("digest", "sha256:ab");
        assert_eq!((url.hostname(), url.port()), ("::1", 5000));
        assert_eq!(url.wire(), "https://[::1]:5000/x?sig=canary&digest=sha256%3Aab");
        assert!(!format!("{url} {url:?}").contains("canary"));
        let plain = Url::parse("https://h/").unwrap();
        assert!(plain.same_origin(&Url::parse("https://H:443/other").unwrap()));
        assert!(!plain.same_origin(&Url::parse("http://h:443/").unwrap()));
        assert!(!plain.same_origin(&Url::parse("https://h:444/").unwrap()));
    }

    proptest::proptest! {
        /// Whatever a server sends, what is joined is a URL that reads back as itself.
        #[test]
        fn any_location(text in "(http|https|ftp)?[:/?#a-z0-9@%. \\[\\]é]{0,30}") {
            let base = Url::parse("https://reg.example:5000/v2/a/").unwrap();
            if let Ok(url) = base.join(&text) {
                assert_eq!(Url::parse(&url.wire()).as_ref(), Ok(&url));
                assert!(url.wire().parse::<ureq::http::Uri>().is_ok(), "{text}");
            }
        }
    }
}

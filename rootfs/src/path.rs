//! Container paths as text: joining and cleaning, as Go's `path.Clean` does; nothing here looks at files.

/// `path` made absolute below `base` (absolute itself), cleaned: no `.`, `..`, doubled or trailing slashes.
#[must_use]
pub fn join(base: &str, path: &str) -> String {
    if path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("{base}/{path}"))
    }
}

/// An absolute, cleaned path; `..` above the root is the root.
#[must_use]
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// As [`join`], but keeps what says "this is a directory": a trailing `/`, or a last `.`.
#[must_use]
pub fn join_destination(base: &str, path: &str) -> String {
    let joined = join(base, path);
    let is_directory = path.is_empty() || path.ends_with('/') || path == "." || path.ends_with("/.");
    if is_directory && joined != "/" {
        format!("{joined}/")
    } else {
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning() {
        for (path, expected) in [
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("/a/../../b", "/b"),
            ("a/./b", "/a/b"),
            ("", "/"),
            ("/a/b/..", "/a"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
        assert_eq!(join("/w", "a"), "/w/a");
        assert_eq!(join("/w", "../a"), "/a");
        assert_eq!(join("/w", "/a"), "/a");
    }

    #[test]
    fn destinations_keep_their_slash() {
        assert_eq!(join_destination("/w", "."), "/w/");
        assert_eq!(join_destination("/w", "a/"), "/w/a/");
        assert_eq!(join_destination("/w", "a"), "/w/a");
        assert_eq!(join_destination("/", "./"), "/");
        assert_eq!(join_destination("/w", "a/."), "/w/a/");
    }
}

//! Paths as bytes: splitting and checking. Nothing here touches a file.

use rustix::io::Errno;

/// Checks one directory entry name: not empty, not `.` or `..`, no `/`, no NUL.
pub fn check_name(name: &[u8]) -> Result<(), Errno> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
        return Err(Errno::INVAL);
    }
    if name.len() > 255 {
        return Err(Errno::NAMETOOLONG);
    }
    Ok(())
}

/// The names of `path` in order. Empty names and `.` are skipped, so a leading `/` has no meaning; `..` is kept.
pub fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
}

/// Splits a path into the directory part and the last name. The path must name something below the root.
pub(crate) fn split(path: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    let path = &path[..end];
    let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&path[..0], path),
    };
    check_name(name)?;
    Ok((parent, name))
}

/// Refuses what a path that must not climb may not hold: `..` and NUL.
pub(crate) fn check_plain(path: &[u8]) -> Result<(), Errno> {
    if path.contains(&0) {
        return Err(Errno::INVAL);
    }
    if components(path).any(|name| name == b"..") {
        return Err(Errno::XDEV);
    }
    Ok(())
}

/// `path` without leading slashes, `.` for the root itself: what the `*at` system calls want.
pub(crate) fn relative(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    if start == path.len() { b"." } else { &path[start..] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_takes_the_last_name() {
        assert_eq!(split(b"a/b//c/").unwrap(), (&b"a/b/"[..], &b"c"[..]));
        assert_eq!(split(b"/x").unwrap(), (&b""[..], &b"x"[..]));
        for bad in [&b""[..], b"/", b"a/..", b"a/.", b".."] {
            assert!(split(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_paths_do_not_climb() {
        assert!(check_plain(b"a/./b").is_ok());
        assert!(check_plain(b"a/../b").is_err());
        assert!(check_plain(b"a\0b").is_err());
        assert!(check_plain(b"a/..b/...").is_ok());
    }
}

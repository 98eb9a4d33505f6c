//! The order of paths in a listing.

use std::cmp::Ordering;

/// Bytes that a path in a layer may have: with `/` before it and a zero behind it, it is a path that the kernel takes
/// (`PATH_MAX`).
pub const MAX_PATH: usize = 4094;

/// Compares two paths by their names: a directory comes first, then all below it, then its next sibling.
///
/// That is byte order with `/` below every other byte (`a`, `a/b`, `a-b`), so a subtree is one contiguous range.
pub fn path_cmp(a: &[u8], b: &[u8]) -> Ordering {
    let common = common(a, b);
    match (a.get(common), b.get(common)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        // Paths hold no NUL, so 0 is free for `/`.
        (Some(&x), Some(&y)) => rank(x).cmp(&rank(y)),
    }
}

/// How many bytes are the same at the beginning. Deep paths have long ones in common: they are compared block by block.
fn common(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let at = BLOCK * blocks.take_while(|(x, y)| x == y).count();
    at + a[at..].iter().zip(&b[at..]).take_while(|(x, y)| x == y).count()
}

fn rank(byte: u8) -> u8 {
    if byte == b'/' { 0 } else { byte }
}

/// True when `path` is below `dir`. Everything but the root itself is below the root, whose path is empty.
pub fn is_below(path: &[u8], dir: &[u8]) -> bool {
    if dir.is_empty() {
        return !path.is_empty();
    }
    path.len() > dir.len() && path.starts_with(dir) && path[dir.len()] == b'/'
}

/// The directory that holds `path`: empty for what lies in the root, `None` for the root itself.
pub fn parent(path: &[u8]) -> Option<&[u8]> {
    if path.is_empty() {
        return None;
    }
    Some(
        path.iter()
            .rposition(|&byte| byte == b'/')
            .map_or(&[], |at| &path[..at]),
    )
}

/// The last name of a path; empty for the root.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.iter()
        .rposition(|&byte| byte == b'/')
        .map_or(path, |at| &path[at + 1..])
}

/// `dir/name`; just `name` in the root.
pub fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(dir.len() + 1 + name.len());
    path.extend_from_slice(dir);
    if !dir.is_empty() && !name.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The directories above `path`, outermost first, without the root: `a`, `a/b` for `a/b/c`.
pub fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| &path[..at])
}

/// The smallest key behind everything below `path`: where to seek to skip a subtree. It is no real path.
pub(crate) fn after_subtree(path: &[u8]) -> Vec<u8> {
    let mut key = path.to_vec();
    // Below every name's first byte but above `/`, which ranks as 0.
    key.push(1);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_are_contiguous() {
        let mut paths: Vec<&[u8]> = vec![b"a-b", b"a/b", b"a", b"a/b/c", b"", b"a/b-c", b"a\x01", b"b"];
        paths.sort_by(|x, y| path_cmp(x, y));
        assert_eq!(
            paths,
            [&b""[..], b"a", b"a/b", b"a/b/c", b"a/b-c", b"a\x01", b"a-b", b"b"]
        );
        assert_eq!(path_cmp(&after_subtree(b"a"), b"a/zz"), Ordering::Greater);
        assert_ne!(path_cmp(&after_subtree(b"a"), b"a\x01"), Ordering::Greater);
    }

    #[test]
    fn pieces() {
        assert_eq!(parent(b"a/b/c"), Some(&b"a/b"[..]));
        assert_eq!(parent(b"a"), Some(&b""[..]));
        assert_eq!(parent(b""), None);
        assert_eq!(file_name(b"a/b"), b"b");
        assert_eq!(join(b"", b"x"), b"x");
        assert_eq!(join(b"a", b"x"), b"a/x");
        assert_eq!(ancestors(b"a/b/c").collect::<Vec<_>>(), [&b"a"[..], b"a/b"]);
        assert!(
            is_below(b"a/b", b"a") && !is_below(b"ab", b"a") && !is_below(b"a", b"a") && is_below(b"a", b"")
        );
    }
}

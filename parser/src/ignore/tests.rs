use super::*;

fn file(text: &str) -> IgnoreFile {
    IgnoreFile::parse(text).unwrap()
}

fn excluded(text: &str, path: &str) -> bool {
    file(text).decide(path).excluded
}

#[test]
fn single_patterns() {
    for (pattern, path, expected) in [
        ("**", "file", true),
        ("**", "dir/file", true),
        ("**/", "file", true),
        ("**/**", "dir/file", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/dir2/file", true),
        ("dir/**", "dir", false),
        ("**/dir", "dir", true),
        ("**/dir", "dir/file", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/*", "dir/dir2/dir2/file", true),
        ("**/dir2/**", "dir/dir2/dir2/file", true),
        ("**file", "file", true),
        ("**file", "dir/file", true),
        ("**file", "xfile", true),
        ("**/file", "dir/file", true),
        ("**/file", "dir/xfile", false),
        ("**file", "dir/dir/file", true),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/file*.txt*", "dir/dir/file.txt", true),
        ("**/*.txt", "file.txt", true),
        ("**/*.txt", "a/b/file.txt", true),
        ("**file*", "xfile", false),
        ("**/**/*.txt2", "dir/dir/file.txt", false),
        ("a**/*.txt", "a/file.txt", true),
        ("a**/*.txt", "a/dir/file.txt", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt", "a/file.txt", true),
        ("a/*.txt**", "a/file.txt", true),
        ("a[b-d]e", "ae", false),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        ("a[^b]e", "a/e", true),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcdef", false),
        ("abc.def", "abc.def", true),
        ("abc?def", "abcZdef", true),
        ("abc?def", "abcdef", false),
        ("a\\\\", "a\\", true),
        ("a\\b", "ab", true),
        ("a\\b", "ac", false),
        ("**/foo/bar", "foo/bar", true),
        ("**/foo/bar", "dir/foo/bar", true),
        ("**/foo/bar", "dir/dir2/foo/bar", true),
        ("abc/**", "abc", false),
        ("abc/**", "abc/def", true),
        ("abc/**", "abc/def/ghi", true),
        ("**/.foo", ".foo", true),
        ("**/.foo", "bar.foo", false),
        ("a(b)c/def", "a(b)c/def", true),
        ("a(b)c/def", "a(b)c/xyz", false),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        ("dist/*.whl", "dist/proxy.py-2.4.0-py3-none-any.whl", true),
        ("dist/*.whl", "dist/proxy.py", false),
        ("/foo", "foo", true),
        ("./foo/", "foo/bar", true),
        ("foo/../bar", "bar", true),
        ("../x", "x", false),
        ("*/foo", "foo", false),
        ("foo", "bar/foo", false),
        ("*", "a/b/c", true),
        ("a]", "a]", true),
        (".", "a", false),
    ] {
        assert_eq!(excluded(pattern, path), expected, "{pattern} {path}");
    }
}

#[test]
fn the_last_match_wins() {
    assert!(excluded("*.md\n!README.md\nREADME*", "README.md"));
    assert!(!excluded("*.md\n!README.md", "README.md"));
    assert!(excluded("*.md\n!README.md", "x.md"));
    assert!(!excluded("dir\n!dir/keep", "dir/keep/file"));
    assert!(excluded("dir\n!dir/keep", "dir/other"));
    assert!(!excluded("!dir/keep", "dir/keep"));
    assert!(excluded("!dir/keep\ndir", "dir/keep"));
    assert!(!excluded("**\n!**/*.go", "a/b/c.go"));
    assert!(!excluded("x/y\n!x", "x/y"));
}

#[test]
fn lines() {
    let ignore = file("\u{feff}# comment\r\n  *.log  \r\n\n #not-a-comment\n! /keep/ \n");
    let shown: Vec<_> = ignore
        .patterns()
        .iter()
        .map(|p| (p.line, p.text.as_str(), p.reinclude))
        .collect();
    assert_eq!(
        shown,
        [
            (2, "*.log", false),
            (4, "#not-a-comment", false),
            (5, "! /keep/", true)
        ]
    );
    assert_eq!(
        ignore.decide("a.log"),
        Decision {
            excluded: true,
            pattern: Some(0)
        }
    );
    assert_eq!(
        ignore.decide("keep/it"),
        Decision {
            excluded: false,
            pattern: Some(2)
        }
    );
    assert!(excluded("#not\n #this", "#this"));
}

#[test]
fn malformed_lines_are_all_reported() {
    let text = "ok\n!\na[\n b\\\n! \n";
    let errors = IgnoreFile::parse(text).unwrap_err();
    let shown: Vec<_> = errors.iter().map(|e| (e.message(), e.span.text(text))).collect();
    assert_eq!(
        shown,
        [
            ("`!` needs a pattern".to_owned(), "!"),
            ("the pattern `a[` is malformed".to_owned(), "a["),
            ("the pattern `b\\` is malformed".to_owned(), "b\\"),
            ("`!` needs a pattern".to_owned(), "!"),
        ]
    );
}

#[test]
fn pruning_is_safe() {
    let check = |text: &str, dir: &str| file(text).may_reinclude_below(dir);
    assert!(!check("node_modules", "node_modules"));
    assert!(check("node_modules\n!node_modules/keep", "node_modules"));
    assert!(!check("node_modules\n!node_modules/keep", "node_modules/other"));
    assert!(check("node_modules\n!node_modules/*/keep", "node_modules/other"));
    assert!(!check("node_modules\n!src/keep", "node_modules"));
    assert!(!check("!node_modules/keep\nnode_modules", "node_modules"));
    assert!(check("*\n!**/*.go", "a/b"));
    assert!(!check("*\n!src/**/*.go\n!**/x\n*", "src"));
    assert!(!check("*\n!src/**/*.go", "lib"));
    assert!(check("*\n!a[^b]c", "a"));
    assert!(check("nothing", "src"));
}

#[test]
fn cleaning() {
    for (path, expected) in [
        ("", "."),
        ("a//b/./c/", "a/b/c"),
        ("/../a", "/a"),
        ("../a/..", ".."),
        ("a/..", "."),
        ("/", "/"),
        ("../../x", "../../x"),
    ] {
        assert_eq!(clean(path), expected, "{path}");
    }
}

#[test]
fn the_root_is_never_excluded() {
    for root in ["", "."] {
        assert_eq!(file("**").decide(root), Decision::default());
        assert!(file("**").may_reinclude_below(root));
    }
}

#[test]
fn paths_are_bytes() {
    assert!(file("a*").decide(b"a\xff").excluded);
    assert!(!file("b").decide(b"a\xff").excluded);
    assert!(!file("a\u{fffd}").decide(b"a\xff").excluded);
    assert!(file("a[^b]c").decide(b"a\xffc").excluded);
}

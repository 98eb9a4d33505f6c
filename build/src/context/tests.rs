//! A context as a tree: what its ignore file lets through, and whose it is.

use super::*;
use rbuild_layer::tree::Walk;

/// A directory with these files, seen through an ignore file.
fn context(files: &[&str], ignore: &str) -> (tempfile::TempDir, BuildContext) {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    let patterns = IgnoreFile::parse(ignore).unwrap();
    let name = ".dockerignore".to_owned();
    let context = BuildContext::open(dir.path()).unwrap();
    (dir, context.with_ignore(Ignore { patterns, name }))
}

/// The paths that a walk meets.
fn seen(context: &BuildContext) -> Vec<String> {
    let mut paths = Vec::new();
    context
        .walk(b"", &mut |node| {
            paths.push(String::from_utf8_lossy(&node.path).into_owned());
            Ok(Walk::Into)
        })
        .unwrap();
    paths.sort();
    paths
}

#[test]
fn what_is_ignored_is_not_there() {
    let (_dir, context) = context(&["a", "b/c", "b/d", "e/f"], "b/c\ne\n");
    assert_eq!(seen(&context), ["a", "b", "b/d"]);
    assert!(context.lookup(b"b/c").unwrap().is_none());
    assert!(context.lookup(b"b/d").unwrap().is_some());
}

#[test]
fn an_exception_below_what_is_ignored_is_there_with_its_directories() {
    let (_dir, context) = context(&["b/c/kept", "b/c/other", "b/x"], "b\n!b/c/kept\n");
    assert_eq!(seen(&context), ["b", "b/c", "b/c/kept"]);
}

#[test]
fn files_belong_to_root_and_have_no_date_whoever_checked_them_out() {
    let (_dir, context) = context(&["a"], "");
    let node = context.lookup(b"a").unwrap().unwrap();
    assert_eq!((node.meta.uid, node.meta.gid, node.meta.dated), (0, 0, false));
}

#[test]
fn a_link_out_of_the_context_leads_nowhere() {
    let (dir, context) = context(&["inside"], "");
    std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
    assert!(
        context.lookup(b"out").unwrap().is_some(),
        "the link itself is a file"
    );
    assert!(context.open(b"out/passwd").is_err());
}

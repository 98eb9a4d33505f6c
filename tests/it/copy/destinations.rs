//! Where things land: files, directories, what stands in the way.

use super::{expected, said, shape};
use crate::harness::env::is_root;
use crate::harness::{Kind, OciImage, TestEnv, peer, skip};
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn where_files_and_directories_land() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch
COPY a /slash/
COPY a /named
COPY d /exists
COPY a /exists
COPY d/ /into/
COPY a d/b /many/
COPY d sub /flat/
WORKDIR /work/dir
COPY a .
COPY a ../up
COPY sub inner
COPY ../../a ./cleaned/
COPY /a //doubled//
";
    let files = [("a", "A"), ("d/b", "B"), ("d/e/f", "F"), ("sub/s", "S")];
    let image = env.image_of(dockerfile, &files);
    assert_eq!(
        shape(&image),
        expected(&[
            ("slash", "/"),
            ("slash/a", "A"),
            ("named", "A"),
            ("exists", "/"),
            ("exists/b", "B"),
            ("exists/e", "/"),
            ("exists/e/f", "F"),
            ("exists/a", "A"),
            ("into", "/"),
            ("into/b", "B"),
            ("into/e", "/"),
            ("into/e/f", "F"),
            ("many", "/"),
            ("many/a", "A"),
            ("many/b", "B"),
            ("flat", "/"),
            ("flat/b", "B"),
            ("flat/e", "/"),
            ("flat/e/f", "F"),
            ("flat/s", "S"),
            ("work", "/"),
            ("work/dir", "/"),
            ("work/dir/a", "A"),
            ("work/up", "A"),
            ("work/dir/inner", "/"),
            ("work/dir/inner/s", "S"),
            ("work/dir/cleaned", "/"),
            ("work/dir/cleaned/a", "A"),
            ("doubled", "/"),
            ("doubled/a", "A"),
        ])
    );
    for (path, entry) in image.tree() {
        assert_eq!((entry.uid, entry.gid), (0, 0), "{path}");
        assert_eq!(entry.names, (String::new(), String::new()), "{path}");
        let mode = if entry.kind == Kind::Dir { 0o755 } else { 0o644 };
        assert_eq!(entry.mode, mode, "{path}");
    }
}

#[test]
fn the_whole_context_and_nothing_else() {
    let env = TestEnv::new();
    let image = env.image_of(
        "FROM scratch\nWORKDIR /w\nCOPY . .\n",
        &[("x", "X"), ("e/y", "Y"), (".h", "H")],
    );
    let shape = shape(&image);
    let paths: Vec<&str> = shape.keys().map(String::as_str).collect();
    assert_eq!(paths, ["w", "w/.h", "w/Dockerfile", "w/e", "w/e/y", "w/x"]);
}

#[test]
fn a_file_and_a_directory_in_each_others_place() {
    let env = TestEnv::new();
    let files = [
        ("f", "F"),
        ("d/f/x", "X"),
        ("e/d", "not a directory"),
        ("g/d/y", "Y"),
    ];
    for (dockerfile, expected) in [
        (
            "FROM scratch\nCOPY f /f\nCOPY d /f\n",
            "cannot copy to non-directory",
        ),
        (
            "FROM scratch\nCOPY f /f\nCOPY f /f/\n",
            "cannot copy to non-directory",
        ),
        ("FROM scratch\nCOPY f /f\nCOPY f /f/below\n", "not a directory"),
        (
            "FROM scratch\nCOPY f /f\nCOPY d /\n",
            "cannot copy to non-directory",
        ),
        ("FROM scratch\nCOPY g /t\nCOPY e /t\n", "cannot replace directory"),
        ("FROM scratch\nCOPY f d /dest\n", "cannot copy to non-directory"),
        (
            "FROM scratch\nCOPY f [de] /dest\n",
            "cannot copy to non-directory",
        ),
        (
            "FROM scratch\nCOPY f /f\nCOPY --parents e/d /f\n",
            "cannot copy to non-directory",
        ),
        ("FROM scratch\nCOPY missing /\n", "missing"),
        ("FROM scratch\nCOPY f d/f/y /t/\n", "d/f/y"),
        ("FROM scratch\nCOPY [a-] /t/\n", "[a-]"),
    ] {
        let last = dockerfile.lines().count();
        env.refused(dockerfile, &files)
            .says(expected)
            .says(&format!("Dockerfile:{last}"));
    }
    for path in ["../outside", "/etc/passwd"] {
        env.refused(&format!("FROM scratch\nCOPY {path} /\n"), &[])
            .says("sources are paths inside of the context");
    }
    env.refused("FROM scratch\nCOPY mispelt.txt /\n", &[("misspelt.txt", "")])
        .says("misspelt.txt");
}

#[test]
fn several_sources_into_a_directory_that_is_there() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch AS made\nCOPY d /real\nFROM made\nWORKDIR /app\nCOPY f e/d /app\n\
                      COPY d/a d/b /real\nCOPY --parents f e/d /app\nADD f e/d /real\n\
                      COPY <<one <<two /app\n1\none\n2\ntwo\n";
    let files = [("f", "F"), ("d/a", "A"), ("d/b", "B"), ("e/d", "D")];
    let image = env.image(&[] as &[&str], env.context_of(dockerfile, &files));
    let tree = image.tree();
    for (path, text) in [
        ("app/f", "F"),
        ("app/d", "D"),
        ("app/e/d", "D"),
        ("real/a", "A"),
        ("real/f", "F"),
        ("real/d", "D"),
        ("app/one", "1\n"),
        ("app/two", "2\n"),
    ] {
        assert_eq!(tree[path].text(), text, "{path}");
    }
}

#[test]
fn several_files_to_one_name_are_told() {
    let env = TestEnv::new();
    // As if each source were copied by an instruction of its own.
    let dockerfile = r"FROM scratch AS made
COPY d /real
FROM made
COPY *.txt /w/pattern
COPY a.txt f /w/paths
COPY --link a.txt f /w/linked
ADD f a.txt /w/added
COPY <<one <<two /w/inline
1
one
2
two
COPY nothing* f /w/alone
COPY d f /w/directory
COPY a.txt f /real
COPY a.txt f /w/slash/
";
    let files = [("a.txt", "A"), ("b.txt", "B"), ("f", "F"), ("d/x", "X")];
    let context = env.context_of(dockerfile, &files);
    // Also when all is cached.
    for _ in 0..2 {
        let (image, words) = env.image_and_words([""; 0], &context);
        let tree = image.tree();
        for (path, text) in [
            ("w/pattern", "B"),
            ("w/paths", "F"),
            ("w/linked", "F"),
            ("w/added", "A"),
            ("w/inline", "2\n"),
            ("w/alone", "F"),
            ("w/directory/x", "X"),
            ("w/directory/f", "F"),
            ("real/a.txt", "A"),
            ("w/slash/f", "F"),
        ] {
            assert_eq!(tree[path].text(), text, "{path}");
        }
        for said in ["pattern", "paths", "linked", "added", "inline"] {
            let words = words.err();
            assert!(
                words.contains(&format!("copied to the one name `/w/{said}`")),
                "{words}"
            );
            assert!(words.contains(&format!("add a `/`: `/w/{said}/`")), "{words}");
        }
        for quiet in ["alone", "directory", "slash"] {
            let told = format!("name `/w/{quiet}");
            assert!(!words.err().contains(&told), "{words}");
        }
    }
    env.refused("# check=error=true\nFROM scratch\nCOPY a.txt f /name\n", &files)
        .exits(1)
        .says("Dockerfile:3:14")
        .says("add a `/`: `/name/`");
}

#[test]
fn a_key_tells_which_of_several_files_is_the_last() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nCOPY */* /name\n";
    let last = |files: &[(&str, &str)]| env.image_of(dockerfile, files).tree()["name"].text();
    assert_eq!(last(&[("x/2", "two"), ("y/1", "one")]), "one");
    assert_eq!(last(&[("x/1", "one"), ("y/2", "two")]), "two");
}

#[test]
fn a_mode_is_for_the_directory_that_is_made_for_one() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch
COPY --chmod=700 d /above/new
COPY --chmod=711 d /above/new
COPY --chmod=600 f /parent/f
COPY --chmod=u=rwX,go= d /symbolic
COPY --chmod=710 --parents d/./x /kept
";
    let tree = env.image_of(dockerfile, &[("d/x", "X"), ("f", "F")]).tree();
    let modes = |paths: &[&str]| paths.iter().map(|path| tree[*path].mode).collect::<Vec<_>>();
    assert_eq!(
        modes(&["above", "above/new", "above/new/x"]),
        [0o755, 0o700, 0o711]
    );
    assert_eq!(modes(&["parent", "parent/f"]), [0o755, 0o600]);
    assert_eq!(modes(&["symbolic", "symbolic/x"]), [0o700, 0o600]);
    assert_eq!(modes(&["kept", "kept/x"]), [0o710, 0o710]);
}

#[test]
fn directories_that_are_there_already() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch
COPY --chmod=700 --chown=7:8 old /
COPY new /t
COPY new /t/
";
    let context = env.context_of(
        dockerfile,
        &[("old/t/n/o", "O"), ("new/n/p", "P"), ("new/q/r", "R")],
    );
    std::fs::set_permissions(context.join("new"), PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::set_permissions(context.join("new/n"), PermissionsExt::from_mode(0o1777)).unwrap();
    let tree = env.image([""; 0], &context).tree();
    let at = |path: &str| (tree[path].mode, tree[path].uid, tree[path].gid);
    assert_eq!(at("t"), (0o700, 7, 8), "the top directory stays as it is");
    assert_eq!(at("t/n"), (0o1777, 0, 0), "one below gets what its source has");
    assert_eq!(at("t/n/o"), (0o700, 7, 8));
    assert_eq!(at("t/q"), (0o755, 0, 0));
}

#[test]
fn a_later_source_replaces_a_linked_file() {
    let env = TestEnv::new();
    let context = env.context_of(
        "FROM scratch\nCOPY one/ two/ /t/\n",
        &[("one/f", "one"), ("two/g", "two")],
    );
    std::fs::hard_link(context.join("one/f"), context.join("one/g")).unwrap();
    let shape = shape(&env.image([""; 0], &context));
    assert_eq!(shape, expected(&[("t", "/"), ("t/f", "one"), ("t/g", "two")]));
}

/// A variable that is not set, as build scripts have it.
#[test]
fn an_empty_destination_is_the_working_directory() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nARG D\nWORKDIR /w\nCOPY a $D\nWORKDIR /l\nCOPY --link a \"$D\"\n";
    let image = env.image::<&str>([], &env.context_of(dockerfile, &[("a", "A")]));
    assert_eq!(image.tree()["w/a"].text(), "A");
    assert_eq!(image.tree()["l/a"].text(), "A");
}

#[test]
fn a_copy_of_nothing_is_still_a_step() {
    let env = TestEnv::new();
    let image = env.image_of(
        "FROM scratch\nCOPY none* /\nCOPY --exclude=* d /\n",
        &[("d/f", "")],
    );
    assert_eq!(image.tree().len(), 0, "{:?}", image.tree());
    let layers = image.config["rootfs"]["diff_ids"].as_array().unwrap().len();
    let history = image.config["history"].as_array().unwrap();
    assert_eq!((layers, history.len()), (2, 2));
    assert!(
        history.iter().all(|entry| entry["empty_layer"] != true),
        "{history:?}"
    );
}

/// Everything that both tools have, built by both: contents, modes and owners must be the same.
#[test]
fn as_buildah_does_it() {
    if !is_root() || !skip::unless_installed("as_buildah_does_it", &["buildah"]) {
        return;
    }
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch AS one
COPY a /f
COPY a /s/
COPY d /d
COPY d/ /d2/
COPY a d/b /many/
COPY w/[ab]? /wild/
WORKDIR /w/x
COPY a ../rel
COPY d .
COPY --chown=9:10 d /owned
COPY --chmod=711 a /mode
COPY links /links
COPY links/to-a /followed
COPY d /links/to-dir
ADD t.tar.gz /unpacked/
ADD t.tar.gz /unpacked
FROM scratch
COPY --from=one /d /x/d
COPY --from=0 /owned/ /o
COPY --from=one / /all
";
    let files = [
        ("a", "A"),
        ("d/b", "B"),
        ("d/e/f", "F"),
        ("w/a1", "1"),
        ("w/b2", "2"),
        ("w/c3", "3"),
        ("links/real/r", "R"),
    ];
    let context = env.context_of(dockerfile, &files);
    symlink("../a", context.join("links/to-a")).unwrap();
    symlink("real", context.join("links/to-dir")).unwrap();
    std::fs::set_permissions(context.join("d/e"), PermissionsExt::from_mode(0o700)).unwrap();
    let tar = env
        .tool("tar")
        .arg("-C")
        .arg(&context)
        .args(["--owner=21", "--group=22", "-czf"])
        .arg(context.join("t.tar.gz"))
        .args(["w", "links"])
        .run();
    tar.success();
    let ours = env.image([""; 0], &context);
    peer::buildah(&env)
        .args(["build", "--layers=false", "-q", "-t", "peer"])
        .arg(&context)
        .run()
        .success();
    let layout = env.path("peer-layout");
    peer::buildah(&env)
        .args(["push", "-q", "peer"])
        .arg(format!("oci:{}:peer", layout.display()))
        .run()
        .success();
    let theirs = OciImage::from_dir(&layout);
    let told = |image: &OciImage| -> BTreeMap<String, String> {
        let tree = image.tree();
        tree.iter()
            .filter(|(path, _)| !path.is_empty())
            .map(|(path, entry)| {
                let what = format!(
                    "{:o} {}:{} {}",
                    entry.mode,
                    entry.uid,
                    entry.gid,
                    said(entry, &tree)
                );
                (path.clone(), what)
            })
            .collect()
    };
    let (ours, theirs) = (told(&ours), told(&theirs));
    for path in ours.keys().chain(theirs.keys()) {
        assert_eq!(ours.get(path), theirs.get(path), "{path}: ours, then buildah's");
    }
}

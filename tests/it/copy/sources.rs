//! What is taken: wildcards, other stages, heredocs, flags; what is refused.

use super::{expected, shape};
use crate::harness::steps::hits;
use crate::harness::{Kind, OciImage, TestEnv};
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn wildcards() {
    let env = TestEnv::new();
    let dockerfile = r#"FROM scratch
COPY * /star/
COPY w/?1 /question/
COPY w/[b-c]1 /class/
COPY w/[^a]1 /negated/
COPY w/[[]x] /bracket/
COPY ["w/\\\\*", "/literal/"]
COPY */*/deep.txt /deep/
COPY none* gone/* /nothing/
COPY none* a1 /some/
"#;
    let files = [
        ("a1", "top"),
        ("w/a1", "a"),
        ("w/b1", "b"),
        ("w/c1", "c"),
        ("w/[x]", "x"),
        ("w/*", "star"),
        ("p/q/deep.txt", "deep"),
        ("p/deep.txt", "not deep enough"),
    ];
    let context = env.context_of(dockerfile, &files);
    std::fs::write(context.join(".dockerignore"), "Dockerfile\n.dockerignore\n").unwrap();
    let shape = shape(&env.image([""; 0], &context));
    let below = |dir: &str| -> Vec<String> {
        let dir = format!("{dir}/");
        shape
            .keys()
            .filter_map(|path| path.strip_prefix(&dir))
            .map(str::to_owned)
            .collect()
    };
    // A directory that a wildcard hits brings its contents, not itself.
    assert_eq!(
        below("star"),
        ["*", "[x]", "a1", "b1", "c1", "deep.txt", "q", "q/deep.txt"]
    );
    assert_eq!(shape["star/a1"], "a", "the later of two of one name stays");
    assert_eq!(below("question"), ["a1", "b1", "c1"]);
    assert_eq!(below("class"), ["b1", "c1"]);
    assert_eq!(below("negated"), ["b1", "c1"]);
    assert_eq!(below("bracket"), ["[x]"]);
    assert_eq!(below("literal"), ["*"]);
    assert_eq!(below("deep"), ["deep.txt"]);
    assert!(!shape.contains_key("nothing"), "{shape:?}");
    assert_eq!(below("some"), ["a1"]);
}

#[test]
fn from_other_stages() {
    let env = TestEnv::new();
    let dockerfile = r"ARG WHERE=second
FROM scratch AS First
COPY --chown=11:12 --chmod=640 a /d/a
FROM scratch AS second
COPY --from=0 d/a /x
COPY --from=FIRST /d/ /y/
FROM scratch
COPY --from=$WHERE / /all/
COPY --from=first d/* one/
COPY --from=1 --chown=1:2 ../../x /owned
";
    let image = env.image_of(dockerfile, &[("a", "A")]);
    let tree = image.tree();
    let at = |path: &str| (tree[path].text(), tree[path].mode, tree[path].uid, tree[path].gid);
    for path in ["all/x", "all/y/a", "one/a"] {
        assert_eq!(at(path), ("A".to_owned(), 0o640, 11, 12), "{path}");
    }
    assert_eq!(at("owned"), ("A".to_owned(), 0o640, 1, 2));
    for (line, words) in [
        ("COPY --from=later /a /b", "not made yet"),
        ("COPY --from=this /a /b", "circular dependency"),
        ("COPY --from=1 /a /b", "circular dependency"),
        ("COPY --from=7 /a /b", "no stage 7"),
        ("COPY --from=scratch /a /b", "scratch"),
        ("ENV X=one\nCOPY --from=$X /a /b", "sees ARGs only"),
        ("COPY --from=ome /a /b", "one"),
        ("COPY --from=one /nothing /b", "nothing"),
    ] {
        let dockerfile = format!(
            "FROM scratch AS one\nCOPY a /a\nFROM scratch AS this\n{line}\nFROM scratch AS later\nCOPY a /\nFROM scratch\nCOPY --from=this / /\nCOPY --from=later / /\n"
        );
        env.refused(&dockerfile, &[("a", "A")]).says(words);
    }
}

#[test]
fn parents() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch
COPY --parents x/a.txt y/a.txt /plain/
COPY --parents x/./y/*.txt /pivot/
COPY --parents **/*.go /any/
COPY --parents x/y /dir
";
    let context = env.context_of(
        dockerfile,
        &[
            ("x/a.txt", "1"),
            ("y/a.txt", "2"),
            ("x/y/b.txt", "3"),
            ("x/y/z/c.go", "4"),
            ("top.go", "5"),
        ],
    );
    std::fs::set_permissions(context.join("x"), PermissionsExt::from_mode(0o750)).unwrap();
    let image = env.image([""; 0], &context);
    assert_eq!(
        shape(&image),
        expected(&[
            ("plain", "/"),
            ("plain/x", "/"),
            ("plain/x/a.txt", "1"),
            ("plain/y", "/"),
            ("plain/y/a.txt", "2"),
            ("pivot", "/"),
            ("pivot/y", "/"),
            ("pivot/y/b.txt", "3"),
            ("any", "/"),
            ("any/x", "/"),
            ("any/x/y", "/"),
            ("any/x/y/z", "/"),
            ("any/x/y/z/c.go", "4"),
            ("any/top.go", "5"),
            ("dir", "/"),
            ("dir/x", "/"),
            ("dir/x/y", "/"),
            ("dir/x/y/b.txt", "3"),
            ("dir/x/y/z", "/"),
            ("dir/x/y/z/c.go", "4"),
        ])
    );
    assert_eq!(
        image.tree()["plain/x"].mode,
        0o750,
        "kept directories are as they are in the source"
    );
    env.refused("FROM scratch\nCOPY --parents x/none.txt /\n", &[("x/a", "")])
        .says("x/none.txt");
}

#[test]
fn parents_keep_links_as_links() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch
COPY --parents pkgs/** /all/
COPY --parents pkgs/*/f /some/
COPY --parents pkgs/*link pkgs/dangling /named/
COPY --parents pkgs /whole/
";
    let context = env.context_of(dockerfile, &[("pkgs/a/f", "F"), ("pkgs/a/deep/g", "G")]);
    std::fs::create_dir(context.join("pkgs/a/empty")).unwrap();
    for (link, to) in [
        ("pkgs/dangling", "nowhere"),
        ("pkgs/loop", "loop"),
        ("pkgs/dirlink", "a"),
        ("pkgs/a/filelink", "f"),
        ("pkgs/a/uplink", ".."),
    ] {
        symlink(to, context.join(link)).unwrap();
    }
    let shape = shape(&env.image([""; 0], &context));
    let tree = [
        ("pkgs", "/"),
        ("pkgs/a", "/"),
        ("pkgs/a/deep", "/"),
        ("pkgs/a/deep/g", "G"),
        ("pkgs/a/empty", "/"),
        ("pkgs/a/f", "F"),
        ("pkgs/a/filelink", "-> f"),
        ("pkgs/a/uplink", "-> .."),
        ("pkgs/dangling", "-> nowhere"),
        ("pkgs/dirlink", "-> a"),
        ("pkgs/loop", "-> loop"),
    ];
    let mut all = expected(&[
        ("all", "/"),
        ("whole", "/"),
        ("some", "/"),
        ("some/pkgs", "/"),
        ("some/pkgs/a", "/"),
        ("some/pkgs/a/f", "F"),
        ("named", "/"),
        ("named/pkgs", "/"),
        ("named/pkgs/dangling", "-> nowhere"),
        ("named/pkgs/dirlink", "-> a"),
    ]);
    for (path, what) in tree {
        all.insert(format!("all/{path}"), what.to_owned());
        all.insert(format!("whole/{path}"), what.to_owned());
    }
    assert_eq!(shape, all);
}

#[test]
fn parents_that_match_nothing_make_the_destination() {
    let env = TestEnv::new();
    let dockerfile =
        "FROM scratch\nCOPY --parents nothing*/** none* /to/here\nCOPY --parents d/./none* /and/\n";
    let files = [("d/x", "X")];
    let (image, words) = env.image_and_words([""; 0], env.context_of(dockerfile, &files));
    assert_eq!(
        shape(&image),
        expected(&[("to", "/"), ("to/here", "/"), ("and", "/")])
    );
    assert!(words.err().contains("no file matches `nothing*/**`"), "{words}");
    env.refused("FROM scratch\nCOPY --parents missing/./none* /\n", &files)
        .says("`missing` is not there");
}

#[test]
fn exclude() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch
COPY --exclude=*.md --exclude=b/**/*.txt --exclude=!b/c/keep.txt s /x/
COPY --exclude=*.md *.md f /y/
";
    let files = [
        ("s/a.md", "1"),
        ("s/b/a.md", "2"),
        ("s/b/c/drop.txt", "3"),
        ("s/b/c/keep.txt", "4"),
        ("top.md", "5"),
        ("f", "6"),
    ];
    assert_eq!(
        shape(&env.image_of(dockerfile, &files)),
        expected(&[
            ("x", "/"),
            ("x/b", "/"),
            ("x/b/a.md", "2"),
            ("x/b/c", "/"),
            ("x/b/c/keep.txt", "4"),
            ("y", "/"),
            ("y/f", "6"),
        ])
    );
    env.refused("FROM scratch\nCOPY --exclude=[ f /\n", &files)
        .says("[");
}

#[test]
fn heredocs() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nENV V=value\nCOPY <<EOF /one\n$V \"${V:-q}\" \\$V 'x'\nEOF\nCOPY <<\"EOF\" /two\n$V\nEOF\n\
        COPY <<-A <<B f /dir/\n\ttabs\n\t\tmore\n\tA\nb\nB\nCOPY --chown=3:4 --chmod=500 <<script.sh /bin/\n#!/bin/sh\nscript.sh\nADD <<EOF /added\nadd\nEOF\nCOPY <<empty /dir/\nempty\n";
    let image = env.image_of(dockerfile, &[("f", "F")]);
    assert_eq!(
        shape(&image),
        expected(&[
            ("one", "value \"value\" $V 'x'\n"),
            ("two", "$V\n"),
            ("dir", "/"),
            ("dir/A", "tabs\nmore\n"),
            ("dir/B", "b\n"),
            ("dir/f", "F"),
            ("dir/empty", ""),
            ("bin", "/"),
            ("bin/script.sh", "#!/bin/sh\n"),
            ("added", "add\n"),
        ])
    );
    let tree = image.tree();
    let at = |path: &str| (tree[path].mode, tree[path].uid, tree[path].gid);
    assert_eq!(at("one"), (0o644, 0, 0));
    assert_eq!(at("bin/script.sh"), (0o500, 3, 4));
}

#[test]
fn link_makes_the_same_layer_on_any_base() {
    let env = TestEnv::new();
    let dockerfile = |base: &str| {
        format!(
            "FROM scratch AS one\nCOPY f /bin/one\nFROM scratch AS two\nCOPY two /\nFROM {base}\nCOPY --link f /bin/\nCOPY --link --chown=5:6 d /tmp/deep/d/\n"
        )
    };
    let context = env.context_of(
        &dockerfile("one"),
        &[("f", "F"), ("d/x", "X"), ("two/usr/bin/other", "O")],
    );
    symlink("usr/bin", context.join("two/bin")).unwrap();
    std::fs::create_dir(context.join("two/tmp")).unwrap();
    std::fs::set_permissions(context.join("two/tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    let one = env.image([""; 0], &context);
    std::fs::write(context.join("Dockerfile"), dockerfile("two")).unwrap();
    let (two, outcome) = env.image_and_words([""; 0], &context);
    assert_eq!(
        hits(&outcome),
        "mhh",
        "the stage ran, what is linked upon it did not"
    );
    let last = |image: &OciImage| -> Vec<String> {
        let ids = image.config["rootfs"]["diff_ids"].as_array().unwrap();
        ids[ids.len() - 2..]
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(last(&one), last(&two), "the layers do not know what is below");
    let files = env
        .tool("find")
        .arg(env.store().join("snapshots"))
        .args(["-path", "*/fs/bin/f", "-printf", "%n\\n"])
        .run();
    assert_eq!(
        files.out(),
        "2\n2",
        "on the other base the file is linked, not written again"
    );
    let tree = two.tree();
    assert_eq!(tree["bin"].kind, Kind::Dir, "a link in the image is not followed");
    assert_eq!(tree["bin/f"].text(), "F");
    assert!(!tree.contains_key("usr/bin/f"));
    assert_eq!((tree["tmp/deep"].mode, tree["tmp/deep"].uid), (0o755, 5));
    assert_eq!((tree["tmp/deep/d/x"].uid, tree["tmp/deep/d/x"].gid), (5, 6));
    env.refused("FROM scratch\nCOPY --link --chown=wheel f /\n", &[("f", "")])
        .says("--link")
        .says("numbers");
}

#[test]
fn the_source_that_is_missing_is_underlined() {
    let env = TestEnv::new();
    let files = [
        ("a", ""),
        ("lost.txt", ""),
        ("secret", ""),
        (".dockerignore", "secret\n"),
    ];
    let refused = |source: &str| env.refused(&format!("FROM scratch\nCOPY a {source} /d/\n"), &files);
    refused("last.txt")
        .says("Dockerfile:2:8")
        .says("did you mean `lost.txt`?");
    refused("secret")
        .says("Dockerfile:2:8")
        .says("`secret` in .dockerignore hides it");
    env.refused(
        "FROM scratch AS one\nFROM scratch\nCOPY --from=one /none /d/\n",
        &[],
    )
    .says("Dockerfile:3:17");
    // A trigger has no line in this file.
    env.refused("FROM scratch AS one\nONBUILD COPY none /\nFROM one\n", &[])
        .says("Dockerfile:3:6");
}

#[test]
fn urls_are_for_add() {
    let env = TestEnv::new();
    env.refused("FROM scratch\nCOPY https://example.test/f /f\n", &[])
        .says("`ADD` fetches")
        .says("Dockerfile:2:6");
    env.refused("FROM scratch\nADD ftp://example.test/f /f\n", &[])
        .says("`ftp://` is a kind of URL")
        .says("Dockerfile:2:5");
}

//! COPY: where things land, what they are afterwards, what is refused (FEATURES 1.6).

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::harness::env::is_root;
use crate::harness::steps::hits;
use crate::harness::{Entry, Kind, OciImage, TestEnv, peer, skip};

/// Files with what they hold, links with where they point, directories: by path.
fn shape(image: &OciImage) -> BTreeMap<String, String> {
    let tree = image.tree();
    tree.iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, entry)| (path.clone(), said(entry, &tree)))
        .collect()
}

fn said(entry: &Entry, tree: &BTreeMap<String, Entry>) -> String {
    match &entry.kind {
        Kind::File { .. } => entry.text(),
        Kind::Hardlink { to } => tree[to].text(),
        Kind::Dir => "/".to_owned(),
        Kind::Symlink { to } => format!("-> {to}"),
        other => format!("{other:?}"),
    }
}

fn expected(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines
        .iter()
        .map(|(path, what)| ((*path).to_owned(), (*what).to_owned()))
        .collect()
}

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
fn links_in_the_context_never_lead_out_of_it() {
    let env = TestEnv::new();
    env.write("canary", "outside");
    let dockerfile = r"FROM scratch
COPY to-file /named
COPY to-file in/up /dir/
COPY to-dir /contents
COPY in /kept
COPY to-dir/up/../file /through
COPY absolute /absolute
";
    let context = env.context_of(dockerfile, &[("file", "F"), ("real/one", "1")]);
    for (link, to) in [
        ("to-file", "file"),
        ("to-dir", "in"),
        ("absolute", "/file"),
        ("out", "../canary"),
        ("loop", "loop"),
    ] {
        symlink(to, context.join(link)).unwrap();
    }
    std::fs::create_dir(context.join("in")).unwrap();
    symlink("../file", context.join("in/up")).unwrap();
    symlink("../../canary", context.join("in/out")).unwrap();
    std::fs::write(context.join("in/file"), "in").unwrap();
    // `to-dir/up/..` would have to be a directory.
    let text = std::fs::read_to_string(context.join("Dockerfile")).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        text.replace("to-dir/up/../file", "to-dir/file"),
    )
    .unwrap();
    let shape = shape(&env.image([""; 0], &context));
    assert_eq!(
        shape,
        expected(&[
            ("named", "F"),
            ("dir", "/"),
            ("dir/to-file", "F"),
            ("dir/up", "F"),
            ("contents", "/"),
            ("contents/up", "-> ../file"),
            ("contents/out", "-> ../../canary"),
            ("contents/file", "in"),
            ("kept", "/"),
            ("kept/up", "-> ../file"),
            ("kept/out", "-> ../../canary"),
            ("kept/file", "in"),
            ("through", "in"),
            ("absolute", "F"),
        ])
    );
    for source in ["out", "in/out", "../canary", "loop"] {
        std::fs::write(
            context.join("Dockerfile"),
            format!("FROM scratch\nCOPY {source} /x\n"),
        )
        .unwrap();
        let refused = env
            .building([""; 0])
            .arg(&context)
            .run()
            .exits(1)
            .says("Dockerfile:2")
            .no_panic();
        assert!(!refused.err().contains("outside"), "{refused}");
    }
}

#[test]
fn links_in_a_stage_are_followed_inside_it() {
    let env = TestEnv::new();
    let dockerfile = r#"FROM scratch AS one
COPY tree /
FROM scratch
ENV D=/to/dir
COPY --from=one /lnk /contents
COPY --from=one /lnk/f /through
COPY --from=one /absolute $D/
COPY --from=one /deep /kept
COPY --from=one lnk/* ${D}/w/
COPY ["a", "$D/j s/"]
"#;
    let context = env.context_of(dockerfile, &[("tree/deep/dir/f", "F"), ("a", "A")]);
    for (link, to) in [
        ("lnk", "/deep/dir"),
        ("deep/up", "dir/f"),
        ("absolute", "/../deep/up"),
        ("dangling", "nowhere"),
    ] {
        symlink(to, context.join("tree").join(link)).unwrap();
    }
    assert_eq!(
        shape(&env.image([""; 0], &context)),
        expected(&[
            ("contents", "/"),
            ("contents/f", "F"),
            ("through", "F"),
            ("to", "/"),
            ("to/dir", "/"),
            ("to/dir/absolute", "F"),
            ("kept", "/"),
            ("kept/dir", "/"),
            ("kept/dir/f", "F"),
            ("kept/up", "-> dir/f"),
            ("to/dir/w", "/"),
            ("to/dir/w/f", "F"),
            ("to/dir/j s", "/"),
            ("to/dir/j s/a", "A"),
        ])
    );
    std::fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY tree/dangling /\n").unwrap();
    env.building([""; 0])
        .arg(&context)
        .run()
        .exits(1)
        .says("`tree/dangling` is a link to `nowhere`, which is not there")
        .never_says("did you mean");
}

#[test]
fn a_store_in_the_context_is_no_part_of_it() {
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nCOPY . /\n", &[("d/x", ""), ("d/store-not/y", "")]);
    std::fs::write(context.join(".dockerignore"), "*\n!d\n!d/store/**\n").unwrap();
    let build = || {
        env.building(["-q", "-t", "x", "-o", "type=tar,dest=-"])
            .arg(&context)
            .env("RBUILD_ROOT", context.join("d/store"))
            .run()
            .success()
    };
    let (one, two) = (build(), build());
    let names: Vec<String> = crate::harness::archive::entries(one.stdout.as_slice())
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    assert_eq!(names, ["d", "d/store-not", "d/store-not/y", "d/x"]);
    assert_eq!(one.stdout, two.stdout);
}

#[test]
fn links_in_the_image_are_followed_inside_it() {
    let env = TestEnv::new();
    let canary = env.write("canary/file", "outside");
    let dockerfile = r"FROM scratch
COPY links /
COPY new /to-dir/
COPY new /to-dir/deeper/still/
COPY new /absolute/x
COPY new /escape/canary/file
COPY two /real
";
    let context = env.context_of(
        dockerfile,
        &[
            ("links/real/kept", "kept"),
            ("new", "N"),
            ("two/linked", "two"),
            ("two/soft", "two"),
        ],
    );
    for (link, to) in [
        ("to-dir", "real"),
        ("absolute", "/real"),
        ("escape", "../../../../../.."),
        ("real/soft", "kept"),
    ] {
        symlink(to, context.join("links").join(link)).unwrap();
    }
    std::fs::hard_link(context.join("links/real/kept"), context.join("links/real/linked")).unwrap();
    let shape = shape(&env.image([""; 0], &context));
    assert_eq!(
        shape,
        expected(&[
            ("real", "/"),
            ("real/kept", "kept"),
            ("real/soft", "two"),
            ("real/linked", "two"),
            ("real/new", "N"),
            ("real/x", "N"),
            ("real/deeper", "/"),
            ("real/deeper/still", "/"),
            ("real/deeper/still/new", "N"),
            ("to-dir", "-> real"),
            ("absolute", "-> /real"),
            ("escape", "-> ../../../../../.."),
            ("canary", "/"),
            ("canary/file", "N"),
        ])
    );
    assert_eq!(std::fs::read_to_string(canary).unwrap(), "outside");
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
        ("FROM scratch\nCOPY f d /dest\n", "must be a directory"),
        ("FROM scratch\nCOPY missing /\n", "missing"),
        ("FROM scratch\nCOPY f d/f/y /t/\n", "d/f/y"),
        ("FROM scratch\nCOPY [a-] /t/\n", "[a-]"),
    ] {
        let last = dockerfile.lines().count();
        env.refused(dockerfile, &files)
            .says(expected)
            .says(&format!("Dockerfile:{last}"));
    }
    env.refused("FROM scratch\nCOPY mispelt.txt /\n", &[("misspelt.txt", "")])
        .says("misspelt.txt");
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
fn what_is_kept_of_a_file() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch AS one\nCOPY --chown=5:6 m /m\nCOPY m /plain/\nFROM scratch\nCOPY --from=one / /again\n";
    let context = env.context_of(
        dockerfile,
        &[("m/suid", "s"), ("m/linked", "l"), ("m/sticky/x", "")],
    );
    let m = context.join("m");
    for (path, mode) in [
        ("suid", 0o6711),
        ("sticky", 0o3770),
        ("sticky/x", 0o400),
        ("linked", 0o604),
    ] {
        std::fs::set_permissions(m.join(path), PermissionsExt::from_mode(mode)).unwrap();
    }
    std::fs::hard_link(m.join("linked"), m.join("other")).unwrap();
    let long = format!("{}/{}", "d".repeat(120), "n".repeat(200));
    std::fs::create_dir(m.join("d".repeat(120))).unwrap();
    std::fs::write(m.join(&long), "long").unwrap();
    symlink("t".repeat(300), m.join("long-link")).unwrap();
    std::fs::write(m.join(std::ffi::OsStr::from_bytes(b"b\xffd\n")), "bytes").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        m.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let socket = std::os::unix::net::UnixListener::bind(m.join("socket"));
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::open(m.join("suid"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let has_xattrs =
        rustix::fs::setxattr(m.join("suid"), "user.kept", b"v", rustix::fs::XattrFlags::empty()).is_ok();
    if has_xattrs {
        rustix::fs::setxattr(
            m.join("suid"),
            "user.overlay.opaque",
            b"y",
            rustix::fs::XattrFlags::empty(),
        )
        .unwrap();
    } else {
        skip::because_of_host(
            "what_is_kept_of_a_file",
            "the file system has no user.* attributes",
        );
    }
    for round in ["cold", "from the memo"] {
        let tree = env.image([""; 0], &context).tree();
        let at = |path: &str| (tree[path].mode, tree[path].uid, tree[path].gid);
        for top in ["again/m", "again/plain"] {
            let owner = if top == "again/m" { (5, 6) } else { (0, 0) };
            for (path, mode) in [
                ("suid", 0o6711),
                ("sticky", 0o3770),
                ("sticky/x", 0o400),
                ("linked", 0o604),
                ("fifo", 0o644),
            ] {
                assert_eq!(
                    at(&format!("{top}/{path}")),
                    (mode, owner.0, owner.1),
                    "{top}/{path} {round}"
                );
            }
            assert_eq!(
                tree[&format!("{top}/other")].kind,
                Kind::Hardlink {
                    to: format!("{top}/linked")
                }
            );
            assert_eq!(tree[&format!("{top}/{long}")].text(), "long");
            assert_eq!(
                tree[&format!("{top}/long-link")].kind,
                Kind::Symlink { to: "t".repeat(300) }
            );
            assert_eq!(tree[&format!("{top}/fifo")].kind, Kind::Fifo);
            assert!(
                !tree.contains_key(&format!("{top}/socket")),
                "a socket is nothing to copy"
            );
            let suid = &tree[&format!("{top}/suid")];
            assert_eq!(suid.mtime, 1_000_000_000);
            if has_xattrs {
                let kept: Vec<(&str, &[u8])> = suid
                    .xattrs
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_slice()))
                    .collect();
                assert_eq!(kept, [("user.kept", &b"v"[..])], "{round}");
            }
        }
        assert!(
            tree.keys().any(|path| path.ends_with("b\u{fffd}d\n")),
            "{:?}",
            tree.keys()
        );
    }
    drop(socket);
}

#[test]
fn capabilities_of_a_file() {
    if !is_root() {
        skip::because_of_host("capabilities_of_a_file", "file capabilities are set by root");
        return;
    }
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nCOPY p /p\n", &[("p", "program")]);
    // VFS_CAP_REVISION_2, effective: cap_net_bind_service.
    let mut caps = vec![1, 0, 0, 2, 0, 4, 0, 0];
    caps.resize(20, 0);
    rustix::fs::setxattr(
        context.join("p"),
        "security.capability",
        &caps,
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    let tree = env.image([""; 0], &context).tree();
    assert_eq!(tree["p"].xattrs["security.capability"], caps);
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
fn the_callers_umask_is_nowhere() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nCOPY a d /x/y/\nWORKDIR /w/v\nADD t.tar /t/\nCOPY <<EOF /h/h\nh\nEOF\n";
    let context = env.context_of(dockerfile, &[("a", "A"), ("d/e/f", "F")]);
    let tar = env
        .tool("tar")
        .args(["-C"])
        .arg(&context)
        .args(["-cf"])
        .arg(context.join("t.tar"))
        .arg("d")
        .run();
    tar.success();
    let mut digests = Vec::new();
    for umask in ["022", "077", "000"] {
        let fresh = TestEnv::new();
        let dest = fresh.path("out.tar");
        let program = crate::harness::env::program_under_test();
        fresh
            .tool("sh")
            .args(["-c", "umask $0; exec \"$@\"", umask])
            .arg(program)
            .args(["build", "--source-date-epoch", "1000000000", "-o"])
            .arg(format!("type=oci,dest={}", dest.display()))
            .arg(&context)
            .run()
            .success();
        let image = OciImage::from_archive(&dest);
        for path in ["x", "x/y", "w", "w/v", "t", "t/d", "h"] {
            assert_eq!(image.tree()[path].mode, 0o755, "{path} under umask {umask}");
        }
        digests.push(image.manifest_digest);
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
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
        ("ARG X=one\nCOPY --from=$X /a /b", "global"),
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
fn chown() {
    let env = TestEnv::new();
    let databases = [
        ("etc/passwd", "root:x:0:0::/:/\napp:x:1000:1001::/:/\n"),
        ("etc/group", "root:x:0:\napp:x:1001:\nstaff:x:50:\n"),
        ("f", "F"),
        ("d/g", "G"),
    ];
    let dockerfile = r"FROM scratch
COPY etc /etc
ARG WHO=app
COPY --chown=app f /name
COPY --chown=app: f /colon
COPY --chown=app:staff f /group
COPY --chown=app:7 f /mixed
COPY --chown=5 f /number
COPY --chown=5:staff f /other
COPY --chown=$WHO d /made/dir/
";
    let tree = env.image_of(dockerfile, &databases).tree();
    for (path, owner) in [
        ("name", (1000, 1001)),
        ("colon", (1000, 1001)),
        ("group", (1000, 50)),
        ("mixed", (1000, 7)),
        ("number", (5, 5)),
        ("other", (5, 50)),
        ("made", (1000, 1001)),
        ("made/dir", (1000, 1001)),
        ("made/dir/g", (1000, 1001)),
    ] {
        assert_eq!((tree[path].uid, tree[path].gid), owner, "{path}");
    }
    for (flag, words) in [
        ("--chown=nobody", "nobody"),
        ("--chown=app:nogroup", "nogroup"),
        ("--chown=:staff", "names no user"),
        ("--chown=4294967295", "4294967295"),
    ] {
        let dockerfile = format!("FROM scratch\nCOPY etc /etc\nCOPY {flag} f /f\n");
        env.refused(&dockerfile, &databases)
            .says(words)
            .says("Dockerfile:3");
    }
    env.refused("FROM scratch\nCOPY --chown=app f /f\n", &databases)
        .says("app");
}

#[test]
fn chmod() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch
ARG M=750
COPY --chmod=0604 f /octal
COPY --chmod=7777 d /all
COPY --chmod=$M f /var
COPY --chmod=u=rwX,go=rX d /symbolic
COPY --chmod=g+w,o-r f /changed
COPY --chmod=600 l /links
";
    let context = env.context_of(dockerfile, &[("f", ""), ("d/x", ""), ("d/y/z", ""), ("l/f", "")]);
    std::fs::set_permissions(context.join("f"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::set_permissions(context.join("d/x"), PermissionsExt::from_mode(0o711)).unwrap();
    symlink("f", context.join("l/link")).unwrap();
    let tree = env.image([""; 0], &context).tree();
    for (path, mode) in [
        ("octal", 0o604),
        ("all", 0o755),
        ("all/x", 0o7777),
        ("all/y", 0o7777),
        ("var", 0o750),
        ("symbolic", 0o755),
        ("symbolic/x", 0o755),
        ("symbolic/y", 0o755),
        ("symbolic/y/z", 0o644),
        ("changed", 0o660),
        ("links", 0o755),
        ("links/f", 0o600),
    ] {
        assert_eq!(format!("{:o}", tree[path].mode), format!("{mode:o}"), "{path}");
    }
    assert_eq!(tree["links/link"].kind, Kind::Symlink { to: "f".to_owned() });
    for mode in ["999", "rwx", "10000", "u=q"] {
        env.refused(&format!("FROM scratch\nCOPY --chmod={mode} f /\n"), &[("f", "")])
            .says(mode);
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
    env.refused("FROM scratch\nCOPY <<A <<B /file\nA\nB\n", &[])
        .says("directory");
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
    env.refused("FROM scratch\nCOPY --link --chown=root f /\n", &[("f", "")])
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

#[test]
fn an_owner_or_mode_that_expands_to_nothing_is_none() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nARG NONE\nCOPY --chown=$NONE --chmod=${NONE} f /f\n";
    let file = &env.image_of(dockerfile, &[("f", "F")]).tree()["f"];
    assert_eq!((file.mode, file.uid, file.gid), (0o644, 0, 0));
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

#[test]
fn same_files_same_image() {
    let files = [("a", "A"), ("d/b", "B")];
    let dockerfile = "FROM scratch\nCOPY a d /t/\nCOPY --link a /l/\nCOPY --parents d/b /p/\n";
    let mut digests = Vec::new();
    for _ in 0..2 {
        let env = TestEnv::new();
        let context = env.context_of(dockerfile, &files);
        digests.push(env.image(["--source-date-epoch", "0"], &context).manifest_digest);
    }
    assert_eq!(digests[0], digests[1]);
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

#[test]
fn a_file_of_a_later_layer_is_a_new_inode() {
    // The context's own files are never linked into the store: writing to one must not reach an image.
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nCOPY a /a\n", &[("a", "first")]);
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    let before = inode(&context.join("a"));
    let one = env.image([""; 0], &context);
    assert_eq!(std::fs::metadata(context.join("a")).unwrap().nlink(), 1);
    std::fs::write(context.join("a"), "other").unwrap();
    let two = env.image([""; 0], &context);
    assert_eq!(inode(&context.join("a")), before);
    assert_eq!(one.tree()["a"].text(), "first");
    assert_eq!(two.tree()["a"].text(), "other");
}

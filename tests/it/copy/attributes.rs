//! What files are afterwards: owner, mode, time, links, attributes.

use crate::harness::env::is_root;
use crate::harness::{Kind, OciImage, TestEnv, skip};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

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
COPY --chown=:staff f /ofgroup
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
        ("ofgroup", (0, 50)),
        ("made", (1000, 1001)),
        ("made/dir", (1000, 1001)),
        ("made/dir/g", (1000, 1001)),
    ] {
        assert_eq!((tree[path].uid, tree[path].gid), owner, "{path}");
    }
    for (flag, words) in [
        ("--chown=nobody", "nobody"),
        ("--chown=app:nogroup", "nogroup"),
        ("--chown=:", "names nobody"),
        ("--chown=4294967295", "4294967295"),
    ] {
        let dockerfile = format!("FROM scratch\nCOPY etc /etc\nCOPY {flag} f /f\n");
        env.refused(&dockerfile, &databases)
            .says(words)
            .says("Dockerfile:3:14");
    }
    // Root needs no database, so neither does `--link`.
    let unlisted = "FROM scratch\nCOPY --chown=root f /f\nCOPY --link --chown=root:7 f /linked\n";
    let tree = env.image_of(unlisted, &databases).tree();
    assert_eq!((tree["f"].uid, tree["f"].gid), (0, 0));
    assert_eq!((tree["linked"].uid, tree["linked"].gid), (0, 7));
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
        ("all", 0o7777),
        ("all/x", 0o7777),
        ("all/y", 0o7777),
        ("var", 0o750),
        ("symbolic", 0o755),
        ("symbolic/x", 0o755),
        ("symbolic/y", 0o755),
        ("symbolic/y/z", 0o644),
        ("changed", 0o660),
        ("links", 0o600),
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
fn an_owner_or_mode_that_expands_to_nothing_is_none() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nARG NONE\nCOPY --chown=$NONE --chmod=${NONE} f /f\n";
    let file = &env.image_of(dockerfile, &[("f", "F")]).tree()["f"];
    assert_eq!((file.mode, file.uid, file.gid), (0o644, 0, 0));
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

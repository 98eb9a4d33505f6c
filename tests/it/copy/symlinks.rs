//! Symbolic links in sources and destinations: none leads out.

use super::{expected, shape};
use crate::harness::TestEnv;
use std::os::unix::fs::symlink;

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

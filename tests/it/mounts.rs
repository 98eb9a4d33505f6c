//! `RUN --mount`: what is seen, what is kept, and what leaves no trace.

mod caches;
mod points;
mod secrets;

use crate::harness::{OciImage, TestEnv};
use std::fs;

/// Paths of the last layer.
fn last_layer(image: &OciImage) -> Vec<&str> {
    let layer = image.layers.last().expect("an image has layers");
    layer
        .iter()
        .map(|entry| entry.path.as_str())
        .filter(|path| !path.is_empty())
        .collect()
}

#[test]
fn a_source_that_is_not_there_is_told_of_its_step() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN --mount=source=nope,target=/x true\n";
    let refused = env.refused(dockerfile, &[]);
    refused
        .says("step `[2/2] RUN --mount=source=nope,target=/x true` failed: `nope` is not there")
        .says("Dockerfile:2:20");
    // On standard input alone it has no context that could have such a file.
    let hint = "a Dockerfile alone on standard input has no context";
    for file in [
        dockerfile,
        "FROM scratch\nCOPY f /f\n",
        "FROM scratch\nADD f /f\n",
    ] {
        env.building(["-"]).stdin(file).run().exits(1).says(hint);
    }
    let context = env.context("context", &[]);
    let given = env
        .building(["-f", "-"])
        .arg(&context)
        .stdin("FROM scratch\nCOPY f /f\n");
    given.run().exits(1).never_says(hint);
}

#[test]
fn binds() {
    let env = TestEnv::new();
    let other = env.context(
        "other",
        &[
            ("named/file", "of the named context\n"),
            ("skip", "x"),
            (".dockerignore", "skip\n"),
        ],
    );
    let dockerfile = r"FROM busybox:local AS one
RUN mkdir -p /d/sub && echo one > /d/sub/a && echo one > /d/b && echo gone > /d/c && ln -s sub/a /d/link
FROM one AS two
RUN echo two > /d/b && rm /d/c && echo new > /d/sub/e
FROM busybox:local
WORKDIR /w
ARG where=sub
RUN --mount=target=/ctx cat /ctx/file /ctx/sub/deep > /context; ls -a /ctx >> /context; touch /ctx/x 2>> /context; test ! -e /ctx/skipped
RUN --mount=type=bind,source=$where,dst=rel ls /w/rel > /relative
RUN --mount=type=bind,from=two,source=/d,target=/m cd /m; head sub/a b sub/e link c > /merged 2>&1; touch z 2>> /merged; true
RUN --mount=type=bind,from=two,source=/d,target=/m,rw=true echo over > /m/b && rm -r /m/sub && touch /m/z && ls /m > /written
RUN --mount=type=bind,from=two,source=/d,target=/m ls -R /m > /unwritten
RUN --mount=type=bind,from=two,source=/d/link,target=/deep/er/file cat /deep/er/file > /single
RUN --mount=type=bind,from=busybox:local,target=/image cat /image/etc/passwd | head -1 > /of-image
RUN --mount=type=bind,from=more,source=named,target=/n cat /n/file > /named
RUN --mount=type=bind,from=more,target=/n ls /n > /ignored
RUN --mount=target=/a --mount=type=tmpfs,target=/a/sub --mount=from=two,source=/d,target=/a/sub/two ls /a/sub /a/sub/two > /nested
RUN ls / > /listed
";
    let files = [
        ("file", "of the context\n"),
        ("sub/deep", "deep\n"),
        ("skipped", "x"),
        (".dockerignore", "skipped\nDockerfile\n.dockerignore\n"),
    ];
    let context = env.context_of(dockerfile, &files);
    let named = format!("more={}", other.display());
    let image = env.image(["--build-context", &named], &context);
    let tree = image.tree();
    let text = |path: &str| tree[path].text();
    assert_eq!(
        text("context"),
        "of the context\ndeep\n.\n..\nfile\nsub\ntouch: /ctx/x: Read-only file system\n"
    );
    assert_eq!(text("relative"), "deep\n");
    let merged = text("merged");
    assert!(
        merged.contains("==> sub/a <==\none\n") && merged.contains("==> b <==\ntwo\n"),
        "{merged}"
    );
    assert!(
        merged.contains("==> sub/e <==\nnew\n") && merged.contains("==> link <==\none\n"),
        "{merged}"
    );
    assert!(
        merged.contains("c: No such file") && merged.contains("touch: z: Read-only file system"),
        "{merged}"
    );
    assert_eq!(text("written"), "b\nlink\nz\n");
    assert_eq!(text("unwritten"), "/m:\nb\nlink\nsub\n\n/m/sub:\na\ne\n");
    assert_eq!(text("single"), "one\n");
    assert_eq!(text("of-image"), "root:x:0:0:root:/root:/bin/sh\n");
    assert_eq!(text("named"), "of the named context\n");
    assert_eq!(text("ignored"), "named\n");
    assert_eq!(text("nested"), "/a/sub:\ntwo\n\n/a/sub/two:\nb\nlink\nsub\n");
    for trace in ["/ctx\n", "/m\n", "/n\n", "a\n", "deep\n", "image\n"] {
        assert!(
            !text("listed").split_inclusive('\n').any(|line| line == trace),
            "{}",
            text("listed")
        );
    }
    assert!(!tree.contains_key("w/rel"));
}

#[test]
fn a_source_stays_in_its_tree() {
    let env = TestEnv::new();
    let canary = env.write("canary/secret", "outside\n");
    let up = "../".repeat(20);
    let outside = canary.parent().unwrap().display().to_string();
    let dockerfile = format!(
        "FROM busybox:local AS evil\n\
         RUN ln -s / /root-link && ln -s {up}{outside} /out && ln -s {outside} /abs && mkdir -p {outside} && echo inside > {outside}/secret\n\
         FROM busybox:local\n\
         RUN --mount=from=evil,source=/root-link,target=/m test -e /m/root-link && ! test -e /m{outside}/../home\n\
         RUN --mount=from=evil,source=/out,target=/m cat /m/secret > /out\n\
         RUN --mount=from=evil,source=/abs,target=/m cat /m/secret > /abs\n\
         RUN --mount=from=evil,source={up}{outside},target=/m cat /m/secret > /dots\n"
    );
    let tree = env.image_of(&dockerfile, &[]).tree();
    for path in ["out", "abs", "dots"] {
        assert_eq!(tree[path].text(), "inside\n", "{path}");
    }
    // A link in the context leads nowhere outside of it.
    let context = env.context_of(
        "FROM busybox:local\nRUN --mount=source=leak,target=/m cat /m/secret\n",
        &[],
    );
    std::os::unix::fs::symlink(canary.parent().unwrap(), context.join("leak")).unwrap();
    env.building([""; 0])
        .arg(&context)
        .run()
        .exits(1)
        .never_says("outside\n")
        .says("Dockerfile:2");
    // And a target that is a link leads into the image.
    let dockerfile = format!(
        "FROM busybox:local\nRUN ln -s {outside} /there\n\
         RUN --mount=type=tmpfs,target=/there/deep echo x > /there/deep/file; grep -c {outside}/deep /proc/mounts\n"
    );
    let image = env.image_of(&dockerfile, &[]);
    assert_eq!(last_layer(&image), [""; 0]);
    let left: Vec<_> = fs::read_dir(canary.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn memory() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\n\
        RUN --mount=type=tmpfs,target=/t,size=2m dd if=/dev/zero of=/t/x bs=1M count=5 2> /full; stat -c %s /t/x >> /full; true\n\
        RUN --mount=type=tmpfs,target=/t --mount=type=tmpfs,target=/etc/inner ls -A /t /etc/inner > /empty; touch /t/x /etc/inner/y\n\
        RUN --mount=type=tmpfs,target=/tmp echo > /tmp/not-kept\n";
    let image = env.image_of(dockerfile, &[]);
    let tree = image.tree();
    let full = tree["full"].text();
    assert!(
        full.contains("No space left on device") && full.ends_with("\n2097152\n"),
        "{full}"
    );
    assert_eq!(tree["empty"].text(), "/etc/inner:\n\n/t:\n");
    assert!(!tree.contains_key("t") && !tree.contains_key("etc/inner"));
    assert_eq!(last_layer(&image), [""; 0]);
}

#[test]
fn wrong_mounts() {
    let env = TestEnv::new();
    for (mount, words) in [
        ("type=bnd,target=/x", &["bnd", "bind"][..]),
        ("type=tmpfs,target=/", &["/"]),
        ("type=tmpfs,target=/proc/sys", &["`/proc/sys`"]),
        ("type=tmpfs,target=/x,sise=1", &["sise", "size"]),
        ("type=cache,target=/x,sharing=some", &["some", "shared"]),
        (
            "type=bind,target=/x,bind-propagation=shared",
            &["bind-propagation"],
        ),
        (
            "type=bind,target=/x,from=nobody-knows-this,source=/",
            &["nobody-knows-this"],
        ),
        ("type=secret,id=a,mode=9", &["mode"]),
        ("type=cache,target=/x,from=$UNSET", &["`from` is empty"]),
        ("type=volume,target=/x", &["volume"]),
    ] {
        let outcome = env
            .building(["--pull=never"])
            .arg(env.context_of(&format!("FROM busybox:local\nRUN --mount={mount} true\n"), &[]))
            .run();
        let outcome = outcome.no_panic();
        assert!(matches!(outcome.code(), 1 | 125), "{mount}: {outcome}");
        for word in words.iter().chain(&["Dockerfile:2"]) {
            assert!(outcome.err().contains(word), "{mount}: no {word:?} in\n{outcome}");
        }
    }
    for (mount, words) in [
        ("source=not-there,target=/x", "not-there"),
        ("source=file,target=/bin", "/bin"),
        ("target=/etc/passwd", "/etc/passwd"),
    ] {
        let outcome = env.refused(
            &format!("FROM busybox:local\nRUN --mount={mount} true\n"),
            &[("file", "x")],
        );
        outcome.says("Dockerfile:2").says(words);
    }
}

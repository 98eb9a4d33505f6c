//! `RUN --mount`: what is seen, what is kept, and what leaves no trace.

use super::concurrency::open_gate;
use crate::harness::archive::sha256;
use crate::harness::base::program;
use crate::harness::{OciImage, TestEnv, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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
fn caches() {
    let env = TestEnv::new();
    let first = "FROM busybox:local AS seed\nRUN mkdir -p /s/d && echo seed > /s/d/f && chmod 700 /s/d && chown 7:8 /s/d/f && touch -d '2001-02-03 04:05:06' /s/d/f /s/d\n\
        FROM busybox:local\n\
        RUN --mount=type=cache,target=/c,id=mine,mode=0750,uid=5,gid=6 stat -c '%a %u %g' /c > /new; echo kept > /c/f\n\
        RUN --mount=type=cache,target=/elsewhere,id=mine,mode=750,uid=5,gid=6,ro cat /elsewhere/f > /other; touch /elsewhere/x 2>> /other; true\n\
        RUN --mount=type=cache,target=/seeded,from=seed,source=/s stat -c '%n %a %u %g %Y' /seeded/d /seeded/d/f > /seed; echo > /seeded/mine\n\
        RUN --mount=type=cache,target=/private,sharing=private echo > /private/x\n\
        RUN ls / > /listed\n";
    let image = env.image_of(first, &[]);
    let tree = image.tree();
    assert_eq!(tree["new"].text(), "750 5 6\n");
    assert_eq!(
        tree["other"].text(),
        "kept\ntouch: /elsewhere/x: Read-only file system\n"
    );
    assert_eq!(
        tree["seed"].text(),
        "/seeded/d 700 0 0 981173106\n/seeded/d/f 644 7 8 981173106\n"
    );
    for target in ["c\n", "elsewhere\n", "seeded\n", "private\n"] {
        assert!(
            !tree["listed"]
                .text()
                .split_inclusive('\n')
                .any(|line| line == target)
        );
    }
    // What a step that failed has put there is there, and so is what other builds have.
    let failing = "FROM busybox:local\nRUN --mount=type=cache,target=/c,id=mine,mode=0750,uid=5,gid=6 echo failed >> /c/f; exit 1\n";
    env.refused(failing, &[]);
    let later =
        "FROM busybox:local\nRUN --mount=type=cache,target=/c,id=mine,mode=750,uid=5,gid=6 cat /c/f > /f\n";
    let tree = env.image_of(later, &[]).tree();
    assert_eq!(tree["f"].text(), "kept\nfailed\n");
    // CVE-2024-9675: an id is a name, never a path.
    let canary = env.write("canary/file", "safe");
    let up = "../".repeat(30);
    let climbing = format!("{up}{}", canary.parent().unwrap().display());
    for id in [climbing.as_str(), "/", "..", ".", &"x".repeat(3000), "a,b", "ü"] {
        // The outer quotes are the flag's, the inner ones the option's.
        let mount = format!("--mount='type=cache,target=/c,\"id={id}\"'");
        env.image_of(
            &format!(
                "FROM busybox:local\nRUN {mount} rm -rf /c/*; touch /c/x; test -z \"$(ls /c | grep file)\"\n"
            ),
            &[],
        );
    }
    assert_eq!(fs::read_to_string(canary).unwrap(), "safe");
}

/// One content for each owner, mode and first files: no mount finds what it cannot write to, or did not start with.
#[test]
fn caches_of_one_id() {
    let env = TestEnv::new();
    let mounts = [
        "id=one,target=/c",
        "id=one,target=/c,uid=7",
        "id=one,target=/c,gid=7",
        "id=one,target=/c,mode=0777",
        "id=one,target=/c,from=seed,source=/s",
        "id=one,target=/c,from=seed,source=/s,uid=7",
        "id=one,target=/c,from=seed,source=/t",
    ];
    let dockerfile = |seed: &str| {
        let mut text = format!(
            "FROM busybox:local AS seed\nRUN mkdir -m 755 /s /t && echo {seed} > /s/f && echo > /t/g\nFROM busybox:local\n"
        );
        for (number, mount) in mounts.iter().enumerate() {
            text += &format!(
                "RUN --mount=type=cache,{mount} (stat -c '%a %u %g' /c; ls /c) > /{number}; echo >> /c/by-{number}\n"
            );
        }
        text + "USER 7\nRUN --mount=type=cache,id=one,target=/c,uid=7 echo >> /c/by-its-owner; ls /c > /tmp/last\n"
    };
    let tree = env.image_of(&dockerfile("one"), &[]).tree();
    for (number, seen) in [
        "755 0 0\n",
        "755 7 0\n",
        "755 0 7\n",
        "777 0 0\n",
        "755 0 0\nf\n",
        "755 7 0\nf\n",
        "755 0 0\ng\n",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(tree[&*number.to_string()].text(), *seen, "{}", mounts[number]);
    }
    assert_eq!(tree["tmp/last"].text(), "by-1\nby-its-owner\n");
    // Those that start with other files are new ones, and their steps run again; no other step does.
    let context = env.context_of(&dockerfile("two"), &[]);
    let outcome = env
        .building(["--progress", "plain", "-t", "image"])
        .arg(context)
        .run()
        .success();
    assert_eq!(outcome.err().matches("CACHED").count(), 6, "{outcome}");
    assert_eq!(env.saved("image").tree()["4"].text(), "755 0 0\nf\n");
    let listed = env
        .rbuild(["prune", "-f", "--cache-mounts", "--dry-run"])
        .run()
        .success();
    assert!(listed.to_string().contains("one (0777 0:0)"), "{listed}");
}

/// As in BuildKit: a build without the cache starts with empty ones, once.
#[test]
fn no_cache_empties_caches() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local AS base\nRUN --mount=type=cache,target=/c,id=base echo >> /c/f; cat /c/f | wc -l > /base\n\
        FROM base\nRUN --mount=type=cache,target=/c echo >> /c/f; cat /c/f | wc -l > /one\n\
        RUN --mount=type=cache,target=/c echo >> /c/f; cat /c/f | wc -l > /two\n";
    let context = env.context_of(dockerfile, &[]);
    let seen = |flags: &[&str]| {
        env.building(["-q", "-t", "image"])
            .args(flags)
            .arg(&context)
            .run()
            .success();
        let tree = env.saved("image").tree();
        ["base", "one", "two"].map(|name| tree[name].text().trim().to_owned())
    };
    assert_eq!(seen(&[]), ["1", "1", "2"]);
    assert_eq!(seen(&["--no-cache"]), ["1", "1", "2"]);
    assert_eq!(seen(&["--no-cache-filter", "1"]), ["1", "1", "2"]);
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

/// The outer mount is made first, in whatever order they are written; what an inner one stands on is made where it can.
#[test]
fn mounts_in_mounts() {
    let env = TestEnv::new();
    let inner_first = |outer: &str| {
        format!(
            "RUN --mount=type=tmpfs,target=/o/a/inner --mount={outer},target=/o touch /o/a/inner/x && ls /o /o/a > /seen\n"
        )
    };
    let files = [("dir/a/file", ""), ("dir/b", "")];
    let seen = |dockerfile: &str| {
        let image = env.image_of(&format!("FROM busybox:local\n{dockerfile}"), &files);
        assert_eq!(last_layer(&image), ["seen"], "{dockerfile}");
        image.tree()["seen"].text()
    };
    assert_eq!(seen(&inner_first("type=tmpfs")), "/o:\na\n\n/o/a:\ninner\n");
    assert_eq!(
        seen(&inner_first("type=bind,source=dir,rw")),
        "/o:\na\nb\n\n/o/a:\nfile\ninner\n"
    );
    assert_eq!(
        seen(&inner_first("type=cache,id=outer")),
        "/o:\na\n\n/o/a:\ninner\n"
    );
    // A file in a cache, and the node_modules of everybody.
    let give = env.write("secret", "s");
    let give = format!("id=s,src={}", give.display());
    let dockerfile = "FROM busybox:local\nWORKDIR /src\n\
        RUN --mount=type=cache,target=/root --mount=type=secret,id=s,target=/root/.npmrc \
            --mount=type=cache,target=node_modules --mount=target=.,rw \
            cat /root/.npmrc > /seen && touch node_modules/x dir/new && ls -a . >> /seen\n";
    let image = env.image(["--secret", &give], env.context_of(dockerfile, &files));
    assert_eq!(
        image.tree()["seen"].text(),
        "s.\n..\nDockerfile\ndir\nnode_modules\n"
    );
    assert!(!env.path("context/node_modules").exists());
    // The files of the context stay as they are.
    let again = "FROM busybox:local\nRUN --mount=target=/c --mount=type=cache,target=/n,id=/src/node_modules ls /c/dir /n > /seen\n";
    assert_eq!(
        env.image_of(again, &files).tree()["seen"].text(),
        "/c/dir:\na\nb\n\n/n:\nx\n"
    );
    // Where nothing can be made.
    env.refused(
        &format!("FROM busybox:local\n{}", inner_first("type=bind,source=dir")),
        &files,
    )
    .says("`/o/a/inner` is not in what is mounted on `/o`")
    .says("`rw`");
    env.refused(
        "FROM busybox:local\nRUN --mount=type=tmpfs,target=/bin true\n",
        &[],
    )
    .says("`/bin/sh` is not in what is mounted on `/bin`");
}

/// A directory that was renamed into place, as dpkg makes all of them, is one like any other.
#[test]
fn mount_points_in_renamed_directories() {
    let env = TestEnv::new();
    let give = env.write("secret", "s");
    let give = format!("id=s,src={}", give.display());
    let dockerfile = "FROM busybox:local\n\
        RUN mkdir -p /usr/a/deep && mv /usr/a /usr/foo && mkdir /b && mv /b /etc/b\n\
        RUN --mount=type=cache,target=/usr/foo/c --mount=type=tmpfs,target=/usr/foo/deep/er/t \
            --mount=type=secret,id=s,target=/etc/b/s --mount=target=/etc/b/context \
            cat /etc/b/s /etc/b/context/file > /seen && touch /usr/foo/c/x /usr/foo/deep/er/t/x\n\
        RUN find /usr/foo /etc/b > /left\n";
    let context = env.context_of(dockerfile, &[("file", "of the context\n")]);
    env.building(["-q", "-t", "image", "--secret", &give])
        .arg(context)
        .run()
        .success();
    let tree = env.saved("image").tree();
    assert_eq!(tree["seen"].text(), "sof the context\n");
    assert_eq!(tree["left"].text(), "/usr/foo\n/usr/foo/deep\n/etc/b\n");
    let host = env.write("host/file", "of the host\n");
    let volume = format!("{}:/etc/b/new:ro", host.display());
    let outcome = env
        .rbuild(["run", "-v", &volume, "image", "cat", "/etc/b/new"])
        .run();
    assert_eq!(outcome.success().out(), "of the host");
}

/// Two processes at once: the first stands at a gate while the second runs.
#[test]
fn caches_of_two_processes() {
    for (sharing, second_sees, first_sees) in
        [("shared", "from\n", "from\nsecond\n"), ("private", "", "from\n")]
    {
        let env = TestEnv::new();
        let mount = format!("--mount=type=cache,id=c,target=/c,sharing={sharing}");
        let dockerfile = format!(
            "FROM busybox:local\nRUN {mount} --mount=type=cache,id=gate,target=/gate echo > /c/from; echo at the \"gate\"; \
             until [ -e /gate/open ]; do usleep 2000; done; ls /c > /seen\n"
        );
        let context = env.context("first", &[("Dockerfile", &dockerfile)]);
        let file = env.path("first.tar");
        let output = format!("type=oci,dest={}", file.display());
        let mut first = env
            .building(["--progress", "plain", "-o", &output])
            .arg(context)
            .start();
        first.wait_for("at the gate");
        let second = format!("FROM busybox:local\nRUN {mount} ls /c > /seen; echo > /c/second\n");
        assert_eq!(
            env.image_of(&second, &[]).tree()["seen"].text(),
            second_sees,
            "{sharing}"
        );
        open_gate(&env);
        first.wait().success();
        let first = OciImage::from_archive(&file);
        assert_eq!(first.tree()["seen"].text(), first_sees, "{sharing}");
    }
}

/// Whether a byte string stands in any file below.
fn files_with(dir: &Path, needles: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            found.extend(files_with(&path, needles));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            let name = path.to_string_lossy().into_owned().into_bytes();
            let holds = |needle: &Vec<u8>| {
                bytes.windows(needle.len()).any(|window| window == needle)
                    || name.windows(needle.len()).any(|window| window == needle)
            };
            if needles.iter().any(holds) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn secrets() {
    const FILE: &str = "canary-of-a-file-4711";
    const VARIABLE: &str = "canary-of-a-variable-0815";
    let env = TestEnv::new();
    let file = env.write("outside/secret", FILE);
    let dockerfile = "FROM busybox:local\n\
        RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=TOKEN \
            test \"$(cat /run/secrets/file)\" = \"canary-of-a\"-file-4711 && test \"$TOKEN\" = canary-of-a\"-\"variable-0815 && \
            test ! -e /run/secrets/variable && stat -c '%a %u %g %s' /run/secrets/file > /one && grep -c 'run/secrets/file ramfs ro,' /proc/mounts >> /one\n\
        RUN --mount=type=secret,id=file,target=rel/f,mode=0440,uid=1000,gid=7 --mount=type=secret,id=variable,env=TOKEN,target=/both \
            stat -c '%a %u %g' /rel/f > /two && printf %s \"$TOKEN\" | cmp /both -\n\
        USER app\n\
        RUN --mount=type=secret,id=file,uid=1000 cat /run/secrets/file | sha256sum > /tmp/three; ! echo x > /run/secrets/file\n\
        USER 0\n\
        RUN --mount=type=secret,id=not-given --mount=type=secret,id=not-given,env=NOT test ! -e /run/secrets && echo \"none ${NOT-unset}\" > /four\n";
    let context = env.context_of(dockerfile, &[]);
    let give = format!("id=file,src={}", file.display());
    let archive = env.path("out.tar");
    let output = format!("type=oci,dest={}", archive.display());
    let metadata = env.path("metadata.json");
    let outcome = env
        .building([
            "--progress",
            "plain",
            "--secret",
            &give,
            "--secret",
            "id=variable,env=VARIABLE",
            "-t",
            "secret",
            "-o",
            &output,
        ])
        .arg("--metadata-file")
        .arg(&metadata)
        .arg(&context)
        .env("VARIABLE", VARIABLE)
        .run()
        .success();
    let image = OciImage::from_archive(&archive);
    let tree = image.tree();
    assert_eq!(tree["one"].text(), format!("400 0 0 {}\n1\n", FILE.len()));
    assert_eq!(tree["two"].text(), "440 1000 7\n");
    assert!(tree["tmp/three"].text().starts_with(&sha256(FILE.as_bytes())));
    assert_eq!(tree["four"].text(), "none unset\n");
    assert!(!tree.contains_key("run/secrets") && !tree.contains_key("rel") && !tree.contains_key("both"));

    // Another value is no other key, and why says nothing of it either.
    fs::write(&file, "canary-of-a-file-4712").unwrap();
    let again = env
        .building([
            "--progress",
            "plain",
            "--secret",
            &give,
            "--secret",
            "id=variable,env=VARIABLE",
            "-t",
            "secret",
        ])
        .arg(&context)
        .env("VARIABLE", "canary-of-a-variable-0816")
        .run()
        .success();
    assert_eq!(again.err().matches("CACHED").count(), 4, "{again}");
    env.rbuild(["save", "-o", "saved.tar", "secret"]).run().success();
    let mut words = format!("{outcome}{again}");
    for command in [
        &["history", "--no-trunc", "secret"][..],
        &["inspect", "secret"],
        &["why", "--json"],
        &["why"],
    ] {
        words += &env.rbuild(command).run().to_string();
    }
    let base64 = |text: &str| {
        let encoded = env.tool("base64").arg("-w0").stdin(text).run().success();
        // What stands in the middle does not depend on what is around it: three ways to be cut into threes.
        encoded.stdout[..encoded.stdout.len() - 5].to_vec()
    };
    let mut needles: Vec<Vec<u8>> = Vec::new();
    for secret in [FILE, VARIABLE] {
        // The Dockerfile spells the canaries so that their whole text stands nowhere in it.
        needles.push(secret.as_bytes().to_vec());
        needles.extend((0..3).map(|cut| base64(&secret[cut..])));
        needles.push(sha256(secret.as_bytes()).into_bytes());
    }
    for needle in &needles {
        let needle = String::from_utf8_lossy(needle);
        assert!(!words.contains(&*needle), "{needle} in\n{words}");
    }
    // The one hash that the step itself has written is in the image, as it should be.
    needles.retain(|needle| *needle != sha256(FILE.as_bytes()).into_bytes());
    let found: Vec<_> = ["store", "home", "run", "tmp"]
        .iter()
        .flat_map(|dir| files_with(&env.path(dir), &needles))
        .collect();
    assert_eq!(found, [""; 0]);
    for needle in &needles {
        assert!(!image.contains(&String::from_utf8_lossy(needle)), "in the image");
    }
    // The search itself finds what is there.
    assert_eq!(
        files_with(&env.path("outside"), &[b"file-4712".to_vec()]).len(),
        1
    );
}

#[test]
fn secrets_that_cannot_be_had() {
    let env = TestEnv::new();
    let refuse = |mount: &str, flags: &[&str], words: &[&str]| {
        let dockerfile = format!("FROM busybox:local\nRUN --mount=type=secret,{mount} echo R''AN\n");
        let context = env.context_of(&dockerfile, &[]);
        let outcome = env.building(flags).arg(context).run().no_panic();
        assert!(matches!(outcome.code(), 1 | 125), "{outcome}");
        for word in words {
            assert!(outcome.err().contains(word), "no {word:?} in\n{outcome}");
        }
        assert!(!outcome.err().contains("RAN"), "{outcome}");
    };
    refuse(
        "id=x,required",
        &[],
        &["Dockerfile:2", "secret `x`", "--secret id=x"],
    );
    refuse("id=x,required=true,env=X", &[], &["secret `x`"]);
    refuse(
        "id=x",
        &["--secret", "id=x,src=/nowhere/at/all"],
        &["/nowhere/at/all"],
    );
    refuse("id=x", &["--secret", "id=x,env=NOT_SET_HERE"], &["NOT_SET_HERE"]);
    refuse("id=x", &["--secret", "src=/etc/passwd"], &["--secret"]);
    let large = env.write("large", vec![b'x'; 500 * 1024 + 1]);
    let give = format!("id=x,src={}", large.display());
    refuse("id=x", &["--secret", &give], &["512000 bytes"]);
    let zero = env.write("zero", b"a\0b");
    let give = format!("id=x,src={}", zero.display());
    refuse("id=x,env=X", &["--secret", &give], &["NUL"]);
    // 500 KiB are allowed.
    fs::write(&large, vec![b'x'; 500 * 1024]).unwrap();
    let give = format!("id=x,src={}", large.display());
    let context = env.context_of(
        "FROM busybox:local\nRUN --mount=type=secret,id=x stat -c %s /run/secrets/x > /size\n",
        &[],
    );
    let image = env.image(["--secret", &give], &context);
    assert_eq!(image.tree()["size"].text(), "512000\n");
}

/// What a step demands is no part of its key, and yet it does not hit without.
#[test]
fn what_is_required_is_required_of_a_hit() {
    let env = TestEnv::new();
    let key = env.path("key");
    let made = env
        .tool("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .run();
    made.success();
    let agent = format!("default={}", key.display());
    for (mount, flags, words) in [
        (
            "type=secret,id=x,required=true",
            ["--secret", "id=x,env=X"],
            "--secret id=x",
        ),
        (
            "type=secret,id=x,required,env=X",
            ["--secret", "id=x,env=X"],
            "--secret id=x",
        ),
        ("type=ssh,required=true", ["--ssh", &agent], "--ssh default"),
    ] {
        let dockerfile = format!("FROM busybox:local\nRUN touch /first\nRUN --mount={mount} true\n");
        let context = env.context_of(&dockerfile, &[]);
        let build = |flags: &[&str]| env.building(flags).arg(&context).env("X", "x");
        build(&flags).run().success();
        build(&flags).run().success().says("2/2 steps cached");
        let refused = build(&[]).run().exits(1).says("Dockerfile:3").says(words);
        // It is known before the first step.
        refused.never_says("CACHED");
        // Nobody asks where nothing is built.
        env.rbuild(["debug", "dag"]).arg(&context).run().success();
        env.rbuild(["--check"]).arg(&context).run().success();
    }
    // A variable that is not set is no secret.
    let context = env.context_of("FROM busybox:local\nRUN --mount=type=secret,id=x true\n", &[]);
    env.building([] as [&str; 0]).arg(&context).run().success();
    let build = || env.building(["--secret", "id=x,env=X"]).arg(&context);
    build().env("X", "x").run().success();
    build().run().exits(1).says("no variable X");
}

/// A pipe gives its bytes once: all steps get them.
#[test]
fn a_secret_out_of_a_pipe() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\n\
        RUN --mount=type=secret,id=x,required cat /run/secrets/x > /one\n\
        RUN --mount=type=secret,id=x,required,env=X printf %s \"$X\" > /two\n";
    let context = env.context_of(dockerfile, &[]);
    let archive = env.path("out.tar");
    let build = env
        .building([
            "-o",
            &format!("type=oci,dest={}", archive.display()),
            "--secret",
            "id=x,src=/dev/stdin",
        ])
        .arg(&context)
        .stdin("once");
    build.run().success();
    let tree = OciImage::from_archive(&archive).tree();
    assert_eq!(
        (tree["one"].text(), tree["two"].text()),
        ("once".into(), "once".into())
    );
}

#[test]
fn no_trace_of_mount_points() {
    let env = TestEnv::new();
    let canary = env.write("canary/file", "safe");
    let dockerfile = "FROM busybox:local\n\
        RUN rm -rf /home /mnt && mkdir -p /gone/a /opaque/old && rm -rf /gone && touch -d '2001-02-03 04:05:06' /etc /var /\n\
        RUN rm -rf /opaque && mkdir /opaque && touch -d '2001-02-03 04:05:06' /opaque /\n\
        RUN --mount=type=tmpfs,target=/home --mount=type=tmpfs,target=/gone/a/b --mount=type=secret,id=s,target=/etc/sec/ret \
            --mount=type=cache,target=/var/deep/er --mount=type=tmpfs,target=/opaque/old/x touch /home/x /gone/a/b/x /var/deep/er/x /opaque/old/x\n";
    let build = |dockerfile: &str| {
        let context = env.context_of(dockerfile, &[]);
        let file = env.path("traces.tar");
        let outcome = env
            .building(["--secret", "id=s,env=S", "-o"])
            .arg(format!("type=oci,dest={}", file.display()))
            .arg(context);
        outcome.env("S", "s").run().success();
        OciImage::from_archive(&file)
    };
    let image = build(dockerfile);
    assert_eq!(last_layer(&image), [""; 0]);
    for time in ["etc", "var"] {
        assert_eq!(image.tree()[time].mtime, 981_173_106, "{time}");
    }
    assert!(!image.tree().contains_key("home") && !image.tree().contains_key("gone"));
    // What a command has put beside a mount point stays, the mount point does not.
    let image = build("FROM busybox:local\nRUN --mount=type=tmpfs,target=/new/mnt touch /new/file\n");
    assert_eq!(last_layer(&image), ["new", "new/file"]);
    // A command that swaps what it can for links to outside of the container: the canary is not touched.
    let outside = canary.parent().unwrap().display().to_string();
    let swap = format!(
        "FROM busybox:local\nRUN rm -rf /home\n\
         RUN --mount=type=tmpfs,target=/home/a/b --mount=type=secret,id=s,target=/home/s \
            mkdir /elsewhere; mv /home/a /elsewhere/a 2>/dev/null; mv /home /was 2>/dev/null; rm -rf /home 2>/dev/null; \
            ln -s {outside} /home 2>/dev/null; ln -s {outside} /home/a 2>/dev/null; rm -rf /etc/hosts /etc/resolv.conf 2>/dev/null; true\n"
    );
    let image = build(&swap);
    assert!(
        !last_layer(&image).iter().any(|path| path.starts_with("etc")),
        "{:?}",
        last_layer(&image)
    );
    assert_eq!(fs::read_to_string(&canary).unwrap(), "safe");
    assert_eq!(fs::read_dir(canary.parent().unwrap()).unwrap().count(), 1);
    // What lies on the host's own files in /etc is not the image's.
    let image = build(
        "FROM busybox:local\nRUN cat /etc/hosts /etc/hostname /etc/resolv.conf > /dev/null; ls /etc > /seen\n",
    );
    assert_eq!(last_layer(&image), ["seen"]);
    assert!(!image.tree().contains_key("etc/resolv.conf"));
}

#[test]
fn a_mount_without_a_target_is_on_the_workdir() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local AS made\nRUN echo made > /it\nFROM busybox:local\nWORKDIR /w\n\
                      RUN --mount=from=made grep made it && ! touch it\n\
                      RUN --mount=type=tmpfs touch x\nRUN --mount=type=cache echo kept > kept\n\
                      WORKDIR /v\nRUN --mount=type=cache,target=/w ls > /seen\n\
                      RUN --mount=type=cache,target=/w cat /w/kept >> /seen\n";
    let image = env.image(["--no-cache"], env.context_of(dockerfile, &[]));
    assert_eq!(image.tree()["seen"].text(), "kept\n", "its id is its place");
    assert!(image.tree().keys().all(|path| !path.starts_with("w/")));
    env.refused("FROM scratch\nRUN --mount=type=tmpfs true\n", &[])
        .says("nothing can be mounted on `/`");
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

#[test]
fn ssh_agents() {
    if !skip::unless_installed("mounts::ssh_agents", &["ssh-agent", "ssh-add", "ssh-keygen"]) {
        return;
    }
    let env = TestEnv::new();
    env.tool("ssh-keygen")
        .args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "the-key-of-the-test",
            "-f",
            "key",
        ])
        .run()
        .success();
    fs::set_permissions(env.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let listed = program("agent");
    let dockerfile = "FROM busybox:local\nCOPY agent /\n\
        RUN --mount=type=ssh stat -c '%a %u %F' $SSH_AUTH_SOCK > /first; echo $SSH_AUTH_SOCK >> /first; /agent list >> /first; /agent remove-all >> /first\n\
        USER app\n\
        RUN --mount=type=ssh,uid=1000,target=/tmp/deep/agent,mode=0660 stat -c '%a %u' /tmp/deep/agent > /tmp/second; /agent list >> /tmp/second; ls -A /run /tmp/deep >> /tmp/second\n\
        RUN --mount=type=ssh,id=not-given echo \"${SSH_AUTH_SOCK-none}\" > /tmp/third\n";
    let context = env.context_of(dockerfile, &[]);
    fs::copy(listed, context.join("agent")).unwrap();
    let image = env.image(["--ssh", "default=key"], &context);
    let tree = image.tree();
    assert_eq!(
        tree["first"].text(),
        "600 0 socket\n/run/buildkit/ssh_agent.0\nkey: the-key-of-the-test\nrefused\n"
    );
    assert_eq!(
        tree["tmp/second"].text(),
        "660 1000\nkey: the-key-of-the-test\n/run:\n\n/tmp/deep:\nagent\n"
    );
    assert_eq!(tree["tmp/third"].text(), "none\n");
    assert!(!tree.contains_key("run/buildkit") && !tree.contains_key("tmp/deep"));
    // The same through an agent that is there already: `ssh-agent COMMAND` runs one for us.
    let archive = env.path("through.tar");
    let script = format!(
        "ssh-add -q key && '{}' build --no-cache --ssh default --build-context {} -o type=oci,dest={} {} && ssh-add -l",
        crate::harness::env::program_under_test().display(),
        format_args!(
            "busybox:local=oci-layout://{}",
            crate::harness::Base::Busybox.archive().display()
        ),
        archive.display(),
        context.display()
    );
    let outcome = env.tool("ssh-agent").args(["sh", "-c", &script]).run().success();
    assert!(
        outcome.out().contains("the-key-of-the-test"),
        "the key is still there\n{outcome}"
    );
    assert_eq!(
        OciImage::from_archive(&archive).tree()["first"].text(),
        tree["first"].text()
    );
    // Without one.
    env.building(["--ssh", "default"])
        .arg(&context)
        .run()
        .exits(125)
        .says("SSH_AUTH_SOCK");
    env.refused("FROM busybox:local\nRUN --mount=type=ssh,required true\n", &[])
        .says("Dockerfile:2")
        .says("--ssh default");
    let key = fs::read(env.path("key")).unwrap();
    let middle = String::from_utf8(key)
        .unwrap()
        .lines()
        .nth(2)
        .unwrap()
        .as_bytes()
        .to_vec();
    assert_eq!(files_with(&env.store(), &[middle]), [""; 0]);
}

#[test]
fn a_mount_below_a_directory_that_replaced_a_link() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN mkdir /real && ln -s real /alias\nCOPY --link f /alias/f\n\
        RUN --mount=type=tmpfs,target=/alias/mnt touch /alias/mnt/x && ls /alias > /seen\n";
    let image = env.image_of(dockerfile, &[("f", "x")]);
    assert_eq!(image.tree()["seen"].text(), "f\nmnt\n");
    assert_eq!(last_layer(&image), ["seen"]);
}

#[test]
fn a_mount_lies_where_its_links_lead() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN mkdir -p /real/deep && ln -s real/deep /alias\n\
        RUN --mount=type=tmpfs,target=/alias/x --mount=type=tmpfs,target=/real touch /alias/x/f && ls /real/deep > /seen\n";
    let image = env.image_of(dockerfile, &[]);
    assert_eq!(image.tree()["seen"].text(), "x\n");
    assert_eq!(last_layer(&image), ["seen"]);
}

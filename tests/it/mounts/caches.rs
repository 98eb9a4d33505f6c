//! `--mount=type=cache`: what is kept, for whom, and when it is thrown away.

use crate::concurrency::open_gate;
use crate::harness::{OciImage, TestEnv};
use std::fs;

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

//! `RUN --device`: devices of the host as CDI specs describe them, and the entitlements of `--allow`.

use crate::harness::{OciImage, Outcome, TestEnv, steps};

const SPEC: &str = r#"
cdiVersion: "0.6.0"
kind: test.org/memory
containerEdits:
  env: [COMMON=of-the-file]
devices:
- name: zero
  containerEdits:
    env: [WHICH=zero, OVER=device]
    deviceNodes:
    - { path: /dev/test/device, hostPath: /dev/zero, type: c, major: 1, minor: 5, permissions: rw }
    - { path: /srv/null, hostPath: /dev/null }
    mounts:
    - { hostPath: LIBRARY, containerPath: /usr/lib/driver, options: [ro, nosuid, rbind, rprivate] }
    additionalGids: [0, 44]
- name: random
  annotations: { org.mobyproject.buildkit.device.autoallow: "true" }
  containerEdits: { env: [WHICH=random] }
- name: hooked
  containerEdits:
    hooks: [{ hookName: createContainer, path: /bin/true }]
- name: false
  containerEdits:
    deviceNodes: [{ path: /dev/x, hostPath: /dev/zero, major: 9 }]
"#;

struct Host {
    env: TestEnv,
}

impl Host {
    /// A host with the devices of [`SPEC`], and a file that is none.
    fn new() -> Self {
        let env = TestEnv::new();
        let library = env.write("driver/version", "1\n");
        let library = library.parent().unwrap().display().to_string();
        // `false` without quotes is no text in YAML.
        let spec = SPEC
            .replace("LIBRARY", &library)
            .replace("name: false", "name: \"false\"");
        env.write("cdi/memory.yaml", spec);
        env.write("cdi/broken.json", "{");
        Self { env }
    }

    fn build(&self, flags: &[&str], run: &str) -> Outcome {
        let context = self.env.context_of(&format!("FROM busybox:local\n{run}\n"), &[]);
        let building = self.env.building(["--progress", "plain", "--cdi-spec-dir"]);
        building
            .arg(self.env.path("cdi"))
            .args(flags)
            .arg(context)
            .run()
            .no_panic()
    }

    fn image(&self, flags: &[&str], run: &str) -> OciImage {
        let file = self.env.path("out.tar");
        let output = format!("type=oci,dest={}", file.display());
        let flags: Vec<&str> = flags.iter().copied().chain(["-o", &output]).collect();
        self.build(&flags, run).success();
        OciImage::from_archive(&file)
    }
}

#[test]
fn what_a_spec_adds() {
    let host = Host::new();
    let run = "ENV OVER=env\nRUN --device=test.org/memory=zero,required \
        head -c 3 /dev/test/device | od -An -c > /read && echo x > /srv/null && stat -c '%F %t:%T' /dev/test/device >> /read; \
        echo $COMMON $WHICH $OVER > /env; cat /usr/lib/driver/version > /driver; ! touch /usr/lib/driver/x 2>/dev/null; id -G > /groups\n\
        RUN --device=test.org/memory=zero true\n\
        RUN ls /dev/test /srv /usr/lib/driver > /later 2>&1; echo \"$COMMON$WHICH$OVER\" >> /later; id -G >> /later";
    let image = host.image(&["--allow", "device"], run);
    let tree = image.tree();
    let text = |path: &str| tree[path].text();
    assert_eq!(text("read"), "  \\0  \\0  \\0\ncharacter special file 1:5\n");
    assert_eq!(text("env"), "of-the-file zero device\n");
    assert_eq!(text("driver"), "1\n");
    assert_eq!(text("groups"), "0 44\n");
    let later = text("later");
    assert_eq!(later.matches("No such file").count(), 3, "{later}");
    assert!(later.ends_with("\nenv\n0\n"), "{later}");
    for trace in ["dev/test", "srv", "usr/lib/driver"] {
        assert!(!tree.contains_key(trace), "{trace} is in the image");
    }
}

#[test]
fn a_device_must_be_allowed() {
    let host = Host::new();
    let run = "RUN --device=test.org/memory=zero true";
    for flags in [
        &[][..],
        &["--allow", "device=test.org/memory=random"],
        &["--allow", "device=test.org/memory2"],
        &["--allow", "network.host", "--allow", "security.insecure"],
    ] {
        host.build(flags, run)
            .exits(1)
            .says("Dockerfile:2:14")
            .says("`test.org/memory=zero` must be allowed")
            .says("--allow device=test.org/memory=zero");
    }
    for allowed in ["device", "device=test.org/memory", "device=test.org/memory=zero"] {
        host.build(&["--allow", allowed], run).success();
    }
    host.build(
        &["--allow", "device=test.org/memory=zero,alias=mem"],
        "RUN --device=mem,required test $WHICH = zero",
    )
    .success();
    // By its author.
    host.build(&[], "RUN --device=test.org/memory=random test $WHICH = random")
        .success();
    // Whoever brings the instruction: a base image too.
    host.build(&["-t", "base"], "ONBUILD RUN --device=test.org/memory=zero true")
        .success();
    let context = host.env.context("child", &[("Dockerfile", "FROM base\n")]);
    let child = |flags: &[&str]| {
        let building = host.env.building(["--cdi-spec-dir"]).arg(host.env.path("cdi"));
        building.args(flags).arg(&context).run().no_panic()
    };
    child(&[])
        .exits(1)
        .says("ONBUILD trigger `RUN --device=test.org/memory=zero true`")
        .says("Dockerfile:1:6")
        .says("help: add `--allow device=test.org/memory=zero`");
    child(&["--allow", "device"]).success();
}

#[test]
fn a_device_that_is_not_here() {
    let host = Host::new();
    host.build(&[], "RUN --device=test.org/memory=zeor,required true")
        .exits(1)
        .says("Dockerfile:2:14")
        .says("no device `test.org/memory=zeor`")
        .says("did you mean `test.org/memory=zero`?")
        .says("broken.json");
    host.build(&[], "RUN --device=other.org/gpu,required echo R''AN")
        .exits(1)
        .says("test.org/memory=random, test.org/memory=zero")
        .never_says("RAN");
    host.build(&[], "RUN --device=other.org/gpu echo R''AN")
        .success()
        .says("warning: there is no device `other.org/gpu`")
        .says("the step runs without it")
        .says("RAN");
    host.build(&[], "RUN --device=gpu true")
        .exits(1)
        .says("expected `vendor.com/class`");
    host.build(&["--allow", "device"], "RUN --device=test.org/memory=hooked true")
        .exits(1)
        .says("createContainer hook `/bin/true`")
        .says("memory.yaml");
    host.build(&["--allow", "device"], "RUN --device=test.org/memory=false true")
        .exits(1)
        .says("`/dev/zero` is the character device 1:5, which is not what its spec says");
}

#[test]
fn another_spec_is_another_key() {
    let host = Host::new();
    let context = host.env.context_of(
        "FROM busybox:local\nRUN --device=test.org/memory=zero true\n",
        &[],
    );
    let cdi = host.env.path("cdi").display().to_string();
    let hits = || {
        steps::build(
            &host.env,
            &context,
            &["--cdi-spec-dir", &cdi, "--allow", "device"],
        )
        .hits
    };
    assert_eq!(hits(), "m");
    assert_eq!(hits(), "h");
    let spec = host.env.path("cdi/memory.yaml");
    let text = std::fs::read_to_string(&spec).unwrap();
    for (from, to, expected) in [
        // A device that the step does not use.
        ("WHICH=random", "WHICH=other", "h"),
        ("WHICH=zero", "WHICH=null", "m"),
        (
            "containerPath: /usr/lib/driver",
            "containerPath: /usr/lib/driver2",
            "m",
        ),
        ("additionalGids: [0, 44]", "additionalGids: [45]", "m"),
        ("path: /dev/test/device", "path: /dev/test/other", "m"),
        // The device is gone: without it the step is another one.
        ("name: zero", "name: one", "m"),
    ] {
        assert!(text.contains(from));
        std::fs::write(&spec, text.replace(from, to)).unwrap();
        assert_eq!(hits(), expected, "{from}");
    }
    std::fs::write(&spec, text).unwrap();
    assert_eq!(hits(), "h");
}

#[test]
fn entitlements() {
    let host = Host::new();
    for (flag, run, what) in [
        ("network.host", "RUN --network=host true", "--network=host"),
        (
            "security.insecure",
            "RUN --security=insecure true",
            "--security=insecure",
        ),
    ] {
        host.build(&[], run)
            .exits(1)
            .says(what)
            .says(&format!("--allow {flag}"));
        host.build(&["--allow", flag], run).success();
        // A stage that is only mounted from, and a base image's own instruction, are no way around.
        let mounted = format!(
            "FROM busybox:local AS other\n{run}\nFROM busybox:local\nRUN --mount=from=other,target=/m true"
        );
        host.build(&[], &mounted).exits(1).says(what).says("Dockerfile:3");
        let onbuild = format!("ONBUILD {run}");
        host.build(&["-t", "asks"], &onbuild).success();
        let context = host.env.context("asking", &[("Dockerfile", "FROM asks\n")]);
        let build = |flags: &[&str]| host.env.building(flags).arg(&context).run().no_panic();
        build(&[]).exits(1).says(what).says(&format!("--allow {flag}"));
        build(&["--allow", flag]).success();
    }
    host.build(&["--allow", "network.hots"], "")
        .exits(125)
        .says("did you mean `network.host`?");
    host.build(&["--allow", "everything"], "")
        .exits(125)
        .says("security.insecure");
}

#[test]
fn insecure_means_all_of_the_namespace_and_nothing_of_the_host() {
    let host = Host::new();
    let run = "RUN --security=insecure --mount=target=/context grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs):' /proc/self/status > /status; \
        mkdir /m && mount -t tmpfs none /m && echo mounted > /mounted; umount /m; rmdir /m; \
        mknod /tmp/disk b 8 0 2> /mknod; mkdir /p; \
        for what in '-t proc none /p' '-t cgroup2 none /p' '-o remount,rw,bind /proc/sys' '-o remount,rw,bind /context'; do \
        mount $what 2>/dev/null && echo \"$what\" >> /escaped; done; \
        umount /proc/sys 2>/dev/null && echo unmounted >> /escaped; rmdir /p; touch /context/x 2>> /context-error; true\n\
        RUN grep -E '^(CapEff|Seccomp):' /proc/self/status > /plain";
    let tree = host.image(&["--allow", "security.insecure"], run).tree();
    let status = tree["status"].text();
    assert!(status.contains("Seccomp:\t0"), "{status}");
    let all = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    let all = (1_u64 << (all.trim().parse::<u32>().unwrap() + 1)) - 1;
    assert!(status.contains(&format!("CapEff:\t{all:016x}")), "{status}");
    assert_eq!(tree["mounted"].text(), "mounted\n");
    assert!(
        tree["mknod"].text().contains("Operation not permitted"),
        "{}",
        tree["mknod"].text()
    );
    assert!(!tree.contains_key("escaped"), "{}", tree["escaped"].text());
    assert!(tree["context-error"].text().contains("Read-only file system"));
    assert_eq!(tree["plain"].text(), "CapEff:\t00000000a80425fb\nSeccomp:\t2\n");
}

//! What a RUN step sees and cannot do, through the program. The crate `rbuild-sandbox` has the finer
//! tests; here the defaults that a build gives it are at stake, and images that are hostile.

use crate::harness::base::program;
use crate::harness::env::is_root;
use crate::harness::{OciImage, Outcome, TestEnv, skip};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A context with `probe` and `act` for a Dockerfile on busybox.
fn context(env: &TestEnv, dockerfile: &str) -> PathBuf {
    let context = env.context_of(
        &format!("FROM busybox:local\nCOPY probe act /\n{dockerfile}"),
        &[],
    );
    for name in ["probe", "act"] {
        std::fs::copy(program(name), context.join(name)).expect("a program can be copied");
    }
    context
}

fn image(env: &TestEnv, flags: &[&str], dockerfile: &str) -> OciImage {
    env.image(flags, context(env, dockerfile))
}

fn refused(env: &TestEnv, dockerfile: &str) -> Outcome {
    let context = context(env, dockerfile);
    env.building([""; 0])
        .arg(context)
        .run()
        .no_panic()
        .exits(1)
        .says("Dockerfile:")
}

/// The lines of the probe: `fact: value`, several values for one fact.
fn facts(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut facts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (fact, value) in text.lines().filter_map(|line| line.split_once(": ")) {
        facts.entry(fact).or_default().push(value);
    }
    facts
}

#[test]
fn a_step_of_root() {
    let env = TestEnv::new();
    let image = image(
        &env,
        &[],
        "RUN exec /probe ids caps ns limits terminal > /seen 2>&1\n",
    );
    let text = image.tree()["seen"].text();
    let seen = facts(&text);
    for value in &seen["ns"] {
        let kind = value.split(':').next().unwrap();
        let ours = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        let is_shared = ours.to_str() == Some(*value);
        // No time namespace; the network of a build is the host's unless told.
        assert_eq!(is_shared, ["net", "time"].contains(&kind), "{value}");
    }
    let kinds: Vec<&str> = seen["ns"]
        .iter()
        .map(|value| value.split(':').next().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
    );
    assert_eq!(
        seen["status"],
        [
            "CapInh:\t0000000000000000",
            "CapPrm:\t00000000a80425fb",
            "CapEff:\t00000000a80425fb",
            "CapBnd:\t00000000a80425fb",
            "CapAmb:\t0000000000000000",
            "NoNewPrivs:\t0",
            "Seccomp:\t2",
        ]
    );
    for (fact, value) in [
        ("securebits", "0"),
        ("pid", "1"),
        ("ppid", "0"),
        ("hostname", "rbuild"),
        ("umask", "0022"),
        ("session", "1 1"),
        ("controlling", "No such device or address"),
    ] {
        assert_eq!(seen[fact], [value], "{fact}");
    }
    for fact in ["ignored", "blocked"] {
        assert!(!seen.contains_key(fact), "{fact}: {:?}", seen[fact]);
    }
    // Limits are the caller's.
    let own = std::fs::read_to_string("/proc/self/limits").unwrap();
    for name in ["Max open files", "Max core file size"] {
        let line = own.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(seen["limit"].contains(&line), "{line}");
    }
}

#[test]
fn a_step_of_another_user() {
    let env = TestEnv::new();
    let dockerfile = "COPY --chmod=4755 probe /suid\nUSER app\nRUN exec /probe ids caps > /tmp/seen\nRUN exec /suid ids > /tmp/suid\n";
    let tree = image(&env, &[], dockerfile).tree();
    let text = tree["tmp/seen"].text();
    let seen = facts(&text);
    assert_eq!(
        seen["status"],
        [
            "CapInh:\t0000000000000000",
            "CapPrm:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "CapBnd:\t00000000a80425fb",
            "CapAmb:\t0000000000000000",
            "NoNewPrivs:\t0",
            "Seccomp:\t2",
        ]
    );
    assert_eq!(
        (seen["uid"][0], seen["gid"][0]),
        ("1000 1000 1000", "1000 1000 1000")
    );
    // sudo and its like work, unless forbidden.
    assert_eq!(facts(&tree["tmp/suid"].text())["uid"], ["1000 0 0"]);
    let tree = image(&env, &["--security-opt", "no-new-privileges"], dockerfile).tree();
    assert_eq!(facts(&tree["tmp/suid"].text())["uid"], ["1000 1000 1000"]);
}

#[test]
fn calls_that_are_refused() {
    let env = TestEnv::new();
    let calls = [
        "mount",
        "unshare-user",
        "unshare-mount",
        "setns",
        "mknod",
        "sethostname",
        "settimeofday",
        "reboot",
        "keyctl",
        "add_key",
        "bpf",
        "perf_event_open",
        "io_uring_setup",
        "userfaultfd",
        "open_by_handle_at",
        "init_module",
        "kexec_load",
        "tiocsti",
    ];
    let tries: String = calls.iter().map(|call| format!("/act try {call}; ")).collect();
    let dockerfile = format!(
        "RUN ({tries}/act try chroot) > /as-root\nUSER app\nRUN ({tries}/act try chroot) > /tmp/as-user\n"
    );
    let tree = image(&env, &[], &dockerfile).tree();
    for file in ["as-root", "tmp/as-user"] {
        let text = tree[file].text();
        let answers = facts(&text);
        for call in calls {
            let answer = answers[call][0];
            let expected = match (call, file) {
                // There is no terminal to type into.
                ("tiocsti", _) => "No such device or address",
                // The root directory is root's.
                ("mknod", "tmp/as-user") => "Permission denied",
                _ => "Operation not permitted",
            };
            assert_eq!(answer, expected, "{call} in {file}");
        }
    }
    assert!(tree["as-root"].text().contains("chroot: ALLOWED"));
    assert!(
        tree["tmp/as-user"]
            .text()
            .contains("chroot: Operation not permitted")
    );
}

#[test]
fn file_systems_of_a_step() {
    let env = TestEnv::new();
    let image = image(&env, &[], "RUN exec /probe mounts fs > /seen\n");
    let tree = image.tree();
    let text = tree["seen"].text();
    let seen = facts(&text);
    let mounts: Vec<Vec<&str>> = seen["mount"]
        .iter()
        .map(|line| line.split(' ').collect())
        .collect();
    let options = |point: &str| -> Vec<&str> {
        let mount = mounts.iter().rev().find(|mount| mount[4] == point);
        mount.unwrap_or_else(|| panic!("nothing is mounted on {point}"))[5]
            .split(',')
            .collect()
    };
    for (point, expected) in [
        ("/", &["rw"][..]),
        ("/proc", &["rw", "nosuid", "nodev", "noexec"]),
        ("/proc/sys", &["ro", "nosuid", "nodev", "noexec"]),
        ("/sys", &["ro", "nosuid", "nodev", "noexec"]),
        ("/dev", &["rw", "nosuid"]),
        ("/dev/pts", &["rw", "nosuid", "noexec"]),
        ("/dev/shm", &["rw", "nosuid", "nodev", "noexec"]),
        ("/etc/hosts", &["ro", "nosuid", "nodev", "noexec"]),
        ("/etc/resolv.conf", &["ro", "nosuid", "nodev", "noexec"]),
        ("/etc/hostname", &["ro", "nosuid", "nodev", "noexec"]),
    ] {
        for option in expected {
            assert!(options(point).contains(option), "{point} lacks {option}");
        }
    }
    assert_eq!(
        mounts.iter().filter(|mount| mount[4] == "/").count(),
        1,
        "the old root is there"
    );
    for mount in &mounts {
        let line = mount.join(" ");
        assert!(!line.contains("shared:") && !line.contains("master:"), "{line}");
        assert!(
            !line.contains(env.path("").to_str().unwrap()),
            "a path of the host: {line}"
        );
    }
    let stat: BTreeMap<&str, &str> = seen["stat"]
        .iter()
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert_eq!(stat["/dev/ptmx"].split_once("-> ").unwrap().1, "pts/ptmx");
    assert_eq!(stat["/dev/shm"], "041777 0:0");
    for (path, number) in [
        ("null", "1,3"),
        ("zero", "1,5"),
        ("full", "1,7"),
        ("random", "1,8"),
        ("urandom", "1,9"),
    ] {
        assert!(stat[format!("/dev/{path}").as_str()].ends_with(number), "{path}");
    }
    assert!(
        stat["/dev/kmsg"].contains("No such file"),
        "{}",
        stat["/dev/kmsg"]
    );
    for attempt in &seen["write"] {
        assert!(!attempt.ends_with("OPEN"), "{attempt}");
    }
    // What is written to /tmp and /run is in the layer, what is written to memory is not.
    let kept = env.image_of(
        "FROM busybox:local\nRUN touch /tmp/a /run/b /dev/shm/c /dev/d\n",
        &[],
    );
    let paths: Vec<&str> = kept
        .layers
        .last()
        .unwrap()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(paths, ["run", "run/b", "tmp", "tmp/a"]);
}

#[test]
fn files_of_etc() {
    let env = TestEnv::new();
    let dockerfile = "RUN cat /etc/hosts > /hosts; cat /etc/hostname > /hostname; cat /etc/resolv.conf > /resolv; \
        for f in hosts hostname resolv.conf; do echo x 2>&1 > /etc/$f; rm /etc/$f; done > /writes 2>&1; true\n";
    let flags = ["--add-host", "db:10.1.2.3", "--add-host", "six=[fd00::1]"];
    let image = image(&env, &flags, dockerfile);
    let tree = image.tree();
    assert_eq!(
        tree["hosts"].text(),
        "127.0.0.1\tlocalhost rbuild\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tdb\nfd00::1\tsix\n"
    );
    assert_eq!(tree["hostname"].text(), "rbuild\n");
    let resolv = tree["resolv"].text();
    assert!(
        resolv.lines().any(|line| line.starts_with("nameserver ")),
        "{resolv}"
    );
    let writes = tree["writes"].text();
    assert_eq!(writes.matches("Read-only file system").count(), 3, "{writes}");
    assert_eq!(writes.matches("busy").count(), 3, "{writes}");
    assert!(!tree.contains_key("etc/resolv.conf") && !tree.contains_key("etc/hostname"));
}

#[test]
fn directories_that_lead_out() {
    let env = TestEnv::new();
    // CVE-2024-21626: a descriptor of the builder as working directory.
    for fd in 0..12 {
        let dockerfile =
            format!("WORKDIR /proc/self/fd/{fd}\nRUN ls ../../../.. && cat ../../../../../../etc/passwd\n");
        refused(&env, &dockerfile).says("/proc/self/fd");
    }
    let linked = "RUN ln -s /proc/self/fd/7/ /foo\nWORKDIR /foo\nRUN ls ..\n";
    refused(&env, linked);
    // CVE-2019-5736: the builder itself as the program.
    for dockerfile in [
        "RUN [\"/proc/self/exe\", \"--version\"]\n",
        "RUN printf '#!/proc/self/exe\\n' > /s && chmod 755 /s\nRUN [\"/s\"]\n",
        "RUN ln -s /proc/self/exe /bin/me\nRUN [\"me\"]\n",
        "RUN ln -sf /proc/self/exe /bin/sh\nRUN true\n",
    ] {
        refused(&env, dockerfile).says("magic link");
    }
    // CVE-2023-27561: /proc and its like as links to elsewhere.
    let canary = env.write("canary/file", "safe");
    let outside = canary.parent().unwrap().display();
    for dir in ["proc", "sys", "dev"] {
        let dockerfile = "FROM scratch\nCOPY --from=busybox:local /bin /bin\nCOPY links /\nRUN true\n";
        let context = env.context_of(dockerfile, &[("links/file", "")]);
        std::os::unix::fs::symlink(outside.to_string(), context.join("links").join(dir)).unwrap();
        let building = env.building([""; 0]).arg(&context).run().no_panic();
        building.exits(1).says("Dockerfile:4").says(&format!("/{dir}"));
    }
    assert_eq!(std::fs::read_to_string(&canary).unwrap(), "safe");
    assert_eq!(std::fs::read_dir(canary.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn users_of_hostile_images() {
    let env = TestEnv::new();
    for (dockerfile, words) in [
        (
            "RUN rm /etc/passwd && mkfifo /etc/passwd\nUSER app\nRUN true\n",
            "is not a regular file",
        ),
        (
            "RUN rm /etc/group && mkdir /etc/group\nUSER app\nRUN true\n",
            "is not a regular file",
        ),
        (
            "RUN head -c 11000000 /dev/zero >> /etc/passwd\nUSER app\nRUN true\n",
            "is too large",
        ),
        ("USER 2147483648\nRUN true\n", "the largest is 2147483647"),
        ("USER 4294967296\nRUN true\n", "the largest is 2147483647"),
        ("USER 0:4294967295\nRUN true\n", "the largest is 2147483647"),
        ("USER -1\nRUN true\n", "no user `-1`"),
        ("USER a:b:c\nRUN true\n", "user[:group]"),
        (
            "RUN echo 'big:x:4294967296:0::/:/bin/sh' >> /etc/passwd\nUSER big\nRUN true\n",
            "no user `big`",
        ),
    ] {
        refused(&env, dockerfile).says(words);
    }
    // A link leads to a file of the image, never of the host.
    let host = std::fs::read_to_string("/etc/passwd").unwrap();
    let foreign = host
        .lines()
        .rev()
        .find_map(|line| line.split(':').next())
        .unwrap();
    let up = "../".repeat(20);
    let dockerfile = format!(
        "RUN mv /etc/passwd /p && ln -s {up}etc/passwd-of-the-host /etc/passwd\nUSER {foreign}\nRUN true\n"
    );
    refused(&env, &dockerfile).says("no user");
    let linked = "RUN mv /etc/passwd /p && ln -s ../../../p /etc/passwd\nUSER app\nRUN id -u > /tmp/id\n";
    assert_eq!(image(&env, &[], linked).tree()["tmp/id"].text(), "1000\n");
}

#[test]
fn programs_that_the_kernel_does_not_know() {
    let env = TestEnv::new();
    let run = |content: &[u8]| {
        let dockerfile =
            "FROM scratch\nCOPY --chmod=755 foreign /bin/\nENV PATH=/nowhere:/bin\nRUN [\"foreign\"]\n";
        let context = env.context_of(dockerfile, &[]);
        std::fs::write(context.join("foreign"), content).unwrap();
        let building = env.building(["--propagate-exit"]).arg(&context);
        building.run().no_panic().exits(126).says("Dockerfile:4")
    };
    // An ELF header for a machine that this one cannot be, nor emulates.
    let mut elf = vec![0_u8; 128];
    elf[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
    elf[16] = 2;
    elf[18..20].copy_from_slice(&258_u16.to_le_bytes());
    run(&elf)
        .says("`/bin/foreign` is a program for loong64")
        .says("qemu-user-static");
    run(b"echo no first line\n").says("neither a program nor a script that begins with `#!`");
}

/// An ordinary user has as many ids as its ranges have.
#[test]
fn ids_that_are_not_mapped() {
    if is_root() {
        skip::because_of_host("sandbox::ids_that_are_not_mapped", "root has every id");
        return;
    }
    let env = TestEnv::new();
    let give = format!("id=s,src={}", env.write("secret", "s").display());
    let fails = |dockerfile: &str, code: i32| {
        let context = context(&env, dockerfile);
        let building = env.building(["--secret", &give]).arg(context);
        building
            .run()
            .no_panic()
            .exits(code)
            .says("is outside the range that the user namespace maps")
    };
    fails("USER 2000000000\nRUN true\n", 1)
        .says("cannot run as user 2000000000")
        .says("/etc/subuid");
    fails("RUN --mount=type=cache,target=/c,uid=2000000000 true\n", 125);
    fails("RUN --mount=type=secret,id=s,gid=2000000000 true\n", 125);
}

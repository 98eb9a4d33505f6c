//! Limits: of memory, processes and processor time, where they can be had; and the error where they cannot.

use crate::harness::env::{is_root, program_under_test};
use crate::harness::{Base, Invocation, TestEnv, processes, skip};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An environment in which containers can have these limits. Where they cannot, that is an error before the start that says
/// what to do, and the test ends.
fn with(test: &str, flags: &[&str]) -> Option<TestEnv> {
    let env = TestEnv::with(&[Base::Busybox]);
    let tried = env
        .rbuild(["run"])
        .args(flags)
        .args(["busybox:local", "true"])
        .run();
    if tried.code() == 0 {
        return Some(env);
    }
    let tried = tried
        .exits(125)
        .says("error: cannot limit ")
        .says("\nhelp: ")
        .no_panic();
    skip::because_of_host(test, tried.err().lines().next().unwrap_or_default());
    None
}

fn run(env: &TestEnv, flags: &[&str], command: &[&str]) -> Invocation {
    let run = env.rbuild(["run"]).args(flags).arg("busybox:local");
    run.args(command)
}

/// The group of a process that has this controller: in version 1 in a tree of its own, else in that of version 2.
fn group_of(pid: i32, controller: &str) -> PathBuf {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let line = |wanted: &str| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            controllers
                .split(',')
                .any(|name| name == wanted)
                .then(|| path.to_owned())
        })
    };
    let (kind, path) = match line(controller) {
        Some(path) => ("cgroup", path),
        None => ("cgroup2", line("").expect("a group of version 2")),
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find_map(|line| {
        let (fields, end) = line.split_once(" - ")?;
        let mut end = end.split(' ');
        let is_it = end.next()? == kind
            && (kind == "cgroup2" || end.nth(1)?.split(',').any(|option| option == controller));
        is_it.then(|| fields.split(' ').nth(4).unwrap().to_owned())
    });
    let mount = mount.expect("the tree is mounted");
    Path::new(&mount).join(path.trim_start_matches('/'))
}

#[test]
fn a_hog_is_killed_with_its_peak_and_its_limit() {
    let Some(env) = with("a_hog_is_killed", &["-m", "64m"]) else {
        return;
    };
    for flags in [&["-m", "64m"][..], &["--memory=64m", "--memory-swap", "64m"]] {
        let outcome = run(&env, flags, &["tail", "/dev/zero"])
            .run()
            .exits(137)
            .no_panic();
        outcome
            .says("out of memory: ")
            .says("at the limit of 64 MiB (peak 6");
    }
    // A command that lives on without the process that was killed, and says that all is well, has not failed.
    let script = "sh -c 'tail /dev/zero' 2>/dev/null; echo went on";
    let outcome = run(&env, &["-m", "64m"], &["sh", "-c", script]).run().success();
    outcome.prints("went on").never_says("out of memory");
    let roomy = run(
        &env,
        &["-m", "64m"],
        &["sh", "-c", "head -c 1000000 /dev/zero | wc -c"],
    );
    roomy.run().success().prints("1000000").never_says("memory");
}

#[test]
fn a_fork_bomb_stays_within_its_number_of_processes() {
    let Some(env) = with("a_fork_bomb_stays", &["--pids-limit", "20"]) else {
        return;
    };
    let word = processes::unique_sleep();
    let script =
        format!("(while :; do sleep {word} & done) 2>/dev/null; set -- /proc/[0-9]*; echo processes: $#");
    let outcome = run(&env, &["--pids-limit", "20"], &["sh", "-c", &script])
        .run()
        .success();
    let count: u32 = outcome.out().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((15..=20).contains(&count), "{outcome}");
    processes::wait_until_gone(&word);

    let bomb = "bomb() { bomb | bomb & }; bomb; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 3";
    let outcome = run(&env, &["--pids-limit", "20"], &["sh", "-c", bomb])
        .run()
        .exits(3);
    outcome.says("can't fork").no_panic();
}

#[test]
fn a_busy_loop_gets_its_share_of_a_processor() {
    let Some(env) = with("a_busy_loop_gets", &["--cpus", "0.2"]) else {
        return;
    };
    let word = processes::unique_sleep();
    let command = ["sh", "-c", "while :; do :; done", &word];
    let running = run(&env, &["--cpus", "0.2"], &command).start();
    let pid = loop {
        // rbuild itself has the word on its command line too.
        let shell =
            |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sh\n");
        match processes::with_word(&word).into_iter().find(shell) {
            Some(pid) => break pid,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let (cpu, accounting) = (group_of(pid, "cpu"), group_of(pid, "cpuacct"));
    let used = || match std::fs::read_to_string(accounting.join("cpuacct.usage")) {
        Ok(nanos) => Duration::from_nanos(nanos.trim().parse().unwrap()),
        Err(_) => Duration::from_micros(field(&cpu, "usage_usec")),
    };
    let (begin, before) = (Instant::now(), used());
    while field(&cpu, "nr_throttled") < 5 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (used, passed) = (used() - before, begin.elapsed());
    // A period's share may have been left over on each processor.
    assert!(
        used <= passed.mul_f64(0.2) + Duration::from_millis(60),
        "{used:?} in {passed:?}"
    );
    running.signal(Signal::TERM);
    running.wait().exits(143);
    assert!(!cpu.exists(), "{} is left", cpu.display());
}

fn field(group: &Path, name: &str) -> u64 {
    let stat = std::fs::read_to_string(group.join("cpu.stat")).unwrap();
    let line = stat.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_group_is_gone_with_its_command_and_soon_after_a_kill() {
    let Some(env) = with("a_group_is_gone", &["-m", "64m"]) else {
        return;
    };
    let word = processes::unique_sleep();
    let mut running = run(&env, &["-m", "64m"], &["sleep", &word]).start();
    let group = group_of(processes::wait_for_sleep(&word), "memory");
    assert!(
        group
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("rbuild-"),
        "{}",
        group.display()
    );
    assert!(running.is_running());
    running.signal(Signal::KILL);
    processes::wait_until_gone(&word);
    drop(running);
    run(&env, &["-m", "64m"], &["true"]).run().success();
    assert!(!group.exists(), "{} is left", group.display());
}

#[test]
fn a_container_sees_its_own_group_as_the_top() {
    let Some(env) = with("a_container_sees", &["-m", "64m"]) else {
        return;
    };
    let outcome = run(&env, &["-m", "64m"], &["cat", "/proc/self/cgroup"])
        .run()
        .success();
    let memory = |line: &&str| line.contains(":memory:") || line.starts_with("0::");
    let out = outcome.out();
    assert!(
        out.lines().filter(memory).all(|line| line.ends_with(":/")),
        "{outcome}"
    );
}

#[test]
fn values_are_dockers() {
    let env = TestEnv::with(&[Base::Busybox]);
    for (flags, why) in [
        (&["-m", "1m"][..], "6m is the least"),
        (
            &["-m", "64m", "--memory-swap", "1m"],
            "cannot be less than --memory",
        ),
        (&["--cpus", "x"], "not a number of processors"),
        (&["--cpus", "1", "--cpu-quota", "5000"], "--cpus says it all"),
        (&["--pids-limit", "-7"], "--pids-limit"),
        (&["--cpuset-cpus", "1-"], "not a list of numbers"),
        (&["--blkio-weight", "5"], "between 10 and 1000"),
        (&["--device-read-bps", "sda:1m"], "/dev/NAME:NUMBER"),
        (&["--oom-score-adj", "2000"], "between -1000 and 1000"),
        (&["--ulimit", "files=1"], "--ulimit: unknown value `files`"),
        (&["--cgroup-parent", "../x"], "not a path below the top"),
    ] {
        run(&env, flags, &["true"]).run().exits(125).says(why).no_panic();
    }
    // What asks for no limit needs nothing of the host.
    let none = [
        "--memory",
        "0",
        "--pids-limit",
        "-1",
        "--cpu-quota=-1",
        "--cpus",
        "0",
        "--memory-swap=-1",
    ];
    run(&env, &none, &["true"]).run().success();
    let limits = [
        "--ulimit",
        "nofile=100:200",
        "--ulimit",
        "core=0",
        "--oom-score-adj",
        "500",
    ];
    let script = "ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj";
    let outcome = run(&env, &limits, &["sh", "-c", script]).run().success();
    assert_eq!(outcome.out(), "100\n200\n0\n500");
}

#[test]
fn what_is_not_there_is_named_before_the_start() {
    let Some(env) = with("what_is_not_there", &["--cpuset-cpus", "0"]) else {
        return;
    };
    let outcome = run(&env, &["--cpuset-cpus", "0,4095"], &["echo", "started"])
        .run()
        .exits(125);
    assert!(
        outcome
            .says("processor 4095 is not available: there are 0")
            .stdout
            .is_empty()
    );
    run(
        &env,
        &["--cpuset-cpus", "0"],
        &["grep", "Cpus_allowed_list", "/proc/self/status"],
    )
    .run()
    .success()
    .prints("Cpus_allowed_list:\t0");
    let rate = ["--device-write-bps", "/dev/null:1m"];
    run(&env, &rate, &["true"])
        .run()
        .exits(125)
        .says("/dev/null: it is no block device");
}

/// A group that root has given to a user is all that this one needs; without it there is no limit, and no command.
#[test]
fn a_user_needs_a_group_of_his_own() {
    let legacy = ["memory", "pids"].map(|name| Path::new("/sys/fs/cgroup").join(name));
    if !is_root()
        || !legacy
            .iter()
            .all(|tree| rustix::fs::access(tree, rustix::fs::Access::WRITE_OK).is_ok())
    {
        return skip::because_of_host(
            "a_user_needs",
            "only root can give away groups, here those of version 1",
        );
    }
    let env = TestEnv::new();
    let (program, store) = (env.path("rbuild"), env.path("of-user"));
    std::fs::copy(program_under_test(), &program).unwrap();
    std::fs::copy(Base::Busybox.archive(), env.path("base.tar")).unwrap();
    std::fs::create_dir(&store).unwrap();
    let owned = |path: &Path| std::os::unix::fs::chown(path, Some(4711), Some(4711)).unwrap();
    owned(&store);
    env.write(
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\ntester:x:4711:4711::/nowhere:/bin/sh\n",
    );
    env.write("etc/group", "root:x:0:\ntester:x:4711:\n");
    let mut script = String::new();
    for file in ["passwd", "group", "subuid", "subgid"] {
        let from = env.path(format!("etc/{file}"));
        if file.starts_with("sub") {
            std::fs::write(&from, "tester:2000000:65536\n").unwrap();
        }
        script += &format!(
            "touch /etc/{file}; mount --bind {} /etc/{file} && ",
            from.display()
        );
    }
    script += "exec setpriv --reuid 4711 --regid 4711 --clear-groups \"$@\"";
    let ours = |words: &[&str]| {
        let shell = env.tool("unshare").args(["--mount", "sh", "-ec", &script, "sh"]);
        let command = shell.arg(&program).args(words);
        command
            .env("RBUILD_ROOT", store.join("store"))
            .env("HOME", &store)
            .cwd(&store)
    };
    let readable = env.tool("chmod").args(["-R", "a+rX"]).arg(env.path(""));
    readable.run().success();
    ours(&["load", "-i", env.path("base.tar").to_str().unwrap()])
        .run()
        .success();
    let command = ["busybox:local", "sh", "-c", "tail /dev/zero"];
    let refused = ours(&[&["run", "-m", "64m"], &command[..]].concat())
        .run()
        .exits(125);
    refused.says("cannot limit memory").says("--cgroup-parent");

    let name = format!("rbuild-test-{}", std::process::id());
    let groups = legacy.map(|tree| tree.join(&name));
    for group in &groups {
        std::fs::create_dir(group).unwrap();
        owned(group);
    }
    let parent = format!("--cgroup-parent=/{name}");
    let limits = ["run", &parent, "-m", "64m", "--pids-limit", "50"];
    let killed = ours(&[&limits[..], &command].concat()).run();
    let left = groups.each_ref().map(|group| std::fs::remove_dir(group).is_err());
    killed.exits(137).says("out of memory: ").says("64 MiB");
    assert_eq!(left, [false, false], "groups are left below {name}");
}

#[test]
fn a_step_that_runs_out_of_memory_is_named_with_its_peak_and_its_limit() {
    let Some(env) = with("a_step_that_runs_out", &["-m", "64m"]) else {
        return;
    };
    let context = env.context("c", &[("Dockerfile", "FROM busybox:local\nRUN tail /dev/zero\n")]);
    let build = |flags: &[&str]| env.rbuild(["-m", "64m"]).args(flags).arg(&context);
    let outcome = build(&[]).run().exits(1).no_panic();
    outcome
        .says("error: step `[2/2] RUN tail /dev/zero` failed: killed by SIGKILL, out of memory: ")
        .says("at the limit of 64 MiB (peak 6");
    build(&["--propagate-exit"]).run().exits(137);
}

#[test]
fn limits_of_steps_are_set_and_in_no_key() {
    let Some(env) = with("limits_of_steps", &["-m", "64m", "--pids-limit", "20"]) else {
        return;
    };
    let dockerfile = "FROM busybox:local\nRUN head -c 20000000 /dev/zero > /big && ulimit -n > /files\n\
        RUN (while :; do sleep 100 & done) 2>/dev/null; set -- /proc/[0-9]*; echo $# > /processes\n\
        FROM scratch\nCOPY --from=0 /files /processes /\n";
    let context = env.context("c", &[("Dockerfile", dockerfile)]);
    let limits = [
        "-m",
        "64m",
        "--pids-limit",
        "20",
        "--cpus",
        "1.5",
        "--ulimit",
        "nofile=123",
    ];
    let outcome = env
        .rbuild(["--metadata-file", "m.json", "-o", "out"])
        .args(limits)
        .arg(&context);
    outcome.run().success().says(" of memory");
    let text = |name: &str| std::fs::read_to_string(env.path(name)).unwrap();
    assert_eq!(text("out/files"), "123\n");
    let processes: u32 = text("out/processes").trim().parse().unwrap();
    assert!((15..=20).contains(&processes), "{processes}");
    let metadata: serde_json::Value = serde_json::from_str(&text("m.json")).unwrap();
    let first = &metadata["rbuild.steps"][0];
    assert_eq!(first["countedBy"], "cgroup");
    let peak = first["peakMemory"].as_u64().unwrap();
    assert!((10_000_000..=64 << 20).contains(&peak), "{metadata}");
    // Other limits, and none: the same steps.
    for flags in [&["-m", "32m"][..], &[]] {
        let again = env
            .rbuild(["-o", "out"])
            .args(flags)
            .arg(&context)
            .run()
            .success();
        again.says("3/3 steps cached");
    }
}

/// Without any group, and in no more than the record of a build that ran something.
#[test]
fn what_steps_used_is_in_the_metadata_and_the_record() {
    let env = TestEnv::with(&[Base::Busybox]);
    let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let dockerfile = format!("FROM busybox:local\nRUN {busy}\nCOPY Dockerfile /\n");
    let context = env.context("c", &[("Dockerfile", &dockerfile)]);
    let build = || {
        env.rbuild(["--metadata-file", "m.json"])
            .arg(&context)
            .run()
            .success()
    };
    let metadata = || -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(env.path("m.json")).unwrap()).unwrap()
    };
    build();
    let steps = metadata()["rbuild.steps"].clone();
    assert_eq!(
        steps.as_array().unwrap().len(),
        1,
        "a COPY runs no command: {steps}"
    );
    assert_eq!(
        (&steps[0]["countedBy"], &steps[0]["line"]),
        (&"rusage".into(), &2.into())
    );
    assert!(steps[0]["cpuMilliseconds"].as_u64().unwrap() > 10, "{steps}");
    assert!(steps[0]["peakMemory"].as_u64().unwrap() > 100_000, "{steps}");
    let records = env.rbuild(["why", "--json"]).arg(&context).run().success();
    assert!(records.out().contains("\"cpu_millis\": "), "{records}");
    build();
    assert!(
        metadata().get("rbuild.steps").is_none(),
        "nothing ran: {}",
        metadata()
    );
}

/// A limit that cannot be had stops a build that would run something, and no other.
#[test]
fn a_limit_counts_only_where_something_runs() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context("c", &[("Dockerfile", "FROM busybox:local\nRUN true\n")]);
    let limited = || env.rbuild(["--cpuset-cpus", "4095"]).arg(&context).run();
    let refused = limited();
    assert_ne!(refused.code(), 0);
    refused.says("error: ").never_says("exit code");
    env.rbuild([&context]).run().success();
    limited().success();
}

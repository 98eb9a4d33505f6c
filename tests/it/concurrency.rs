//! Many rbuild processes on one store: each step runs once, nobody waits for the dead or for ever.
//!
//! A step that must be caught while it runs waits for a file in a cache mount, which the test writes into the store.

use crate::harness::TestEnv;
use crate::harness::archive::sha256;
use crate::harness::invocation::Running;
use crate::harness::steps::{build, building, hits};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A step says that it is at the gate, and ends when the gate is opened.
pub(crate) const GATE: &str = "RUN --mount=type=cache,target=/gate,id=gate echo at the \"gate\"; \
                    while [ ! -e /gate/open ]; do usleep 2000; done; cat /proc/sys/kernel/random/uuid > /nonce";

/// The directory behind a cache mount.
pub(crate) fn cache_mount(env: &TestEnv, id: &str) -> PathBuf {
    env.store()
        .join("cache-mounts")
        .join(sha256(id.as_bytes()))
        .join("0")
}

pub(crate) fn open_gate(env: &TestEnv) {
    fs::write(cache_mount(env, "gate").join("open"), "").expect("the cache mount is the test's own");
}

/// A build that stands at the gate.
pub(crate) fn at_the_gate(env: &TestEnv, name: &str) -> Running {
    let text = format!("FROM busybox:local\n{GATE}\nRUN cat /nonce > /copy\n");
    let context = env.context(name, &[("Dockerfile", &text)]);
    let mut running = building(env, &context).args(["-t", name]).start();
    // Quoted otherwise in the command, which the progress shows too.
    running.wait_for("at the gate");
    running
}

/// The processes whose command line names the store or anything else in the test's directory.
pub(crate) fn processes(env: &TestEnv) -> Vec<String> {
    let ours = env.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc can be read").flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid.parse::<u32>().is_err() {
            continue;
        }
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if command.contains(&ours) || String::from_utf8_lossy(&environment).contains(&ours) {
            found.push(format!("{pid} {command}"));
        }
    }
    found
}

#[test]
fn the_second_waits_for_the_first_and_says_so() {
    let env = TestEnv::new();
    let first = at_the_gate(&env, "one");
    let mut second = building(&env, &env.path("one")).args(["-t", "two"]).start();
    second.wait_for("waiting for another build");
    open_gate(&env);
    let (first, second) = (first.wait().success(), second.wait().success());
    // Whichever comes to the last step first runs it; the other one uses that.
    let both = (hits(&first), hits(&second));
    assert!(
        [("mm", "hh"), ("mh", "hm")].contains(&(&*both.0, &*both.1)),
        "{both:?}\n{first}\n{second}"
    );
    second.never_says("at the gate");
    let again = build(&env, &env.path("one"), &[]);
    assert_eq!(again.hits, "hh");
}

/// With one job, the step that waits for the other process does not keep the next from running.
#[test]
fn a_step_that_waits_for_another_process_keeps_no_job() {
    let env = TestEnv::new();
    let first = at_the_gate(&env, "one");
    let text = format!(
        "FROM busybox:local AS waits\n{GATE}\nFROM busybox:local AS runs\nRUN echo in the mean\"\"time > /out\n\
         FROM waits\nCOPY --from=runs /out /out\n"
    );
    let context = env.context("two", &[("Dockerfile", &text)]);
    let mut second = building(&env, &context).args(["--jobs", "1"]).start();
    second.wait_for("waiting for another build");
    second.wait_for("#3 DONE");
    open_gate(&env);
    first.wait().success();
    let second = second.wait().success();
    assert_eq!(hits(&second), "hmm", "{second}");
}

#[test]
fn when_the_holder_is_killed_the_next_takes_over() {
    let env = TestEnv::new();
    let first = at_the_gate(&env, "one");
    let mut second = building(&env, &env.path("one")).start();
    second.wait_for("waiting for another build");
    let mut third = building(&env, &env.path("one")).start();
    third.wait_for("waiting for another build");
    first.signal(Signal::KILL);
    assert_eq!(first.wait().code(), 137);
    open_gate(&env);
    let (second, third) = (second.wait().success(), third.wait().success());
    let mut both = [hits(&second), hits(&third)];
    both.sort();
    // One of the two ran the step, the other one used that.
    assert!(both == ["hh", "mm"] || both == ["hm", "mh"], "{second}{third}");
}

#[test]
fn one_that_waits_can_be_stopped() {
    let env = TestEnv::new();
    let first = at_the_gate(&env, "one");
    let mut second = building(&env, &env.path("one")).start();
    second.wait_for("waiting for another build");
    second.signal(Signal::INT);
    second.wait().exits(130).no_panic();
    open_gate(&env);
    first.wait().success();
}

/// Sixteen at once, beginning with the making of the store.
#[test]
fn sixteen_at_once_run_each_step_once() {
    let env = TestEnv::new();
    let text = "FROM busybox:local AS a\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid > /a\n\
                FROM busybox:local AS b\nRUN --mount=type=cache,target=/c cat /proc/sys/kernel/random/uuid > /b; echo x >> /c/runs\n\
                FROM busybox:local\nCOPY --from=a /a /a\nCOPY --from=b /b /b\nRUN cat /proc/sys/kernel/random/uuid > /c\n";
    let running: Vec<(PathBuf, Running)> = (0..16)
        .map(|number| {
            // Different folders with the same files.
            let context = env.context(&format!("context-{number}"), &[("Dockerfile", text), ("f", "f")]);
            let iid = env.path(format!("id-{number}"));
            let running = building(&env, &context)
                .arg("--iidfile")
                .arg(&iid)
                .args(["-t", "same"])
                .start();
            (iid, running)
        })
        .collect();
    let mut images = BTreeSet::new();
    for (iid, running) in running {
        running.wait().success().no_panic();
        images.insert(fs::read_to_string(iid).expect("the image id was written"));
    }
    assert_eq!(images.len(), 1, "{images:?}");
    let runs = cache_mount(&env, "/c").join("runs");
    assert_eq!(fs::read_to_string(runs).expect("the cache mount was used"), "x\n");
    let left: Vec<_> = fs::read_dir(env.store().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "left in tmp: {left:?}");
}

/// Two steps that want the same locked caches, each in its own order, and one that wants the same cache twice.
#[test]
fn locked_caches_are_never_waited_for_in_a_circle() {
    let env = TestEnv::new();
    let cache = |id: &str, target: &str| format!("--mount=type=cache,id={id},target={target},sharing=locked");
    let mut text = String::new();
    for stage in 0..6 {
        let (one, two) = if stage % 2 == 0 { ("x", "y") } else { ("y", "x") };
        text.push_str(&format!(
            "FROM busybox:local AS s{stage}\nRUN {} {} test ! -e /1/held && touch /1/held && echo {stage} >> /1/log && rm /1/held\n",
            cache(one, "/1"),
            cache(two, "/2")
        ));
    }
    let twice = format!(
        "RUN {} {} echo twice > /1/twice && cat /2/twice > /twice\n",
        cache("z", "/1"),
        cache("z", "/2")
    );
    text.push_str(&format!("FROM busybox:local\n{twice}"));
    for stage in 0..6 {
        text.push_str(&format!("COPY --from=s{stage} /etc/passwd /{stage}\n"));
    }
    let context = env.context("context", &[("Dockerfile", &text)]);
    let built = build(&env, &context, &["--jobs", "8"]);
    assert!(!built.hits.contains('h'), "{}", built.outcome);
    let lines = |id: &str| {
        fs::read_to_string(cache_mount(&env, id).join("log"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    assert_eq!(lines("x") + lines("y"), 6);
}

/// A cache that another step has locked is waited for, and the wait is told and can be ended.
#[test]
fn a_locked_cache_is_waited_for() {
    let env = TestEnv::new();
    let text = |what: &str| {
        format!(
            "FROM busybox:local\nRUN --mount=type=cache,id=gate,target=/gate,sharing=locked echo at the \"gate\" {what}; \
             echo {what} >> /gate/log; while [ ! -e /gate/open ]; do usleep 2000; done\n"
        )
    };
    let start = |what: &str| {
        let context = env.context(what, &[("Dockerfile", &text(what))]);
        building(&env, &context).start()
    };
    let mut first = start("one");
    first.wait_for("at the gate one");
    let mut second = start("two");
    second.wait_for("another step has the cache `gate`");
    let mut third = start("three");
    third.wait_for("another step has the cache `gate`");
    third.signal(Signal::TERM);
    third.wait().exits(143).no_panic();
    assert_eq!(
        fs::read_to_string(cache_mount(&env, "gate").join("log")).unwrap(),
        "one\n"
    );
    open_gate(&env);
    first.wait().success();
    second.wait().success();
    assert_eq!(
        fs::read_to_string(cache_mount(&env, "gate").join("log")).unwrap(),
        "one\ntwo\n"
    );
}

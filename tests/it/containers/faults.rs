//! What is killed, and what is collected, while containers run.

use super::Containers;
use crate::harness::processes;
use rustix::process::Signal;

#[test]
fn the_end_of_its_monitor_is_the_end_of_a_container() {
    let it = Containers::new();
    let word = processes::unique_sleep();
    it.start(
        "web",
        &["--restart", "always"],
        &format!("echo up; sleep {word} & exec sleep {word}"),
    );
    processes::wait_for_sleep(&word);
    processes::signal(it.monitor("web"), Signal::KILL);
    // What `ps` says is true at once.
    it.until("its lock is free", || it.out(&["ps", "-q"]).is_empty());
    assert_eq!(it.status("web"), "exited");
    assert_eq!(it.inspect("web", "/State/ExitCode"), 137);
    processes::wait_until_gone(&word);
    assert_eq!(it.env.mounts(), Vec::<String>::new());
    assert_eq!(it.out(&["wait", "web"]), "137");
    it.rbuild(&["start", "web"]).success();
    processes::signal(it.monitor("web"), Signal::KILL);
    it.until("its lock is free", || it.out(&["ps", "-q"]).is_empty());
    it.rbuild(&["rm", "web"]).success();
    it.rbuild(&["store", "check"])
        .success()
        .prints("the store is whole");
}

#[test]
fn the_end_of_its_run_is_the_end_of_a_container_in_the_foreground() {
    let it = Containers::new();
    let word = processes::unique_sleep();
    let running = it
        .env
        .rbuild(["run", "--name", "front", "busybox:local", "sleep", &word])
        .start();
    processes::wait_for_sleep(&word);
    it.until("it is said to run", || it.status("front") == "running");
    it.rbuild(&["start", "-a", "front"])
        .exits(125)
        .says("is running already");
    running.signal(Signal::KILL);
    running.wait().exits(137);
    assert_eq!(it.status("front"), "exited");
    processes::wait_until_gone(&word);
    // Stopped by somebody else it ends with what ended it.
    let running = it.env.rbuild(["start", "-a", "front"]).start();
    processes::wait_for_sleep(&word);
    it.until("it is said to run", || it.status("front") == "running");
    it.rbuild(&["stop", "front"]).success();
    running.wait().exits(143);
    assert_eq!(it.inspect("front", "/State/ExitCode"), 143);
}

#[test]
fn a_run_that_is_killed_while_it_starts_leaves_nothing_half() {
    let it = Containers::new();
    for milliseconds in [0, 2, 5, 10, 20, 40, 80] {
        let running = it
            .env
            .rbuild(["run", "-d", "busybox:local", "sleep", "1000"])
            .start();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        running.signal(Signal::KILL);
        running.wait();
    }
    // Whatever came of each: it runs and can be stopped, or it does not.
    let left = it.out(&["ps", "-aq"]);
    for id in left.lines() {
        let status = it.status(id);
        assert!(
            ["created", "running", "exited"].contains(&status.as_str()),
            "{status}"
        );
        it.rbuild(&["rm", "-f", id]).success();
    }
    it.rbuild(&["prune", "-f"]).success();
    assert_eq!(std::fs::read_dir(it.env.store().join("tmp")).unwrap().count(), 0);
    assert_eq!(it.env.mounts(), Vec::<String>::new());
}

#[test]
fn nothing_runs_after_a_reboot() {
    let it = Containers::new();
    it.rbuild(&["run", "--name", "old", "busybox:local", "true"])
        .success();
    let file = it.dir("old").join("state.json");
    let state = std::fs::read_to_string(&file).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
    state["status"] = "running".into();
    state["boot"] = "another".into();
    // A number that is some process of this boot.
    state["process"] = serde_json::json!({ "pid": std::process::id(), "begun": 1 });
    std::fs::write(&file, state.to_string()).unwrap();
    assert_eq!(it.out(&["ps", "-q"]), "");
    assert_eq!(it.status("old"), "exited");
    it.rbuild(&["kill", "old"]).exits(1).says("is not running");
    it.rbuild(&["start", "-a", "old"]).success();
}

#[test]
fn a_prune_takes_nothing_from_containers() {
    let it = Containers::new();
    it.env
        .build_text(
            "app",
            "FROM busybox:local\nRUN for i in 1 2 3 4 5; do echo $i > /file$i; done\n",
        )
        .success();
    let gate = it.env.path("gate");
    std::fs::create_dir(&gate).unwrap();
    let volume = format!("{}:/gate", gate.display());
    let script =
        "until [ -e /gate/go ]; do sleep 0.05; done; cat /file1 /file2 /file3 /file4 /file5; ls /etc/hosts";
    it.rbuild(&[
        "run", "-d", "--name", "reader", "-v", &volume, "app", "sh", "-c", script,
    ])
    .success();
    it.rbuild(&["rmi", "-f", "app"]).success();
    for _ in 0..3 {
        it.rbuild(&["prune", "-af"]).success();
    }
    assert_eq!(it.status("reader"), "running");
    std::fs::write(gate.join("go"), "").unwrap();
    it.rbuild(&["wait", "reader"]).success().prints("0");
    it.rbuild(&["logs", "reader"])
        .success()
        .prints("1\n2\n3\n4\n5\n/etc/hosts");
    it.rbuild(&["rm", "reader"]).success();
    it.rbuild(&["prune", "-af"]).success();
    assert_eq!(it.out(&["images", "-q"]).lines().count(), 1);
}

#[test]
fn a_damaged_container_is_told_and_removed() {
    let it = Containers::new();
    it.rbuild(&["create", "--name", "bad", "busybox:local"]).success();
    let dir = it.dir("bad");
    std::fs::write(dir.join("config.json"), "{").unwrap();
    it.rbuild(&["ps", "-a"]).success().says("damaged");
    let id = dir.file_name().unwrap().to_str().unwrap();
    it.rbuild(&["rm", "-f", id]).success();
    assert!(!dir.exists());
    it.rbuild(&["ps", "-a"]).success().never_says("damaged");
}

//! From `create` to `rm`: states, exit codes, signals, names.

use super::Containers;

#[test]
fn made_started_stopped_started_again_and_removed() {
    let it = Containers::new();
    let script = "echo up; trap 'echo down; exit 3' TERM; while :; do sleep 0.05; done";
    let id = it.out(&["create", "--name", "web", "busybox:local", "sh", "-c", script]);
    assert_eq!(id.len(), 64);
    assert_eq!(it.status("web"), "created");
    it.rbuild(&["start", "web"]).success().prints("web");
    assert_eq!(it.status("web"), "running");
    // One that runs is started.
    it.rbuild(&["start", &id[..12]]).success();
    it.until_printed("web", "up");
    it.rbuild(&["rm", "web"]).exits(1).says("is running");
    it.rbuild(&["stop", "web"]).success().prints("web");
    assert_eq!(it.status("web"), "exited");
    assert_eq!(it.inspect("web", "/State/ExitCode"), 3);
    assert_eq!(it.out(&["wait", "web"]), "3");
    it.rbuild(&["stop", "web"]).success();
    it.rbuild(&["kill", "web"]).exits(1).says("is not running");
    it.rbuild(&["start", "web"]).success();
    it.until("both starts are in the log", || {
        it.out(&["logs", "web"]).matches("up").count() == 2
    });
    it.rbuild(&["rm", "-f", "web"]).success().prints("web");
    it.rbuild(&["inspect", "--type", "container", "web"])
        .exits(1)
        .says("no such container: web");
    it.rbuild(&["rm", "web"]).exits(1);
    it.rbuild(&["rm", "-f", "web"]).success();
    assert!(!it.env.store().join("containers").join(&id).exists());
}

#[test]
fn what_a_command_writes_stays_until_the_container_goes() {
    let it = Containers::new();
    it.rbuild(&[
        "run",
        "--name",
        "notes",
        "busybox:local",
        "sh",
        "-c",
        "cat /note; echo written > /note",
    ])
    .exits(0)
    .says("can't open");
    it.rbuild(&["start", "-a", "notes"]).success().prints("written");
    it.rbuild(&["rm", "notes"]).success();
    it.rbuild(&["run", "--rm", "busybox:local", "cat", "/note"])
        .exits(1);
}

#[test]
fn a_start_that_fails_says_so_and_the_container_stays() {
    let it = Containers::new();
    for (command, code) in [("no-such-program", 127), ("/etc", 126), ("/no/such", 127)] {
        for flags in [&["-d"][..], &[]] {
            let mut words = vec!["run", "--name", "bad"];
            words.extend(flags);
            words.extend(["busybox:local", command]);
            it.rbuild(&words).exits(code).says("cannot execute");
            assert_eq!(it.status("bad"), "created");
            assert_eq!(it.inspect("bad", "/State/ExitCode"), code);
            it.rbuild(&["start", "bad"]).exits(code);
            it.rbuild(&["rm", "bad"]).success();
            // And with --rm it does not stay.
            words.push("x");
            words.insert(1, "--rm");
            it.rbuild(&words).exits(code);
            assert_eq!(it.out(&["ps", "-aq"]), "");
        }
    }
}

#[test]
fn a_stop_kills_what_ignores_it_and_ends_what_has_no_handler() {
    let it = Containers::new();
    it.start(
        "deaf",
        &[],
        "trap '' TERM; echo ready; while :; do sleep 0.1; done",
    );
    it.until_printed("deaf", "ready");
    it.rbuild(&["stop", "-t", "1", "deaf"]).success();
    assert_eq!(it.inspect("deaf", "/State/ExitCode"), 137);
    // The kernel keeps TERM from a process 1 without a handler; anywhere else it would end.
    it.start("plain", &["--stop-timeout", "-1"], "exec sleep 1000");
    it.rbuild(&["stop", "plain"]).success();
    assert_eq!(it.inspect("plain", "/State/ExitCode"), 143);
    it.start(
        "usr",
        &["--stop-signal", "USR1"],
        "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done",
    );
    it.until_printed("usr", "ready");
    it.rbuild(&["stop", "usr"]).success();
    assert_eq!(it.inspect("usr", "/State/ExitCode"), 9);
    it.start("killed", &[], "exec sleep 1000");
    it.rbuild(&["kill", "killed"]).success();
    it.until("it has ended", || it.status("killed") == "exited");
    assert_eq!(it.inspect("killed", "/State/ExitCode"), 137);
}

#[test]
fn rm_removes_the_container_with_its_command() {
    let it = Containers::new();
    it.start("brief", &["--rm"], "sleep 0.3; exit 5");
    assert_eq!(it.out(&["wait", "brief"]), "5");
    it.until("it is gone", || it.out(&["ps", "-aq"]).is_empty());
    it.rbuild(&["run", "--rm", "--name", "brief", "busybox:local", "true"])
        .success();
    assert_eq!(it.out(&["ps", "-aq"]), "");
}

#[test]
fn restarts_follow_the_policy() {
    let it = Containers::new();
    it.start("loop", &["--restart", "on-failure:3"], "echo run; exit 7");
    assert_eq!(it.out(&["wait", "loop"]), "7");
    assert_eq!(it.out(&["logs", "loop"]), "run\nrun\nrun\nrun");
    assert_eq!(it.inspect("loop", "/RestartCount"), 3);
    // A success is none; what somebody stops stays so.
    it.start("once", &["--restart", "on-failure"], "echo run");
    assert_eq!(it.out(&["wait", "once"]), "0");
    it.start("always", &["--restart", "always"], "echo run; sleep 0.1");
    it.until("it ran twice", || it.out(&["logs", "always"]).lines().count() > 1);
    it.rbuild(&["stop", "always"]).success();
    assert_eq!(it.status("always"), "exited");
    it.rbuild(&["run", "--rm", "-d", "--restart", "always", "busybox:local"])
        .exits(125)
        .says("exclude");
    it.rbuild(&["run", "--restart", "sometimes", "busybox:local"])
        .exits(125)
        .says("on-failure");
}

#[test]
fn names_and_ids() {
    let it = Containers::new();
    let id = it.start("one", &[], "sleep 1000");
    it.rbuild(&["run", "-d", "--name", "one", "busybox:local"])
        .exits(125)
        .says("already in use");
    it.rbuild(&["rename", "one", "first"]).success();
    it.rbuild(&["inspect", "--type=container", "one"]).exits(1);
    assert_eq!(it.inspect("first", "/Name"), "/first");
    assert_eq!(it.inspect(&id[..5], "/Id"), id.as_str());
    it.start("one", &[], "sleep 1000");
    it.rbuild(&["rename", "one", "first"])
        .exits(1)
        .says("already in use");
    it.rbuild(&["stop", "frist"])
        .exits(1)
        .says("did you mean `first`?");
    // None is given a name that says nothing.
    let other = it.out(&["create", "busybox:local"]);
    let name = it.inspect(&other, "/Name").as_str().unwrap().to_owned();
    assert!(name.contains('_'), "{name}");
    let file = it.env.path("id");
    let file = file.to_str().unwrap();
    let made = it.out(&["create", "--cidfile", file, "busybox:local"]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), made);
    it.rbuild(&["create", "--cidfile", file, "busybox:local"])
        .exits(125)
        .says("exists already");
}

#[test]
fn an_image_of_a_container_stays() {
    let it = Containers::new();
    it.env
        .build_text(
            "app",
            "FROM busybox:local\nRUN echo 1 > /version\nCMD cat /version",
        )
        .success();
    it.rbuild(&["create", "--name", "old", "app"]).success();
    it.rbuild(&["rmi", "app"]).exits(125).says("is used by container");
    it.env
        .build_text(
            "app",
            "FROM busybox:local\nRUN echo 2 > /version\nCMD cat /version",
        )
        .success();
    it.rbuild(&["rmi", "-f", "app"]).success();
    it.rbuild(&["prune", "-af"]).success();
    it.rbuild(&["start", "-a", "old"]).success().prints("1");
    it.rbuild(&["container", "prune", "-f"]).success().says("");
    assert_eq!(it.out(&["ps", "-aq"]), "");
    it.rbuild(&["store", "check"])
        .success()
        .prints("the store is whole");
}

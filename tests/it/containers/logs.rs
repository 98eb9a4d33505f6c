//! What containers print, while they run and after.

use super::Containers;

#[test]
fn streams_times_and_the_last_lines() {
    let it = Containers::new();
    it.start(
        "talk",
        &[],
        "echo one; echo two >&2; sleep 0.2; printf three; sleep 0.2; echo ' and four'",
    );
    it.rbuild(&["wait", "talk"]).success();
    let outcome = it.rbuild(&["logs", "talk"]).success();
    assert_eq!((&*outcome.out(), &*outcome.err()), ("one\nthree and four", "two"));
    assert_eq!(it.out(&["logs", "--tail", "1", "talk"]), "three and four");
    let times = it.out(&["logs", "-t", "talk"]);
    for line in times.lines() {
        let (time, _) = line.split_once(' ').unwrap();
        assert!(time.len() == 30 && time.ends_with('Z'), "{line}");
    }
    assert_eq!(it.out(&["logs", "--since", "1h", "talk"]), "one\nthree and four");
    assert_eq!(it.out(&["logs", "--until", "1h", "talk"]), "");
    it.rbuild(&["logs", "--tail", "some", "talk"]).exits(125);
    it.rbuild(&["run", "--name", "front", "busybox:local", "echo", "shown"])
        .success()
        .prints("shown");
    it.rbuild(&["logs", "front"]).success().prints("shown");
    it.start("mute", &["--log-driver", "none"], "echo lost");
    it.rbuild(&["wait", "mute"]).success();
    it.rbuild(&["logs", "mute"]).success().prints("");
}

#[test]
fn a_follower_stays_across_a_restart_and_ends_with_the_container() {
    let it = Containers::new();
    it.start(
        "web",
        &[],
        "echo begin; trap 'echo end; exit 0' TERM; while :; do sleep 0.05; done",
    );
    let follower = it.env.rbuild(["logs", "-f", "web"]).start();
    it.until_printed("web", "begin");
    it.rbuild(&["restart", "web"]).success();
    it.until("it began again", || {
        it.out(&["logs", "web"]).matches("begin").count() == 2
    });
    it.rbuild(&["stop", "web"]).success();
    follower.wait().success().prints("begin\nend\nbegin\nend");
    // One that does not run is started by a restart.
    it.rbuild(&["restart", "web"]).success();
    assert_eq!(it.status("web"), "running");
}

#[test]
fn a_large_log_is_cut_into_files_and_the_oldest_go() {
    let it = Containers::new();
    let flags = ["--log-opt", "max-size=64k", "--log-opt", "max-file=3"];
    it.start(
        "loud",
        &flags,
        "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done",
    );
    it.rbuild(&["wait", "loud"]).success();
    let dir = it.dir("loud");
    let files = std::fs::read_dir(&dir).unwrap().flatten();
    let logs: Vec<_> = files
        .filter(|file| file.file_name().to_string_lossy().starts_with("log"))
        .collect();
    assert_eq!(logs.len(), 3);
    for log in &logs {
        // A read of the output more than the limit, at most.
        assert!(log.metadata().unwrap().len() < 1 << 20, "{log:?}");
    }
    let left = it.out(&["logs", "loud"]);
    assert!(
        left.ends_with("line 19999") && !left.contains("line 1\n"),
        "{}",
        left.len()
    );
    assert_eq!(it.out(&["logs", "--tail", "2", "loud"]), "line 19998\nline 19999");
}

#[test]
fn input_goes_to_a_container_that_keeps_it_open() {
    let it = Containers::new();
    it.start("echo", &["-i"], "while read line; do echo got $line; done");
    let fifo = it.dir("echo").join("stdin");
    std::fs::write(&fifo, "one\ntwo\n").unwrap();
    it.until_printed("echo", "got two");
    it.start("tty", &["-it"], "tty; stty size; read line; echo got $line");
    it.until_printed("tty", "24 80");
    std::fs::write(it.dir("tty").join("stdin"), "typed\n").unwrap();
    it.rbuild(&["wait", "tty"]).success();
    let log = it.out(&["logs", "tty"]).replace('\r', "");
    assert_eq!(log, "/dev/pts/0\n24 80\ntyped\ngot typed", "{log}");
}

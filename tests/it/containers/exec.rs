//! `exec`: what a further command sees of the container, and what the container sees of us.

use super::Containers;

#[test]
fn it_runs_in_the_container_as_its_command_does() {
    let it = Containers::new();
    let privileges = "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status; for n in /proc/self/ns/*; do readlink $n; done";
    it.start(
        "box",
        &["-e", "A=1", "-w", "/tmp", "-h", "inner"],
        &format!("({privileges}) > /first; echo here > /mark; exec sleep 1000"),
    );
    it.until("it has begun", || {
        it.rbuild(&["exec", "box", "cat", "/mark"]).code() == 0
    });
    let script = "cat /mark; hostname; pwd; echo $A$B; id -u; ls /proc | grep -c '^[0-9]'; tr '\\0' ' ' </proc/1/cmdline";
    let out = it.out(&["exec", "-e", "B=2", "box", "sh", "-c", script]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..5], ["here", "inner", "/tmp", "12", "0"], "{out}");
    assert_eq!(lines[6].trim_end(), "sleep 1000", "{out}");
    // Nothing of ours is among the processes that it sees: its command, this shell, and what that starts.
    assert!(lines[5].parse::<u32>().unwrap() <= 4, "{out}");
    // The same privileges: capabilities, filter, namespaces.
    assert_eq!(
        it.out(&["exec", "box", "sh", "-c", privileges]),
        it.out(&["exec", "box", "cat", "/first"])
    );
}

#[test]
fn users_codes_streams_and_terminals() {
    let it = Containers::new();
    it.start(
        "box",
        &[],
        "echo 'worker:x:7:8::/home:/bin/sh' >> /etc/passwd; exec sleep 1000",
    );
    it.until("the user is there", || {
        it.rbuild(&["exec", "-u", "worker", "box", "true"]).code() == 0
    });
    assert_eq!(
        it.out(&[
            "exec",
            "-u",
            "worker",
            "-w",
            "/etc",
            "box",
            "sh",
            "-c",
            "id -u; id -g; pwd; echo $HOME"
        ]),
        "7\n8\n/etc\n/home"
    );
    it.rbuild(&["exec", "box", "sh", "-c", "exit 9"]).exits(9);
    it.rbuild(&["exec", "box", "no-such"]).exits(127);
    it.rbuild(&["exec", "box", "/etc/passwd"]).exits(126);
    it.rbuild(&["exec", "-u", "nobody-here", "box", "true"])
        .exits(125);
    let echoed = it.env.rbuild(["exec", "-i", "box", "cat"]).stdin("typed\n").run();
    echoed.success().prints("typed");
    it.rbuild(&["exec", "-t", "box", "tty"])
        .success()
        .prints("/dev/pts/0\r");
    it.rbuild(&["exec", "-d", "box", "sh", "-c", "sleep 0.2; echo later > /later"])
        .success();
    it.until("it ran on without us", || {
        it.rbuild(&["exec", "box", "cat", "/later"]).code() == 0
    });
    it.rbuild(&["stop", "box"]).success();
    it.rbuild(&["exec", "box", "true"])
        .exits(1)
        .says("is not running");
}

#[test]
fn a_user_of_the_container_is_no_obstacle() {
    let it = Containers::new();
    for network in ["host", "none"] {
        it.rbuild(&[
            "run",
            "-d",
            "--name",
            "box",
            "-u",
            "5:6",
            "--network",
            network,
            "busybox:local",
            "sleep",
            "1000",
        ])
        .success();
        assert_eq!(it.out(&["exec", "box", "id", "-u"]), "5");
        assert_eq!(it.out(&["exec", "-u", "0", "box", "id", "-g"]), "0");
        it.rbuild(&["restart", "box"]).success();
        it.rbuild(&["rm", "-f", "box"]).success();
        assert_eq!(it.out(&["ps", "-aq"]), "");
    }
}

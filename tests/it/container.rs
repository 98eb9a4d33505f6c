//! `rbuild run`: what of docker's a user counts on.

use crate::harness::base::program;
use crate::harness::{TestEnv, processes};
use rustix::process::Signal;
use rustix::termios::LocalModes;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// An image with busybox, `probe` and `act`, and with a value for everything that flags replace.
fn with_image() -> TestEnv {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nCOPY probe act /bin/\nRUN ln -s /etc /link && mkdir -m 700 /work\n\
        ENV A=image B=image\nWORKDIR /work\nENTRYPOINT [\"/bin/echo\", \"entry\"]\nCMD [\"cmd\"]\n";
    let context = env.context("image", &[("Dockerfile", dockerfile)]);
    for name in ["probe", "act"] {
        std::fs::copy(program(name), context.join(name)).unwrap();
    }
    env.building(["-q", "-t", "image"]).arg(context).run().success();
    env
}

/// `rbuild run` with these words in front of the image, `sh` as its entry point and a script for it.
fn shell(env: &TestEnv, flags: &[&str], script: &str) -> crate::harness::Invocation {
    env.rbuild(["run", "--rm", "--entrypoint", "sh"])
        .args(flags)
        .args(["image", "-c", script])
}

#[test]
fn exit_codes() {
    let env = with_image();
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "exit 255"], 255),
        (&["/etc/passwd"], 126),
        (&["/etc"], 126),
        (&["no-such-program"], 127),
        (&["/no/such/program"], 127),
        // What a shell says about its child is the shell's own exit code.
        (&["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
    ] {
        let outcome = env
            .rbuild(["run", "--entrypoint", "", "image"])
            .args(command)
            .run();
        outcome.exits(code).no_panic();
    }
    for wrong in [
        &["run"][..],
        &["run", "--no-such-flag", "image"],
        &["run", "-u", "nobody-here", "image"],
        &["run", "-w", "relative", "image"],
        &["run", "-w", "/etc/passwd", "image"],
        &["run", "-v", "/nowhere/at/all:/x", "image"],
        &["run", "-v", "/tmp:/etc/passwd", "image"],
        &["run", "--network", "bridge", "image"],
        &["run", "--env-file", "/nowhere/at/all", "image"],
        &["run", "--entrypoint", "", "image"],
        &["run", "--pull", "never", "no-such-image"],
        &["run", "--name", "not a name", "image"],
        &["run", "--tmpfs", "relative", "image"],
    ] {
        let outcome = env.rbuild(wrong).run().exits(125).no_panic();
        assert!(outcome.err().contains("error"), "{outcome}");
        assert!(outcome.stdout.is_empty(), "{outcome}");
    }
}

#[test]
fn entry_point_and_command() {
    let env = with_image();
    let run = |flags: &[&str], command: &[&str]| {
        let outcome = env.rbuild(["run"]).args(flags).arg("image").args(command).run();
        outcome.success().out().into_owned()
    };
    assert_eq!(run(&[], &[]), "entry cmd");
    assert_eq!(run(&[], &["-x", "--rm"]), "entry -x --rm");
    // All that stands behind the image is the command's, also what `run` and rbuild have a flag for.
    for words in [
        &["-e", "x"][..],
        &["--help"],
        &["-t", "3s"],
        &["--root", "/x", "-h"],
        &["--", "-i", "--env=a"],
        &["--version", "--rm=true", "-it"],
    ] {
        assert_eq!(run(&["--rm"], words), format!("entry {}", words.join(" ")));
    }
    assert_eq!(run(&["--entrypoint", "sh"], &["-e", "-c", "echo $-"]), "ce");
    assert_eq!(run(&["--entrypoint", "/bin/echo"], &[]), "");
    assert_eq!(run(&["--entrypoint", "echo"], &["a", "b c"]), "a b c");
    assert_eq!(run(&["--entrypoint", ""], &["echo", "bare"]), "bare");
}

#[test]
fn environment() {
    let env = with_image();
    let file = env.write(
        "env-file",
        "# a comment\nFILE=\"quoted\" and more\nA=file\nCALLER\nNOT_SET_ANYWHERE\n",
    );
    let outcome = shell(
        &env,
        &[
            "--env-file",
            file.to_str().unwrap(),
            "-e",
            "B=flag=x",
            "-e",
            "CALLER2",
            "-e",
            "UNSET_TOO",
            "-u",
            "app",
            "-h",
            "named",
        ],
        "env | grep -v -e ^PWD= -e ^SHLVL= | sort",
    )
    .env("CALLER", "from the caller")
    .env("CALLER2", "two")
    .env("LEAK", "must not be seen")
    .run()
    .success();
    assert_eq!(
        outcome.out(),
        "A=file\nB=flag=x\nCALLER2=two\nCALLER=from the caller\nFILE=\"quoted\" and more\nHOME=/home/app\n\
         HOSTNAME=named\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
}

#[test]
fn directory_user_and_names() {
    let env = with_image();
    shell(&env, &[], "pwd; id -u; id -g; hostname; cat /etc/hostname")
        .run()
        .success()
        .prints("/work\n0\n0\nrbuild\nrbuild");
    let flags = ["-w", "/made/for/it", "-u", "1234:5678", "--name", "web-1"];
    shell(&env, &flags, "pwd; id -u; id -g; hostname; ls -d /made/for/it")
        .run()
        .success()
        .prints("/made/for/it\n1234\n5678\nweb-1\n/made/for/it");
    let flags = [
        "-u",
        "daemon",
        "-h",
        "host",
        "--name",
        "name",
        "--add-host",
        "db:10.1.2.3",
    ];
    let outcome = shell(&env, &flags, "id -un; hostname; cat /etc/hosts")
        .run()
        .success();
    assert_eq!(
        outcome.out(),
        "daemon\nhost\n127.0.0.1\tlocalhost host\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tdb"
    );
}

#[test]
fn groups() {
    let env = with_image();
    for (user, expected) in [
        (None, "uid=0(root) gid=0(root) groups=0(root)"),
        (Some("1234"), "uid=1234 gid=0(root) groups=0(root)"),
        (Some("1234:1235"), "uid=1234 gid=1235 groups=1235"),
        (
            Some("app"),
            "uid=1000(app) gid=1000(app) groups=50(staff),1000(app)",
        ),
        (Some("app:staff"), "uid=1000(app) gid=50(staff) groups=50(staff)"),
        (Some(":staff"), "uid=0(root) gid=50(staff) groups=50(staff)"),
    ] {
        let flags: Vec<&str> = user.iter().flat_map(|user| ["-u", user]).collect();
        shell(&env, &flags, "id").run().success().prints(expected);
    }
    shell(&env, &["-u", ":ghosts"], "id")
        .run()
        .exits(125)
        .says("has no group `ghosts`");
}

#[test]
fn volumes() {
    let env = with_image();
    let dir = env.context("host", &[("file", "from the host\n"), ("sub/deep", "deep\n")]);
    let outside = env.write("outside", "canary\n");
    std::os::unix::fs::symlink("host", env.path("to-host")).unwrap();
    let mount = |path: &Path, rest: &str| format!("{}:{rest}", path.display());
    // Written through: it belongs to who runs, and is there afterwards.
    shell(
        &env,
        &["-v", &mount(&dir, "/v")],
        "cat /v/file /v/sub/deep; echo new > /v/made; chmod 640 /v/made",
    )
    .run()
    .success()
    .prints("from the host\ndeep");
    let made = dir.join("made").metadata().unwrap();
    assert_eq!(made.uid(), rustix::process::getuid().as_raw());
    assert_eq!(made.permissions().mode() & 0o777, 0o640);
    // Read-only, nested, relative, through a link of the host, a single file.
    let flags = [
        "-v",
        &mount(&dir, "/v:ro"),
        "-v",
        "./to-host/sub:/v/sub",
        "-v",
        &mount(&outside, "/etc/one:ro"),
    ];
    let script = "echo x > /v/no; echo x > /etc/one; echo y > /v/sub/yes; cat /etc/one; ls /v/sub";
    let outcome = shell(&env, &flags, script)
        .run()
        .success()
        .prints("canary\ndeep\nyes");
    assert_eq!(
        outcome.err().matches("Read-only file system").count(),
        2,
        "{outcome}"
    );
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "canary\n");
    assert!(dir.join("sub/yes").is_file() && !dir.join("no").exists());
    // A link of the image leads inside the image: /link is /etc.
    shell(&env, &["-v", &mount(&dir, "/link/host")], "cat /etc/host/file")
        .run()
        .success()
        .prints("from the host");
    // As another user: what the host's permissions say holds.
    shell(
        &env,
        &["-u", "1234", "-v", &mount(&dir, "/v")],
        "cat /v/file && ! echo x > /v/other",
    )
    .run()
    .success();
    assert!(!dir.join("other").exists());
}

#[test]
fn memory_and_read_only() {
    let env = with_image();
    let script =
        "grep ' /t ' /proc/mounts; stat -c %a /t; dd if=/dev/zero of=/t/x bs=1M count=9 2>&1 | head -1";
    let outcome = shell(&env, &["--tmpfs", "/t:size=4m,mode=750"], script)
        .run()
        .success();
    let out = outcome.out();
    assert!(
        out.starts_with("tmpfs /t tmpfs rw,nosuid,nodev,noexec,"),
        "{outcome}"
    );
    assert!(out.contains("size=4096k") && out.contains("\n750\n"), "{outcome}");
    assert!(out.contains("No space left on device"), "{outcome}");

    let script =
        "for at in / /etc /work; do touch $at/x 2>&1; done; touch /tmp/x /run/x /dev/shm/x /v/x && echo made";
    let dir = env.context("host", &[]);
    let volume = format!("{}:/v", dir.display());
    let outcome = shell(&env, &["--read-only", "-v", &volume], script)
        .run()
        .success();
    assert_eq!(
        outcome.out().matches("Read-only file system").count(),
        3,
        "{outcome}"
    );
    assert!(
        outcome.out().ends_with("made") && dir.join("x").is_file(),
        "{outcome}"
    );
}

#[test]
fn network() {
    let env = with_image();
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    shell(&env, &[], "readlink /proc/self/ns/net")
        .run()
        .success()
        .prints(here.to_str().unwrap());
    shell(&env, &["--network", "host"], "readlink /proc/self/ns/net")
        .run()
        .success()
        .prints(here.to_str().unwrap());
    let outcome = shell(
        &env,
        &["--network=none"],
        "readlink /proc/self/ns/net; ls /sys/class/net; ping -c1 -w9 127.0.0.1",
    )
    .run()
    .success();
    let out = outcome.out();
    assert!(!out.contains(here.to_str().unwrap()), "{outcome}");
    assert_eq!(out.lines().nth(1), Some("lo"), "{outcome}");
    assert!(out.contains("1 packets received"), "{outcome}");
}

#[test]
fn a_port_that_the_host_keeps_is_told() {
    let env = with_image();
    let context = env.context_of("FROM image\nEXPOSE 8080 443/tcp 80\n", &[]);
    env.rbuild(["-q", "-t", "server"]).arg(context).run().success();
    let run = |flags: &[&str], script: &str| {
        let run = env.rbuild(["run", "--entrypoint", "sh"]).args(flags);
        run.args(["server", "-c", script]).run()
    };
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let told = "the image is for port 80, and this host lets no container listen below";
    match first.trim().parse::<u16>().unwrap() > 80 {
        true => run(&["--network", "host"], "exit 1").exits(1).says(told),
        false => run(&["--network", "host"], "exit 1").exits(1).never_says(told),
    };
    run(&["--network", "host"], "exit 0").success().never_says(told);
    run(&["--network", "none"], "exit 1").exits(1).never_says(told);
    shell(&env, &["--network", "host"], "exit 1")
        .run()
        .exits(1)
        .never_says(told);
    env.rbuild(["run", "docker://server"]).arg("sh").run().success();
}

#[test]
fn standard_streams() {
    let env = with_image();
    let run = |flags: &[&str]| {
        shell(&env, flags, "cat; echo err >&2")
            .stdin("one\ntwo\n")
            .run()
            .success()
    };
    run(&["-i"]).prints("one\ntwo").says("err");
    run(&[]).prints("").says("err");
    env.rbuild(["run", "-it", "image"])
        .stdin("x")
        .run()
        .exits(125)
        .says("need a terminal");
    // -t alone takes no input, so it needs no terminal there.
    shell(&env, &["-t"], "test -t 1 && stty size")
        .run()
        .success()
        .prints("24 80\r");
}

#[test]
fn what_is_written_is_gone_and_nobody_else_sees_it() {
    let env = with_image();
    let word = processes::unique_sleep();
    let script = format!("echo mine > /work/file; rm /etc/passwd; exec sleep {word}");
    let first = shell(&env, &[], &script).start();
    processes::wait_for_sleep(&word);
    shell(&env, &["--rm"], "ls /work /etc/passwd; echo other > /work/file")
        .run()
        .success()
        .prints("/etc/passwd\n\n/work:");
    first.signal(Signal::TERM);
    first.wait().exits(143);
    shell(&env, &[], "ls /work").run().success().prints("");
    let left: Vec<_> = std::fs::read_dir(env.store().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn signals_reach_the_command() {
    let env = with_image();
    let act = |words: &[&str]| env.rbuild(["run", "--entrypoint", "act", "image"]).args(words);
    // One with a handler decides itself.
    for (signal, number) in [
        (Signal::TERM, "15"),
        (Signal::INT, "2"),
        (Signal::HUP, "1"),
        (Signal::USR1, "10"),
    ] {
        let mut running = act(&["catch", number, "7"]).start();
        running.wait_for("ready");
        running.signal(signal);
        running.wait().exits(7).prints(&format!("ready\ngot {number}"));
    }
    // One without ends as every other process does, though it is the first of its namespace.
    for (signal, code) in [
        (Signal::TERM, 143),
        (Signal::INT, 130),
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
    ] {
        let word = processes::unique_sleep();
        let running = env
            .rbuild(["run", "--entrypoint", "sleep", "image", &word])
            .start();
        processes::wait_for_sleep(&word);
        running.signal(signal);
        running.wait().exits(code);
        processes::wait_until_gone(&word);
    }
    // One that ignores a signal is left alone by it. Ctrl-C over and over is another matter.
    let mut running = act(&["ignore", "2"]).start();
    running.wait_for("ready");
    running.signal(Signal::INT);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(running.is_running());
    running.signal(Signal::INT);
    running.wait_for("once more kills");
    running.signal(Signal::INT);
    running.wait().exits(130);
}

#[test]
fn killed_from_outside() {
    let env = with_image();
    let word = processes::unique_sleep();
    let start = || {
        env.rbuild(["run", "--entrypoint", "sleep", "image", &word])
            .start()
    };
    // The command.
    let running = start();
    processes::signal(processes::wait_for_sleep(&word), Signal::KILL);
    running.wait().exits(137);
    // rbuild itself: nothing goes on, nothing is mounted, and the next one takes the rest away.
    let running = start();
    processes::wait_for_sleep(&word);
    running.signal(Signal::KILL);
    running.wait().exits(137);
    processes::wait_until_gone(&word);
    assert_eq!(env.mounts(), [""; 0]);
    shell(&env, &[], "true").run().success();
    let left: Vec<_> = std::fs::read_dir(env.store().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_person_at_a_terminal() {
    let env = with_image();
    let invocation = shell(&env, &["-it"], "exec sh").env("RBUILD_SEEN", "no");
    let mut terminal = crate::harness::Terminal::start(invocation, 31, 97);
    // Words that the echo of what is typed does not have.
    terminal.types("stty size; test -t 0 && test -t 2 && echo tty''ful $TERM\n");
    terminal.wait_for("31 97");
    terminal.wait_for("ttyful xterm");
    assert!(
        !terminal
            .settings()
            .local_modes
            .intersects(LocalModes::ECHO | LocalModes::ICANON),
        "not raw"
    );
    terminal.resize(40, 120);
    terminal.types("sleep 0.1; stty size\n");
    terminal.wait_for("40 120");
    // Ctrl-C ends what runs in the foreground, and the shell goes on.
    let word = processes::unique_sleep();
    terminal.types(&format!("sleep {word}\n"));
    processes::wait_for_sleep(&word);
    terminal.types("\x03");
    terminal.types("echo go''es on $?\n");
    terminal.wait_for("goes on 130");
    terminal.types("exit 9\n");
    assert_eq!(terminal.wait().code(), Some(9));
    let (before, after) = (terminal.initial_settings(), terminal.settings());
    assert_eq!(
        (before.local_modes, before.input_modes, before.output_modes),
        (after.local_modes, after.input_modes, after.output_modes)
    );
}

#[test]
fn keys_at_a_terminal_end_a_command_that_does_not_listen() {
    let env = with_image();
    for (key, code) in [("\x03", 130), ("\x1c", 131)] {
        let word = processes::unique_sleep();
        let invocation = env.rbuild(["run", "-it", "--entrypoint", "sleep", "image", &word]);
        let mut terminal = crate::harness::Terminal::start(invocation, 24, 80);
        processes::wait_for_sleep(&word);
        // Raw is entered when the command runs.
        while terminal.settings().local_modes.contains(LocalModes::ECHO) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        terminal.types(key);
        assert_eq!(terminal.wait().code(), Some(code), "{}", terminal.seen());
        assert!(terminal.settings().local_modes.contains(LocalModes::ECHO));
    }
    // A command that takes the keys as they are gets them.
    let invocation = shell(
        &env,
        &["-it"],
        "stty raw -echo; echo re''ady; dd bs=1 count=1 2>/dev/null | od -c",
    );
    let mut terminal = crate::harness::Terminal::start(invocation, 24, 80);
    terminal.wait_for("ready");
    terminal.types("\x03");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(terminal.seen().contains("003"), "{}", terminal.seen());
}

#[test]
fn the_image_stays_as_it_is() {
    let env = with_image();
    let id = |env: &TestEnv| {
        env.rbuild(["images", "-q", "--no-trunc"])
            .run()
            .success()
            .out()
            .into_owned()
    };
    let before = id(&env);
    shell(
        &env,
        &[],
        "echo broken > /bin/probe; rm -rf /etc /work; echo > /new",
    )
    .run()
    .success();
    shell(
        &env,
        &[],
        "ls / | tr '\\n' ' '; probe ids | head -1; cat /etc/hostname",
    )
    .run()
    .success()
    .prints("bin dev etc home link proc root run sbin sys tmp usr var work uid: 0 0 0\nrbuild");
    assert_eq!(before, id(&env));
}

/// Without `-t` a command has no terminal, as docker has it: it could read what is typed through one.
#[test]
fn a_terminal_is_not_lent() {
    let env = with_image();
    let script = "for fd in 0 1 2; do test -t $fd && echo terminal; (exec 3<>/proc/self/fd/$fd; test \"$(timeout 1 head -c1 <&3)\" = t && echo terminal) 2>&1; done; \
                  echo out; echo err >&2; exit 3";
    let invocation = shell(&env, &[], script);
    let mut terminal = crate::harness::Terminal::start(invocation, 24, 80);
    terminal.types("typed\n");
    let status = terminal.wait();
    assert_eq!(status.code(), Some(3));
    let seen = terminal.seen();
    assert!(seen.contains("out") && seen.contains("err"), "{seen}");
    assert!(!seen.contains("terminal"), "{seen}");
}

//! `RUN`: its forms, its environment, its end.

use crate::harness::base::program;
use crate::harness::env::is_root;
use crate::harness::{OciImage, TestEnv, processes};
use rustix::process::Signal;
use std::path::PathBuf;

/// A context with a Dockerfile, `probe` and `act`.
fn context(env: &TestEnv, dockerfile: &str) -> PathBuf {
    let context = env.context_of(dockerfile, &[]);
    for name in ["probe", "act"] {
        std::fs::copy(program(name), context.join(name)).expect("a program can be copied");
    }
    context
}

/// Text of the files of an image whose names begin like this.
fn texts(image: &OciImage, begin: &str) -> Vec<(String, String)> {
    let tree = image.tree();
    let found = tree.iter().filter(|(path, _)| path.starts_with(begin));
    found
        .map(|(path, entry)| (path[begin.len()..].to_owned(), entry.text()))
        .collect()
}

#[test]
fn heredocs() {
    let env = TestEnv::new();
    let dockerfile = r##"FROM busybox:local
ARG ARGUMENT=arg
RUN mkdir /out
RUN <<EOF
set -e
x=shell
echo "$x $ARGUMENT" > /out/alone
EOF
RUN <<'EOF'
echo "$ARGUMENT" '\n' > /out/quoted
EOF
RUN <<-EOF
	if true; then
		echo tabs > /out/tabs
	fi
	EOF
RUN <<EOF
#!/bin/sh -e
echo "$0 $ARGUMENT" > /out/shebang
stat -c '%a %u' $0 >> /out/shebang
EOF
RUN cat <<A > /out/joined && cat <<B >> /out/joined
first $ARGUMENT
A
second
B
RUN 3<<EOF cat <&3 > /out/fd
three
EOF
RUN cat <<"A" <<B 3<&0 > /out/last
first
A
second $ARGUMENT
B
RUN ["/bin/sh", "-c", "echo '<<EOF' $ARGUMENT > /out/exec"]
SHELL ["/bin/sh", "-ec"]
RUN <<EOF
false || echo custom > /out/custom
EOF
RUN <<EOF

  echo "blank lines and $((1 + 1)) spaces" > /out/blank

EOF
ONBUILD RUN <<EOF
echo later > /out/onbuild
EOF
"##;
    let parent = env.context_of(dockerfile, &[]);
    let image = env.image(["-t", "parent"], &parent);
    let found = texts(&image, "out/");
    let expected = [
        ("alone", "shell arg\n"),
        ("blank", "blank lines and 2 spaces\n"),
        ("custom", "custom\n"),
        ("exec", "<<EOF arg\n"),
        ("fd", "three\n"),
        ("joined", "first arg\nsecond\n"),
        ("last", "second arg\n"),
        ("quoted", "arg \\n\n"),
        ("shebang", "/dev/pipes/EOF arg\n755 0\n"),
        ("tabs", "tabs\n"),
    ];
    let expected: Vec<_> = expected
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
    assert_eq!(found, expected);
    assert!(!image.tree().contains_key("dev/pipes"), "the script left a trace");

    env.building(["-t", "parent"]).arg(&parent).run().success();
    let child = env.image_of("FROM parent\n", &[]);
    assert_eq!(child.tree()["out/onbuild"].text(), "later\n");
}

#[test]
fn heredocs_of_a_file_with_crlf_are_unix_text() {
    let env = TestEnv::new();
    let text = "FROM busybox:local\nRUN <<EOF\ncd /tmp\nif true; then\n  echo a > /a\nfi\nEOF\n\
                RUN <<EOF\n#!/bin/sh\necho b > /b\nEOF\nRUN cat <<-A >/c && cat <<'B' >/d\n\tc $HOME\n\tA\nd\nB\n\
                COPY --chmod=755 <<EOF <<F /made/\n#!/bin/sh\necho e\nEOF\nf\nF\nRUN /made/EOF > /e\n\
                ONBUILD RUN cat <<EOF >/later\nlater\nEOF\n";
    let unix = env.image_of(text, &[]);
    let dos = env.image_of(&text.replace('\n', "\r\n"), &[]);
    assert_eq!(dos.tree()["d"].text(), "d\n");
    assert_eq!(dos.tree()["e"].text(), "e\n");
    // A checkout with other line ends makes the same image.
    assert_eq!(dos.layers, unix.layers);
    assert_eq!(dos.config["config"]["OnBuild"], unix.config["config"]["OnBuild"]);
    // A CR between LF lines was put there.
    let image = env.image_of("FROM scratch\nCOPY <<EOF /f\na\r\nEOF\n", &[]);
    assert_eq!(image.tree()["f"].text(), "a\r\n");
}

#[test]
fn heredocs_that_do_nothing_or_cannot_run() {
    let env = TestEnv::new();
    let context = env.context_of("FROM busybox:local\nRUN <<A <<B\necho 1\nA\necho 2\nB\n", &[]);
    env.building([""; 0])
        .arg(context)
        .run()
        .success()
        .says("warning: nothing reads these heredocs")
        .says("Dockerfile:2:1");
    env.refused(
        "FROM busybox:local\nRUN <<EOF\n#!/usr/bin/python9 -u\nprint(1)\nEOF\n",
        &[],
    )
    .says("Dockerfile:2:1")
    .says("`#!/usr/bin/python9 -u`, is not in `busybox:local`");
    env.refused("FROM scratch\nRUN <<EOF\necho 1\nEOF\n", &[])
        .says("there is no `/bin/sh` in `scratch`");
    env.refused("FROM busybox:local\nRUN <<EOF\necho 1\n", &[])
        .says("Dockerfile:2")
        .says("EOF");
}

#[test]
fn what_a_command_finds() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\n\
        COPY probe act /tools/\n\
        ENV PATH=/nowhere:/tools:/bin FROM_ENV=\"a b\"\n\
        ARG FROM_ARG=arg\n\
        ARG FROM_ENV=hidden\n\
        WORKDIR /made/by/workdir\n\
        RUN [\"probe\", \"ids\", \"env\", \"fds\", \"terminal\"]\n\
        RUN cat > /stdin; echo $? >> /stdin\n\
        RUN [\"act\", \"exit\", \"$FROM_ENV\"]\n\
        USER app\n\
        RUN [\"probe\", \"ids\", \"env\", \"caps\"]\n\
        USER 4321\n\
        ENV HOME=/set\n\
        RUN [\"probe\", \"ids\", \"env\"]\n";
    let context = context(&env, dockerfile);
    let (image, outcome) = {
        let file = env.path("out.tar");
        let outcome = env
            .building(["--progress", "plain", "-o"])
            .arg(format!("type=oci,dest={}", file.display()))
            .arg(&context)
            .env("LEAKED", "from the caller")
            // What is piped into rbuild is not for steps.
            .stdin("not for steps")
            .run()
            .success();
        (OciImage::from_archive(&file), outcome)
    };
    let outcome = outcome.no_panic().never_says("LEAKED");
    let outcome = outcome.err().into_owned();
    let of_step = |step: usize| -> Vec<String> {
        let begin = format!("#{step} ");
        let lines = outcome
            .lines()
            .filter_map(|line| line.strip_prefix(&begin)?.split_once(' '));
        lines
            .filter(|(time, _)| time.starts_with(|c: char| c.is_ascii_digit()))
            .map(|(_, line)| line.to_owned())
            .collect()
    };
    let only = |step: usize, fact: &str| -> Vec<String> {
        let begin = format!("{fact}: ");
        let lines = of_step(step).into_iter();
        lines
            .filter_map(|line| line.strip_prefix(&begin).map(str::to_owned))
            .collect()
    };
    assert_eq!(
        only(4, "env"),
        [
            "PATH=/nowhere:/tools:/bin",
            "FROM_ENV=a b",
            "FROM_ARG=arg",
            "HOME=/root"
        ]
    );
    assert_eq!(only(4, "cwd"), ["/made/by/workdir"]);
    assert_eq!(only(4, "uid"), ["0 0 0"]);
    assert_eq!(only(4, "umask"), ["0022"]);
    assert_eq!(
        (only(4, "pid"), only(4, "hostname")),
        (vec!["1".into()], vec!["rbuild".into()])
    );
    let fds = only(4, "fd");
    assert_eq!(fds.len(), 3, "{fds:?}");
    assert_eq!(fds[0], "0 /dev/null");
    assert_eq!(only(4, "isatty"), ["0 0", "1 0", "2 0"]);
    assert_eq!(image.tree()["stdin"].text(), "0\n");
    assert_eq!(only(7, "uid"), ["1000 1000 1000"]);
    assert!(only(7, "env").contains(&"HOME=/home/app".to_owned()), "{outcome}");
    for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        let none = format!("{set}:\t0000000000000000");
        assert!(only(7, "status").contains(&none), "{outcome}");
    }
    assert_eq!(only(8, "uid"), ["4321 4321 4321"]);
    assert_eq!(only(8, "gid"), ["0 0 0"]);
    assert!(only(8, "env").contains(&"HOME=/set".to_owned()), "{outcome}");
}

/// The primary group is among the supplementary ones (CVE-2022-36109), and those of the caller are not.
#[test]
fn groups_of_a_command() {
    let env = TestEnv::new();
    let app = "uid=1000(app) gid=1000(app) groups=1000(app)";
    let in_staff = "uid=1000(app) gid=50(staff) groups=50(staff)";
    let rows = [
        ("", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
        ("USER root", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
        ("USER 0", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
        ("USER 1234", "uid=1234 gid=0(root) groups=0(root)"),
        ("USER 1234:1235", "uid=1234 gid=1235 groups=1235"),
        ("USER daemon", "uid=1(daemon) gid=1(daemon) groups=1(daemon)"),
        (
            "USER app",
            "uid=1000(app) gid=1000(app) groups=50(staff),1000(app)",
        ),
        (
            "USER 1000",
            "uid=1000(app) gid=1000(app) groups=50(staff),1000(app)",
        ),
        ("USER app:app", app),
        ("USER 1000:app", app),
        ("USER app:1000", app),
        ("USER 1000:1000", app),
        ("USER app:staff", in_staff),
        ("USER app:50", in_staff),
        ("USER 1000:staff", in_staff),
        ("USER 1000:50", in_staff),
        ("USER root:root", "uid=0(root) gid=0(root) groups=0(root)"),
        ("USER :50", "uid=0(root) gid=50(staff) groups=50(staff)"),
        ("USER :staff", "uid=0(root) gid=50(staff) groups=50(staff)"),
    ];
    let mut dockerfile =
        "FROM busybox:local\nRUN echo wheel:x:10:root >> /etc/group && mkdir -m 777 /out\n".to_owned();
    for (at, (user, _)) in rows.iter().enumerate() {
        dockerfile.push_str(&format!("{user}\nRUN id > /out/{at}\n"));
    }
    dockerfile.push_str("WORKDIR /of/staff\n");
    let image = env.image_of(&dockerfile, &[]);
    let tree = image.tree();
    for (at, (user, expected)) in rows.iter().enumerate() {
        let entry = &tree[&format!("out/{at}")];
        assert_eq!(entry.text().trim_end(), *expected, "`{user}`");
    }
    assert_eq!((tree["of/staff"].uid, tree["of/staff"].gid), (0, 50));
    env.refused("FROM busybox:local\nUSER :ghosts\nRUN true\n", &[])
        .says("has no group `ghosts`")
        .says("Dockerfile:3");
    // An image without lists of users.
    let dockerfile = "FROM scratch\nCOPY probe /\nUSER 7\nRUN [\"/probe\", \"ids\"]\n";
    env.building(["--progress", "plain"])
        .arg(context(&env, dockerfile))
        .run()
        .success()
        .says("uid: 7 7 7")
        .says("groups: 0\n");
}

#[test]
fn groups_that_do_not_exist_here() {
    let env = TestEnv::new();
    // The second one is listed, and further than the primary one.
    for user in ["5:2000000000", "app"] {
        let dockerfile = format!(
            "FROM busybox:local\nRUN echo far:x:2000000000:app >> /etc/group\nUSER {user}\nRUN id -G\n"
        );
        let context = env.context_of(&dockerfile, &[]);
        let outcome = env.building(["--progress", "plain"]).arg(context).run();
        // The identity map of root has every id.
        if is_root() {
            outcome.success().says("2000000000");
        } else {
            outcome
                .no_panic()
                .exits(1)
                .says("cannot run as group 2000000000: this id is outside the range that the user namespace maps")
                .says("/etc/subgid")
                .says("Dockerfile:4");
        }
    }
}

#[test]
fn what_runs_on_in_the_background_ends_with_the_step() {
    let env = TestEnv::new();
    let word = processes::unique_sleep();
    let dockerfile = format!(
        "FROM busybox:local\nCOPY probe act /\nRUN [\"/act\", \"orphan\", \"{word}\"]\n\
         RUN (sleep 1; echo late > /late) & (setsid sleep {word} &) ; echo now > /now\n\
         RUN sleep {word} > /dev/null 2>&1 & sleep 1.2; ls /late /now 2>&1 > /seen; true\n"
    );
    let image = env.image([""; 0], context(&env, &dockerfile));
    assert_eq!(processes::with_word(&word), [0; 0]);
    assert_eq!(image.tree()["seen"].text(), "/now\n");
    assert!(!image.tree().contains_key("late"));
}

#[test]
fn a_command_that_fails() {
    let env = TestEnv::new();
    let context = context(
        &env,
        "FROM busybox:local\n\nRUN for i in $(seq 1 100); do echo \"line $i\"; done; \\\n    echo to stderr >&2; \\\n    exit 33\n",
    );
    let build = |flags: &[&str]| env.building(flags).arg(&context).run();
    let failed = build(&["--progress", "plain"]).exits(1).no_panic();
    let err = failed.err();
    for expected in [
        "exit code: 33",
        " --> Dockerfile:3:1",
        "3 | RUN for i in",
        "  | ^^^",
        "5 |     exit 33",
        "last 20 lines of step",
        "  | line 100\n  | to stderr\n",
        "full log: ",
    ] {
        assert!(err.contains(expected), "no {expected:?} in\n{failed}");
    }
    assert!(
        !err.contains("  | line 81\n") && err.contains("  | line 82\n"),
        "{failed}"
    );
    let log = err
        .lines()
        .find_map(|line| line.strip_prefix("full log: "))
        .unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.starts_with("line 1\nline 2\n") && log.ends_with("line 100\nto stderr\n"),
        "{log}"
    );
    build(&["--propagate-exit", "-q"]).exits(33).prints("");
    // Nothing of it is kept: it runs again.
    build(&[]).exits(1).says("line 100");
}

#[test]
fn a_command_that_is_killed() {
    let env = TestEnv::new();
    let word = processes::unique_sleep();
    let dockerfile = format!("FROM busybox:local\nRUN [\"sleep\", \"{word}\"]\n");
    let context = env.context_of(&dockerfile, &[]);
    let running = env
        .building(["--progress", "plain", "--propagate-exit"])
        .arg(context)
        .start();
    processes::signal(processes::wait_for_sleep(&word), Signal::KILL);
    running.wait().exits(137).says("killed by SIGKILL").says("memory");
    let dockerfile = "FROM busybox:local\nRUN sh -c 'kill -15 $$'; exit $?\n";
    env.refused(dockerfile, &[]).says("exit code: 143 (SIGTERM)");
}

#[test]
fn programs_that_are_not_there() {
    let env = TestEnv::new();
    let refused = |dockerfile: &str, words: &[&str]| {
        let outcome = env
            .building(["--propagate-exit"])
            .arg(context(&env, dockerfile))
            .run()
            .no_panic();
        for word in words {
            assert!(outcome.err().contains(word), "no {word:?} in\n{outcome}");
        }
        assert!(outcome.err().contains("Dockerfile:"), "{outcome}");
        outcome.code()
    };
    let shell = [
        "there is no `/bin/sh` in `scratch`",
        "the shell form of RUN needs",
        "help: use a base with a shell",
    ];
    assert_eq!(
        refused("FROM scratch\nCOPY act /\nRUN /act exit 0\n", &shell),
        127
    );
    assert_eq!(
        refused(
            "FROM scratch AS empty\nFROM empty\nCOPY act /\nRUN /act\n",
            &["no `/bin/sh`"]
        ),
        127
    );
    assert_eq!(
        refused(
            "FROM busybox:local\nSHELL [\"/bin/bash\", \"-c\"]\nRUN true\n",
            &["no `/bin/bash` in `busybox:local`"]
        ),
        127
    );
    assert_eq!(
        refused(
            "FROM scratch\nCOPY act /\nRUN [\"act\"]\n",
            &["there is no `act` in `scratch`"]
        ),
        127
    );
    assert_eq!(
        refused("FROM busybox:local\nRUN [\"/etc/passwd\"]\n", &["not executable"]),
        126
    );
    let script = "FROM busybox:local\nRUN printf '#!/no/interpreter\\n' > /s && chmod 755 /s\nRUN [\"/s\"]\n";
    assert_eq!(refused(script, &["`/s` is there, but the interpreter"]), 127);
    assert_eq!(
        refused("FROM busybox:local\nRUN []\n", &["there is no command to run"]),
        1
    );
    for (steps, said) in [
        ("RUN [\"\"]\n", "the command's name is empty"),
        ("SHELL [\"\"]\nRUN true\n", "that of `SHELL`"),
    ] {
        assert_eq!(refused(&format!("FROM busybox:local\n{steps}"), &[said]), 1);
    }
    let missing = "FROM busybox:local\nRUN no-such-command --flag\n";
    assert_eq!(
        refused(missing, &["exit code: 127", "a command was not found"]),
        127
    );
    assert_eq!(
        refused(
            "FROM busybox:local\nUSER nobody-here\nRUN true\n",
            &["no user `nobody-here`"]
        ),
        1
    );
}

#[test]
fn networks() {
    let env = TestEnv::new();
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    let dockerfile = "FROM busybox:local\n\
        RUN readlink /proc/self/ns/net > /default\n\
        RUN --network=none readlink /proc/self/ns/net > /none; ls /sys/class/net >> /none; ip -o addr >> /none\n";
    let image = env.image_of(dockerfile, &[]);
    let tree = image.tree();
    assert_eq!(tree["default"].text().trim(), here.to_str().unwrap());
    let none = tree["none"].text();
    assert!(
        !none.contains(here.to_str().unwrap()) && none.contains("\nlo\n"),
        "{none}"
    );
    assert!(none.contains("127.0.0.1/8") && !none.contains("eth"), "{none}");
    // For the whole build; the flag of a step is stronger.
    let context = env.context_of(dockerfile, &[]);
    let image = env.image(["--network", "none"], &context);
    assert_ne!(image.tree()["default"].text().trim(), here.to_str().unwrap());
    let host = "FROM busybox:local\nRUN --network=host readlink /proc/self/ns/net > /host\n";
    env.refused(host, &[])
        .says("Dockerfile:2")
        .says("--allow network.host");
    let context = env.context_of(host, &[]);
    let image = env.image(["--allow", "network.host", "--network", "none"], &context);
    assert_eq!(image.tree()["host"].text().trim(), here.to_str().unwrap());
}

#[test]
fn a_command_that_is_too_long_for_an_argument() {
    let env = TestEnv::new();
    // The kernel takes 128 KiB for one argument. A shell reads such a text from a file instead.
    let lines: String = (0..5000)
        .map(|n| format!("x={n} # ....................\n"))
        .collect();
    let long = "x".repeat(200 * 1024);
    let dockerfile = format!(
        "FROM busybox:local\n\
         RUN <<EOF\n{lines}echo $x $0 > /heredoc\nls /dev/pipes >> /heredoc\nEOF\n\
         USER app\n\
         RUN echo {long} | wc -c > /tmp/shell\n\
         RUN echo {long} > /dev/null; false || exit 3\n"
    );
    let context = env.context_of(&dockerfile, &[]);
    env.building(["--propagate-exit"])
        .arg(&context)
        .run()
        .exits(3)
        .says("exit code: 3");
    let dockerfile = dockerfile.replace("exit 3", "true");
    let image = env.image_of(&dockerfile, &[]);
    let tree = image.tree();
    assert_eq!(tree["heredoc"].text(), "4999 /bin/sh\ncommand\n");
    assert_eq!(tree["tmp/shell"].text(), format!("{}\n", long.len() + 1));
    assert!(!tree.contains_key("dev/pipes"));
    assert!(
        image.config["history"].to_string().contains(&long),
        "the history holds the command itself"
    );
    // Where there is no shell to do that, the kernel's answer is put into words.
    for step in [
        format!("RUN [\"echo\", \"{long}\"]"),
        format!("ENV LONG={long}\nRUN true"),
        format!("SHELL [\"/bin/busybox\", \"sh\", \"-x\"]\nRUN {long}"),
    ] {
        env.refused(&format!("FROM busybox:local\n{step}\n"), &[])
            .says("the command and its variables are too long")
            .says("128 KiB");
    }
}

#[test]
fn a_lot_of_output_is_in_the_log_whole() {
    const BYTES: usize = 50_000_000;
    let env = TestEnv::new();
    let dockerfile = format!(
        "FROM busybox:local\nRUN head -c {BYTES} /dev/zero | tr '\\0' x | fold -w 99; echo; echo end; exit 1\n"
    );
    let failed = env.refused(&dockerfile, &[]);
    let err = failed.err();
    let log = err
        .lines()
        .find_map(|line| line.strip_prefix("full log: "))
        .unwrap();
    let log = std::fs::read(log).unwrap();
    assert_eq!(log.iter().filter(|byte| **byte == b'x').count(), BYTES);
    assert!(log.ends_with(b"\nend\n"));
}

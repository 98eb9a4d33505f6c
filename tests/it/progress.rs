//! Progress as it is met: on terminals of every size, in pipes, as JSON; and what is left of it.

use crate::concurrency::open_gate;
use crate::harness::archive::sha256;
use crate::harness::steps::{build, building};
use crate::harness::{Base, Invocation, Terminal, TestEnv};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Stages whose steps run at the same time, print what `prints` says, and stand until the gate is opened.
fn stages(env: &TestEnv, count: usize, prints: &str) -> PathBuf {
    let mut text = String::new();
    for stage in 0..count {
        text += &format!(
            "FROM busybox:local AS s{stage}\n\
             RUN --mount=type=cache,target=/gate,id=gate {prints}; \
             while [ ! -e /gate/open ]; do usleep 2000; done; echo {stage} > /out\n"
        );
    }
    text += "FROM busybox:local AS last\n";
    for stage in 0..count {
        text += &format!("COPY --from=s{stage} /out /{stage}\n");
    }
    env.context("context", &[("Dockerfile", &text)])
}

/// A build with the progress that the surroundings ask for.
fn plainly(env: &TestEnv, context: &Path) -> Invocation {
    let base = Base::Busybox.as_context();
    env.rbuild(["build", "--jobs", "16", "--build-context", &base])
        .arg(context)
}

/// Lines of steps that are over, by their place `[s0 2/2]`.
#[track_caller]
fn assert_each_step_has_one_line(lines: &[String], count: usize) {
    let places = (0..count)
        .map(|stage| format!("[s{stage} 2/2] "))
        .chain((0..count).map(|copy| format!("[last {}/{}] ", copy + 2, count + 1)));
    for place in places {
        let found = lines
            .iter()
            .filter(|line| line.starts_with('✔') && line.contains(&place));
        assert_eq!(found.count(), 1, "{place}\n{}", lines.join("\n"));
    }
}

const WILD: &str = r"printf '\033[31mred\033[0m \033[2J\033[10Aünï 日本語 🎉\n'; printf '10%%\r20%%\r99%%'";

#[test]
fn eight_steps_at_every_width() {
    for (rows, columns) in [(40, 40), (40, 60), (24, 80), (50, 200)] {
        let env = TestEnv::new();
        let context = stages(&env, 8, WILD);
        let mut terminal = Terminal::start(plainly(&env, &context), rows, columns);
        let settings = format!("{:?}", terminal.initial_settings());
        let lines = terminal.wait_until(|screen| screen.matches("│ 99%").count() == 8);
        let what = lines.join("\n");
        // All that a command printed is text: nothing was coloured, erased or moved by it.
        assert_eq!(
            lines.iter().filter(|line| line.contains("│ 99%")).count(),
            8,
            "{what}"
        );
        assert!(
            rows == 24 || what.matches("│ red ünï 日本語").count() == 8,
            "{what}"
        );
        assert!(
            what.contains("of 16 steps done") && !what.contains("│ 20%"),
            "{what}"
        );
        assert!(lines.len() < usize::from(rows), "{what}");
        open_gate(&env);
        assert_eq!(terminal.wait().code(), Some(0), "{}", terminal.seen());
        let lines = terminal.lines();
        assert_each_step_has_one_line(&lines, 8);
        assert_eq!(lines.len(), 1 + 16 + 2, "{}", lines.join("\n"));
        assert!(
            lines[17].starts_with("✔ image sha256:") && lines[18].contains("0/16 steps cached"),
            "{}",
            lines.join(
                "
"
            )
        );
        assert_eq!(settings, format!("{:?}", terminal.settings()));
        assert_untouched(&terminal);
    }
}

/// Nothing that would have to be put back: neither cursor nor screen nor keys are in another state.
#[track_caller]
fn assert_untouched(terminal: &Terminal) {
    let seen = terminal.seen();
    for mode in [
        "\x1b[?25l",
        "\x1b[?1049h",
        "\x1b[?47h",
        "\x1b[?1h",
        "\x1b=",
        "\x1b[2J",
    ] {
        assert!(!seen.contains(mode), "{mode:?} in {seen:?}");
    }
    // Wrapping is off for the length of a write.
    assert_eq!(seen.matches("\x1b[?7l").count(), seen.matches("\x1b[?7h").count());
    let screen = terminal.screen();
    assert!(!screen.screen().hide_cursor());
    assert_eq!(
        screen.screen().cursor_position().1,
        0,
        "what follows has a line of its own"
    );
}

#[test]
fn more_steps_than_rows_and_a_window_that_changes() {
    let env = TestEnv::new();
    let context = stages(&env, 8, "echo out''put");
    let mut terminal = Terminal::start(plainly(&env, &context), 6, 60);
    let lines = terminal.wait_until(|screen| screen.contains("and 5 more"));
    assert!(lines.len() <= 5, "{lines:?}");
    terminal.resize(30, 100);
    let lines = terminal.wait_until(|screen| screen.matches("│ output").count() == 8);
    assert!(!lines.join("\n").contains("more"), "{lines:?}");
    terminal.resize(30, 44);
    terminal.wait_until(|screen| screen.contains("…") && screen.matches("│ output").count() == 8);
    open_gate(&env);
    assert_eq!(terminal.wait().code(), Some(0), "{}", terminal.seen());
    assert_each_step_has_one_line(&terminal.lines(), 8);
    assert_untouched(&terminal);
}

#[test]
fn a_failure_and_ctrl_c_leave_a_terminal_as_it_was() {
    let env = TestEnv::new();
    let context = stages(&env, 3, "echo on; [ \"$(cat /etc/hostname)\" ] || true");
    let text = fs::read_to_string(context.join("Dockerfile")).unwrap();
    let text = text.replacen(
        "FROM",
        "FROM busybox:local AS bad\nRUN sleep 1; echo why; exit 3\nFROM",
        1,
    );
    fs::write(context.join("Dockerfile"), text + "COPY --from=bad / /\n").unwrap();
    let mut terminal = Terminal::start(plainly(&env, &context), 24, 80);
    let settings = format!("{:?}", terminal.initial_settings());
    assert_eq!(terminal.wait().code(), Some(1));
    let lines = terminal.lines();
    let text = lines.join("\n");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("✘ ") && line.contains("[bad 2/2]")),
        "{text}"
    );
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("- halted [s"))
            .count(),
        3,
        "{text}"
    );
    for word in [
        "  | why",
        "failed: exit code: 3",
        "--> Dockerfile:2:1",
        "full log: ",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("steps done") && !text.contains("│"), "{text}");
    assert_untouched(&terminal);

    let context = stages(&env, 3, "echo be''gun");
    for keys in ["\x03", "\x03\x03"] {
        let mut terminal = Terminal::start(plainly(&env, &context), 24, 80);
        terminal.wait_until(|screen| screen.matches("│ begun").count() == 3);
        terminal.types(keys);
        assert_eq!(terminal.wait().code(), Some(130), "{}", terminal.seen());
        assert_eq!(settings, format!("{:?}", terminal.settings()));
        if keys.len() == 1 {
            let lines = terminal.lines();
            let text = lines.join("\n");
            assert_eq!(
                lines
                    .iter()
                    .filter(|line| line.starts_with("- halted [s"))
                    .count(),
                3,
                "{text}"
            );
            assert_eq!(
                lines.last().map(String::as_str),
                Some("error: interrupted"),
                "{text}"
            );
            assert!(!text.contains('│') && !text.contains("^C"), "{text}");
            assert_untouched(&terminal);
        }
    }
}

#[test]
fn what_the_surroundings_say_about_the_display() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[(
            "Dockerfile",
            "FROM busybox:local\nRUN sleep 0.3; echo prin''ted\n",
        )],
    );
    let on_terminal = |invocation: Invocation| {
        let mut terminal = Terminal::start(invocation.arg("--no-cache"), 24, 80);
        assert_eq!(terminal.wait().code(), Some(0), "{}", terminal.seen());
        terminal.seen()
    };
    let build = || plainly(&env, &context);
    let drawn = on_terminal(build());
    assert!(
        drawn.contains("\x1b[32m✔\x1b[0m") && drawn.contains("\x1b[?7l"),
        "{drawn:?}"
    );
    let drawn = on_terminal(build().env("NO_COLOR", "1"));
    assert!(
        drawn.contains("✔") && drawn.contains("\x1b[?7l") && !drawn.contains("\x1b[32m"),
        "{drawn:?}"
    );
    let drawn = on_terminal(build().env("BUILDKIT_COLORS", "run=1,2,3"));
    assert!(drawn.contains("\x1b[38;2;1;2;3m✔"), "{drawn:?}");
    let drawn = on_terminal(build().env("LC_ALL", "C"));
    assert!(drawn.contains("+\x1b[0m") && drawn.is_ascii(), "{drawn:?}");
    let is_plain = |text: &str| {
        text.contains("] FROM busybox:local") && text.contains("#2 0.") && !text.contains("\x1b[?7l")
    };
    for (name, value) in [
        ("TERM", "dumb"),
        ("RBUILD_PROGRESS", "plain"),
        ("BUILDKIT_PROGRESS", "plain"),
    ] {
        let drawn = on_terminal(build().env(name, value));
        assert!(is_plain(&drawn), "{name}: {drawn:?}");
    }
    // Ours goes first, the flag before both.
    let drawn = on_terminal(
        build()
            .env("RBUILD_PROGRESS", "tty")
            .env("BUILDKIT_PROGRESS", "plain"),
    );
    assert!(drawn.contains("\x1b[?7l"), "{drawn:?}");
    let drawn = on_terminal(
        build()
            .env("RBUILD_PROGRESS", "tty")
            .args(["--progress", "plain"]),
    );
    assert!(is_plain(&drawn), "{drawn:?}");

    // Progress is on standard error, so it is standard error that counts.
    let into = env.path("err");
    let script = format!("exec \"$@\" 2> '{}'", into.display());
    let command = build().into_command();
    let mut divided = env
        .tool("sh")
        .args(["-c", &script, "sh"])
        .arg(command.get_program());
    divided = divided.args(command.get_args());
    assert_eq!(on_terminal(divided), "");
    let written = fs::read_to_string(&into).unwrap();
    assert!(is_plain(&written) && !written.contains('\x1b'), "{written:?}");

    // Colour without a terminal.
    let piped = build()
        .arg("--no-cache")
        .env("CLICOLOR_FORCE", "1")
        .run()
        .success();
    assert!(
        is_plain(&piped.err()) && piped.err().contains("\x1b[32m✔"),
        "{piped}"
    );
    let piped = build().env("BUILDKIT_PROGRESS", "tyt").run().exits(125);
    piped
        .says("BUILDKIT_PROGRESS: unknown value `tyt`")
        .says("did you mean `tty`?");
}

#[test]
fn each_mode_in_a_pipe() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[
            (
                "Dockerfile",
                "FROM busybox:local\nRUN echo on''e; echo tw''o >&2; printf thr''ee\nCOPY f /f\n",
            ),
            ("f", ""),
        ],
    );
    let run = |args: &[&str]| plainly(&env, &context).arg("--no-cache").args(args).run();
    // The golden text, times and ids aside.
    let numbers = |text: &str| {
        let mut shown = String::new();
        for line in text.lines() {
            let words = line.split(' ').map(|word| {
                let bare = word.trim_end_matches("ms").trim_end_matches('s');
                let is_time =
                    bare.contains('.') && bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                match word {
                    _ if is_time => "T",
                    _ if word.starts_with("sha256:") => "ID",
                    _ => word,
                }
            });
            shown += &words.collect::<Vec<_>>().join(" ");
            shown.push('\n');
        }
        shown
    };
    let golden = "\
#1 [1/3] FROM busybox:local
#1 DONE T
#2 [2/3] RUN echo on''e; echo tw''o >&2; printf thr''ee
#2 not cached: the cache was turned off for it
#2 T one
#2 T two
#2 T three
#2 DONE T
#3 [3/3] COPY f /f
#3 not cached: the cache was turned off for it
#3 DONE T
✔ image ID
";
    for mode in ["plain", "auto"] {
        let outcome = run(&["--progress", mode]).success().prints("");
        let text = numbers(&outcome.err());
        // The two streams of a command are not ordered among each other.
        let text = text.replace("#2 T two\n#2 T one\n", "#2 T one\n#2 T two\n");
        assert!(text.starts_with(golden), "{mode}:\n{text}");
        assert_eq!(text.lines().count(), golden.lines().count() + 1, "{text}");
    }
    for mode in ["quiet", "none"] {
        let outcome = run(&["--progress", mode]).success();
        assert_eq!(
            (outcome.out().as_ref(), outcome.err().as_ref()),
            ("", ""),
            "{outcome}"
        );
    }
    let outcome = run(&["-q"]).success();
    assert!(outcome.err().is_empty() && outcome.out().len() == 71, "{outcome}");
    assert!(outcome.out().starts_with("sha256:"), "{outcome}");
    run(&["--progress", "tty"])
        .success()
        .says("warning: standard error is no terminal, so progress is plain");
    run(&["--progress", "tyt"]).exits(125).says("did you mean `tty`?");
}

#[test]
fn a_quiet_build_that_fails_shows_the_failing_step() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM busybox:local\nRUN echo qu''iet > /x\nRUN for i in $(seq 1 30); do echo line$i; done; exit 9\n")],
    );
    for args in [["-q"].as_slice(), &["--progress", "none"]] {
        let outcome = plainly(&env, &context).args(args).run().exits(1).prints("");
        let outcome = outcome
            .says("  | line11\n")
            .says("  | line30\n")
            .says("exit code: 9")
            .says("--> Dockerfile:3:1");
        outcome.never_says("line10\n").never_says("#2");
        // Where nobody can look at the log afterwards, all of it is shown.
        let outcome = plainly(&env, &context)
            .args(args)
            .env("CI", "true")
            .run()
            .exits(1);
        outcome.says("line1\n").says("line30\n");
    }
}

#[test]
fn lines_of_parallel_steps_are_whole_and_logs_complete() {
    let env = TestEnv::new();
    // Pieces of lines, from both streams of every step, as fast as they come.
    let loop_of = |stage: usize| {
        format!(
            "for i in $(seq 1 400); do printf 'stage{stage}-'; printf \"line$i-\"; echo end; printf 'err{stage}-' >&2; echo end >&2; done"
        )
    };
    let mut text = String::new();
    for stage in 0..4 {
        text += &format!(
            "FROM busybox:local AS s{stage}\nRUN {}; echo > /out\n",
            loop_of(stage)
        );
    }
    text += "FROM busybox:local\n";
    (0..4).for_each(|stage| text += &format!("COPY --from=s{stage} /out /{stage}\n"));
    let context = env.context("context", &[("Dockerfile", &text)]);
    let built = build(&env, &context, &["--jobs", "4"]);
    let err = built.outcome.err();
    for stage in 0..4 {
        let ends = |word: &str| {
            err.lines()
                .filter(|line| line.starts_with('#') && line.ends_with(word))
                .count()
        };
        assert_eq!(ends(&format!(" err{stage}-end")), 400);
        for line in [1, 200, 400] {
            assert_eq!(
                ends(&format!(" stage{stage}-line{line}-end")),
                1,
                "{stage} {line}"
            );
        }
    }
}

#[test]
fn fifty_megabytes_of_output_are_in_the_log() {
    let env = TestEnv::new();
    let line = "0123456789abcdef".repeat(4);
    let count = 50 * 1024 * 1024 / (line.len() + 1);
    let text = format!("FROM busybox:local\nRUN yes {line} | head -n {count}\n");
    let context = env.context("context", &[("Dockerfile", &text)]);
    building(&env, &context).arg("-q").run().success();
    let logs = env.store().join("logs/1");
    let files: Vec<PathBuf> = fs::read_dir(logs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [log] = files.as_slice() else {
        panic!("{files:?}")
    };
    assert_eq!(
        sha256(&fs::read(log).unwrap()),
        sha256(format!("{line}\n").repeat(count).as_bytes())
    );
}

/// Each event has the fields that docs/progress.md names, and no other.
#[test]
fn raw_json_is_what_the_documentation_says() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[
            (
                "Dockerfile",
                "FROM busybox:local\nRUN echo o''ut; printf '\\377\\n' >&2\nCOPY f /f\nRUN false\n",
            ),
            ("f", ""),
        ],
    );
    let events = |target: &str| -> Vec<Value> {
        fs::write(context.join("f"), target).unwrap();
        let text = fs::read_to_string(context.join("Dockerfile")).unwrap();
        fs::write(
            context.join("Dockerfile"),
            text.replace("RUN false\n", &format!("RUN {target}\n")),
        )
        .unwrap();
        let out = format!("type=oci,dest={}", env.path("out.tar").display());
        let outcome = plainly(&env, &context)
            .args(["--progress", "rawjson", "-o", &out])
            .run();
        let err = outcome.err();
        let lines = err.lines().take_while(|line| line.starts_with('{'));
        let events: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect();
        assert!(outcome.code() == 0 || err.contains("\nerror: step"), "{outcome}");
        assert_eq!(
            events.last().unwrap()["event"] == "finished",
            outcome.code() == 0,
            "{outcome}"
        );
        events
    };
    let all = [events("false"), events("true")].concat();
    let fields = |name: &str| -> &[&str] {
        match name {
            "steps" => &["steps"],
            "step" => &["step", "title", "line"],
            "started" | "resolved" | "cancelled" => &["at", "step"],
            "cached" => &["at", "step", "key"],
            "missed" => &["at", "step", "reason"],
            "log" => &["at", "step", "stream", "line"],
            "progress" => &["at", "step", "done", "total", "label"],
            "completed" => &["at", "step", "cost"],
            "failed" => &["at", "step", "message"],
            "finished" => &[
                "image", "tags", "size", "added", "outputs", "took", "cached", "total",
            ],
            _ => panic!("{name} is not documented"),
        }
    };
    let documentation =
        fs::read_to_string(crate::harness::base::checkout().join("docs/progress.md")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for event in &all {
        let object = event.as_object().unwrap();
        let name = event["event"].as_str().unwrap();
        seen.insert(name.to_owned());
        let mut keys: Vec<&str> = object
            .keys()
            .map(String::as_str)
            .filter(|key| *key != "event")
            .collect();
        let mut wanted = fields(name).to_vec();
        keys.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(keys, wanted, "{event}");
        for word in wanted.iter().chain([&name]) {
            let named = [format!("`{word}`"), format!("\"{word}\"")];
            assert!(
                named.iter().any(|named| documentation.contains(named)),
                "docs/progress.md does not name {word}"
            );
        }
    }
    let expected = [
        "cached",
        "completed",
        "failed",
        "finished",
        "log",
        "missed",
        "resolved",
        "started",
        "step",
        "steps",
    ];
    for name in expected {
        assert!(seen.contains(name), "no {name} in {seen:?}");
    }
    let log = |text: &str| all.iter().any(|event| event["line"] == text);
    assert!(log("out") && log("\u{fffd}"), "{all:#?}");
}

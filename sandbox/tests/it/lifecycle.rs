//! Start, end, signals, terminals, and what happens when the program dies.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Place, everybody, outcome, run_of};

#[test]
fn exit_codes_and_signals_come_back() {
    for who in everybody() {
        let place = Place::new(who);
        assert_eq!(place.run(&place.shell("exit 42")).code, Some(42));
        assert_eq!(place.run(&place.shell("exit 0")).code, Some(0));
        let long = place.spec(&["sleep", "1000"]);
        assert_eq!(
            place.run_with(&long, json!({ "signal": [9, 50] })).signal,
            Some(9)
        );
        // The first process of a pid namespace only gets signals that it handles.
        let handles =
            place.shell("trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        let ended = place.run_with(&handles, json!({ "signal": [15, 200] }));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "ready\ngot it\n"));
    }
}

#[test]
fn streams_are_connected_separately() {
    for who in everybody() {
        let place = Place::new(who);
        let spec = place.shell("cat; echo out; echo err >&2");
        let ended = place.run_with(&spec, json!({ "stdin": "typed\n" })).succeeded();
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            ("typed\nout\n", "err\n")
        );
    }
}

#[test]
fn what_is_left_behind_dies_and_the_streams_end() {
    for who in everybody() {
        let place = Place::new(who);
        let spec = place.shell("sleep 1000 & (trap '' TERM HUP; sleep 1000) & echo done");
        let begun = Instant::now();
        assert_eq!(place.run(&spec).succeeded().stdout, "done\n");
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the orphans were waited for"
        );
    }
}

#[test]
fn many_run_at_once() {
    for who in everybody() {
        let place = Place::new(who);
        let runs: Vec<Value> = (0..16)
            .map(|number| {
                run_of(
                    &place.shell(&format!("sleep 0.2; echo {number}; exit {number}")),
                    json!({}),
                )
            })
            .collect();
        let answer = place.task(&json!({ "AtOnce": runs }));
        for number in 0..16 {
            let ended = outcome(&answer[number]);
            assert_eq!(
                (ended.code, ended.stdout),
                (Some(number as i64), format!("{number}\n")),
                "{who:?}"
            );
        }
    }
}

#[test]
fn dropping_the_handle_kills() {
    for who in everybody() {
        let place = Place::new(who);
        let marker = place.make_directory("marker");
        std::fs::create_dir(place.path("base/mnt")).unwrap();
        place.give(&place.path("base"));
        let mut first = place.shell("sleep 0.5; echo x > /mnt/lived");
        first.mounts = vec![crate::mounts::bind(&marker, "/mnt", Default::default())];
        let second = place.spec(&["sleep", "1"]);
        let task = json!({ "DropThenRun": [run_of(&first, json!({})), run_of(&second, json!({}))] });
        assert_eq!(place.task(&task)[0]["code"], 0);
        assert!(!marker.join("lived").exists(), "{who:?}: it went on running");
    }
}

#[test]
fn everything_dies_with_the_program() {
    for who in everybody() {
        let place = Place::new(who);
        let token = format!("9{}", std::process::id());
        let mut spec = place.shell(&format!("trap '' TERM INT HUP; sleep {token} & sleep {token}"));
        spec.user.uid = 1000;
        let mut driver = place.start(&json!({ "Announce": run_of(&spec, json!({})) }));
        let mut line = String::new();
        BufReader::new(driver.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "started\n");
        wait_until(|| sleepers(&token) == 2, "the command did not start");
        driver.kill().unwrap();
        driver.wait().unwrap();
        wait_until(|| sleepers(&token) == 0, "the command outlived kill -9");
    }
}

fn sleepers(token: &str) -> usize {
    let wanted = format!("sleep\0{token}\0");
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| *line == wanted.as_bytes())
        .count()
}

fn wait_until(mut condition: impl FnMut() -> bool, otherwise: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "{otherwise}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_pty_is_a_terminal_with_job_control() {
    for who in everybody() {
        let place = Place::new(who);
        let script = "tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; \
                      (echo via > /dev/tty) && echo controlling; \
                      stat -c '%t:%T %u' /dev/console /dev/pts/0; cat";
        let mut spec = place.shell(script);
        spec.user.uid = 1000;
        spec.new_session = false;
        let ended = place
            .run_with(&spec, json!({ "pty": [30, 101], "stdin": "typed\n\u{4}" }))
            .succeeded();
        let text = ended.stdout.replace('\r', "");
        for expected in ["/dev/pts/0\n", "30 101\n", "all\n", "via\n", "controlling\n"] {
            assert!(text.contains(expected), "{who:?} lacks {expected:?}: {text:?}");
        }
        assert_eq!(text.matches("88:0 1000\n").count(), 2, "{text:?}");
        assert_eq!(
            text.matches("typed\n").count(),
            2,
            "the terminal's echo and the command's: {text:?}"
        );
        // Ctrl-C reaches the foreground process as a signal.
        let mut spec =
            place.shell("trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.05; done");
        spec.user.uid = 1000;
        let typed = json!({ "pty": [24, 80], "stdin": "\u{3}", "after": "ready" });
        assert_eq!(place.run_with(&spec, typed).code, Some(3), "{who:?}");
    }
}

#[test]
fn without_a_pty_there_is_no_terminal() {
    for who in everybody() {
        let place = Place::new(who);
        let spec = place.shell(
            "tty; (echo x > /dev/tty) 2>/dev/null && echo has one; [ -e /dev/console ] && echo console; true",
        );
        assert_eq!(place.run(&spec).succeeded().stdout, "not a tty\n");
    }
}

#[test]
fn the_zygote_keeps_nothing_of_the_program_open() {
    for who in everybody() {
        let place = Place::new(who);
        let run = run_of(&place.shell("true"), json!({}));
        let names = place.task(&json!({ "ZygoteDescriptors": run }));
        let mut names: Vec<&str> = names
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!(names[..3], ["/dev/null"; 3]);
        assert!(names[3].starts_with("socket:"));
    }
}

//! Commands in namespaces, but for that of processes: they see those around them, and cannot touch them.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::Duration;

use rbuild_sandbox::Confinement;
use serde_json::json;

use crate::support::{Place, Who, everybody, outcome, run_of};

fn place(who: Who) -> Place {
    Place::confined(who, Confinement::SharedProcesses)
}

fn count(token: &str) -> usize {
    let wanted = format!("sleep\0{token}\0");
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| *line == wanted.as_bytes())
        .count()
}

#[test]
fn processes_outside_are_seen_and_not_touched() {
    for who in everybody() {
        let place = place(who);
        let words = place.as_user(&["sleep", "1000"]);
        let mut victim = Command::new(&words[0]).args(&words[1..]).spawn().unwrap();
        let id = victim.id();
        let script = format!(
            "echo $$; readlink /proc/self/exe; cat /proc/{id}/cmdline; echo; kill -9 {id} 2>&1; cat /proc/{id}/environ 2>&1; \
             echo x > /proc/sys/kernel/hostname; stat -c %a /proc/sysrq-trigger; true"
        );
        let ended = place.run(&place.shell(&script)).succeeded();
        let text = ended.stdout.replace('\0', " ");
        assert!(text.contains("/bin/busybox\n"), "{who:?}: {text}");
        assert!(!text.starts_with("1\n"), "it has the numbers of the host: {text}");
        assert!(text.contains("not permitted"), "{who:?}: {text}");
        assert!(text.contains("ermission denied"), "{who:?}: {text}");
        assert!(
            ended.stderr.contains("Read-only file system"),
            "{who:?}: {ended:?}"
        );
        assert!(victim.try_wait().unwrap().is_none(), "{who:?}: it was killed");
        victim.kill().unwrap();
        victim.wait().unwrap();
    }
}

#[test]
fn all_that_it_started_is_dead_when_it_has_ended() {
    for who in everybody() {
        let place = place(who);
        let token = format!("6{}", std::process::id());
        let spec = place.shell(&format!(
            "trap '' HUP TERM; (sleep {token} & sleep {token} &) ; sleep {token} & sleep 0.1; echo done"
        ));
        assert_eq!(place.run(&spec).succeeded().stdout, "done\n", "{who:?}");
        assert_eq!(count(&token), 0, "{who:?}");
        let mut long = place.shell(&format!("trap '' TERM INT HUP; sleep {token} & sleep {token}"));
        long.user.uid = 1000;
        let mut driver = place.start(&json!({ "Announce": run_of(&long, json!({})) }));
        let mut line = String::new();
        BufReader::new(driver.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "started\n");
        driver.kill().unwrap();
        driver.wait().unwrap();
        let ends = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            count(&token) == 0
        });
        assert!(ends, "{who:?}: the command outlived kill -9");
    }
}

#[test]
fn many_run_at_once_and_a_terminal_is_its_own() {
    for who in everybody() {
        let place = place(who);
        let runs: Vec<_> = (0..8)
            .map(|number| run_of(&place.shell(&format!("sleep 0.1; exit {number}")), json!({})))
            .collect();
        let answer = place.task(&json!({ "AtOnce": runs }));
        for number in 0..8 {
            assert_eq!(outcome(&answer[number]).code, Some(number as i64));
        }
        let spec = place.shell("tty; stty size; cat");
        let more = json!({ "pty": [30, 101], "stdin": "typed\n\u{4}" });
        let text = place.run_with(&spec, more).succeeded().stdout;
        assert!(
            text.contains("/dev/pts/0") && text.contains("30 101"),
            "{who:?}: {text}"
        );
    }
}

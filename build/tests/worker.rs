//! Builds by a worker, for a program with threads. This program is its own worker, the command of its steps, and a caller
//! that is killed; so it has a `main` of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the example has a `main` as well")]

#[path = "../examples/embed.rs"]
mod embed;

use rbuild_build::observer::{BuildEvent, Observer, SharedObserver, Unobserved};
use rbuild_build::request::{ContextSource, Output};
use rbuild_build::worker::{FailureKind, WorkerError};
use rbuild_build::{Request, Stop, Worker};
use rbuild_sandbox::ExitStatus;
use rbuild_solver::{EventKind, Outcome};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Case = (&'static str, fn(&Worker));

const CASES: [Case; 6] = [
    ("the_example_builds_and_tells", the_example_builds_and_tells),
    ("failures_are_described", failures_are_described),
    ("of_two_builds_one_is_stopped", of_two_builds_one_is_stopped),
    (
        "a_build_is_stopped_before_its_first_step",
        a_build_is_stopped_before_its_first_step,
    ),
    (
        "a_caller_that_is_killed_takes_its_worker_along",
        a_caller_that_is_killed_takes_its_worker_along,
    ),
    ("what_a_worker_cannot_do_is_said", what_a_worker_cannot_do_is_said),
];

fn main() {
    let worker = Worker::become_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["step", what] => step(what),
        ["caller", place] => drop(embed::build(
            &worker,
            &request(Path::new(place), "RUN [\"/t\", \"step\", \"wait\"]\n"),
        )),
        _ => run_cases(&worker, &words),
    }
}

/// As a test runner expects it of a harness.
fn run_cases(worker: &Worker, words: &[&str]) {
    if words.contains(&"--list") {
        let listed = CASES.iter().filter(|_| !words.contains(&"--ignored"));
        listed.for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let mut names = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            // Each has a value, which is no name to run.
            "--test-threads" | "--skip" => _ = rest.next(),
            flag if flag.starts_with('-') => {}
            name => names.push(name),
        }
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|word| name.contains(word));
    // Somebody else's thread, all the time.
    std::thread::spawn(|| std::thread::sleep(Duration::MAX));
    for (name, case) in CASES.iter().filter(|(name, _)| wanted(name)) {
        eprintln!("{name}");
        case(worker);
    }
}

/// What the commands of steps do.
fn step(what: &str) {
    match what {
        "print" => println!("it ran"),
        "fail" => {
            println!("it fails");
            std::process::exit(3);
        }
        "wait" => {
            println!("it waits");
            std::thread::sleep(Duration::MAX);
        }
        other => panic!("{other}"),
    }
}

/// For an image with this program as `/t`.
fn request(place: &Path, steps: &str) -> Request {
    let context = place.join("context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::copy("/proc/self/exe", context.join("t")).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        format!("FROM scratch\nCOPY t /t\n{steps}"),
    )
    .unwrap();
    let mut request = Request::new(place.join("store"), ContextSource::Directory(context));
    request.environment = std::env::vars_os().collect();
    request
}

fn unobserved() -> SharedObserver {
    Arc::new(Unobserved)
}

fn the_example_builds_and_tells(worker: &Worker) {
    let place = tempfile::tempdir().unwrap();
    let mut request = request(place.path(), "RUN [\"/t\", \"step\", \"print\"]\n");
    let files = place.path().join("files");
    request.outputs.push(Output::Local {
        dest: files.clone(),
        split: None,
    });
    let first = embed::build(worker, &request).unwrap();
    assert!(
        first.starts_with("image sha256:") && first.contains("RUN [\"/t\", \"step\", \"print\"]: ran for "),
        "{first}"
    );
    assert!(files.join("t").is_file());
    let again = embed::build(worker, &request).unwrap();
    assert!(
        again.contains("RUN [\"/t\", \"step\", \"print\"]: cached"),
        "{again}"
    );
    assert_eq!(first.lines().next(), again.lines().next());
}

fn failures_are_described(worker: &Worker) {
    let place = tempfile::tempdir().unwrap();
    let failure = |steps: &str| match worker.build(&request(place.path(), steps), &unobserved()) {
        Err(WorkerError::Build(failure)) => *failure,
        other => panic!("{other:?}"),
    };
    let step = failure("RUN [\"/t\", \"step\", \"fail\"]\n");
    assert_eq!(step.kind, FailureKind::Step);
    let failed = step.step.unwrap();
    assert_eq!((failed.line, failed.status), (Some(3), Some(ExitStatus::Code(3))));
    assert_eq!(failed.tail, ["it fails"]);
    assert!(
        std::fs::read_to_string(failed.log.unwrap())
            .unwrap()
            .contains("it fails")
    );
    let syntax = failure("NOTHING of this sort\n");
    assert_eq!((syntax.kind, syntax.found[0].line), (FailureKind::Syntax, 3));
    assert!(syntax.found[0].message.contains("NOTHING"), "{syntax:?}");
    let lowering = failure("COPY --from=nowhere.invalid/none:9 /a /b\nUSER ${A:?no user}\n");
    assert_eq!(lowering.kind, FailureKind::Lowering, "{lowering:?}");
    let missing = failure("COPY nothing /d\n");
    assert!(missing.message.contains("`nothing`"), "{missing:?}");
}

/// Stops a build as soon as a command of it has printed.
struct StopsAtOutput(Stop, AtomicBool);

impl Observer for StopsAtOutput {
    fn event(&self, event: &BuildEvent<'_>) {
        if matches!(event, BuildEvent::Work(event) if matches!(event.kind, EventKind::Log { .. })) {
            self.1.store(true, Ordering::Relaxed);
            self.0.stop();
        }
    }
}

fn of_two_builds_one_is_stopped(worker: &Worker) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let waits = request(one.path(), "RUN [\"/t\", \"step\", \"wait\"]\n");
    let prints = request(two.path(), "RUN [\"/t\", \"step\", \"print\"]\n");
    std::thread::scope(|scope| {
        let other = scope.spawn(|| worker.build(&prints, &unobserved()));
        let stops = Arc::new(StopsAtOutput(waits.stop.clone(), AtomicBool::new(false)));
        let observer: SharedObserver = Arc::clone(&stops) as SharedObserver;
        let ended = worker.build(&waits, &observer);
        assert!(matches!(ended, Err(WorkerError::Stopped)), "{ended:?}");
        assert!(
            stops.1.load(Ordering::Relaxed),
            "it was stopped while its command ran"
        );
        let steps = other.join().unwrap().unwrap().steps;
        let last = steps.last().unwrap();
        assert!(matches!(last.outcome, Outcome::Ran { .. }), "{last:?}");
    });
}

fn a_build_is_stopped_before_its_first_step(worker: &Worker) {
    let place = tempfile::tempdir().unwrap();
    let request = request(place.path(), "RUN [\"/t\", \"step\", \"print\"]\n");
    request.stop.stop();
    let ended = worker.build(&request, &unobserved());
    assert!(matches!(ended, Err(WorkerError::Stopped)), "{ended:?}");
}

fn a_caller_that_is_killed_takes_its_worker_along(_: &Worker) {
    let place = tempfile::tempdir().unwrap();
    let mut caller = Command::new("/proc/self/exe")
        .args(["caller", place.path().to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(caller.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("it waits") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0);
    }
    caller.kill().unwrap();
    assert_eq!(caller.wait().unwrap().signal(), Some(9));
    // The worker and the zygote have the pipe of standard error too: it ends when they have.
    while std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0 {}
}

fn what_a_worker_cannot_do_is_said(worker: &Worker) {
    let place = tempfile::tempdir().unwrap();
    let mut request = request(place.path(), "");
    request.context = ContextSource::Stdin;
    let refused = worker.build(&request, &unobserved());
    assert!(matches!(refused, Err(WorkerError::StandardInput)), "{refused:?}");
}

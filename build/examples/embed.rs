//! A program that has threads already builds a Dockerfile: `cargo run -p rbuild-build --example embed -- CONTEXT STORE`.

use rbuild_build::observer::{BuildEvent, Observer, SharedObserver};
use rbuild_build::request::ContextSource;
use rbuild_build::worker::WorkerError;
use rbuild_build::{BuildResult, Request, Worker};
use rbuild_solver::{EventKind, Outcome};
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn main() -> ExitCode {
    // Before any thread: in the process that is to be the worker this does not return.
    let worker = Worker::become_if_asked();
    let arguments: Vec<String> = std::env::args().collect();
    let [_, context, store] = &arguments[..] else {
        eprintln!("usage: embed CONTEXT STORE");
        return ExitCode::FAILURE;
    };
    // What the program does besides building.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let mut request = Request::new(store.into(), ContextSource::Directory(context.into()));
        request.environment = std::env::vars_os().collect();
        let built = build(&worker, &request);
        done.store(true, Ordering::Relaxed);
        match built {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    })
}

/// Builds, and describes the result.
pub(crate) fn build(worker: &Worker, request: &Request) -> Result<String, WorkerError> {
    let observer: SharedObserver = Arc::new(Shown);
    let result = worker.build(request, &observer)?;
    Ok(described(&result))
}

/// Prints what commands print, and which step begins.
struct Shown;

impl Observer for Shown {
    fn event(&self, event: &BuildEvent<'_>) {
        match event {
            BuildEvent::Steps(steps) => steps.iter().for_each(|step| eprintln!("{}", step.title)),
            BuildEvent::Work(event) => {
                if let EventKind::Log { bytes, .. } = &event.kind {
                    eprint!("{}", String::from_utf8_lossy(bytes));
                }
            }
            _ => {}
        }
    }
}

fn described(result: &BuildResult) -> String {
    let mut text = format!("image {}, {} bytes\n", result.image.id, result.size);
    for material in &result.materials {
        let _ = writeln!(text, "made from {material:?}");
    }
    for step in &result.steps {
        let outcome = match &step.outcome {
            Outcome::Cached { .. } => "cached".to_owned(),
            Outcome::Ran { cost, reason, .. } => {
                let why = reason.as_ref().map(|reason| format!(", {reason}"));
                format!("ran for {cost:.1?}{}", why.unwrap_or_default())
            }
            other => format!("{other:?}"),
        };
        let _ = writeln!(text, "{}: {outcome}", step.title);
    }
    text
}

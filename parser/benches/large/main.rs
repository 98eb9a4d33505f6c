//! How long large Dockerfiles take: `cargo bench -p dockerfile-parser`. An argument is a part of the names that are
//! wanted. The aim: 10,000 ordinary lines are parsed within 10 ms, and nothing of 1 MB takes a second. Prints, and
//! fails nothing.

mod inputs;

use std::time::{Duration, Instant};

use dockerfile_parser::lint::{LintInput, check};
use dockerfile_parser::render::render_all;
use dockerfile_parser::{IgnoreFile, Parsed, parse};

const MEGABYTE: usize = 1_000_000;

fn main() {
    // `cargo bench` adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    println!(
        "{:>9}  {:>9} {:>9} {:>9}  input",
        "bytes", "parse", "check", "draw"
    );
    for (name, source) in inputs::ordinary().into_iter().filter(|(name, _)| is_wanted(name)) {
        row(name, &source, 20);
    }
    for (name, source) in inputs::hostile(MEGABYTE)
        .into_iter()
        .filter(|(name, _)| is_wanted(name))
    {
        row(name, &source, 1);
    }
    println!("\n{:>9}  {:>9} {:>9}  ignore file", "bytes", "parse", "decide");
    for (name, text) in inputs::ignore_files(MEGABYTE)
        .into_iter()
        .filter(|(name, _)| is_wanted(name))
    {
        let (parsing, ignore) = best_of(1, || IgnoreFile::parse(&text).unwrap_or_default());
        let paths: Vec<String> = inputs::paths().collect();
        let (deciding, _) = best_of(1, || {
            paths.iter().filter(|path| ignore.decide(path).excluded).count()
        });
        println!(
            "{:>9}  {:>9} {:>9}  {name}",
            text.len(),
            show(parsing),
            show(deciding)
        );
    }
}

fn show(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn row(name: &str, source: &str, runs: usize) {
    let (parsing, parsed) = best_of(runs, || parse(source));
    let Parsed {
        dockerfile,
        diagnostics,
    } = parsed;
    let (checking, found) = best_of(runs, || check(&dockerfile, &LintInput::default()));
    let diagnostics: Vec<_> = diagnostics.into_iter().chain(found).collect();
    let (drawing, _) = best_of(runs, || render_all("Dockerfile", source, &diagnostics));
    println!(
        "{:>9}  {:>9} {:>9} {:>9}  {name}",
        source.len(),
        show(parsing),
        show(checking),
        show(drawing)
    );
}

/// The shortest of several runs: everything else is noise of the machine.
fn best_of<T>(runs: usize, work: impl Fn() -> T) -> (Duration, T) {
    let once = || {
        let started = Instant::now();
        let made = work();
        (started.elapsed(), made)
    };
    let first = once();
    (1..runs)
        .map(|_| once())
        .fold(first, |best, next| if next.0 < best.0 { next } else { best })
}

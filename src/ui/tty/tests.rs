//! What stands on the terminal, by a terminal emulator in memory.

use super::super::canvas::emulator::Emulator;
use super::super::printer::Printer;
use super::*;
use rbuild_build::observer::{StepInfo, Work};
use rbuild_build::ops::StepId;
use rbuild_solver::CacheKey;

const LOOK: Style = Style {
    is_terminal: true,
    unicode: true,
    ..Style::PLAIN
};

/// A step by any number.
fn id(ordinal: usize) -> StepId {
    StepId {
        platform: Arc::new(dockerfile_parser::Platform::new("linux", "amd64", "")),
        stage: Some(0),
        ordinal,
    }
}

fn printer(term: &Emulator, style: Style) -> Printer {
    let steps = ["[1/3] FROM alpine", "[2/3] RUN make", "[3/3] COPY a b"]
        .iter()
        .enumerate();
    let steps = steps.map(|(index, title)| StepInfo {
        id: id(index),
        title: (*title).to_owned(),
        line: None,
        counted: true,
    });
    Printer::with_display(Some(Box::new(Tty::new(style, 3, term.clone()))), steps.collect())
}

fn event(step: usize, kind: EventKind) -> WorkEvent {
    WorkEvent {
        work: Work::Step(id(step)),
        at: Duration::ZERO,
        kind,
    }
}

fn cached(step: usize) -> WorkEvent {
    event(
        step,
        EventKind::Cached {
            key: CacheKey::from_bytes([0; 32]),
        },
    )
}

fn log(step: usize, text: &str) -> WorkEvent {
    event(
        step,
        EventKind::Log {
            stream: Stream::Out,
            bytes: text.as_bytes().to_vec(),
        },
    )
}

/// Waits for the ticker to draw what is looked for.
fn until(term: &Emulator, what: impl Fn(&str) -> bool) -> String {
    loop {
        let contents = term.contents();
        if what(&contents) {
            return contents;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_warm_build_draws_its_summary_only() {
    let term = Emulator::new(24, 80);
    let printer = printer(&term, LOOK);
    (0..3).for_each(|step| printer.event(&cached(step)));
    assert_eq!(term.contents(), "");
    printer.finish(&Summary {
        tags: vec!["app".to_owned()],
        took: Duration::from_millis(4),
        ..Summary::default()
    });
    assert_eq!(term.contents(), "✔ app\n  3/3 steps cached, 4 ms");
}

#[test]
fn running_steps_have_lines_and_finished_ones_scroll_up() {
    let term = Emulator::new(24, 71);
    let printer = printer(&term, LOOK);
    printer.event(&cached(0));
    printer.event(&event(1, EventKind::Started));
    printer.event(&event(2, EventKind::Started));
    printer.event(&log(1, "first\n\n\x1b[31mgcc -c a.c"));
    let moved = EventKind::Progress {
        done: 500_000,
        total: Some(1_000_000),
        label: "layer".to_owned(),
    };
    printer.event(&event(2, moved));
    let contents = until(&term, |contents| {
        contents.contains("gcc -c a.c") && contents.contains("1.0 MB")
    });
    let lines: Vec<&str> = contents.lines().collect();
    assert_eq!(lines[0], "= cached [1/3] FROM alpine");
    assert!(lines[1].ends_with("s [2/3] RUN make"), "{contents}");
    assert_eq!(lines[2..4], ["         │ first", "         │ gcc -c a.c"]);
    assert!(
        lines[4].contains(" [3/3] COPY a b │ layer ━━━━━━━━━━╸  ")
            && lines[4].ends_with(" 500.0 kB / 1.0 MB"),
        "{contents}"
    );
    assert!(lines[5].ends_with("s, 1 of 3 steps done"), "{contents}");
    assert_eq!(lines.len(), 6);

    printer.message("warning: careful\n");
    printer.event(&event(
        1,
        EventKind::Failed {
            message: "exit code: 2".to_owned(),
        },
    ));
    printer.event(&event(2, EventKind::Cancelled));
    printer.close();
    let contents = term.contents();
    let lines: Vec<&str> = contents.lines().collect();
    assert_eq!(lines[..2], ["= cached [1/3] FROM alpine", "warning: careful"]);
    assert!(
        lines[2].starts_with("✘ ") && lines[2].ends_with("s [2/3] RUN make"),
        "{contents}"
    );
    assert_eq!(lines[3], "- halted [3/3] COPY a b");
    assert_eq!(lines.len(), 4);
}

#[test]
fn closing_takes_running_lines_away_and_nothing_is_drawn_afterwards() {
    let term = Emulator::new(24, 60);
    let printer = printer(&term, LOOK);
    printer.event(&event(1, EventKind::Started));
    until(&term, |contents| contents.contains("RUN make"));
    printer.close();
    printer.event(&log(1, "late\n"));
    printer.event(&event(1, EventKind::Cancelled));
    assert_eq!((term.contents().as_str(), term.cursor()), ("", (0, 0)));
    term.echo("error: interrupted");
    printer.close();
    assert_eq!(
        term.contents(),
        "error: interrupted",
        "the error stands where the lines stood"
    );
}

#[test]
fn output_after_a_transfer_is_shown_in_its_place() {
    let term = Emulator::new(24, 70);
    let printer = printer(&term, LOOK);
    printer.event(&event(1, EventKind::Started));
    printer.event(&event(
        1,
        EventKind::Progress {
            done: 1,
            total: Some(2),
            label: "layer".to_owned(),
        },
    ));
    until(&term, |contents| contents.contains("1 B / 2 B"));
    printer.event(&log(1, "unpacking"));
    let contents = until(&term, |contents| contents.contains("unpacking"));
    assert!(
        contents.contains("s [2/3] RUN make\n         │ unpacking\n"),
        "{contents}"
    );
}

/// Every step that finishes leaves a line, whatever is drawn at the same time.
#[test]
fn no_finished_line_is_lost() {
    let term = Emulator::new(100, 60);
    let steps = (0..60).map(|index| StepInfo {
        id: id(index),
        title: format!("[{index}] RUN 👩‍👩‍👧 {}", "wide 日本 ".repeat(20)),
        line: None,
        counted: true,
    });
    let display = Tty::new(LOOK, 60, term.clone());
    let printer = Printer::with_display(Some(Box::new(display)), steps.collect());
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let printer = &printer;
            scope.spawn(move || {
                for index in (worker..60).step_by(6) {
                    printer.event(&event(index, EventKind::Started));
                    printer.event(&log(index, &"output 日本語\n".repeat(50)));
                    thread::sleep(Duration::from_millis(60));
                    printer.event(&event(index, EventKind::Completed { cost: TICK }));
                }
            });
        }
    });
    printer.close();
    let contents = term.contents();
    for index in 0..60 {
        let finished = |line: &&str| line.starts_with('✔') && line.contains(&format!("[{index}] RUN"));
        assert_eq!(
            contents.lines().filter(finished).count(),
            1,
            "{index}: {contents}"
        );
    }
    assert_eq!(contents.lines().count(), 60, "{contents}");
}

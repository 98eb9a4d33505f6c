//! What stands on the terminal, by a terminal emulator in memory.

use super::super::printer::{Printer, StepInfo};
use super::*;
use indicatif::InMemoryTerm;
use rbuild_solver::{CacheKey, VertexId};

const LOOK: Look = Look {
    is_terminal: true,
    color: false,
    unicode: true,
};

fn printer(term: &InMemoryTerm, look: Look) -> Printer {
    let steps = ["[1/3] FROM alpine", "[2/3] RUN make", "[3/3] COPY a b"]
        .iter()
        .enumerate();
    let steps = steps.map(|(index, title)| StepInfo {
        vertex: VertexId::from_index(index),
        title: (*title).to_owned(),
        line: None,
    });
    Printer::with_display(Some(Box::new(Tty::new(look, term.clone()))), steps.collect())
}

fn event(vertex: usize, kind: EventKind) -> Event {
    Event {
        vertex: VertexId::from_index(vertex),
        at: Duration::ZERO,
        kind,
    }
}

fn cached(vertex: usize) -> Event {
    event(
        vertex,
        EventKind::Cached {
            key: CacheKey::from_bytes([0; 32]),
        },
    )
}

fn log(vertex: usize, text: &str) -> Event {
    event(
        vertex,
        EventKind::Log {
            stream: Stream::Out,
            bytes: text.as_bytes().to_vec(),
        },
    )
}

/// Waits for the ticker to draw what is looked for.
fn until(term: &InMemoryTerm, what: impl Fn(&str) -> bool) -> String {
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
    let term = InMemoryTerm::new(24, 80);
    let printer = printer(&term, LOOK);
    (0..3).for_each(|vertex| printer.event(&cached(vertex)));
    assert_eq!(term.contents(), "");
    printer.finish(&Summary {
        tags: vec!["app".to_owned()],
        took: Duration::from_millis(4),
        ..Summary::default()
    });
    assert_eq!(term.contents(), "✔ app\n  3/3 steps cached, 4 ms");
}

#[test]
fn running_steps_have_a_line_and_finished_ones_scroll_up() {
    let term = InMemoryTerm::new(24, 70);
    let printer = printer(&term, LOOK);
    printer.event(&cached(0));
    printer.event(&event(1, EventKind::Started));
    printer.event(&event(2, EventKind::Started));
    printer.event(&log(1, "first\n\x1b[31mgcc -c a.c"));
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
    assert!(lines[1].ends_with("s [2/3] RUN make │ gcc -c a.c"), "{contents}");
    assert!(
        lines[2].contains(" [3/3] COPY a b ━") && lines[2].ends_with(" 500.0 kB / 1.0 MB"),
        "{contents}"
    );
    assert!(lines[2].contains("━━━━━━━━━━╸  "), "{contents}");
    assert_eq!(lines.len(), 3);

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
    assert_eq!(lines[1], "warning: careful");
    assert!(
        lines[2].starts_with("✘ ") && lines[2].ends_with("s [2/3] RUN make"),
        "{contents}"
    );
    assert_eq!(lines[3], "- halted [3/3] COPY a b");
    assert_eq!(lines.len(), 4);
}

#[test]
fn closing_takes_running_lines_away_and_nothing_is_drawn_afterwards() {
    let term = InMemoryTerm::new(24, 60);
    let printer = printer(&term, LOOK);
    printer.event(&event(1, EventKind::Started));
    until(&term, |contents| contents.contains("RUN make"));
    printer.close();
    printer.event(&log(1, "late\n"));
    printer.event(&event(1, EventKind::Cancelled));
    assert_eq!(term.contents(), "");
    term.write_line("error: interrupted").unwrap();
    printer.close();
    assert_eq!(
        term.contents(),
        "error: interrupted",
        "the error stands where the lines stood"
    );
}

#[test]
fn lines_fit_the_width() {
    let title = "[build 12/40] RUN apt-get update && apt-get install -y --no-install-recommends python3";
    for unicode in [true, false] {
        let look = Look { unicode, ..LOOK };
        for width in [20, 40, 79, 200] {
            let took = Duration::from_millis(3200);
            for output in [
                "",
                "short",
                "Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB] 日本語日本語日本語",
            ] {
                let line = running_line(&look, took, title, output, width);
                assert!(measure_text_width(&line) <= width, "{width}: {line}");
                assert!(unicode || line.is_ascii() || output.contains('日'), "{line}");
            }
            let line = finished_line(&look, Sign::Done, "3.2s", title, width);
            assert!(measure_text_width(&line) <= width, "{width}: {line}");
        }
    }
    assert_eq!(
        running_line(
            &LOOK,
            Duration::from_millis(3200),
            title,
            "Get:1 http://deb.debian.org",
            79
        ),
        "  3.2s [build 12/40] RUN apt-get update && apt-g… │ Get:1 http://deb.debian.org"
    );
}

#[test]
fn a_bar_is_always_as_wide() {
    for (done, total, filled) in [
        (0, 100, 0),
        (50, 100, 10),
        (99, 100, 19),
        (100, 100, 20),
        (7, 5, 20),
        (0, 0, 0),
    ] {
        let bar = transfer_bar(&LOOK, done, total);
        assert_eq!(measure_text_width(&bar), BAR, "{done}/{total}");
        assert_eq!(bar.matches('━').count(), filled, "{done}/{total}");
    }
    assert_eq!(
        transfer_bar(
            &Look {
                unicode: false,
                ..LOOK
            },
            u64::MAX / 2,
            u64::MAX
        ),
        "=========>          "
    );
}

#[test]
fn output_after_a_transfer_is_shown_in_its_place() {
    let term = InMemoryTerm::new(24, 70);
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
    assert!(contents.ends_with("s [2/3] RUN make │ unpacking"), "{contents}");
}

#[test]
fn what_ctrl_c_echoes_does_not_leave_a_line_behind() {
    let term = InMemoryTerm::new(24, 40);
    let display = Tty::new(LOOK, term.clone());
    let steps = [
        "[1/3] RUN one",
        "[2/3] RUN a line that is as long as the terminal is wide",
    ];
    let steps = steps.iter().enumerate().map(|(index, title)| StepInfo {
        vertex: VertexId::from_index(index),
        title: (*title).to_owned(),
        line: None,
    });
    let printer = Printer::with_display(Some(Box::new(display)), steps.collect());
    (0..2).for_each(|vertex| printer.event(&event(vertex, EventKind::Started)));
    until(&term, |contents| {
        contents.contains("RUN one") && contents.contains("[2/3]")
    });
    term.write_str("^C").unwrap();
    (0..2).for_each(|vertex| printer.event(&event(vertex, EventKind::Cancelled)));
    printer.close();
    let contents = term.contents();
    assert_eq!(contents.lines().count(), 2, "{contents}");
    assert!(
        contents.lines().all(|line| line.starts_with("- halted [")),
        "{contents}"
    );
}

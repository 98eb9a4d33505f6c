//! Plain and JSON progress, byte for byte.

use super::*;
use rbuild_build::ops::StepId;
use rbuild_solver::{CacheKey, MissReason, Preimage};
use std::io;

/// What was written, and in how many pieces.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.0.lock().unwrap().push(bytes.to_vec());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().concat()).unwrap()
    }
}

/// A step by any number.
fn id(ordinal: usize) -> StepId {
    StepId {
        platform: Arc::new(dockerfile_parser::Platform::new("linux", "amd64", "")),
        stage: Some(0),
        ordinal,
    }
}

fn steps() -> Vec<StepInfo> {
    [
        "[base 1/1] FROM alpine",
        "[build 1/2] RUN <<EOF\nmake\nEOF",
        "[build 2/2] COPY a b",
    ]
    .iter()
    .enumerate()
    .map(|(index, title)| StepInfo {
        id: id(index * 10),
        title: (*title).to_owned(),
        line: Some(index + 1),
        counted: true,
    })
    .collect()
}

fn event(step: usize, milliseconds: u64, kind: EventKind) -> WorkEvent {
    WorkEvent {
        work: Work::Step(id(step)),
        at: Duration::from_millis(milliseconds),
        kind,
    }
}

fn log(step: usize, milliseconds: u64, stream: Stream, text: &str) -> WorkEvent {
    event(
        step,
        milliseconds,
        EventKind::Log {
            stream,
            bytes: text.as_bytes().to_vec(),
        },
    )
}

fn key() -> CacheKey {
    Preimage::new("test", 1).key()
}

fn show(mode: ProgressMode, events: &[WorkEvent]) -> (String, Printer) {
    let sink = Sink::default();
    let printer = Printer::new(mode, steps(), Box::new(sink.clone()), Style::PLAIN);
    events.iter().for_each(|event| printer.event(event));
    printer.close();
    (sink.text(), printer)
}

#[test]
fn plain_shows_each_step_with_its_number() {
    let changed = MissReason::FieldChanged {
        field: "argv".to_owned(),
        old: Some("make".to_owned()),
        new: Some("make all".to_owned()),
    };
    let (text, printer) = show(
        ProgressMode::Plain,
        &[
            event(0, 1, EventKind::Cached { key: key() }),
            event(10, 100, EventKind::Started),
            event(20, 100, EventKind::Started),
            event(10, 101, EventKind::Missed(changed)),
            event(20, 101, EventKind::Missed(MissReason::FirstTime)),
            log(10, 223, Stream::Out, "one\ntw"),
            log(20, 230, Stream::Err, "other\r\n"),
            log(10, 240, Stream::Err, "warning: \x1b[31mred\x1b[0m\n"),
            log(10, 250, Stream::Out, "o\n\n10%\r99%\rno newline"),
            event(20, 300, EventKind::Waiting),
            event(
                20,
                1300,
                EventKind::Completed {
                    cost: Duration::from_millis(1200),
                },
            ),
            event(
                10,
                400,
                EventKind::Failed {
                    message: "exit code: 2".to_owned(),
                },
            ),
        ],
    );
    assert_eq!(
        text,
        "\
#1 [base 1/1] FROM alpine
#1 CACHED
#2 [build 1/2] RUN <<EOF make EOF
#3 [build 2/2] COPY a b
#2 not cached: `argv` changed from `make` to `make all`
#2 0.123 one
#3 0.130 other
#2 0.140 warning: red
#2 0.150 two
#2 0.150
#3 waiting for another build that runs this step
#3 DONE 1.2s
#2 0.300 no newline
#2 ERROR: exit code: 2
"
    );
    assert_eq!(printer.counts(), Counts { cached: 1, total: 2 });
    assert_eq!(
        printer.tail(&Work::Step(id(10))),
        ["one", "warning: red", "two", "", "no newline"]
    );
}

#[test]
fn plain_never_writes_a_piece_of_a_line_and_writes_a_warm_build_at_once() {
    let sink = Sink::default();
    let printer = Printer::new(ProgressMode::Auto, steps(), Box::new(sink.clone()), Style::PLAIN);
    for step in [0, 10, 20] {
        printer.event(&event(step, 1, EventKind::Cached { key: key() }));
    }
    assert_eq!(sink.0.lock().unwrap().len(), 0, "nothing while it is warm");
    printer.finish(&Summary {
        tags: vec!["app".to_owned()],
        took: Duration::from_millis(4),
        ..Summary::default()
    });
    assert_eq!(sink.0.lock().unwrap().len(), 1);
    assert!(
        sink.text()
            .ends_with("#3 CACHED\n+ app\n  3/3 steps cached, 4 ms\n"),
        "{}",
        sink.text()
    );

    let sink = Sink::default();
    let printer = Printer::new(ProgressMode::Plain, steps(), Box::new(sink.clone()), Style::PLAIN);
    std::thread::scope(|scope| {
        for step in [0, 10, 20] {
            let printer = &printer;
            scope.spawn(move || {
                printer.event(&event(step, 0, EventKind::Started));
                (0..200).for_each(|_| printer.event(&log(step, 1, Stream::Out, "ab\ncd")));
                printer.event(&event(step, 2, EventKind::Cancelled));
            });
        }
    });
    let pieces = sink.0.lock().unwrap();
    assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
    assert_eq!(
        pieces
            .concat()
            .split(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b" cdab"))
            .count(),
        3 * 199
    );
}

#[test]
fn plain_tells_of_transfers_now_and_then_and_of_their_end() {
    let moved = |at: u64, done: u64| {
        event(
            0,
            at,
            EventKind::Progress {
                done,
                total: Some(2_000_000),
                label: "sha256:ab".to_owned(),
            },
        )
    };
    let (text, _) = show(
        ProgressMode::Plain,
        &[
            event(0, 0, EventKind::Started),
            moved(10, 0),
            moved(500, 500_000),
            moved(2500, 1_000_000),
            moved(2600, 1_500_000),
            moved(2650, 2_000_000),
        ],
    );
    assert_eq!(
        text,
        "\
#1 [base 1/1] FROM alpine
#1 0.010 sha256:ab 0 B / 2.0 MB
#1 2.500 sha256:ab 1.0 MB / 2.0 MB
#1 2.650 sha256:ab 2.0 MB / 2.0 MB
"
    );
}

#[test]
fn quiet_shows_nothing_and_still_knows_the_last_lines() {
    let sink = Sink::default();
    let printer = Printer::new(ProgressMode::Quiet, steps(), Box::new(sink.clone()), Style::PLAIN);
    printer.event(&event(0, 0, EventKind::Started));
    printer.event(&log(0, 0, Stream::Err, "cannot\nstop"));
    printer.message("a warning");
    printer.event(&event(
        0,
        1,
        EventKind::Failed {
            message: "exit code: 1".to_owned(),
        },
    ));
    printer.finish(&Summary::default());
    assert_eq!(sink.text(), "");
    assert_eq!(printer.tail(&Work::Step(id(0))), ["cannot", "stop"]);
}

#[test]
fn raw_json_is_one_object_per_line() {
    let sink = Sink::default();
    let printer = Printer::new(
        ProgressMode::RawJson,
        steps(),
        Box::new(sink.clone()),
        Style::PLAIN,
    );
    printer.event(&event(10, 1500, EventKind::Started));
    printer.event(&log(10, 1600, Stream::Err, "a \x1b[1mb\nrest"));
    printer.event(&event(
        10,
        1700,
        EventKind::Completed {
            cost: Duration::from_millis(200),
        },
    ));
    printer.message("note");
    printer.finish(&Summary {
        image: Some("sha256:ab".to_owned()),
        ..Summary::default()
    });
    assert_eq!(
        sink.text(),
        r#"{"event":"steps","steps":[{"step":1,"title":"[base 1/1] FROM alpine","line":1},{"step":2,"title":"[build 1/2] RUN <<EOF\nmake\nEOF","line":2},{"step":3,"title":"[build 2/2] COPY a b","line":3}]}
{"at":1.5,"step":2,"event":"started"}
{"at":1.6,"step":2,"event":"log","stream":"stderr","line":"a \u001b[1mb"}
{"at":1.7,"step":2,"event":"log","stream":"stderr","line":"rest"}
{"at":1.7,"step":2,"event":"completed","cost":0.2}
{"event":"message","text":"note"}
{"event":"finished","image":"sha256:ab","tags":[],"size":null,"added":null,"outputs":[],"took":0.0,"cached":0,"total":1}
"#
    );
}

#[test]
fn vertices_that_are_no_step_are_not_shown() {
    let (text, printer) = show(
        ProgressMode::Plain,
        &[
            event(77, 0, EventKind::Started),
            log(77, 0, Stream::Out, "secret machinery\n"),
        ],
    );
    assert_eq!(text, "");
    assert!(printer.tail(&Work::Step(id(77))).is_empty());
}

#[test]
fn a_forced_terminal_that_is_none_is_said() {
    let (text, _) = show(ProgressMode::Tty, &[event(0, 0, EventKind::Started)]);
    assert_eq!(
        text,
        "warning: standard error is no terminal, so progress is plain\n#1 [base 1/1] FROM alpine\n"
    );
}

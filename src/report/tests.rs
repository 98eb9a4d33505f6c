use super::*;

const DOCKERFILE: &str = "\
FROM alpine:3.20 AS build
WORKDIR /src
COPY . .
RUN make \\
    CFLAGS=-O2 \\
    all

COPY --from=biuld /src/app /app
RUN <<EOF
one
two
three
four
five
six
seven
EOF
";

fn source() -> Source<'static> {
    Source {
        name: "Dockerfile",
        text: DOCKERFILE,
    }
}

fn span(of: &str) -> Range<usize> {
    let start = DOCKERFILE.find(of).unwrap();
    start..start + of.len()
}

#[test]
fn a_diagnostic_shows_both_places() {
    let drawn = diagnostic(
        source(),
        &Diagnostic {
            severity: Severity::Error,
            message: "no stage or image is named `biuld`",
            primary: Label {
                span: span("biuld"),
                text: "not found",
            },
            secondary: &[Label {
                span: span("build"),
                text: "a stage with a similar name",
            }],
            help: &["did you mean `build`?".to_owned()],
        },
        &Style::PLAIN,
    );
    assert_eq!(
        drawn,
        "\
error: no stage or image is named `biuld`
 --> Dockerfile:8:13
  |
1 | FROM alpine:3.20 AS build
  |                     ----- a stage with a similar name
...
8 | COPY --from=biuld /src/app /app
  |             ^^^^^ not found
  |
help: did you mean `build`?
"
    );
}

#[test]
fn a_failed_step_shows_its_output_its_lines_and_its_log() {
    let tail = [
        "cc -O2 -c main.c".to_owned(),
        String::new(),
        // What would set colours and the title of a terminal is taken out.
        "\x1b[31mmake: *** [all]\x1b]0;title\x07 Error 1".to_owned(),
    ];
    let drawn = step_failure(
        &StepFailure {
            title: "[build 3/3] RUN make     CFLAGS=-O2     all",
            ended: Ended::Code(2),
            place: Some((source(), span("RUN make \\\n    CFLAGS=-O2 \\\n    all"))),
            took: Some(Duration::from_millis(1234)),
            output: Output::Tail(&tail),
            log: Some(Path::new("/var/lib/rbuild/builds/7/logs/3")),
            help: &[],
        },
        &Style::PLAIN,
    );
    assert_eq!(
        drawn,
        "\
last 3 lines of step `[build 3/3] RUN make     CFLAGS=-O2     all`:
  | cc -O2 -c main.c
  |
  | make: *** [all] Error 1
error: step `[build 3/3] RUN make     CFLAGS=-O2     all` failed after 1.2s: exit code: 2
 --> Dockerfile:4:1
  |
4 | RUN make \\
  | ^^^^^^^^^^ exit code: 2
5 |     CFLAGS=-O2 \\
6 |     all
  |
full log: /var/lib/rbuild/builds/7/logs/3
"
    );
}

#[test]
fn a_long_script_is_cut_and_in_ci_the_whole_log_is_shown() {
    let script = &DOCKERFILE[span("RUN <<EOF").start..];
    let drawn = step_failure(
        &StepFailure {
            title: "[2/2] RUN <<EOF",
            ended: Ended::Signal(9),
            place: Some((source(), span(script))),
            took: None,
            output: Output::Whole(b"all\n\x1b[31mof\x1b[0m it\n"),
            log: None,
            help: &["ask again".to_owned()],
        },
        &Style::PLAIN,
    );
    assert_eq!(
        drawn,
        "\
output of step `[2/2] RUN <<EOF`:
  | all
  | of it
error: step `[2/2] RUN <<EOF` failed: killed by SIGKILL
  --> Dockerfile:9:1
   |
 9 | RUN <<EOF
   | ^^^^^^^^^ killed by SIGKILL
10 | one
11 | two
12 | three
13 | four
14 | five
...
   |
help: SIGKILL is what the kernel sends when memory runs out; fewer jobs may help
help: ask again
"
    );
}

#[test]
fn carets_stand_below_what_they_mean() {
    let draw = |text: &str, part: &str| {
        let start = text.find(part).unwrap();
        let label = Label {
            span: start..start + part.len(),
            text: "",
        };
        let drawn = excerpt::draw(Source { name: "D", text }, &label, &[], &Style::PLAIN);
        let lines: Vec<String> = drawn.lines().map(str::to_owned).collect();
        (lines[2].clone(), lines[3].clone())
    };
    assert_eq!(
        draw("RUN\tx y", "y"),
        ("1 | RUN    x y".to_owned(), "  |          ^".to_owned())
    );
    assert_eq!(
        draw("RUN 日本 y", "y"),
        ("1 | RUN 日本 y".to_owned(), "  |          ^".to_owned())
    );
    assert_eq!(
        draw("RUN 日本 y", "日本"),
        ("1 | RUN 日本 y".to_owned(), "  |     ^^^^".to_owned())
    );
    assert_eq!(
        draw("RUN \x1b[2J y\r\n", "y"),
        ("1 | RUN \u{fffd}[2J y".to_owned(), "  |          ^".to_owned())
    );
    let long = format!("RUN {} here {}", "a".repeat(300), "b".repeat(300));
    let (line, carets) = draw(&long, "here");
    assert_eq!(line.find("here").unwrap(), carets.find("^^^^").unwrap());
    assert!(line.chars().count() < 180 && line.ends_with("..."), "{line}");
}

#[test]
fn places_outside_of_the_text_are_its_end() {
    let cases = [
        ("", 0..0),
        ("", 5..9),
        ("RUN x", 5..5),
        ("RUN x\n", 6..6),
        ("RUN é", 5..6),
    ];
    for (text, span) in cases.into_iter().chain([("a\nb", Range { start: 2, end: 1 })]) {
        let label = Label {
            span: span.clone(),
            text: "here",
        };
        let drawn = excerpt::draw(Source { name: "D", text }, &label, &[], &Style::PLAIN);
        assert!(drawn.contains("^ here\n"), "{text:?} {span:?}\n{drawn}");
    }
    let label = Label {
        span: 5..5,
        text: "more is expected",
    };
    assert_eq!(
        excerpt::draw(
            Source {
                name: "D",
                text: "RUN x"
            },
            &label,
            &[],
            &Style::PLAIN
        ),
        " --> D:1:6\n  |\n1 | RUN x\n  |      ^ more is expected\n  |\n"
    );
}

#[test]
fn ways_to_end_have_words() {
    for (ended, words) in [
        (Ended::Code(1), "exit code: 1"),
        (Ended::Code(127), "exit code: 127"),
        (Ended::Code(128), "exit code: 128"),
        (Ended::Code(139), "exit code: 139 (SIGSEGV)"),
        (Ended::Code(255), "exit code: 255"),
        (Ended::Code(-1), "exit code: -1"),
        (Ended::Code(i32::MIN), "exit code: -2147483648"),
        (Ended::Signal(15), "killed by SIGTERM"),
        (Ended::Signal(40), "killed by signal 40"),
        (Ended::Signal(0), "killed by signal 0"),
        (
            Ended::Error("`/nope` is not in the context".to_owned()),
            "`/nope` is not in the context",
        ),
    ] {
        assert_eq!(ended.to_string(), words);
    }
    assert!(Ended::Code(127).help().is_some() && Ended::Code(2).help().is_none());
}

#[test]
fn colour_changes_nothing_but_colour() {
    let failure = StepFailure {
        title: "[1/1] RUN x",
        ended: Ended::Code(1),
        place: Some((source(), span("COPY . ."))),
        took: None,
        output: Output::Tail(&[]),
        log: None,
        help: &[],
    };
    let plain = step_failure(&failure, &Style::PLAIN);
    let coloured = step_failure(
        &failure,
        &Style {
            color: true,
            ..Style::PLAIN
        },
    );
    assert_ne!(plain, coloured);
    assert_eq!(console::strip_ansi_codes(&coloured), plain);
}

#[test]
fn ci_is_what_says_so() {
    let with = |value: Option<&str>| is_ci(|_| value.map(str::to_owned));
    assert!(with(Some("true")) && with(Some("1")) && with(Some("woodpecker")));
    assert!(!with(None) && !with(Some("")) && !with(Some("0")) && !with(Some("false")));
}

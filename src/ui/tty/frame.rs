//! The lines for what runs, as many as fit: a step with the last lines it printed below it, and the build at the end.
//!
//! ```text
//! ⠹   3.2s [build 2/5] RUN make
//!          │ gcc -c a.c
//!          │ gcc -c b.c
//! ⠹   1.0s [docs 2/3] COPY . . ━━━━━━╸              1.2 MB / 4.0 MB
//!   4.1s, 3 of 9 steps done
//! ```

use super::super::amount::{bytes, duration};
use super::super::canvas::Size;
use super::super::lines::{Tail, clean};
use super::super::style::{Paint, Sign, Style};
use super::TICK;
use console::{measure_text_width, truncate_str};
use std::time::{Duration, Instant};

/// A step that is over sooner gets no line while it runs.
const WORTH_A_LINE: Duration = Duration::from_millis(50);
/// So many of the last lines of a step are shown at most.
pub(super) const WINDOW: usize = 6;
/// Cells of a bar of bytes.
const BAR: usize = 20;
/// Sign and time, before a title.
const MARGIN: usize = 9;
/// Narrower than that nothing is readable, and the terminal cuts.
const NARROWEST: usize = 20;

/// A step that runs.
pub(super) struct Running {
    pub(super) title: String,
    pub(super) since: Instant,
    /// The last whole lines of output.
    pub(super) output: Tail,
    /// What follows them and has no end yet, raw.
    pub(super) partial: Vec<u8>,
    /// Bytes done and in all, and what they are; in place of output.
    pub(super) transfer: Option<(u64, Option<u64>, String)>,
}

impl Running {
    /// What is shown of its output, oldest line first.
    fn window(&self) -> Vec<String> {
        if self.transfer.is_some() {
            return Vec::new();
        }
        let mut lines = self.output.lines();
        lines.push(clean(&self.partial));
        let shown = lines
            .iter()
            .map(|line| line.replace('\t', " ").trim_end().to_owned())
            .filter(|line| !line.is_empty());
        let shown: Vec<String> = shown.collect();
        shown[shown.len().saturating_sub(WINDOW)..].to_vec()
    }
}

/// The lines. `last` is the one about the whole build.
pub(super) fn frame<'a>(
    style: &Style,
    running: impl Iterator<Item = &'a Running>,
    now: Instant,
    last: &str,
    Size { rows, columns }: Size,
) -> Vec<String> {
    let width = columns.max(NARROWEST);
    let took = |step: &Running| now.saturating_duration_since(step.since);
    let steps: Vec<&Running> = running.filter(|step| took(step) >= WORTH_A_LINE).collect();
    if steps.is_empty() {
        return Vec::new();
    }
    // A row for the build; above it some of what is finished stays in sight.
    let room = rows.saturating_sub(1).max(1);
    let some = if steps.len() <= room {
        steps.len()
    } else {
        room.saturating_sub(1)
    };
    let mut windows: Vec<Vec<String>> = steps[..some].iter().map(|step| step.window()).collect();
    let heights = share(
        &windows.iter().map(Vec::len).collect::<Vec<_>>(),
        (rows * 3 / 4)
            .min(room)
            .saturating_sub(some + usize::from(some < steps.len())),
    );
    let mut lines = Vec::new();
    for ((step, window), height) in steps.iter().zip(&mut windows).zip(heights) {
        let output = window.split_off(window.len() - height);
        // Without a line of its own the last one stands behind the title.
        let beside = window.last().filter(|_| height == 0).map_or("", String::as_str);
        lines.push(head(style, took(step), step, beside, width));
        lines.extend(output.iter().map(|line| below(style, line, width)));
    }
    if some < steps.len() {
        let more = format!("{:MARGIN$}and {} more", "", steps.len() - some);
        lines.push(style.paint(Paint::Faint, &more));
    }
    lines.push(style.paint(Paint::Faint, &cut(style, &format!("  {last}"), width)));
    lines
}

/// How many lines each gets of the room that there is: one each in turn, as long as it has more.
fn share(wanted: &[usize], mut room: usize) -> Vec<usize> {
    let mut given = vec![0; wanted.len()];
    for level in 1..=WINDOW {
        for (given, wanted) in given.iter_mut().zip(wanted) {
            if *wanted >= level && room > 0 {
                *given += 1;
                room -= 1;
            }
        }
    }
    given
}

/// `⠹   3.2s [build 2/5] RUN make`, with output or a bar behind it.
fn head(style: &Style, took: Duration, step: &Running, beside: &str, width: usize) -> String {
    let frames = style.spinner();
    let frame = frames[(took.as_millis() / TICK.as_millis()) as usize % frames.len()];
    let line = |beside: &str, width: usize| running_line(style, took, &step.title, beside, width);
    let width = width - 2;
    let line = match &step.transfer {
        Some((done, Some(total), label)) => {
            let bar = style.meter(*done, *total, BAR);
            let amounts = format!(" {bar} {} / {}", bytes(*done), bytes(*total));
            let room = width.saturating_sub(measure_text_width(&amounts));
            // What is moved is shown where the whole title leaves room for it.
            let fits = 7 + measure_text_width(&step.title) + 3 + measure_text_width(label) <= room;
            line(if fits { label } else { "" }, room) + &amounts
        }
        Some((done, None, label)) => line(&format!("{label} {}", bytes(*done)), width),
        None => line(beside, width),
    };
    format!("{frame} {line}")
}

/// `  3.2s [build 2/5] RUN make │ gcc -c main.c`, in so many columns. The title gets what it needs up to half of the
/// room, and all that the output leaves.
fn running_line(style: &Style, took: Duration, title: &str, output: &str, width: usize) -> String {
    let time = format!("{:>6} ", duration(took));
    let room = width.saturating_sub(time.len());
    let needed = measure_text_width(output) + 3;
    let title_room = if output.is_empty() {
        room
    } else {
        room.saturating_sub(needed).max(room / 2)
    };
    let title = cut(style, title, title_room);
    let left = room.saturating_sub(measure_text_width(&title) + 3);
    let mut line = format!("{time}{}", style.paint(Paint::Strong, &title));
    if !output.is_empty() && left > 3 {
        let output = format!(" {} {}", style.rule(), cut(style, output, left));
        line += &style.paint(Paint::Faint, &output);
    }
    line
}

/// `         │ gcc -c main.c`
fn below(style: &Style, output: &str, width: usize) -> String {
    let line = format!("{:MARGIN$}{} {output}", "", style.rule());
    style.paint(Paint::Faint, &cut(style, &line, width))
}

/// `✔   3.2s [build 2/5] RUN make`
pub(super) fn finished_line(style: &Style, sign: Sign, word: &str, title: &str, columns: usize) -> String {
    let title = cut(style, title, columns.max(NARROWEST).saturating_sub(MARGIN));
    let rest = format!("{word:>6} {title}");
    let rest = match sign {
        Sign::Cached => style.paint(Paint::Faint, &rest),
        Sign::Stopped => style.paint(Paint::Stopped, &rest),
        _ => rest,
    };
    format!("{} {rest}", style.sign(sign))
}

fn cut(style: &Style, text: &str, width: usize) -> String {
    truncate_str(text, width, style.dots()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Style = Style {
        is_terminal: true,
        unicode: true,
        ..Style::PLAIN
    };

    fn running(title: &str, since: Instant, output: &[&str]) -> Running {
        let mut tail = Tail::keeping(WINDOW);
        output.iter().for_each(|line| tail.push(line.as_bytes()));
        Running {
            title: title.to_owned(),
            since,
            output: tail,
            partial: Vec::new(),
            transfer: None,
        }
    }

    fn shown(steps: &[Running], took: u64, rows: usize, columns: usize) -> Vec<String> {
        let now = steps[0].since + Duration::from_millis(took);
        frame(&LOOK, steps.iter(), now, "last", Size { rows, columns })
    }

    #[test]
    fn output_stands_below_its_step_as_long_as_there_is_room() {
        let since = Instant::now();
        let output: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
        let output: Vec<&str> = output.iter().map(String::as_str).collect();
        let one = [running("RUN make", since, &output)];
        assert!(shown(&one, 10, 24, 80).is_empty(), "too soon");
        assert_eq!(
            shown(&one, 3200, 24, 80),
            [
                "⠋   3.2s RUN make",
                "         │ line 14",
                "         │ line 15",
                "         │ line 16",
                "         │ line 17",
                "         │ line 18",
                "         │ line 19",
                "  last",
            ]
        );
        let steps: Vec<Running> = (0..4).map(|_| running("RUN make", since, &output)).collect();
        assert_eq!(
            shown(&steps, 3200, 24, 80).len(),
            18 + 1,
            "three quarters of the rows"
        );
        assert_eq!(
            shown(&steps, 3200, 5, 80),
            [["⠋   3.2s RUN make │ line 19"; 4].as_slice(), &["  last"]].concat()
        );
        assert_eq!(
            shown(&steps, 3200, 4, 80),
            [
                "⠋   3.2s RUN make │ line 19",
                "⠋   3.2s RUN make │ line 19",
                "         and 2 more",
                "  last",
            ]
        );
        for rows in 0..40 {
            for count in 1..=steps.len() {
                let lines = shown(&steps[..count], 3200, rows, 80).len();
                assert!(
                    lines <= rows.max(2),
                    "{count} steps in {rows} rows: {lines} lines"
                );
            }
        }
    }

    #[test]
    fn room_is_shared_line_by_line() {
        assert_eq!(share(&[6, 0, 2, 6], 9), [4, 0, 2, 3]);
        assert_eq!(share(&[6, 6], 100), [6, 6]);
        assert_eq!(share(&[3, 3], 0), [0, 0]);
    }

    #[test]
    fn lines_fit_the_width() {
        let title = "[build 12/40] RUN apt-get update && apt-get install -y --no-install-recommends python3";
        for unicode in [true, false] {
            let style = Style { unicode, ..LOOK };
            for width in [20, 40, 79, 200] {
                let took = Duration::from_millis(3200);
                for output in [
                    "",
                    "short",
                    "Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB] 日本語日本語日本語",
                ] {
                    for line in [
                        running_line(&style, took, title, output, width),
                        below(&style, output, width),
                        finished_line(&style, Sign::Done, "3.2s", title, width),
                    ] {
                        assert!(measure_text_width(&line) <= width, "{width}: {line}");
                        assert!(unicode || line.is_ascii() || output.contains('日'), "{line}");
                    }
                }
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
}

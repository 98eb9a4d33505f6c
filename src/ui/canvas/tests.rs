//! What stands on the terminal, by a terminal emulator in memory.

use super::emulator::Emulator;
use super::*;

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn canvas(rows: u16, columns: u16) -> (Emulator, Canvas) {
    let terminal = Emulator::new(rows, columns);
    (terminal.clone(), Canvas::new(terminal))
}

#[test]
fn lines_take_the_place_of_the_last_ones_and_text_scrolls_above() {
    let (terminal, mut canvas) = canvas(6, 20);
    terminal.echo("$ rbuild\n");
    canvas.draw(&lines(&["one", "a longer line", "three"]));
    assert_eq!(terminal.contents(), "$ rbuild\none\na longer line\nthree");
    canvas.draw(&lines(&["1", "2"]));
    assert_eq!(terminal.contents(), "$ rbuild\n1\n2");
    assert_eq!(terminal.cursor(), (3, 0));
    canvas.print("done", &lines(&["3"]));
    assert_eq!(terminal.contents(), "$ rbuild\ndone\n3");
    // Longer than a row, and the screen is too small for all.
    canvas.print(&"x".repeat(45), &lines(&["4", "5"]));
    // The emulator gives rows that wrapped as one line.
    assert_eq!(terminal.contents(), format!("{}\n4\n5", "x".repeat(45)));
    canvas.clear();
    assert!(terminal.contents().ends_with("xxxxx"), "{}", terminal.contents());
    let writes = terminal.writes();
    canvas.clear();
    drop(canvas);
    assert_eq!(
        terminal.writes(),
        writes,
        "there is nothing to take away any more"
    );
}

#[test]
fn what_is_typed_goes_with_the_next_drawing() {
    let (terminal, mut canvas) = canvas(10, 20);
    canvas.draw(&lines(&["one", "two"]));
    terminal.echo("^C");
    canvas.draw(&lines(&["one", "two"]));
    assert_eq!(terminal.contents(), "one\ntwo");
    terminal.echo("^C");
    canvas.clear();
    assert_eq!((terminal.contents().as_str(), terminal.cursor()), ("", (0, 0)));
}

/// Terminals disagree on the width of some characters; one that draws more than was counted must not wrap. Text that
/// scrolls does.
#[test]
fn a_line_that_is_too_long_is_cut_and_never_wraps() {
    let (terminal, mut canvas) = canvas(10, 20);
    canvas.print(&"z".repeat(30), &lines(&["one", "two"]));
    let written = terminal.last_write();
    let (text, drawn) = written
        .split_once(NO_WRAP)
        .expect("lines are drawn without wrapping");
    assert_eq!(text, format!("{}\n", "z".repeat(30)));
    let drawn = drawn.strip_suffix(WRAP).expect("wrapping is turned on again");
    assert_eq!(
        drawn,
        format!("one{REST_OF_LINE}\ntwo{REST_OF_LINE}\n{REST_OF_SCREEN}")
    );
}

#[test]
fn a_window_of_another_size_keeps_what_is_above() {
    let (terminal, mut canvas) = canvas(10, 40);
    terminal.echo("$ rbuild\n");
    canvas.draw(&lines(&["one", "two"]));
    terminal.resize(10, 80);
    canvas.draw(&lines(&["one", "two", "three"]));
    assert_eq!(terminal.contents(), "$ rbuild\none\ntwo\nthree");
    terminal.resize(10, 20);
    canvas.draw(&lines(&["one", "two"]));
    assert_eq!(terminal.contents(), "$ rbuild\none\ntwo");
    // Others have written: nothing of theirs is drawn over.
    terminal.echo("$ fg\n");
    canvas.forget();
    canvas.draw(&lines(&["one"]));
    canvas.draw(&lines(&["1"]));
    assert_eq!(terminal.contents(), "$ rbuild\none\ntwo\n$ fg\n1");
}

#[test]
fn a_line_that_was_wrapped_by_a_narrower_window_is_taken_away_whole() {
    struct Sized(Emulator, Size);
    impl Screen for Sized {
        fn size(&self) -> Option<Size> {
            Some(self.1)
        }
        fn write(&mut self, text: &str) -> io::Result<()> {
            self.0.write(text)
        }
    }
    // The emulator does not wrap anew: what is looked at is how far the cursor goes up.
    let terminal = Emulator::new(10, 40);
    let size = Size {
        rows: 10,
        columns: 40,
    };
    let mut canvas = Canvas::new(Sized(terminal.clone(), size));
    canvas.draw(&[format!("{:40}", "one"), "two".to_owned()]);
    assert_eq!(canvas.home(), "\r\x1b[2A");
    canvas.screen = Box::new(Sized(terminal, Size { columns: 15, ..size }));
    assert_eq!(canvas.home(), "\r\x1b[4A");
}

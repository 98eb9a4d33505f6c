//! [`Canvas`]: lines at the bottom of a terminal that are drawn again and again, below what scrolls up.
//!
//! Each drawing is one write over the last one, which is not blanked before, so that nothing flickers. The cursor rests
//! in the first column below the lines: what a terminal echoes, such as `^C`, lands there and goes with the next drawing.
//! The cursor is never hidden and no mode outlives a write, so that whatever ends the program leaves a terminal that
//! works.

use crate::standard_error::StandardError;
use console::measure_text_width;
use rustix::termios::tcgetwinsize;
use std::io::{self, Write};

/// What a terminal is taken for that does not know its size.
const UNKNOWN: Size = Size {
    rows: 24,
    columns: 80,
};

/// Cut lines at the right edge in place of wrapping them: how wide a terminal draws some characters is its own affair.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
/// Erases from the cursor to the end of the line, of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";

/// A size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its height.
    pub rows: usize,
    /// Its width.
    pub columns: usize,
}

/// What is drawn on.
pub trait Screen: Send {
    /// Its size now; `None` where that is not known.
    fn size(&self) -> Option<Size>;
    /// Writes all of it at once.
    ///
    /// # Errors
    /// The terminal has gone away.
    fn write(&mut self, text: &str) -> io::Result<()>;
}

impl Screen for StandardError {
    fn size(&self) -> Option<Size> {
        let size = tcgetwinsize(io::stderr()).ok()?;
        Some(Size {
            rows: size.ws_row.into(),
            columns: size.ws_col.into(),
        })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.write_all(text.as_bytes())
    }
}

/// Lines at the bottom of a terminal.
pub struct Canvas {
    screen: Box<dyn Screen>,
    /// How wide each line is that is drawn.
    drawn: Vec<usize>,
}

impl Canvas {
    /// Draws nothing yet.
    pub fn new(screen: impl Screen + 'static) -> Self {
        Self {
            screen: Box::new(screen),
            drawn: Vec::new(),
        }
    }

    /// How much room there is for lines now. The last column stays free: to erase what follows a line that ends there
    /// would erase its last character.
    pub fn room(&self) -> Size {
        let Size { rows, columns } = self.size();
        Size {
            rows: rows - 1,
            columns: columns - 1,
        }
    }

    fn size(&self) -> Size {
        let known = |size: &Size| size.rows > 1 && size.columns > 1;
        self.screen.size().filter(known).unwrap_or(UNKNOWN)
    }

    /// Puts these lines in place of the ones that are drawn.
    pub fn draw(&mut self, lines: &[String]) {
        let mut out = self.home();
        self.add(&mut out, lines);
        self.write(&out);
    }

    /// Lets text scroll up above these lines, which take the place of the ones that are drawn.
    pub fn print(&mut self, text: &str, lines: &[String]) {
        let mut out = self.home();
        if !self.drawn.is_empty() {
            // The text may wrap, so that its lines cannot be cleared one by one.
            out += REST_OF_SCREEN;
        }
        for line in text.lines() {
            out += line;
            out.push('\n');
        }
        self.add(&mut out, lines);
        self.write(&out);
    }

    /// Takes the lines away. What is printed next stands where they stood.
    pub fn clear(&mut self) {
        if !self.drawn.is_empty() {
            self.draw(&[]);
        }
    }

    /// Leaves the lines where they are and begins anew below them: others have written to the terminal meanwhile.
    pub fn forget(&mut self) {
        self.drawn.clear();
    }

    /// Moves to where the lines begin.
    fn home(&self) -> String {
        if self.drawn.is_empty() {
            return String::new();
        }
        let Size { rows, columns } = self.size();
        // A window that became narrower has wrapped them.
        let up: usize = self
            .drawn
            .iter()
            .map(|width| width.div_ceil(columns).max(1))
            .sum();
        match up.min(rows - 1) {
            0 => "\r".to_owned(),
            up => format!("\r\x1b[{up}A"),
        }
    }

    fn add(&mut self, out: &mut String, lines: &[String]) {
        let columns = self.size().columns;
        if lines.is_empty() && self.drawn.is_empty() {
            return;
        }
        out.push_str(NO_WRAP);
        for line in lines {
            out.push_str(line);
            out.push_str(REST_OF_LINE);
            out.push('\n');
        }
        out.push_str(REST_OF_SCREEN);
        out.push_str(WRAP);
        self.drawn = lines
            .iter()
            .map(|line| measure_text_width(line).min(columns))
            .collect();
    }

    fn write(&mut self, text: &str) {
        if !text.is_empty() {
            // A terminal that went away must not end the build.
            let _ = self.screen.write(text);
        }
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
pub(super) mod emulator;
#[cfg(test)]
mod tests;

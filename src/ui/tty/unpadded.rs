//! [`Unpadded`]: a terminal on which the cursor stays where a line ends.

use indicatif::TermLike;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a terminal echoes for Ctrl-C, `^C`, and the column behind it, at which some terminals wrap.
const MARGIN: u16 = 3;

/// indicatif ends a line by filling it up with blanks and lets the next one wrap. With the cursor at the right edge,
/// the `^C` that a terminal echoes wraps too, and a line too few is taken away. So the blanks are left out here, and the
/// line is ended when another one begins.
#[derive(Debug, Clone)]
pub(super) struct Unpadded<T> {
    term: T,
    /// The cursor is behind a line that is not ended yet.
    is_behind: Arc<AtomicBool>,
}

impl<T: TermLike> Unpadded<T> {
    pub(super) fn new(term: T) -> Self {
        Self {
            term,
            is_behind: Arc::default(),
        }
    }

    fn moved(&self) {
        self.is_behind.store(false, Ordering::Relaxed);
    }

    /// Ends a line that is not ended yet.
    pub(super) fn end_line(&self) -> io::Result<()> {
        if self.is_behind.swap(false, Ordering::Relaxed) {
            self.term.write_line("")?;
        }
        Ok(())
    }
}

impl<T: TermLike> TermLike for Unpadded<T> {
    fn width(&self) -> u16 {
        self.term.width().saturating_sub(MARGIN)
    }

    fn height(&self) -> u16 {
        self.term.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        // By none is no movement: what comes is on the next line.
        if n > 0 {
            self.moved();
        }
        self.term.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n > 0 {
            self.moved();
        }
        self.term.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_left(n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.end_line()?;
        self.term.write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.bytes().all(|byte| byte == b' ') {
            self.is_behind.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if text == "\r" {
            self.moved();
        } else {
            self.end_line()?;
        }
        self.term.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.moved();
        self.term.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.term.flush()
    }
}

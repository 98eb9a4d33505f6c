//! A terminal in memory, for tests.

use super::{Screen, Size};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Clone)]
pub(crate) struct Emulator(Arc<Mutex<State>>);

struct State {
    terminal: vt100::Parser,
    writes: Vec<String>,
}

impl Emulator {
    pub(crate) fn new(rows: u16, columns: u16) -> Self {
        Self(Arc::new(Mutex::new(State {
            terminal: vt100::Parser::new(rows, columns, 1000),
            writes: Vec::new(),
        })))
    }

    /// What is to be seen, without blanks at the ends.
    pub(crate) fn contents(&self) -> String {
        self.state().terminal.screen().contents()
    }

    /// Row and column.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.state().terminal.screen().cursor_position()
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.state().terminal.screen_mut().set_size(rows, columns);
    }

    /// What others put on the terminal.
    pub(crate) fn echo(&self, text: &str) {
        self.state().feed(text);
    }

    /// How often it was written to.
    pub(crate) fn writes(&self) -> usize {
        self.state().writes.len()
    }

    pub(crate) fn last_write(&self) -> String {
        self.state().writes.last().cloned().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// As a terminal's line discipline hands it on.
    fn feed(&mut self, text: &str) {
        self.terminal.process(text.replace('\n', "\r\n").as_bytes());
    }
}

impl Screen for Emulator {
    fn size(&self) -> Option<Size> {
        let (rows, columns) = self.state().terminal.screen().size();
        Some(Size {
            rows: rows.into(),
            columns: columns.into(),
        })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        state.writes.push(text.to_owned());
        state.feed(text);
        Ok(())
    }
}

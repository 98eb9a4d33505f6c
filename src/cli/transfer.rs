//! How far a pull or push is: a bar on a terminal, a line before and after elsewhere.

use super::streams::{note, stderr_look};
use crate::pipeline::registry_notice;
use crate::pull::{Puller, RegistrySettings};
use crate::ui::canvas::{Canvas, StandardError};
use crate::ui::{Look, amount};
use rbuild_registry::Cancel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two drawings.
const TICK: Duration = Duration::from_millis(80);
/// Cells of the bar.
const CELLS: usize = 24;

/// What a transfer shows.
pub struct Transfer {
    /// What is drawn on, and when it last was.
    bar: Option<Mutex<(Canvas, Instant)>>,
    look: Look,
    quiet: bool,
    what: String,
    started: Instant,
}

impl Transfer {
    /// Begins to show `what` (`pulling app:1`). `quiet` shows nothing.
    #[must_use]
    pub fn begin(what: String, quiet: bool) -> Self {
        let look = stderr_look();
        let started = Instant::now();
        let bar = (look.is_terminal && !quiet).then(|| {
            let mut canvas = Canvas::new(StandardError);
            canvas.draw(std::slice::from_ref(&what));
            Mutex::new((canvas, started))
        });
        if bar.is_none() && !quiet {
            note(&what);
        }
        Self {
            bar,
            look,
            quiet,
            what,
            started,
        }
    }

    /// Shows how far it is; called from any thread.
    pub fn at(&self, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        let (canvas, drawn) = &mut *bar.lock().unwrap_or_else(PoisonError::into_inner);
        if done < total && drawn.elapsed() < TICK {
            return;
        }
        *drawn = Instant::now();
        canvas.draw(&[format!(
            "{} {} {} / {}",
            self.what,
            self.look.meter(done, total, CELLS),
            amount::bytes(done),
            amount::bytes(total)
        )]);
    }

    /// Takes the bar away, and says what was done, how much and in which time.
    pub fn end(self, what: &str, bytes: u64) {
        drop(self.bar);
        if !self.quiet {
            note(&format!(
                "{what} ({} in {})",
                amount::bytes(bytes),
                amount::duration(self.started.elapsed())
            ));
        }
    }
}

/// A client for registries as the flags say; what it has to tell goes to standard error.
#[must_use]
pub fn puller(settings: RegistrySettings) -> Puller {
    Puller::new(settings, Cancel::new(), Arc::new(registry_notice))
}

//! How far a pull or push is: a bar on a terminal, a line before and after elsewhere.

use super::streams::{note, stderr_look};
use crate::pipeline::registry_notice;
use crate::pull::{Puller, RegistrySettings};
use crate::ui::{Look, Paint, amount};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rbuild_registry::Cancel;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Drawings per second.
const HERTZ: u8 = 12;
/// Cells of the bar.
const CELLS: usize = 24;

/// What a transfer shows.
pub struct Transfer {
    bar: Option<ProgressBar>,
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
        let bar = (look.is_terminal && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(HERTZ));
            bar.set_style(
                ProgressStyle::with_template("{wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_message(what.clone());
            bar
        });
        if bar.is_none() && !quiet {
            note(&what);
        }
        Self {
            bar,
            look,
            quiet,
            what,
            started: Instant::now(),
        }
    }

    /// Shows how far it is; called from any thread.
    pub fn at(&self, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        let (full, head) = self.look.bar();
        let cells = usize::try_from(u128::from(done.min(total)) * CELLS as u128 / u128::from(total.max(1)))
            .unwrap_or(CELLS);
        let head = if cells < CELLS { head } else { "" };
        let drawn = self
            .look
            .paint(Paint::Good, &format!("{}{head}", full.repeat(cells)));
        let rest = " ".repeat(CELLS - cells - head.chars().count());
        bar.set_message(format!(
            "{} {drawn}{rest} {} / {}",
            self.what,
            amount::bytes(done),
            amount::bytes(total)
        ));
    }

    /// Takes the bar away, and says what was done, how much and in which time.
    pub fn end(self, what: &str, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
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
pub fn puller(insecure: &[String], authfile: Option<PathBuf>) -> Puller {
    let settings = RegistrySettings {
        insecure: insecure.to_vec(),
        authfile,
    };
    Puller::new(settings, Cancel::new(), Arc::new(registry_notice))
}

//! How far a pull or push is: a bar on a terminal, a line before and after elsewhere. indicatif stays in this file: a
//! build shows the output of many steps, which is more than bars.

use super::streams::{note, stderr_style};
use crate::environment::environment;
use crate::progress::registry_notice;
use crate::ui::{Style, amount};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};
use rbuild_build::registries::Registries;
use rbuild_build::request::RegistrySettings;
use rbuild_store::Store;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

/// Drawings per second.
const HERTZ: u8 = 12;

/// What a transfer shows.
pub struct Transfer {
    bar: Option<ProgressBar>,
    quiet: bool,
    started: Instant,
}

impl Transfer {
    /// Begins to show `what` (`pulling app:1`). `quiet` shows nothing.
    #[must_use]
    pub fn begin(what: String, quiet: bool) -> Self {
        let style = stderr_style();
        let bar = (style.is_terminal && !quiet).then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(HERTZ);
            ProgressBar::with_draw_target(None, target)
                .with_style(waiting())
                .with_message(what.clone())
                .with_finish(ProgressFinish::AndClear)
        });
        if let Some(bar) = &bar {
            bar.tick();
        } else if !quiet {
            note(&what);
        }
        Self {
            bar,
            quiet,
            started: Instant::now(),
        }
    }

    /// Shows how far it is; called from any thread.
    pub fn at(&self, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        if bar.length() != Some(total) {
            bar.set_style(moving(&stderr_style()));
            bar.set_length(total);
        }
        bar.set_position(done);
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

/// While nothing is known of an amount.
fn waiting() -> ProgressStyle {
    bar_style("{wide_msg}")
}

/// `pulling app:1 ━━━━━━╸          12 MB / 31 MB, 3s left`
fn moving(style: &Style) -> ProgressStyle {
    let (template, chars) = match (style.color, style.unicode) {
        (true, true) => ("{msg} {bar:24.green} {amount}", "━╸ "),
        (false, true) => ("{msg} {bar:24} {amount}", "━╸ "),
        (true, false) => ("{msg} {bar:24.green} {amount}", "=> "),
        (false, false) => ("{msg} {bar:24} {amount}", "=> "),
    };
    bar_style(template).progress_chars(chars).with_key(
        "amount",
        |state: &ProgressState, text: &mut dyn Write| {
            let (done, total) = (state.pos(), state.len().unwrap_or_default());
            // What it writes to is a string.
            let _ = write!(text, "{} / {}", amount::bytes(done), amount::bytes(total));
            if done < total {
                let _ = write!(text, ", {} left", amount::duration(state.eta()));
            }
        },
    )
}

fn bar_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A client for registries as the flags say; what it has to tell goes to standard error.
#[must_use]
pub fn registries(settings: RegistrySettings) -> Registries {
    Registries::new(settings, environment(), Arc::new(registry_notice))
}

/// Ends transfers and what they read and write of the store.
pub fn stopper(registries: &Registries, store: &Store) -> impl Fn() + Send + 'static {
    let (transfers, files) = (registries.stopper(), store.stop().clone());
    move || {
        transfers();
        files.stop();
    }
}

//! [`Progress`]: shows on standard error what a build tells.

use crate::cli::streams::note;
use crate::interrupt::{self, Watch};
use crate::report::{findings, weaker};
use crate::standard_error::StandardError;
use crate::ui::{Printer, ProgressMode, Style, Summary};
use rbuild_build::observer::{BuildEvent, Observer, StepInfo};
use rbuild_build::result::{StepReport, Written};
use rbuild_build::{BuildResult, Stop};
use rbuild_registry::Event;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Shows one build.
pub struct Progress {
    mode: ProgressMode,
    style: Style,
    /// There is one as soon as the steps are known.
    printer: OnceLock<Arc<Printer>>,
    /// Waits for signals from before a context is fetched until the namespace is entered.
    early: Mutex<Option<Watch>>,
}

impl Progress {
    /// Shows nothing yet.
    #[must_use]
    pub fn new(mode: ProgressMode, style: Style) -> Self {
        Self {
            mode,
            style,
            printer: OnceLock::new(),
            early: Mutex::new(None),
        }
    }

    /// Says what was built, and leaves the terminal as it was.
    pub fn finish(&self, result: &BuildResult) {
        if let Some(printer) = self.printer.get() {
            printer.finish(&summary(result));
        }
    }

    /// Leaves the terminal as it was.
    pub fn close(&self) {
        if let Some(printer) = self.printer.get() {
            printer.close();
        }
    }

    fn begin(&self, steps: &[StepInfo]) {
        let output = Box::new(StandardError::default());
        let printer = Printer::new(self.mode, steps.to_vec(), output, self.style);
        let printer = Arc::new(printer);
        printer.close_on_panic();
        let _ = self.printer.set(printer);
    }

    /// A line between those of the steps; before there are any, on standard error.
    fn message(&self, text: &str) {
        match self.printer.get() {
            Some(printer) => printer.message(text),
            None => note(text),
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &BuildEvent<'_>) {
        match event {
            BuildEvent::Registry(event) => {
                if let Some(text) = words(event) {
                    self.message(&text);
                }
            }
            BuildEvent::ForeignFrontend { image, file } => note(&format!(
                "warning: BUILDKIT_SYNTAX: the frontend `{image}` is not used: {file} is read as a Dockerfile"
            )),
            BuildEvent::Steps(steps) => self.begin(steps),
            BuildEvent::Warnings { file, found } => {
                let shown = findings::Shown::of(file);
                let drawn = findings::draw_each(found, |found| findings::draw(found, &shown, &self.style));
                self.message(drawn.trim_end());
            }
            BuildEvent::UnusedArguments(names) => self.message(&format!(
                "warning: build arguments that nothing uses: {}",
                names.join(", ")
            )),
            BuildEvent::Work(event) => {
                if let Some(printer) = self.printer.get() {
                    printer.event(event);
                }
            }
            BuildEvent::Task { number, title } => {
                if let Some(printer) = self.printer.get() {
                    printer.task(*number, title);
                }
            }
            BuildEvent::CacheFailed { cache, error } => self.message(&format!(
                "warning: the cache {cache} is not what it should be, the build goes on without: {error}"
            )),
            BuildEvent::WeakerSandbox(choice) => self.message(&weaker::line(choice)),
            BuildEvent::DevicesLeftOut(paths) => self.message(&format!(
                "warning: device files are left out: {}",
                paths.join(", ")
            )),
            BuildEvent::SetIdDropped(dest, paths) => self.message(&format!(
                "warning: other users may enter `{}`, so these are set-id no more: {}; `chmod 700` before keeps them",
                dest.display(),
                paths.join(", ")
            )),
        }
    }

    fn before_fetch(&self, stop: &Stop) -> std::io::Result<()> {
        let watch = watch(stop)?;
        *self.early.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
        Ok(())
    }

    fn before_namespace(&self) {
        let early = self.early.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watch) = early {
            watch.end();
        }
    }

    fn before_first_step(&self, stop: &Stop) -> std::io::Result<()> {
        watch(stop).map(|_| ())
    }
}

fn watch(stop: &Stop) -> std::io::Result<Watch> {
    let stop = stop.clone();
    interrupt::watch(move || stop.stop())
}

/// What the last lines say.
fn summary(result: &BuildResult) -> Summary {
    let mut summary = Summary {
        image: Some(result.image.id.to_string()),
        size: Some(result.size),
        took: result.took,
        memory: memory_peak(&result.steps),
        ..Summary::default()
    };
    if result.images.len() > 1 {
        let line = |(platform, id): &(_, _)| format!("{platform} {id}");
        summary.outputs.extend(result.images.iter().map(line));
    }
    for written in &result.written {
        match written {
            Written::Named(name) => summary.tags.push(name.familiar()),
            Written::Pushed(name, digest) => {
                let line = format!("{} (pushed, {digest})", name.familiar());
                summary.outputs.push(line);
            }
            Written::Exported(kind, dest) => summary.outputs.push(format!("{dest} ({kind})")),
        }
    }
    summary
}

/// The most memory that a step had whose group counted it: where it was limited, how near that came.
fn memory_peak(steps: &[StepReport]) -> Option<u64> {
    let counted = steps.iter().filter_map(|step| step.used);
    let counted = counted.filter(|used| used.counted_by_group);
    counted.map(|used| used.memory_peak).max()
}

/// Tells what the registry client has to say where there is no build. Called from any thread.
pub fn registry_notice(event: Event) {
    if let Some(text) = words(&event) {
        note(&text);
    }
}

fn words(event: &Event) -> Option<String> {
    match event {
        Event::Retry {
            attempt,
            reason,
            delay,
            number,
        } => Some(format!(
            "warning: {attempt}: {reason}; try {} in {:.1} s",
            number + 1,
            delay.as_secs_f64()
        )),
        // On this machine nobody listens in, and every client speaks plain HTTP to itself.
        Event::PlainHttp { host } if is_loopback(host) => None,
        Event::PlainHttp { host } => Some(format!("warning: speaking to {host} without TLS")),
        Event::SlowHelper { helper } => Some(format!("waiting for `docker-credential-{helper}`")),
        Event::Credentials(warning) => Some(format!("warning: {warning}")),
        _ => None,
    }
}

/// Whether a `HOST[:PORT]` is this machine.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn this_machine() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example.org",
            "10.0.0.1:5000",
            "registry:5000",
            "[fe80::1]:5000",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}

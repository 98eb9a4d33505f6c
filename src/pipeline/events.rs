//! Notices that belong to no step.

use crate::cli::streams::note;
use crate::ui::Printer;
use rbuild_registry::Event;
use std::sync::{Arc, OnceLock, Weak};

/// Where notices of a build go: to its progress, as soon as there is one, so that no line of a display is cut.
#[derive(Default)]
pub(super) struct Notices(OnceLock<Weak<Printer>>);

impl Notices {
    /// From now on they go there.
    pub(super) fn attach(&self, printer: &Arc<Printer>) {
        let _ = self.0.set(Arc::downgrade(printer));
    }

    /// Tells what the registry client has to say. Called from any thread.
    pub(super) fn tell(&self, event: Event) {
        let Some(text) = words(event) else { return };
        match self.0.get().and_then(Weak::upgrade) {
            Some(printer) => printer.message(&text),
            None => note(&text),
        }
    }
}

/// Tells what the registry client has to say where there is no build. Called from any thread.
pub fn registry_notice(event: Event) {
    if let Some(text) = words(event) {
        note(&text);
    }
}

fn words(event: Event) -> Option<String> {
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
        Event::PlainHttp { host } if is_loopback(&host) => None,
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

//! Notices that belong to no step.

use crate::cli::streams::note;
use rbuild_registry::Event;

/// Tells what the registry client has to say. Called from any thread.
pub fn registry_notice(event: Event) {
    match event {
        Event::Retry {
            attempt,
            reason,
            delay,
            number,
        } => {
            note(&format!(
                "warning: {attempt}: {reason}; try {} in {:.1} s",
                number + 1,
                delay.as_secs_f64()
            ));
        }
        // On this machine nobody listens in, and every client speaks plain HTTP to itself.
        Event::PlainHttp { host } if is_loopback(&host) => {}
        Event::PlainHttp { host } => note(&format!("warning: speaking to {host} without TLS")),
        Event::Credentials(warning) => note(&format!("warning: {warning}")),
        _ => {}
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

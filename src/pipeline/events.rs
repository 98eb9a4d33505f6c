//! Notices that belong to no step.

use rbuild_registry::Event;

/// Tells what the registry client has to say. Called from any thread.
pub fn registry_notice(event: Event) {
    match event {
        Event::Retry { attempt, reason, delay, number } => {
            eprintln!("warning: {attempt}: {reason}; try {} in {:.1} s", number + 1, delay.as_secs_f64());
        }
        Event::PlainHttp { host } => eprintln!("warning: speaking to {host} without TLS"),
        Event::Credentials(warning) => eprintln!("warning: {warning}"),
        _ => {}
    }
}

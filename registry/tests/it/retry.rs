//! What is tried again, how often, how long after; and what is not.

use std::sync::atomic::{AtomicUsize, Ordering};

use rbuild_oci::*;
use rbuild_registry::*;

use crate::fake::{Fake, Reply};
use crate::fixture::*;

const OCI_MANIFEST: &str = media_type::OCI_MANIFEST;

/// Each fault in turn, then success: what is tried again, how often, how long after.
#[test]
fn retry_matrix() {
    let flaky = |reply: fn() -> Reply, failures: usize| {
        let good = image("x");
        let n = AtomicUsize::new(0);
        let fake = Fake::start(move |_| {
            if n.fetch_add(1, Ordering::Relaxed) < failures {
                return reply();
            }
            Reply::new(200)
                .header("Content-Type", OCI_MANIFEST)
                .body(good.manifest.clone())
        });
        let setup = setup();
        let result = setup.client().resolve(&reference(&fake, "a:1"), &linux());
        (
            result.map_err(|e| e.status()),
            fake.asked().len(),
            setup.clock.slept(),
        )
    };
    for reply in [
        (|| Reply::new(500)) as fn() -> Reply,
        || Reply::new(502),
        || Reply::new(503).body("<html>"),
        || Reply::new(408),
        || Reply::new(429),
        || {
            Reply::new(200)
                .header("Content-Type", OCI_MANIFEST)
                .body("{\"cut")
                .cut(3)
        },
    ] {
        let (result, asked, slept) = flaky(reply, 2);
        assert!(result.is_ok(), "{result:?}");
        assert_eq!((asked, slept), (3, vec![500, 1000]));
    }
    let (result, asked, slept) = flaky(|| Reply::new(503), 100);
    assert_eq!((result.unwrap_err(), asked), (Some(503), 6));
    assert_eq!(slept, [500, 1000, 2000, 4000, 8000]);

    let (result, _, slept) = flaky(|| Reply::new(429).header("Retry-After", "7"), 1);
    assert!(result.is_ok());
    assert_eq!(slept, [7000]);
    let (result, asked, _) = flaky(|| Reply::new(429).header("Retry-After", "3600"), 1);
    assert_eq!(
        (result.unwrap_err(), asked),
        (Some(429), 1),
        "an hour is not waited for"
    );
    let (result, asked, _) = flaky(
        || {
            Reply::new(429).body(r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#)
        },
        1,
    );
    assert_eq!((result.unwrap_err(), asked), (Some(429), 1));

    for status in [400, 401, 403, 404, 501] {
        let n = match status {
            400 => flaky(|| Reply::new(400), 1),
            401 => flaky(|| Reply::new(401), 1),
            403 => flaky(|| Reply::new(403), 1),
            404 => flaky(|| Reply::new(404), 1),
            _ => flaky(|| Reply::new(501), 1),
        };
        assert_eq!((n.0.unwrap_err(), n.1, n.2.len()), (Some(status), 1, 0));
    }
}

/// A connection that is closed without an answer, after the registry is known to be there.
#[test]
fn hang_ups_are_tried_again() {
    let good = image("x");
    let n = AtomicUsize::new(0);
    let fake = Fake::start(move |_| match n.fetch_add(1, Ordering::Relaxed) {
        1 | 2 => Reply::hang_up(),
        _ => Reply::new(200)
            .header("Content-Type", OCI_MANIFEST)
            .body(good.manifest.clone()),
    });
    let setup = setup();
    let client = setup.client();
    client.resolve(&reference(&fake, "a:1"), &linux()).unwrap();
    client.resolve(&reference(&fake, "a:1"), &linux()).unwrap();
    assert_eq!((fake.asked().len(), setup.retries()), (4, 2));
}

#[test]
fn refused_connections_and_unknown_names() {
    let port = {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let setup = setup();
    let gone = Reference::parse(&format!("127.0.0.1:{port}/a:1")).unwrap();
    let error = setup.client().resolve(&gone, &linux()).unwrap_err();
    assert!(
        matches!(
            error.kind,
            ErrorKind::Transport {
                kind: TransportKind::Refused,
                ..
            }
        ),
        "{error:?}"
    );
    let unknown = Reference::parse("no-such-host.invalid/a:1").unwrap();
    let error = setup.client().resolve(&unknown, &linux()).unwrap_err();
    assert!(
        matches!(
            error.kind,
            ErrorKind::Transport {
                kind: TransportKind::NameNotFound,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.attempt.host, "no-such-host.invalid");
    assert!(setup.clock.slept().is_empty());
}

#[test]
fn silence_is_not_borne_for_ever() {
    let fake = Fake::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(3));
        Reply::hang_up()
    });
    let mut setup = setup();
    setup.options.timeouts.silence = std::time::Duration::from_millis(100);
    setup.options.retry.retries = 1;
    let error = setup
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(
        matches!(
            error.kind,
            ErrorKind::Transport {
                kind: TransportKind::Timeout,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!((fake.asked().len(), setup.retries()), (2, 1));
}

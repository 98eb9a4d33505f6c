//! Reading blobs, with a registry that misbehaves.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rbuild_oci::*;
use rbuild_registry::*;

use crate::fake::{Fake, Reply};
use crate::fixture::*;

fn blob_server(
    blob: Vec<u8>,
    cuts: &'static [usize],
    ranges: bool,
) -> impl Fn(&crate::fake::Asked) -> Reply + Send + Sync {
    let n = AtomicUsize::new(0);
    move |asked| {
        let start: usize = match asked.header("range") {
            Some(range) if ranges => range
                .strip_prefix("bytes=")
                .unwrap()
                .strip_suffix('-')
                .unwrap()
                .parse()
                .unwrap(),
            _ => 0,
        };
        let part = blob[start..].to_vec();
        let reply = if start > 0 {
            let range = format!("bytes {start}-{}/{}", blob.len() - 1, blob.len());
            Reply::new(206).header("Content-Range", range)
        } else {
            Reply::new(200)
        };
        match cuts.get(n.fetch_add(1, Ordering::Relaxed)) {
            Some(cut) => reply.body(part).cut(*cut),
            None => reply.body(part),
        }
    }
}

#[test]
fn a_cut_download_is_resumed() {
    let blob = noise(700_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    for ranges in [true, false] {
        let fake = Fake::start(blob_server(blob.clone(), &[100_000, 300_000], ranges));
        let setup = setup();
        let mut sink = Vec::new();
        let steps = Mutex::new(Vec::new());
        setup
            .client()
            .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut sink, &|n| {
                steps.lock().unwrap().push(n)
            })
            .unwrap();
        assert!(sink == blob);
        let steps = steps.into_inner().unwrap();
        assert!(steps.is_sorted(), "progress never goes back");
        assert_eq!(steps.last(), Some(&700_000));
        let asked: Vec<_> = fake
            .asked()
            .iter()
            .map(|a| a.header("range").map(str::to_owned))
            .collect();
        let second = if ranges { 400_000 } else { 300_000 };
        assert_eq!(
            asked,
            [
                None,
                Some("bytes=100000-".into()),
                Some(format!("bytes={second}-"))
            ]
        );
        assert_eq!(asked.len(), 3);
        let resumed = setup
            .events
            .lock()
            .unwrap()
            .iter()
            .filter(|e| matches!(e, Event::Resumed { .. }))
            .count();
        assert_eq!(resumed, 2);
    }
}

/// Progress earns new tries: ten cuts, each after 300 kB, with five retries allowed.
#[test]
fn a_bad_line_ends_by_finishing() {
    let blob = noise(3_300_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let fake = Fake::start(blob_server(blob.clone(), &[300_000; 10], true));
    let mut sink = Vec::new();
    setup()
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut sink, &|_| {})
        .unwrap();
    assert!(sink == blob);

    let fake = Fake::start(blob_server(blob, &[10; 100], true));
    let error = setup()
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut Vec::new(), &|_| {})
        .unwrap_err();
    assert!(
        matches!(
            error.kind,
            ErrorKind::Transport {
                kind: TransportKind::Cut,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(fake.asked().len(), 6, "ten bytes at a time is no progress");
}

#[test]
fn forged_blobs_are_refused() {
    let blob = noise(50_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let mut flipped = blob.clone();
    flipped[49_999] ^= 1;
    type Check = fn(&ErrorKind) -> bool;
    let cases: Vec<(Reply, Check)> = vec![
        (Reply::new(200).body(flipped), |k| {
            matches!(k, ErrorKind::DigestMismatch { .. })
        }),
        (Reply::new(200).body(noise(50_001)), |k| {
            matches!(k, ErrorKind::SizeMismatch { actual: 50_001, .. })
        }),
        (Reply::new(200).body(noise(49_999)), |k| {
            matches!(k, ErrorKind::SizeMismatch { actual: 49_999, .. })
        }),
        (Reply::new(206).body(blob.clone()), |k| {
            matches!(k, ErrorKind::Status { status: 206, .. })
        }),
        (
            Reply::new(200)
                .header("Content-Encoding", "gzip")
                .body(blob.clone()),
            |k| matches!(k, ErrorKind::Protocol(_)),
        ),
    ];
    for (reply, expected) in cases {
        let fake = Fake::start(move |_| reply.clone());
        let mut sink = Vec::new();
        let error = setup()
            .client()
            .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut sink, &|_| {})
            .unwrap_err();
        assert!(expected(&error.kind), "{error:?}");
        assert!(sink.len() <= blob.len(), "never more than was announced");
        assert_eq!(fake.asked().len(), 1);
    }
}

/// A body without a length that never ends stops at the size of the descriptor.
#[test]
fn an_endless_blob_is_cut_off() {
    let blob = noise(50_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    let fake = Fake::start(move |_| {
        Reply::new(200)
            .header("Transfer-Encoding", "chunked")
            .body(chunk.clone().into_bytes())
    });
    let mut sink = Vec::new();
    let error = setup()
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut sink, &|_| {})
        .unwrap_err();
    assert!(sink.len() <= 50_000, "{error}");
}

#[test]
fn a_wrong_range_is_refused() {
    let blob = noise(200_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let fake = Fake::start(move |asked| match asked.header("range") {
        None => Reply::new(200).body(blob.clone()).cut(70_000),
        Some(_) => Reply::new(206)
            .header("Content-Range", "bytes 0-199999/200000")
            .body(blob.clone()),
    });
    let error = setup()
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut Vec::new(), &|_| {})
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Protocol(_)), "{error:?}");
}

/// CVE-2020-15157: `urls` of a foreign layer are not asked.
#[test]
fn foreign_urls_are_never_fetched() {
    let elsewhere = Fake::start(|_| Reply::new(200).body("canary"));
    let fake = Fake::start(serve(vec![]));
    let mut descriptor = describe(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        b"canary",
    );
    descriptor.urls = Some(vec![format!("http://{}/layer", elsewhere.host())]);
    let error = setup()
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut Vec::new(), &|_| {})
        .unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert_eq!(elsewhere.asked().len(), 0);
}

#[test]
fn limits_hold_before_anything_is_asked() {
    let fake = Fake::start(serve(vec![]));
    let mut descriptor = describe(media_type::OCI_CONFIG, b"x");
    descriptor.size = CONFIG_LIMIT + 1;
    let error = setup()
        .client()
        .fetch_config(&reference(&fake, "a:1"), &descriptor)
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooLarge { limit: CONFIG_LIMIT }));
    assert_eq!(fake.asked().len(), 0);
}

#[test]
fn a_failing_sink_is_not_the_network() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let blob = noise(1000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let fake = Fake::start(blob_server(blob, &[], true));
    let error = setup()
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut Full, &|_| {})
        .unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::Sink(e) if e.kind() == std::io::ErrorKind::StorageFull));
    assert_eq!(fake.asked().len(), 1, "not tried again");
}

#[test]
fn cancelling_stops_between_chunks_and_ends_waiting() {
    let blob = noise(3_000_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let fake = Fake::start(blob_server(blob, &[], true));
    let setup1 = setup();
    let cancel = setup1.options.cancel.clone();
    let mut sink = Vec::new();
    let error = setup1
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut sink, &|_| {
            cancel.cancel()
        })
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Cancelled));
    assert!(sink.len() < 1_000_000);

    // A server that never answers: only the shutdown can end this.
    let (silent, released) = (std::sync::mpsc::channel::<()>(), Mutex::new(false));
    let waiting = Mutex::new(silent.1);
    let fake = Fake::start(move |_| {
        let _ = waiting.lock().unwrap().recv_timeout(Duration::from_secs(15));
        *released.lock().unwrap() = true;
        Reply::hang_up()
    });
    let client = setup().client();
    let reference = reference(&fake, "a:1");
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(|| client.resolve(&reference, &linux()));
        while fake.asked().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        client.cancel();
        worker.join().unwrap()
    });
    assert!(matches!(result.unwrap_err().kind, ErrorKind::Cancelled));
    drop(silent.0);
}

#[test]
fn redirects_lose_credentials_at_another_host() {
    let home = tempfile::tempdir().unwrap();
    let blob = noise(10_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let storage = Fake::start(blob_server(blob.clone(), &[], true));
    let elsewhere = format!("http://localhost:{}/bucket?sig=canary", storage.port);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
        Some(_) if asked.path().starts_with("/moved/") => {
            Reply::new(307).header("Location", elsewhere.clone())
        }
        Some(_) => Reply::new(302).header("Location", "/moved/blob?x=1"),
    });
    let setup = setup().login(home.path(), &fake.host(), &password("u", "p"));
    let mut sink = Vec::new();
    setup
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut sink, &|_| {})
        .unwrap();
    assert!(sink == blob);
    let [first, second, third] = &fake.asked()[..] else {
        panic!("{:?}", fake.lines())
    };
    assert_eq!(first.header("authorization"), None);
    assert_eq!(second.header("authorization"), Some("Basic dTpw"));
    assert_eq!(
        third.header("authorization"),
        Some("Basic dTpw"),
        "the same origin keeps it"
    );
    let stored = &storage.asked()[0];
    assert_eq!(
        (stored.header("authorization"), stored.target.as_str()),
        (None, "/bucket?sig=canary")
    );
}

#[test]
fn redirects_in_circles_end() {
    let fake = Fake::start(|_| Reply::new(302).header("Location", "/again"));
    let error = setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Redirect { .. }), "{error:?}");
    assert!(fake.asked().len() < 12);

    for bad in ["ftp://x/", "http://user:canary@x/", "http:///", "http://a b/"] {
        let fake = Fake::start(move |_| Reply::new(302).header("Location", bad));
        let error = setup()
            .client()
            .resolve(&reference(&fake, "a:1"), &linux())
            .unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Url(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

/// Four transfers at once per registry, however many threads ask.
#[test]
fn transfers_are_bounded() {
    let blob = noise(1000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let now = AtomicUsize::new(0);
    let most = std::sync::Arc::new(AtomicUsize::new(0));
    let most2 = most.clone();
    let fake = Fake::start(move |_| {
        let running = now.fetch_add(1, Ordering::SeqCst) + 1;
        most2.fetch_max(running, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        now.fetch_sub(1, Ordering::SeqCst);
        Reply::new(200).body(noise(1000))
    });
    let client = setup().client();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                client
                    .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut Vec::new(), &|_| {})
                    .unwrap();
            });
        }
    });
    let most = most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} at once");
}

/// Without a length the end of the chunks is the end; a missing end is a cut.
#[test]
fn chunked_bodies() {
    let blob = noise(70_000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let mut framed = format!("{:x}\r\n", blob.len()).into_bytes();
    framed.extend(&blob);
    framed.extend(b"\r\n0\r\n\r\n");
    let n = AtomicUsize::new(0);
    let fake = Fake::start(move |_| {
        let reply = Reply::new(200)
            .header("Transfer-Encoding", "chunked")
            .body(framed.clone());
        match n.fetch_add(1, Ordering::Relaxed) {
            0 => reply.cut(40_000),
            1 => reply.cut(framed.len() - 5),
            _ => reply,
        }
    });
    let setup = setup();
    let mut sink = Vec::new();
    setup
        .client()
        .fetch_blob(&reference(&fake, "a:1"), &descriptor, &mut sink, &|_| {})
        .unwrap();
    assert!(sink == blob);
    assert!(setup.retries() >= 1);
}

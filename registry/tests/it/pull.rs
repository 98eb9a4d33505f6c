//! Resolving and reading, with a registry that misbehaves.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rbuild_registry::*;

use crate::fake::{Fake, Reply};
use crate::fixture::*;

const OCI_INDEX: &str = media_type::OCI_INDEX;
const OCI_MANIFEST: &str = media_type::OCI_MANIFEST;

fn for_platform(descriptor: &Descriptor, os: &str, arch: &str) -> String {
    json(
        descriptor,
        &format!(r#","platform":{{"os":"{os}","architecture":"{arch}"}}"#),
    )
}

#[test]
fn resolves_through_nested_indexes() {
    let (amd, arm, attestation) = (image("amd64"), image("arm64"), image("attestation"));
    let (inner, inner_descriptor) = index(&[
        for_platform(&attestation.descriptor, "unknown", "unknown"),
        for_platform(&arm.descriptor, "linux", "arm64"),
        for_platform(&amd.descriptor, "linux", "amd64"),
    ]);
    let (outer, outer_descriptor) = index(&[
        for_platform(&attestation.descriptor, "linux", "s390x"),
        json(&inner_descriptor, ""),
    ]);
    let fake = Fake::start(serve(vec![
        (outer, outer_descriptor.clone()),
        (inner, inner_descriptor.clone()),
        (amd.manifest.clone(), amd.descriptor.clone()),
        (arm.manifest, arm.descriptor.clone()),
    ]));
    let setup = setup();
    let client = setup.client();
    let reference = reference(&fake, "a/b:1");

    let resolved = client.resolve(&reference, &linux()).unwrap();
    assert_eq!(resolved.descriptor, amd.descriptor);
    assert_eq!(resolved.bytes, amd.manifest);
    assert_eq!(resolved.image.layers.len(), 1);
    assert_eq!(resolved.top_digest(), &outer_descriptor.digest);
    let chain: Vec<_> = resolved.chain.iter().map(|c| &c.descriptor).collect();
    assert_eq!(chain, [&outer_descriptor, &inner_descriptor]);
    assert!(fake.asked()[0].header("accept").unwrap().contains(OCI_INDEX));

    let arm64 = "linux/arm64".parse().unwrap();
    assert_eq!(
        client.resolve(&reference, &arm64).unwrap().descriptor,
        arm.descriptor
    );

    let error = client
        .resolve(&reference, &"windows/amd64".parse().unwrap())
        .unwrap_err();
    match &error.kind {
        ErrorKind::NoPlatform { wanted, available } => {
            assert_eq!(wanted, "windows/amd64");
            assert_eq!(available, &["linux/s390x", "linux/arm64", "linux/amd64"]);
        }
        other => panic!("{other:?}"),
    }
    assert!(error.hint().unwrap().contains("--platform"));
    assert!(
        setup
            .events
            .lock()
            .unwrap()
            .iter()
            .any(|e| matches!(e, Event::PlainHttp { .. }))
    );
}

#[test]
fn pins_are_checked() {
    let (good, other) = (image("good"), image("other"));
    let digest = good.descriptor.digest.clone();
    let fake = Fake::start(move |asked| {
        assert!(asked.path().starts_with("/v2/a/manifests/"));
        Reply::new(200)
            .header("Content-Type", OCI_MANIFEST)
            .body(other.manifest.clone())
    });
    let pinned = reference(&fake, "a:1").with_digest(digest.clone());
    let error = setup().client().resolve(&pinned, &linux()).unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::DigestMismatch { expected, .. } if *expected == digest));
    assert_eq!(
        fake.lines(),
        [format!("GET /v2/a/manifests/{digest}")],
        "asked by digest, and once"
    );
}

#[test]
fn announced_digest_is_checked() {
    let (good, other) = (image("good"), image("other"));
    let announced = other.descriptor.digest.to_string();
    let fake = Fake::start(move |_| {
        Reply::new(200)
            .header("Content-Type", OCI_MANIFEST)
            .header("Docker-Content-Digest", announced.clone())
            .body(good.manifest.clone())
    });
    let error = setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }));
}

#[test]
fn confusion_is_refused() {
    let good = image("x");
    let text = String::from_utf8(good.manifest.clone()).unwrap();
    let both = text.replace("\"layers\"", "\"manifests\":[],\"layers\"");
    let v1 = r#"{"schemaVersion":1,"name":"a","tag":"1","fsLayers":[]}"#.to_owned();
    let chart = text.replace(media_type::OCI_CONFIG, "application/vnd.cncf.helm.config.v1+json");
    let huge = format!("{text}{}", " ".repeat(4 << 20));
    let cases: Vec<(String, &str, &str)> = vec![
        (text.clone(), OCI_INDEX, "refused as ambiguous"),
        (text.clone(), media_type::DOCKER_MANIFEST, "refused as ambiguous"),
        (both, OCI_MANIFEST, "both `manifests` and `layers`"),
        (
            v1.clone(),
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "schema 1",
        ),
        (v1, "application/json", "schema 1"),
        (chart, OCI_MANIFEST, "not a container image"),
        (huge, OCI_MANIFEST, "larger than the limit of 4194304"),
        (
            "<html>canary</html>".to_owned(),
            "text/html",
            "not an image manifest",
        ),
        (
            text.replace("sha256:", "sha256:../"),
            OCI_MANIFEST,
            "not a valid manifest",
        ),
    ];
    for (body, content_type, expected) in cases {
        let fake = Fake::start(move |_| {
            Reply::new(200)
                .header("Content-Type", content_type)
                .body(body.clone())
        });
        let error = setup()
            .client()
            .resolve(&reference(&fake, "a:1"), &linux())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("canary"));
        assert_eq!(fake.asked().len(), 1, "{error}: not tried again");
    }
}

/// What the index says about an entry must be what is served: size and media type.
#[test]
fn index_entries_bind() {
    let good = image("x");
    for (broken, expected) in [
        (
            json(
                &Descriptor {
                    size: 1,
                    ..good.descriptor.clone()
                },
                "",
            ),
            "size mismatch",
        ),
        (
            json(
                &Descriptor {
                    media_type: media_type::DOCKER_MANIFEST.into(),
                    ..good.descriptor.clone()
                },
                "",
            ),
            "refused as ambiguous",
        ),
    ] {
        let top = index(&[broken]);
        let fake = Fake::start(serve(vec![top, (good.manifest.clone(), good.descriptor.clone())]));
        let error = setup()
            .client()
            .resolve(&reference(&fake, "a:1"), &linux())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn indexes_do_not_nest_for_ever() {
    let mut documents = Vec::new();
    let mut current = image("x").descriptor;
    for _ in 0..6 {
        let (bytes, descriptor) = index(&[json(&current, "")]);
        current = descriptor.clone();
        documents.insert(0, (bytes, descriptor));
    }
    let fake = Fake::start(serve(documents));
    let error = setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooDeep(_)), "{error}");
}

#[test]
fn a_missing_image_says_so_and_is_not_asked_for_twice() {
    let fake = Fake::start(serve(vec![]));
    let error = setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    let host = fake.host();
    assert_eq!(
        error.to_string(),
        format!("cannot pull {host}/a:1: 404 Not Found: MANIFEST_UNKNOWN: manifest unknown")
    );
    assert_eq!(
        (error.attempt.host.as_str(), error.attempt.repository.as_str()),
        (host.as_str(), "a")
    );
    assert!(error.hint().unwrap().contains("spelling"));
    assert_eq!(fake.asked().len(), 1);
    assert_eq!(setup().client().exists(&reference(&fake, "a:1")).unwrap(), None);
}

#[test]
fn exists_needs_no_body() {
    let good = image("x");
    let fake = Fake::start(serve(vec![(good.manifest, good.descriptor.clone())]));
    let found = setup().client().exists(&reference(&fake, "a:1")).unwrap();
    assert_eq!(found, Some(good.descriptor));
    assert_eq!(fake.lines(), ["HEAD /v2/a/manifests/1"]);
}

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
            .header("Content-Length", "")
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
    descriptor.urls = vec![format!("http://{}/layer", elsewhere.host())];
    assert!(media_type::is_foreign_layer(&descriptor.media_type));
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

#[test]
fn tags_go_over_pages() {
    let fake = Fake::start(|asked| match asked.target.as_str() {
        "/v2/a/b/tags/list" => Reply::new(200)
            .header("Link", "</v2/a/b/tags/list?n=2&last=z>; rel=\"next\"")
            .body(r#"{"name":"a/b","tags":["z","b"]}"#),
        "/v2/a/b/tags/list?n=2&last=z" => Reply::new(200).body(r#"{"name":"a/b","tags":["a"]}"#),
        _ => Reply::new(500),
    });
    assert_eq!(
        setup().client().tags(&reference(&fake, "a/b")).unwrap(),
        ["a", "b", "z"]
    );
    let none = Fake::start(|_| Reply::new(200).body(r#"{"name":"a","tags":null}"#));
    assert!(setup().client().tags(&reference(&none, "a")).unwrap().is_empty());
    let far = Fake::start(|_| {
        Reply::new(200)
            .header("Link", "<http://evil.example/>; rel=\"next\"")
            .body(r#"{"tags":[]}"#)
    });
    assert!(matches!(
        setup().client().tags(&reference(&far, "a")).unwrap_err().kind,
        ErrorKind::Protocol(_)
    ));
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
    assert!(error.hint().unwrap().contains("nothing listens"));
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
    assert!(
        error
            .hint()
            .unwrap()
            .contains("no such host `no-such-host.invalid`")
    );
    assert!(setup.clock.slept().is_empty());
}

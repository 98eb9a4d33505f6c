//! Resolving and reading, with a registry that misbehaves.

use rbuild_oci::*;
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
    assert_eq!(resolved.top_digest(), outer_descriptor.digest);
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
fn an_index_without_platforms_offers_none() {
    let images = ["one", "two"].map(image);
    let entries = images.iter().map(|image| json(&image.descriptor, ""));
    let (bytes, descriptor) = index(&entries.collect::<Vec<_>>());
    let fake = Fake::start(serve(vec![(bytes, descriptor)]));
    let error = setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(
        error.to_string().contains("its index names no platform"),
        "{error}"
    );
}

#[test]
fn pins_are_checked() {
    let (good, other) = (image("good"), image("other"));
    let digest = good.descriptor.digest;
    let fake = Fake::start(move |asked| {
        assert!(asked.path().starts_with("/v2/a/manifests/"));
        Reply::new(200)
            .header("Content-Type", OCI_MANIFEST)
            .body(other.manifest.clone())
    });
    let pinned = reference(&fake, "a:1").with_digest(digest);
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

/// A registry may name the same bytes by an algorithm that was not asked for; what is no digest is a fault.
#[test]
fn a_digest_of_another_algorithm_does_not_count() {
    let sha512 = format!("sha512:{}", "a".repeat(128));
    for (announced, taken) in [(sha512.as_str(), true), ("sha256:00", false), ("nonsense", false)] {
        let (good, announced) = (image("good"), announced.to_owned());
        let expected = good.descriptor.digest;
        let fake = Fake::start(move |_| {
            Reply::new(200)
                .header("Content-Type", OCI_MANIFEST)
                .header("Docker-Content-Digest", announced.clone())
                .body(good.manifest.clone())
        });
        match setup().client().resolve(&reference(&fake, "a:1"), &linux()) {
            Ok(found) => assert!(taken && found.top_digest() == expected),
            Err(error) => assert!(!taken && matches!(error.kind, ErrorKind::Protocol(_)), "{error}"),
        }
    }
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
            "media type `text/html`, which is not supported",
        ),
        (
            text.replace("sha256:", "sha256:../"),
            OCI_MANIFEST,
            "the manifest is not valid",
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

/// A digest says which bytes, the size says how many were promised: a document of another size is refused although its
/// digest is right, and is not asked for again.
#[test]
fn documents_of_another_size_than_their_descriptors_are_refused() {
    let good = image("x");
    let (inner, inner_descriptor) = index(&[json(&good.descriptor, "")]);
    for off in [-1_i64, 1] {
        let resized = |descriptor: &Descriptor| Descriptor {
            size: descriptor.size.strict_add_signed(off),
            ..descriptor.clone()
        };
        for (listed, documents) in [
            (
                &good.descriptor,
                vec![(good.manifest.clone(), good.descriptor.clone())],
            ),
            (&inner_descriptor, vec![(inner.clone(), inner_descriptor.clone())]),
        ] {
            let mut documents = documents;
            documents.insert(0, index(&[json(&resized(listed), "")]));
            let fake = Fake::start(serve(documents));
            let setup = setup();
            let error = setup
                .client()
                .resolve(&reference(&fake, "a:1"), &linux())
                .unwrap_err();
            assert!(
                matches!(&error.kind, ErrorKind::SizeMismatch { expected, actual }
                    if *actual == listed.size && *expected == resized(listed).size),
                "{error:?}"
            );
            assert_eq!(fake.asked().len(), 2, "{:?}", fake.lines());
        }
        let config = describe(media_type::OCI_CONFIG, &good.config);
        let fake = Fake::start(serve(vec![(good.config.clone(), config.clone())]));
        let error = setup()
            .client()
            .fetch_config(&reference(&fake, "a:1"), &resized(&config))
            .unwrap_err();
        assert!(matches!(error.kind, ErrorKind::SizeMismatch { .. }), "{error:?}");
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

/// Each index lists the next one many times over: without a memory that is 60 to the third requests.
#[test]
fn an_index_that_is_listed_again_is_not_asked_for_again() {
    let mut documents = Vec::new();
    let (mut bytes, mut current) = index(&[]);
    for _ in 0..3 {
        documents.insert(0, (bytes, current.clone()));
        let entry = json(&current, "");
        (bytes, current) = index(&vec![entry; 60]);
    }
    documents.insert(0, (bytes, current));
    let fake = Fake::start(serve(documents));
    let error = setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoPlatform { .. }), "{error}");
    assert!(fake.asked().len() < 10, "{}", fake.asked().len());
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
    assert_eq!(error.attempt.action, Action::FetchManifest);
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

#[test]
fn ipv6_hosts() {
    let good = image("x");
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let Some(fake) = Fake::start_at("[::1]:0", documents) else {
        println!("skipped: this machine has no IPv6 loopback");
        return;
    };
    let reference = Reference::parse(&format!("[::1]:{}/a:1", fake.port)).unwrap();
    assert_eq!(
        setup().client().resolve(&reference, &linux()).unwrap().descriptor,
        good.descriptor
    );
    assert_eq!(
        fake.asked()[0].header("host"),
        Some(format!("[::1]:{}", fake.port).as_str())
    );
}

/// Whichever of several first calls learns that the registry speaks plain HTTP, none of the others may fail for it.
#[test]
fn first_calls_at_once_all_find_the_scheme() {
    let image = image("x");
    let fake = Fake::start(serve(vec![(image.manifest.clone(), image.descriptor.clone())]));
    let reference = reference(&fake, "a:1");
    for _ in 0..20 {
        let mut setup = setup();
        setup.options.retry = RetryPolicy::never();
        let client = setup.client();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    client.resolve(&reference, &linux()).unwrap();
                });
            }
        });
    }
}

//! Writing, with a registry that misbehaves.

use std::io::{Cursor, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rbuild_oci::*;
use rbuild_registry::*;

use crate::fake::{Asked, Fake, Reply};
use crate::fixture::*;

type Twist = dyn Fn(&Asked, usize) -> Option<Reply> + Send + Sync;
type Source = dyn Fn(u64) -> std::io::Result<Box<dyn Read>>;

fn source(blob: &[u8]) -> Box<Source> {
    let blob = blob.to_vec();
    Box::new(move |offset| Ok(Box::new(Cursor::new(blob[offset as usize..].to_vec()))))
}

fn push(setup: &Setup, fake: &Fake, blob: &[u8], mount: Option<&str>) -> Result<Pushed, Error> {
    let descriptor = describe(media_type::OCI_LAYER_GZIP, blob);
    setup.client().push_blob(
        &reference(fake, "a/b:1"),
        &descriptor,
        &*source(blob),
        mount,
        &|_| {},
    )
}

/// A well-behaved registry for one upload at a time; `twist` may answer instead.
struct Registry {
    held: Mutex<Vec<u8>>,
    twist: Box<Twist>,
    count: AtomicUsize,
    location: fn(&str) -> String,
}

impl Registry {
    fn start(
        location: fn(&str) -> String,
        twist: impl Fn(&Asked, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Fake {
        let registry = Self {
            held: Mutex::default(),
            twist: Box::new(twist),
            count: AtomicUsize::new(0),
            location,
        };
        Fake::start(move |asked| registry.answer(asked))
    }

    fn answer(&self, asked: &Asked) -> Reply {
        if let Some(reply) = (self.twist)(asked, self.count.fetch_add(1, Ordering::Relaxed)) {
            return reply;
        }
        let mut held = self.held.lock().unwrap();
        let location = (self.location)(asked.header("host").unwrap());
        let range = |held: &[u8]| format!("0-{}", held.len().saturating_sub(1));
        match asked.method.as_str() {
            "HEAD" => Reply::new(404),
            "POST" => {
                held.clear();
                Reply::new(202).header("Location", location)
            }
            "GET" => Reply::new(204)
                .header("Location", location)
                .header("Range", range(&held)),
            "PATCH" => {
                let start: usize = asked
                    .header("content-range")
                    .unwrap()
                    .split('-')
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
                if start != held.len() {
                    return Reply::new(416).header("Range", range(&held));
                }
                held.extend(&asked.body);
                Reply::new(202)
                    .header("Location", location)
                    .header("Range", range(&held))
            }
            "PUT" => {
                held.extend(&asked.body);
                let wanted = asked.target.split("digest=").nth(1).unwrap().replace("%3A", ":");
                let digest = Digest::of(&held).to_string();
                if digest == wanted {
                    Reply::new(201).header("Docker-Content-Digest", digest)
                } else {
                    Reply::new(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#)
                }
            }
            _ => Reply::new(405),
        }
    }
}

fn relative(_: &str) -> String {
    "/v2/a/b/blobs/uploads/7?_state=x%2Fy".to_owned()
}

fn absolute(host: &str) -> String {
    format!("http://{host}/elsewhere/7")
}

fn plain(_: &Asked, _: usize) -> Option<Reply> {
    None
}

#[test]
fn monolithic_with_relative_and_absolute_locations() {
    let blob = noise(300_000);
    let digest = Digest::of(&blob).to_string().replace(':', "%3A");
    for (location, put) in [
        (
            relative as fn(&str) -> String,
            format!("PUT /v2/a/b/blobs/uploads/7?_state=x%2Fy&digest={digest}"),
        ),
        (absolute, format!("PUT /elsewhere/7?digest={digest}")),
    ] {
        let fake = Registry::start(location, plain);
        let setup = setup();
        assert_eq!(push(&setup, &fake, &blob, None).unwrap(), Pushed::Uploaded);
        let lines = fake.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("HEAD /v2/a/b/blobs/sha256:"));
        assert_eq!(lines[1], "POST /v2/a/b/blobs/uploads/");
        assert_eq!(lines[2], put);
        assert!(fake.asked()[2].body == blob);
    }
}

#[test]
fn empty_blob() {
    let fake = Registry::start(relative, plain);
    assert_eq!(push(&setup(), &fake, b"", None).unwrap(), Pushed::Uploaded);
}

#[test]
fn nothing_is_sent_twice() {
    let blob = noise(1000);
    let there = Fake::start(|_| Reply::new(200));
    assert_eq!(
        push(&setup(), &there, &blob, Some("other")).unwrap(),
        Pushed::Existing
    );
    assert_eq!(there.asked().len(), 1);

    let mounts = Fake::start(|asked| match asked.method.as_str() {
        "HEAD" => Reply::new(404),
        "POST" => Reply::new(201).header("Location", "/v2/a/b/blobs/x"),
        _ => Reply::new(500),
    });
    assert_eq!(
        push(&setup(), &mounts, &blob, Some("lib/base")).unwrap(),
        Pushed::Mounted
    );
    let digest = Digest::of(&blob).to_string().replace(':', "%3A");
    assert_eq!(
        mounts.lines()[1],
        format!("POST /v2/a/b/blobs/uploads/?mount={digest}&from=lib%2Fbase")
    );

    let refuses = Registry::start(relative, |asked, _| {
        asked.target.contains("mount=").then(|| Reply::new(405))
    });
    assert_eq!(
        push(&setup(), &refuses, &blob, Some("lib/base")).unwrap(),
        Pushed::Uploaded
    );
    let ignores = Registry::start(relative, plain);
    assert_eq!(
        push(&setup(), &ignores, &blob, Some("lib/base")).unwrap(),
        Pushed::Uploaded
    );
    assert_eq!(ignores.asked().len(), 3, "the session it opened instead is used");
}

#[test]
fn chunks_where_one_request_is_too_much() {
    let blob = noise(40 << 20);
    let fake = Registry::start(relative, |asked, _| {
        (asked.method == "PUT" && !asked.body.is_empty()).then(|| Reply::new(413).body("<html>"))
    });
    assert_eq!(push(&setup(), &fake, &blob, None).unwrap(), Pushed::Uploaded);
    let ranges: Vec<_> = fake
        .asked()
        .iter()
        .filter_map(|a| a.header("content-range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, ["0-16777215", "16777216-33554431", "33554432-41943039"]);
    assert_eq!(fake.asked().last().unwrap().body.len(), 0);
}

#[test]
fn chunks_obey_the_minimum_and_resume() {
    let blob = noise(250_000);
    let fake = Registry::start(relative, |asked, n| match (asked.method.as_str(), n) {
        ("POST", _) => Some(
            Reply::new(202)
                .header("Location", relative(""))
                .header("OCI-Chunk-Min-Length", "100000"),
        ),
        // The second chunk fails; the registry kept nothing of it.
        ("PATCH", 3) => Some(Reply::new(503)),
        _ => None,
    });
    let mut setup = setup();
    setup.options.upload = UploadMode::Chunked(10);
    assert_eq!(push(&setup, &fake, &blob, None).unwrap(), Pushed::Uploaded);
    let asked: Vec<_> = fake
        .asked()
        .iter()
        .map(|a| format!("{} {}", a.method, a.header("content-range").unwrap_or_default()))
        .collect();
    assert_eq!(
        asked,
        [
            "HEAD ",
            "POST ",
            "PATCH 0-99999",
            "PATCH 100000-199999",
            "GET ",
            "PATCH 100000-199999",
            "PATCH 200000-249999",
            "PUT "
        ]
    );
}

/// The registry kept a part that it never acknowledged: sending goes on after it.
#[test]
fn a_chunk_kept_but_not_acknowledged() {
    let blob = noise(250_000);
    let fake = Registry::start(relative, |asked, n| {
        (asked.method == "PATCH" && n == 2).then(Reply::hang_up)
    });
    let mut setup = setup();
    setup.options.upload = UploadMode::Chunked(100_000);
    assert_eq!(push(&setup, &fake, &blob, None).unwrap(), Pushed::Uploaded);
    assert!(setup.retries() >= 1);
}

#[test]
fn a_broken_upload_starts_again() {
    let blob = noise(100_000);
    let fake = Registry::start(relative, |asked, n| match (asked.method.as_str(), n) {
        ("PUT", 2) => Some(Reply::new(502)),
        ("PUT", 4) => Some(Reply::hang_up()),
        _ => None,
    });
    let setup = setup();
    assert_eq!(push(&setup, &fake, &blob, None).unwrap(), Pushed::Uploaded);
    let methods: Vec<_> = fake.asked().iter().map(|a| a.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "POST", "PUT", "POST", "PUT", "POST", "PUT"]);
    assert_eq!(setup.clock.slept(), [500, 1000]);
}

#[test]
fn a_large_upload_that_is_cut_goes_on_in_chunks() {
    let blob = noise(20 << 20);
    let fake = Registry::start(relative, |asked, _| {
        (asked.method == "PUT" && !asked.body.is_empty()).then(Reply::hang_up)
    });
    let setup = setup();
    assert_eq!(push(&setup, &fake, &blob, None).unwrap(), Pushed::Uploaded);
    let methods: Vec<_> = fake.asked().iter().map(|a| a.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "POST", "PUT", "POST", "PATCH", "PATCH", "PUT"]);
    assert_eq!(setup.retries(), 1);
}

/// A token that ends between the opening and the sending.
#[test]
fn a_token_is_renewed_in_the_middle() {
    let blob = noise(100_000);
    let n = AtomicUsize::new(0);
    let tokens = Fake::start(move |_| {
        let n = n.fetch_add(1, Ordering::Relaxed) + 1;
        Reply::new(200).body(format!(r#"{{"token":"t{n}","expires_in":3600}}"#))
    });
    let realm = tokens.host();
    let fake = Registry::start(relative, move |asked, n| {
        let good = match n {
            0 => None,
            1..=2 => Some("Bearer t1"),
            // From the PUT on, the first token is no longer good.
            _ => Some("Bearer t2"),
        };
        (asked.header("authorization") != good || good.is_none()).then(|| {
            Reply::new(401).header(
                "WWW-Authenticate",
                format!("Bearer realm=\"http://{realm}/t\",service=\"s\""),
            )
        })
    });
    let setup = setup();
    assert_eq!(push(&setup, &fake, &blob, None).unwrap(), Pushed::Uploaded);
    let methods: Vec<_> = fake.asked().iter().map(|a| a.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "HEAD", "POST", "PUT", "PUT"]);
    assert!(fake.asked()[4].body == blob, "sent whole again");
    assert_eq!(setup.retries(), 0);
    assert!(
        tokens.asked()[0]
            .target
            .ends_with("scope=repository%3Aa%2Fb%3Apull%2Cpush")
    );
}

#[test]
fn sources_that_fail() {
    let blob = noise(1000);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let fake = Registry::start(relative, plain);
    let client = setup().client();
    let to = reference(&fake, "a/b:1");
    let cases: Vec<Box<Source>> = vec![
        Box::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        Box::new(|_| Ok(Box::new(Cursor::new(vec![0; 999])))),
        Box::new(|_| Ok(Box::new(Cursor::new(vec![0; 10]).chain(Broken)))),
    ];
    for source in cases {
        let error = client
            .push_blob(&to, &descriptor, &*source, None, &|_| {})
            .unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Source(_)), "{error:?}");
    }
    // More than announced is not sent; other bytes are the registry's to refuse.
    let error = client
        .push_blob(
            &to,
            &descriptor,
            &|_| Ok(Box::new(Cursor::new(vec![0; 5000]))),
            None,
            &|_| {},
        )
        .unwrap_err();
    assert_eq!(error.status(), Some(400), "{error}");
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::from_raw_os_error(5))
    }
}

#[test]
fn manifests() {
    let good = image("x");
    let digest = good.descriptor.digest.to_string();
    let fake = Fake::start(move |_| Reply::new(201).header("Docker-Content-Digest", digest.clone()));
    let client = setup().client();
    let tagged = reference(&fake, "a:1");
    let pushed = client
        .push_manifest(&tagged, media_type::OCI_MANIFEST, &good.manifest)
        .unwrap();
    assert_eq!(pushed, good.descriptor.digest);
    let untagged = Reference::parse_name(&format!("{}/a", fake.host())).unwrap();
    client
        .push_manifest(&untagged, media_type::OCI_MANIFEST, &good.manifest)
        .unwrap();
    assert_eq!(
        fake.lines(),
        [
            "PUT /v2/a/manifests/1".to_owned(),
            format!("PUT /v2/a/manifests/{}", good.descriptor.digest)
        ]
    );
    let asked = &fake.asked()[0];
    assert_eq!(asked.header("content-type"), Some(media_type::OCI_MANIFEST));
    assert!(asked.body == good.manifest);

    let other = tagged.with_digest(Digest::of(b"other"));
    let error = client
        .push_manifest(&other, media_type::OCI_MANIFEST, &good.manifest)
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }));
    assert_eq!(fake.asked().len(), 2, "refused before anything is sent");
}

#[test]
fn a_registry_that_stores_other_bytes_is_caught() {
    let fake =
        Fake::start(|_| Reply::new(201).header("Docker-Content-Digest", Digest::of(b"other").to_string()));
    let good = image("x");
    let error = setup()
        .client()
        .push_manifest(&reference(&fake, "a:1"), media_type::OCI_MANIFEST, &good.manifest)
        .unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::DigestMismatch { .. }),
        "{error:?}"
    );
}

#[test]
fn immutable_tags() {
    for (there, ok) in [("x", true), ("other", false)] {
        let documents = serve(vec![(image(there).manifest, image(there).descriptor)]);
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "PUT" => {
                Reply::new(409).body(r#"{"errors":[{"code":"TAG_INVALID","message":"tag is immutable"}]}"#)
            }
            _ => documents(asked),
        });
        let good = image("x");
        let result = setup().client().push_manifest(
            &reference(&fake, "a:1"),
            media_type::OCI_MANIFEST,
            &good.manifest,
        );
        match result {
            Ok(digest) => assert!(ok && digest == good.descriptor.digest),
            Err(error) => assert!(!ok && error.to_string().contains("tag is immutable"), "{error}"),
        }
    }
}

#[test]
fn an_upload_location_elsewhere_gets_no_credentials() {
    let home = tempfile::tempdir().unwrap();
    let blob = noise(1000);
    let storage = Fake::start(|_| Reply::new(201));
    let location = format!("http://localhost:{}/put", storage.port);
    let fake = Registry::start(relative, move |asked, _| {
        match (asked.header("authorization"), &*asked.method) {
            (None, _) => Some(Reply::new(401).header("WWW-Authenticate", "Basic realm=x")),
            (_, "POST") => Some(Reply::new(202).header("Location", location.clone())),
            _ => None,
        }
    });
    let setup = setup().login(home.path(), &fake.host(), &password("u", "p"));
    assert_eq!(push(&setup, &fake, &blob, None).unwrap(), Pushed::Uploaded);
    assert_eq!(storage.asked()[0].header("authorization"), None);
}

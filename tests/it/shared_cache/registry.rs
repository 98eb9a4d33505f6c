//! `type=registry`: a repository of a real registry, and servers that are none.

use super::*;
use crate::harness::registry::Registry;
use crate::harness::skip;

fn reading(reference: &str) -> [String; 2] {
    [
        "--cache-from".to_owned(),
        format!("type=registry,ref={reference}"),
    ]
}

fn writing(reference: &str) -> [String; 2] {
    let spec = format!("type=registry,ref={reference},mode=max,image-manifest=true,oci-mediatypes=true");
    ["--cache-to".to_owned(), spec]
}

fn count(requests: &[String], word: &str) -> usize {
    requests.iter().filter(|request| request.contains(word)).count()
}

/// One machine sends, another takes; what is there is not sent again, and a build that finds everything here asks nobody.
#[test]
fn through_a_registry() {
    if !skip::unless_installed("shared_cache::registry::through_a_registry", Registry::NEEDS) {
        return;
    }
    let (one, two) = (TestEnv::new(), TestEnv::new());
    let mut registry = Registry::plain(&one);
    let reference = format!("{}/team/cache:main", registry.address());
    let here = checkout(&one, "checkout");
    let sent = finish(&one, building(&one, &here).args(writing(&reference)));
    assert_eq!(
        (sent.hits.as_str(), warnings(&sent)),
        ("mmmmmmm", 0),
        "{}",
        sent.outcome
    );
    let requests = registry.requests(&one);
    assert_eq!(
        count(&requests, "PUT /v2/team/cache/manifests/main-"),
        7,
        "{requests:#?}"
    );
    let uploads = count(&requests, "POST ");
    assert!(
        (7..=8).contains(&uploads),
        "seven layers, and the empty config: {requests:#?}"
    );

    // All is here: nobody is asked, since it is known what was sent.
    let again = finish(
        &one,
        building(&one, &here)
            .args(writing(&reference))
            .args(reading(&reference)),
    );
    assert_eq!(again.hits, "hhhhhhh");
    assert_eq!(registry.requests(&one), [""; 0]);

    let there = checkout(&two, "elsewhere");
    let came = finish(&two, building(&two, &there).args(reading(&reference)));
    assert_eq!(
        (came.hits.as_str(), warnings(&came)),
        ("hhhhhhh", 0),
        "{}",
        came.outcome
    );
    assert_eq!(came.image, sent.image);
    let requests = registry.requests(&one);
    assert_eq!(
        count(&requests, "GET /v2/team/cache/manifests/main-"),
        7,
        "{requests:#?}"
    );
    assert_eq!(
        count(&requests, "POST ") + count(&requests, "PUT "),
        0,
        "{requests:#?}"
    );

    // What changed is run and sent, and nothing else: a record that is missed is asked for once.
    std::fs::write(there.join("other"), "changed\n").unwrap();
    let both = building(&two, &there)
        .args(reading(&reference))
        .args(writing(&reference));
    assert_eq!(finish(&two, both).hits, "hhhhhmm");
    let requests = registry.requests(&one);
    assert_eq!(
        count(&requests, "GET /v2/team/cache/manifests/"),
        2,
        "{requests:#?}"
    );
    assert_eq!(
        count(&requests, "PUT /v2/team/cache/manifests/"),
        2,
        "{requests:#?}"
    );

    // A bare reference, and kaniko's spelling.
    let three = TestEnv::new();
    let context = checkout(&three, "checkout");
    let bare = building(&three, &context).args(["--cache-from", &reference]);
    assert_eq!(finish(&three, bare).hits, "hhhhhhh");
    let four = TestEnv::new();
    let context = checkout(&four, "checkout");
    let kaniko = building(&four, &context).args(["--cache=true", "--cache-repo", &reference]);
    assert_eq!(finish(&four, kaniko).hits, "hhhhhhh");
}

/// Credentials, certificates: as for a push. Without them it is a warning.
#[test]
fn who_we_are() {
    if !skip::unless_installed("shared_cache::registry::who_we_are", Registry::NEEDS_TLS) {
        return;
    }
    let (one, two) = (TestEnv::new(), TestEnv::new());
    let registry = Registry::tls(&one);
    let reference = format!("{}/cache", registry.address());
    let known = |env: &TestEnv, words: [String; 2]| {
        building(env, &checkout(env, "checkout"))
            .arg("--cert-dir")
            .arg(registry.cert_dir())
            .arg("--authfile")
            .arg(registry.auth_file())
            .args(words)
    };
    let sent = finish(&one, known(&one, writing(&reference)));
    assert_eq!(warnings(&sent), 0, "{}", sent.outcome);
    let came = finish(&two, known(&two, reading(&reference)));
    assert_eq!(came.hits, "hhhhhhh", "{}", came.outcome);
    let nobody = TestEnv::new();
    let context = checkout(&nobody, "checkout");
    let invocation = building(&nobody, &context)
        .arg("--cert-dir")
        .arg(registry.cert_dir());
    let built = finish(
        &nobody,
        invocation.args(reading(&reference)).args(writing(&reference)),
    );
    assert_eq!(
        (built.hits.as_str(), warnings(&built)),
        ("mmmmmmm", 1),
        "{}",
        built.outcome
    );
}

/// What the registry has lost or changed is a miss, and so is a registry that is none.
#[test]
fn what_fails_is_a_miss() {
    if !skip::unless_installed("shared_cache::registry::what_fails_is_a_miss", Registry::NEEDS) {
        return;
    }
    let (one, two) = (TestEnv::new(), TestEnv::new());
    let registry = Registry::plain(&one);
    let reference = format!("{}/cache", registry.address());
    finish(
        &one,
        building(&one, &checkout(&one, "checkout")).args(writing(&reference)),
    );
    // All layers are gone, their manifests are not.
    let blobs = registry
        .data()
        .join("docker/registry/v2/repositories/cache/_layers");
    std::fs::remove_dir_all(blobs).unwrap();
    let built = finish(
        &two,
        building(&two, &checkout(&two, "checkout")).args(reading(&reference)),
    );
    assert_eq!(
        (built.hits.as_str(), warnings(&built)),
        ("mmmmmmm", 1),
        "{}",
        built.outcome
    );

    let nobody = format!("127.0.0.1:{}/cache", crate::harness::registry::free_port());
    let three = TestEnv::new();
    let both = building(&three, &checkout(&three, "checkout"))
        .args(reading(&nobody))
        .args(writing(&nobody));
    let built = finish(&three, both);
    assert_eq!(
        (built.hits.as_str(), warnings(&built)),
        ("mmmmmmm", 1),
        "{}",
        built.outcome
    );
}

//! The grammar as tables.

use super::*;

fn parts(input: &str) -> (String, String, Option<String>, bool) {
    let r = Reference::parse(input).unwrap_or_else(|e| panic!("{input}: {e}"));
    (
        r.host().to_owned(),
        r.repository().to_owned(),
        r.tag().map(str::to_owned),
        r.digest().is_some(),
    )
}

#[test]
fn normalises_as_docker_does() {
    let hex = "a".repeat(64);
    let table: &[(&str, &str, &str, Option<&str>)] = &[
        ("alpine", "docker.io", "library/alpine", Some("latest")),
        ("alpine:3.20", "docker.io", "library/alpine", Some("3.20")),
        ("user/app", "docker.io", "user/app", Some("latest")),
        ("docker.io/alpine", "docker.io", "library/alpine", Some("latest")),
        ("index.docker.io/user/app:1", "docker.io", "user/app", Some("1")),
        (
            "registry-1.docker.io/library/x:1",
            "docker.io",
            "library/x",
            Some("1"),
        ),
        ("localhost/x", "localhost", "x", Some("latest")),
        ("localhost:5000/x", "localhost:5000", "x", Some("latest")),
        ("localhost:5000/x:y", "localhost:5000", "x", Some("y")),
        ("localhost:5000", "docker.io", "library/localhost", Some("5000")),
        ("localhost", "docker.io", "library/localhost", Some("latest")),
        ("[::1]:5000/x", "[::1]:5000", "x", Some("latest")),
        ("[::1]/x:1", "[::1]", "x", Some("1")),
        ("127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000", "a/b/c", Some("t")),
        ("ghcr.io/a/b", "ghcr.io", "a/b", Some("latest")),
        ("GHCR.io/a/b", "ghcr.io", "a/b", Some("latest")),
        ("a__b/c-d/e--f.g", "docker.io", "a__b/c-d/e--f.g", Some("latest")),
        ("host:1/x", "host:1", "x", Some("latest")),
        ("x:_a.b-C", "docker.io", "library/x", Some("_a.b-C")),
    ];
    for (input, host, repository, tag) in table {
        let expected = (
            (*host).to_owned(),
            (*repository).to_owned(),
            tag.map(str::to_owned),
            false,
        );
        assert_eq!(parts(input), expected, "{input}");
    }
    let pinned = Reference::parse(&format!("alpine@sha256:{hex}")).unwrap();
    assert_eq!((pinned.tag(), pinned.object()), (None, format!("sha256:{hex}")));
    let both = Reference::parse(&format!("localhost:5000/a/b:1@sha256:{hex}")).unwrap();
    assert_eq!((both.tag(), both.object()), (Some("1"), format!("sha256:{hex}")));
}

#[test]
fn displays_canonical_and_familiar() {
    for (input, canonical, familiar) in [
        ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("docker.io/user/app:1", "docker.io/user/app:1", "user/app:1"),
        (
            "docker.io/library/a/b:1",
            "docker.io/library/a/b:1",
            "library/a/b:1",
        ),
        (
            "localhost:5000/x",
            "localhost:5000/x:latest",
            "localhost:5000/x:latest",
        ),
    ] {
        let r = Reference::parse(input).unwrap();
        assert_eq!(r.to_string(), canonical);
        assert_eq!(r.familiar(), familiar);
        assert_eq!(Reference::parse(&r.to_string()).unwrap(), r);
        assert_eq!(Reference::parse(&r.familiar()).unwrap(), r);
    }
}

#[test]
fn faults_have_a_position() {
    use ReferenceErrorKind as K;
    let long = "a".repeat(256);
    // With `library/` before it.
    let official = "a".repeat(248);
    let hub = format!("docker.io/{official}");
    let long_tag = format!("x:{}", "t".repeat(129));
    let table: &[(&str, usize, usize, K)] = &[
        ("", 0, 0, K::Empty),
        (":tag", 0, 0, K::Empty),
        ("https://ghcr.io/x", 0, 8, K::Scheme("https".to_owned())),
        ("docker://alpine", 0, 9, K::Scheme("docker".to_owned())),
        ("Alpine", 0, 1, K::Uppercase),
        ("UPPER/x", 0, 1, K::Uppercase),
        ("ghcr.io/aB/c", 9, 1, K::Uppercase),
        ("a b", 1, 1, K::Character(' ')),
        ("aé", 1, 2, K::Character('é')),
        ("../x", 0, 2, K::Host),
        ("a/../x", 2, 2, K::Separator),
        ("a//b", 2, 1, K::EmptyComponent),
        ("/a", 0, 1, K::EmptyComponent),
        ("a/", 2, 1, K::EmptyComponent),
        ("a..b", 1, 2, K::Separator),
        ("a-", 1, 1, K::Separator),
        ("_a", 0, 1, K::Separator),
        ("a___b", 1, 3, K::Separator),
        (&long, 255, 1, K::NameTooLong),
        (&official, 247, 1, K::NameTooLong),
        (&hub, 257, 1, K::NameTooLong),
        ("x:", 2, 0, K::TagEmpty),
        ("x:.a", 2, 1, K::TagCharacter('.')),
        ("x:a/b", 0, 1, K::Port),
        ("x:a+b", 3, 1, K::TagCharacter('+')),
        (&long_tag, 130, 1, K::TagTooLong),
        ("host:99999/x", 5, 5, K::Port),
        ("host:+1/x", 5, 2, K::Port),
        ("-a.com/x", 0, 6, K::Host),
        ("[::g]/x", 0, 5, K::Host),
        ("[::1/x", 0, 4, K::Host),
        (
            "x@sha256:12",
            2,
            9,
            K::Digest(DigestError::Length {
                text: "sha256:12".to_owned(),
                actual: 2,
            }),
        ),
        (
            "x@sha256:1Z",
            10,
            1,
            K::Digest(DigestError::NotHex {
                text: "sha256:1Z".to_owned(),
                offset: 8,
            }),
        ),
        (
            "x@md5:12",
            2,
            6,
            K::Digest(DigestError::Algorithm("md5".to_owned())),
        ),
    ];
    for (input, offset, len, kind) in table {
        let error = Reference::parse(input).expect_err(input);
        // `x:a/b` reads as host `x:a`; the fault is then in its port.
        let offset = if *input == "x:a/b" { 2 } else { *offset };
        assert_eq!(
            (error.offset, error.len, &error.kind),
            (offset, *len, kind),
            "{input}"
        );
        assert_eq!(error.input, *input);
    }
    let id = "0123456789abcdef".repeat(4);
    assert_eq!(Reference::parse(&id).unwrap_err().kind, K::LooksLikeId);
}

/// What oci-spec accepts as lower-case references means the same to us.
#[test]
fn agrees_with_oci_spec() {
    for input in [
        "alpine",
        "a/b:1",
        "localhost:5000/x",
        "ghcr.io/o/r:v1.2-3",
        "127.0.0.1:80/a_b/c",
    ] {
        let theirs: oci_spec::distribution::Reference = input.parse().unwrap();
        let ours = Reference::parse(input).unwrap();
        assert_eq!(
            (ours.host(), ours.repository()),
            (theirs.registry(), theirs.repository()),
            "{input}"
        );
        assert_eq!(ours.tag(), theirs.tag(), "{input}");
    }
}

proptest::proptest! {
    /// Nothing panics; what parses reads back the same in both forms; a fault lies within the input.
    #[test]
    fn any_text(input in "[a-zA-Z0-9:/@._é\\[\\]-]{0,40}") {
        match Reference::parse(&input) {
            Ok(r) => {
                assert_eq!(Reference::parse(&r.to_string()).as_ref(), Ok(&r));
                assert_eq!(Reference::parse(&r.familiar()).as_ref(), Ok(&r));
                assert!(!r.repository().contains("..") && !r.repository().starts_with('/'));
            }
            Err(e) => {
                assert!(e.input.is_char_boundary(e.offset), "{e:?}");
                let end = e.offset + e.len;
                assert!(e.offset == input.len() || e.input.is_char_boundary(end), "{e:?}");
            }
        }
    }
}

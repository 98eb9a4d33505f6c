//! TLS: who is trusted, what falls back to plain HTTP and what never does.

use rbuild_oci::*;
use rbuild_registry::*;

use crate::fake::{Fake, Reply};
use crate::fixture::*;

fn https(
    dir: &std::path::Path,
    handler: impl Fn(&crate::fake::Asked) -> Reply + Send + Sync + 'static,
) -> Fake {
    certificates(dir);
    Fake::start_tls(dir, handler)
}

fn kind(error: &Error) -> TransportKind {
    match &error.kind {
        ErrorKind::Transport { kind, .. } => *kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn trust() {
    if !available(&[OPENSSL]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let good = image("x");
    let fake = https(
        dir.path(),
        serve(vec![(good.manifest.clone(), good.descriptor.clone())]),
    );
    let reference = reference(&fake, "a:1");
    let pull = |options: ClientOptions| Client::new(options).resolve(&reference, &linux());

    // Nobody knows the authority; and that is no reason to speak plainly, even to loopback.
    let error = pull(ClientOptions {
        insecure: HostSet::All,
        ..setup().options
    })
    .unwrap_err();
    assert_eq!(kind(&error), TransportKind::UnknownAuthority, "{error}");
    assert_eq!(fake.asked().len(), 0);

    pull(ClientOptions {
        extra_ca: vec![dir.path().join("ca.crt")],
        ..setup().options
    })
    .unwrap();

    let certs = tempfile::tempdir().unwrap();
    let host_dir = certs.path().join(fake.host());
    std::fs::create_dir(&host_dir).unwrap();
    std::fs::copy(dir.path().join("ca.crt"), host_dir.join("ca.crt")).unwrap();
    pull(ClientOptions {
        cert_dirs: vec![certs.path().to_owned()],
        ..setup().options
    })
    .unwrap();

    let skip: HostSet = [fake.host()].into_iter().collect();
    pull(ClientOptions {
        skip_tls_verify: skip,
        ..setup().options
    })
    .unwrap();
    let other: HostSet = ["other.example".to_owned()].into_iter().collect();
    assert!(
        pull(ClientOptions {
            skip_tls_verify: other,
            ..setup().options
        })
        .is_err()
    );

    // The right CA, the wrong name.
    let named = Reference::parse(&format!("127.0.0.2:{}/a:1", fake.port)).unwrap();
    let options = ClientOptions {
        extra_ca: vec![dir.path().join("ca.crt")],
        ..setup().options
    };
    if std::net::TcpStream::connect(("127.0.0.2", fake.port)).is_ok() {
        let error = Client::new(options).resolve(&named, &linux()).unwrap_err();
        assert_eq!(kind(&error), TransportKind::WrongName, "{error}");
    }
}

#[test]
fn a_client_certificate_must_go_with_its_key() {
    if !available(&[OPENSSL]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let fake = https(dir.path(), serve(vec![]));
    let certs = tempfile::tempdir().unwrap();
    let host_dir = certs.path().join(fake.host());
    std::fs::create_dir(&host_dir).unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(dir.path().join(from), host_dir.join(to)).unwrap();
    copy("ca.crt", "ca.crt");
    copy("server.crt", "client.cert");
    let options = ClientOptions {
        cert_dirs: vec![certs.path().to_owned()],
        ..setup().options
    };
    let resolve = || {
        Client::new(options.clone())
            .resolve(&reference(&fake, "a:1"), &linux())
            .unwrap_err()
    };
    assert!(matches!(&resolve().kind, ErrorKind::Certificate { path, .. } if path.ends_with("client.key")));
    copy("ca.key", "client.key");
    assert!(
        matches!(resolve().kind, ErrorKind::Certificate { .. }),
        "another certificate's key"
    );
    copy("server.key", "client.key");
    assert_eq!(resolve().status(), Some(404));
}

/// A host that is not loopback and not listed is never spoken to in plain HTTP.
#[test]
fn plain_http_only_where_allowed() {
    let good = image("x");
    let fake = Fake::start(serve(vec![(good.manifest.clone(), good.descriptor.clone())]));
    // `localhost.` is loopback by another spelling, which the rule does not know: a stranger for the test.
    let Some(stranger) = outward_address() else {
        println!("skipped in part: this machine has no address beside loopback");
        return;
    };
    drop(fake);
    let listener = std::net::TcpListener::bind((stranger, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen2 = seen.clone();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut buffer = [0; 1024];
            let n = stream.read(&mut buffer).unwrap_or(0);
            seen2.lock().unwrap().push(buffer[..n].first().copied());
            // What a web server says to a TLS hello.
            let body = String::from_utf8(good.manifest.clone()).unwrap();
            let _ = match buffer[0] {
                0x16 => stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
                _ => stream.write_all(
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        media_type::OCI_MANIFEST,
                        body.len()
                    )
                    .as_bytes(),
                ),
            };
        }
    });
    let host = format!("{stranger}:{port}");
    let reference = Reference::parse(&format!("{host}/a:1")).unwrap();
    let error = setup().client().resolve(&reference, &linux()).unwrap_err();
    assert_eq!(kind(&error), TransportKind::NotTls, "{error}");
    assert_eq!(error.attempt.host, host);
    assert!(
        seen.lock().unwrap().iter().all(|first| *first == Some(0x16)),
        "only TLS was spoken"
    );

    let mut setup = setup();
    setup.options.insecure = [host].into_iter().collect();
    setup.client().resolve(&reference, &linux()).unwrap();
}

/// An address of this machine that is not loopback. Nothing is sent to find it.
fn outward_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Nothing that came over TLS may lead to clear text: redirects, token servers, upload locations.
#[test]
fn no_downgrade() {
    if !available(&[OPENSSL]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let trusting = |setup: Setup| {
        let mut setup = setup;
        setup.options.extra_ca = vec![dir.path().join("ca.crt")];
        setup
    };
    let elsewhere = "http://plain.example/x";

    let fake = https(dir.path(), move |_| Reply::new(302).header("Location", elsewhere));
    let error = trusting(setup())
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(
        matches!(&error.kind, ErrorKind::Redirect { to, .. } if to == "plain.example"),
        "{error:?}"
    );

    let realm = format!("Bearer realm=\"{elsewhere}\"");
    let fake = Fake::start_tls(dir.path(), move |_| {
        Reply::new(401).header("WWW-Authenticate", realm.clone())
    });
    let setup1 = trusting(setup().login(home.path(), &fake.host(), &password("u", "p")));
    let error = setup1
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert!(
        matches!(&error.kind, ErrorKind::Redirect { to, .. } if to == "plain.example"),
        "{error:?}"
    );

    let blob = noise(100);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let open = move |_| Ok(Box::new(std::io::Cursor::new(noise(100))) as Box<dyn std::io::Read>);
    let upload = |location: fn(&str) -> String| {
        let fake = Fake::start_tls(dir.path(), move |asked| match asked.method.as_str() {
            "HEAD" => Reply::new(404),
            "POST" => Reply::new(202).header("Location", location(asked.header("host").unwrap())),
            _ => Reply::new(201),
        });
        let result =
            trusting(setup())
                .client()
                .push_blob(&reference(&fake, "a:1"), &descriptor, &open, None, &|_| {});
        (result, fake.lines().len())
    };
    let (result, _) = upload(|_| "http://plain.example/up".to_owned());
    assert!(matches!(result.unwrap_err().kind, ErrorKind::Redirect { .. }));
    // A registry behind a proxy that does not know of the TLS before it: TLS is kept.
    let (result, asked) = upload(|host| format!("http://{host}/up"));
    assert_eq!((result.unwrap(), asked), (Pushed::Uploaded, 3));
}

//! Through a proxy, from the environment.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rbuild_oci::*;
use rbuild_registry::*;

use crate::fake::Fake;
use crate::fixture::*;

/// A proxy that leads every CONNECT to `port` on loopback, or refuses all. Remembers the heads it was sent.
fn proxy(port: Option<u16>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = heads.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
            log.lock().unwrap().push(head);
            let Some(port) = port else {
                let _ = client.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n");
                continue;
            };
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
        }
    });
    (own, heads)
}

fn environment(port: u16, no_proxy: &'static str) -> ProxySettings {
    ProxySettings::from_vars(&move |name| match name {
        "HTTPS_PROXY" => Some(format!("http://me:canary@127.0.0.1:{port}")),
        "NO_PROXY" => Some(no_proxy.to_owned()),
        _ => None,
    })
}

#[test]
fn connects_through_the_proxy() {
    if !available(&[OPENSSL]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let good = image("x");
    let fake = Fake::start_tls(
        dir.path(),
        serve(vec![(good.manifest.clone(), good.descriptor.clone())]),
    );
    let (port, heads) = proxy(Some(fake.port));
    let mut setup = setup();
    setup.options.proxies = environment(port, "");
    setup.options.skip_tls_verify = HostSet::All;
    // The name exists nowhere: the proxy looks it up.
    let reference = Reference::parse("registry.invalid/a:1").unwrap();
    assert_eq!(
        setup.client().resolve(&reference, &linux()).unwrap().descriptor,
        good.descriptor
    );
    let head = heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.starts_with("connect registry.invalid:443 "), "{head}");
    assert!(head.contains("proxy-authorization: basic bwu6y2fuyxj5"), "{head}");

    setup.options.proxies = environment(port, "invalid");
    let error = setup.client().resolve(&reference, &linux()).unwrap_err();
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
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[test]
fn a_refusing_proxy_is_named_without_its_password() {
    let (port, _) = proxy(None);
    let mut setup = setup();
    setup.options.proxies = environment(port, "");
    let reference = Reference::parse("registry.invalid/a:1").unwrap();
    let error = setup.client().resolve(&reference, &linux()).unwrap_err();
    assert!(
        matches!(
            error.kind,
            ErrorKind::Transport {
                kind: TransportKind::Proxy,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error:?} {:?}", setup.options).contains("canary"));

    setup.options.proxies.https = Some(Secret::new("http://canary:canary@"));
    let error = setup.client().resolve(&reference, &linux()).unwrap_err();
    assert!(
        matches!(
            error.kind,
            ErrorKind::Transport {
                kind: TransportKind::Proxy,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error:?} {:?}", setup.options).contains("canary"));
}

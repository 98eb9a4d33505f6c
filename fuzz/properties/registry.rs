//! Any bytes as the answers of a registry: the client ends, never panics, believes nothing that has not the digest asked
//! for, and shows its password to no other host.
//!
//! The input is a script: what the client is to do, then what it is answered, one answer after the other. `REGISTRY` and
//! `ELSEWHERE` stand for the addresses of two servers. A line feed in the head of an answer is sent as a line's end.

use rbuild_oci::{Descriptor, Digest, ImagePlatform, Reference, media_type};
use rbuild_registry::{
    Client, ClientOptions, Credential, Credentials, Download, Env, HostSet, ProxySettings, RetryPolicy,
    Secret, Timeouts, Validators,
};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

const BETWEEN: &[u8] = b"\n----\n";
const MOST_ANSWERS: usize = 12;
/// What the blob that is asked for holds.
pub(crate) const BLOB: &[u8] = b"a blob that is asked for";

/// The two servers, and what they are to say next.
struct Servers {
    registry: String,
    elsewhere: String,
    said: Arc<Mutex<Said>>,
}

#[derive(Default)]
struct Said {
    answers: VecDeque<Vec<u8>>,
    /// The second server was shown an authorization.
    shown: bool,
}

static SERVERS: LazyLock<Servers> = LazyLock::new(|| {
    let said = Arc::new(Mutex::new(Said::default()));
    let start = |is_registry: bool| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let said = said.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is no failure of the server.
                let _ = serve(stream, &said, is_registry);
            }
        });
        address
    };
    let (registry, elsewhere) = (start(true), start(false));
    Servers {
        registry,
        elsewhere,
        said,
    }
});

fn serve(stream: TcpStream, said: &Mutex<Said>, is_registry: bool) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut first = [0];
    // A greeting of TLS.
    if stream.peek(&mut first)? == 1 && first[0] == 0x16 {
        return Ok(());
    }
    let mut reader = BufReader::new(stream);
    let (mut length, mut shown) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        shown |= line.starts_with("authorization:");
    }
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    let answer = {
        let mut said = said.lock().expect("nobody panics with it");
        said.shown |= shown && !is_registry;
        said.answers.pop_front().unwrap_or_default()
    };
    reader.get_mut().write_all(&answer)?;
    reader.get_mut().shutdown(Shutdown::Both)
}

pub(crate) fn holds(data: &[u8]) {
    answered(data, false);
}

/// Whether it is a script that leads to something. For the test of the samples.
#[allow(dead_code, reason = "the fuzzer does not ask")]
pub(crate) fn is_understood(data: &[u8]) -> bool {
    answered(data, true)
}

/// The servers end each connection after an answer. When that is `announced`, the client does not send its next request
/// into one that is about to end.
fn answered(data: &[u8], announced: bool) -> bool {
    static ALONE: Mutex<()> = Mutex::new(());
    // A property that does not hold panics with it.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let servers = &*SERVERS;
    let mut parts = split(data).into_iter();
    let verb = parts.next().unwrap_or_default();
    let answers: VecDeque<Vec<u8>> = parts
        .take(MOST_ANSWERS)
        .map(|part| on_the_wire(part, servers, announced))
        .collect();
    let asks_for_token = data
        .to_ascii_lowercase()
        .windows(6)
        .any(|bytes| bytes == b"bearer");
    *servers.said.lock().expect("nobody panics with it") = Said {
        answers,
        shown: false,
    };
    let done = act(verb, &client(servers), servers);
    let shown = servers.said.lock().expect("nobody panics with it").shown;
    assert!(!shown || asks_for_token, "the password went elsewhere");
    done
}

fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = data.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN) {
        parts.push(&data[..at]);
        data = &data[at + BETWEEN.len()..];
    }
    parts.push(data);
    parts
}

fn on_the_wire(answer: &[u8], servers: &Servers, announced: bool) -> Vec<u8> {
    let end = answer
        .windows(2)
        .position(|bytes| bytes == b"\n\n")
        .map_or(answer.len(), |at| at + 2);
    let (head, body) = answer.split_at(end);
    let mut bytes = Vec::new();
    for byte in head {
        bytes.extend_from_slice(if *byte == b'\n' {
            b"\r\n"
        } else {
            std::slice::from_ref(byte)
        });
    }
    if let (true, Some(at)) = (announced, bytes.windows(2).position(|two| two == b"\r\n")) {
        bytes.splice(at..at, *b"\r\nConnection: close");
    }
    bytes.extend_from_slice(body);
    for (name, address) in [
        (&b"REGISTRY"[..], &servers.registry),
        (b"ELSEWHERE", &servers.elsewhere),
    ] {
        while let Some(at) = bytes.windows(name.len()).position(|bytes| bytes == name) {
            bytes.splice(at..at + name.len(), address.bytes());
        }
    }
    bytes
}

/// A client that reaches nobody but the two servers: whatever else an answer names is asked for through one of them.
fn client(servers: &Servers) -> Client {
    let proxy = Some(Secret::new(format!("http://{}", servers.elsewhere)));
    let credential = Credential::Basic {
        username: "user".to_owned(),
        password: Secret::new("password"),
    };
    let wait = Duration::from_secs(5);
    Client::new(ClientOptions {
        credentials: Credentials::new(Env::default()).with(Some((servers.registry.clone(), credential))),
        proxies: ProxySettings {
            http: proxy.clone(),
            https: proxy,
            no_proxy: Vec::new(),
        },
        // So that the roots of the system are not read for each input.
        skip_tls_verify: HostSet::All,
        retry: RetryPolicy::never(),
        timeouts: Timeouts {
            connect: wait,
            silence: wait,
            answer: wait,
        },
        ..ClientOptions::default()
    })
}

/// Does what the script says; whether it worked.
fn act(verb: &[u8], client: &Client, servers: &Servers) -> bool {
    let parse = |rest: &str| Reference::parse(&format!("{}/{rest}", servers.registry)).expect("a reference");
    let reference = parse("app:1");
    let blob = Descriptor::new(
        media_type::OCI_LAYER.to_owned(),
        Digest::of(BLOB),
        BLOB.len() as u64,
    );
    match verb {
        b"blob" => {
            let mut bytes = Vec::new();
            let fetched = client.fetch_blob(&reference, &blob, &mut bytes, &|_| {});
            assert!(fetched.is_err() || bytes == BLOB);
            fetched.is_ok()
        }
        b"push" => {
            let pushed = client.push_blob(&reference, &blob, &source, Some("other"), &|_| {});
            let manifest = client.push_manifest(&reference, media_type::OCI_MANIFEST, b"{}");
            pushed.is_ok() && manifest.is_ok()
        }
        b"tags" => client.tags(&reference).is_ok(),
        b"exists" => client.exists(&reference).is_ok(),
        b"ping" => client.ping(&servers.registry, None).is_ok(),
        b"download" => download(client, servers),
        _ => {
            let Ok(found) = client.resolve(&reference, &ImagePlatform::host()) else {
                return false;
            };
            let image = (&found.bytes, found.descriptor.digest);
            let indexes = found
                .chain
                .iter()
                .map(|index| (&index.bytes, index.descriptor.digest));
            assert!(
                indexes
                    .chain([image])
                    .all(|(bytes, digest)| Digest::of(bytes) == digest)
            );
            true
        }
    }
}

fn source(from: u64) -> std::io::Result<Box<dyn Read>> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    Ok(Box::new(BLOB.get(from..).unwrap_or_default()))
}

fn download(client: &Client, servers: &Servers) -> bool {
    let mut file = tempfile::tempfile().expect("a file");
    let url = format!("http://{}/file", servers.registry);
    let done = client.download(&url, &Validators::default(), None, &mut file, &|_, _| {});
    if let Ok(Download::Fetched { size, .. }) = done {
        assert_eq!(file.metadata().expect("a file").len(), size);
    }
    done.is_ok()
}

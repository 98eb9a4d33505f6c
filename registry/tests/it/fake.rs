//! `Fake`: an HTTP/1.1 server on loopback that answers as a closure says and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a client asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What the server answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Send only so many bytes of the body, then hang up.
    pub(crate) cut: Option<usize>,
    /// Hang up without any answer.
    pub(crate) hang_up: bool,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
            hang_up: false,
        }
    }

    pub(crate) fn hang_up() -> Self {
        Self {
            hang_up: true,
            ..Self::new(200)
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn cut(mut self, at: usize) -> Self {
        self.cut = Some(at);
        self
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

pub(crate) struct Fake {
    pub(crate) port: u16,
    address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
}

impl Fake {
    /// Plain HTTP.
    pub(crate) fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(bind("127.0.0.1:0").unwrap(), None, handler)
    }

    /// Plain HTTP at another address; `None` where this machine has no such address.
    pub(crate) fn start_at(
        address: &str,
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Option<Self> {
        Some(Self::listen(bind(address).ok()?, None, handler))
    }

    /// With TLS; `dir` holds `server.crt` and `server.key`.
    pub(crate) fn start_tls(dir: &Path, handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        use rustls::pki_types::pem::PemObject;
        let certs = rustls::pki_types::CertificateDer::pem_file_iter(dir.join("server.crt"))
            .unwrap()
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = rustls::pki_types::PrivateKeyDer::from_pem_file(dir.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certs, key)
            .unwrap();
        Self::listen(bind("127.0.0.1:0").unwrap(), Some(Arc::new(config)), handler)
    }

    fn listen(
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let port = address.port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let (log2, stop2) = (log.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop2.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { return };
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                let (handler, log, tls) = (handler.clone(), log2.clone(), tls.clone());
                std::thread::spawn(move || {
                    // A broken connection is the client's choice, and often the point of the test.
                    let _ = match tls {
                        None => serve_plain(stream, &*handler, &log),
                        Some(config) => {
                            let connection = rustls::ServerConnection::new(config).unwrap();
                            serve(rustls::StreamOwned::new(connection, stream), &*handler, &log)
                        }
                    };
                });
            }
        });
        Self {
            port,
            address,
            log,
            stop,
        }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

fn bind(address: &str) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve_plain(stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut first = [0];
    // A TLS client says hello to a server that knows none: it is cut off.
    if stream.peek(&mut first)? == 1 && first[0] == 0x16 {
        return Ok(());
    }
    serve(stream, handler, log)
}

fn serve<S: Read + Write>(stream: S, handler: &Handler, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Some(asked) = read_request(&mut stream)? else {
            return Ok(());
        };
        log.lock().unwrap().push(asked.clone());
        let reply = handler(&asked);
        if reply.hang_up {
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
        let given = |name: &str| reply.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !given("transfer-encoding") && reply.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
        }
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let out = stream.get_mut();
        out.write_all(head.as_bytes())?;
        if asked.method != "HEAD" {
            out.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len())])?;
        }
        out.flush()?;
        if reply.cut.is_some() {
            return Ok(());
        }
    }
}

fn read_request<S: Read>(stream: &mut BufReader<S>) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    assert_eq!(
        asked.header("transfer-encoding"),
        None,
        "bodies have a known length"
    );
    if let Some(length) = asked.header("content-length") {
        let length: usize = length.parse().unwrap();
        asked.body = vec![0; length];
        stream.read_exact(&mut asked.body)?;
    }
    Ok(Some(asked))
}

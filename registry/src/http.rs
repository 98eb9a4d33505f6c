//! `Http`: one exchange on the wire. No redirects, no authentication, no second try: those are decided above.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use ureq::{Agent, Body, SendBody};

use crate::error::{ErrorKind, RegistryMessage, parse_messages};
use crate::options::ClientOptions;
use crate::retry::parse_retry_after;
use crate::tls::Tls;
use crate::transport_error;
use crate::url::{Scheme, Url};

const ERROR_BODY_LIMIT: u64 = 64 << 10;

/// Opens the bytes to send, from the start, as often as needed.
pub(crate) type Open<'a> = &'a dyn Fn() -> io::Result<Box<dyn Read + 'a>>;

/// What goes with a request.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    Stream { len: u64, open: Open<'a> },
}

/// Connections, one pool per origin because each host may have its own certificates.
pub(crate) struct Http {
    options: ClientOptions,
    tls: Tls,
    agents: Mutex<BTreeMap<(Scheme, String), Agent>>,
}

/// Head of an answer, and its body still on the wire.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    body: Body,
}

/// A poisoned lock only means that another thread panicked; the maps behind these locks stay whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Http {
    pub(crate) fn new(options: ClientOptions) -> Self {
        Self {
            options,
            tls: Tls::new(),
            agents: Mutex::new(BTreeMap::new()),
        }
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Ends all exchanges under way; they fail as cut.
    pub(crate) fn shutdown(&self) {
        let agents = std::mem::take(&mut *lock(&self.agents));
        agents.into_values().for_each(Agent::shutdown);
    }

    pub(crate) fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        payload: Payload<'_>,
    ) -> Result<Answer, ErrorKind> {
        if self.options.cancel.is_cancelled() {
            return Err(ErrorKind::Cancelled);
        }
        let agent = self.agent(url)?;
        let mut builder = Request::builder().method(method).uri(url.wire());
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        // A transparent encoding would change what is hashed and where a range begins.
        builder = builder.header(header::ACCEPT_ENCODING, "identity");
        let malformed = |_| ErrorKind::Url(crate::url::UrlError);

        let source_error = RefCell::new(None);
        let result = match payload {
            Payload::None => {
                let request = builder.body(()).map_err(malformed)?;
                let silence = self.options.timeouts.silence;
                // Only reads: the answer to a write may be long in coming.
                let silence = matches!(*method, Method::GET | Method::HEAD).then_some(silence);
                agent.run(agent.configure_request(request).timeout_per_read(silence).build())
            }
            Payload::Bytes(bytes) => agent.run(builder.body(bytes).map_err(malformed)?),
            Payload::Stream { len, open } => {
                let inner = open().map_err(ErrorKind::Source)?;
                let mut reader = SourceReader {
                    inner,
                    left: len,
                    http: self,
                    error: &source_error,
                };
                let request = builder
                    .header(header::CONTENT_LENGTH, len)
                    .body(SendBody::from_reader(&mut reader))
                    .map_err(malformed)?;
                agent.run(request)
            }
        };
        if let Some(error) = source_error.into_inner() {
            return Err(error);
        }
        if self.options.cancel.is_cancelled() {
            return Err(ErrorKind::Cancelled);
        }
        let (head, body) = result.map_err(|e| transport_error::from_ureq(&e))?.into_parts();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            url: url.clone(),
            body,
        })
    }

    fn agent(&self, url: &Url) -> Result<Agent, ErrorKind> {
        let key = (url.scheme(), url.authority().to_owned());
        if let Some(agent) = lock(&self.agents).get(&key) {
            return Ok(agent.clone());
        }
        let tls = match url.scheme() {
            Scheme::Https => self.tls.for_host(url.authority(), &self.options)?,
            Scheme::Http => self.tls.without_roots(),
        };
        let proxy = match self.options.proxies.for_url(url) {
            None => None,
            Some(address) => {
                Some(ureq::Proxy::new(address.reveal()).map_err(|e| transport_error::from_ureq(&e))?)
            }
        };
        let timeouts = self.options.timeouts;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(self.options.user_agent.as_str())
            .tls_config(tls)
            .timeout_connect(Some(timeouts.connect))
            .timeout_per_write(Some(timeouts.silence))
            .timeout_recv_response(Some(timeouts.answer))
            .max_idle_connections_per_host(self.options.transfers_per_host.max(1))
            .build();
        let agent = Agent::new_with_config(config);
        Ok(lock(&self.agents).entry(key).or_insert(agent).clone())
    }
}

/// Reads what is sent; keeps the error apart from those of the network, and looks at the cancel flag.
struct SourceReader<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    http: &'a Http,
    error: &'a RefCell<Option<ErrorKind>>,
}

impl SourceReader<'_> {
    fn fail(&self, kind: ErrorKind) -> io::Error {
        *self.error.borrow_mut() = Some(kind);
        io::Error::other("the source failed")
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.http.options.cancel.is_cancelled() {
            return Err(self.fail(ErrorKind::Cancelled));
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        loop {
            match self.inner.read(&mut buffer[..room]) {
                Ok(0) => {
                    let short = io::Error::new(io::ErrorKind::UnexpectedEof, "shorter than announced");
                    return Err(self.fail(ErrorKind::Source(short)));
                }
                Ok(n) => {
                    self.left -= n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.fail(ErrorKind::Source(e))),
            }
        }
    }
}

impl Answer {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The announced length of the body.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// The body as a stream.
    pub(crate) fn into_reader(self) -> impl Read {
        self.body.into_with_config().limit(u64::MAX).reader()
    }

    /// The whole body, if it is at most `limit` bytes.
    pub(crate) fn read_all(self, limit: u64) -> Result<Vec<u8>, ErrorKind> {
        if self.content_length().is_some_and(|len| len > limit) {
            return Err(ErrorKind::TooLarge { limit });
        }
        let mut bytes = Vec::new();
        self.into_reader()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(transport_error::from_io)?;
        if bytes.len() as u64 > limit {
            return Err(ErrorKind::TooLarge { limit });
        }
        Ok(bytes)
    }

    /// Reads a short body that does not matter, so that the connection can be used again.
    pub(crate) fn drain(self) {
        let _ = io::copy(&mut self.into_reader().take(ERROR_BODY_LIMIT), &mut io::sink());
    }

    /// Turns an answer that is no success into an error, with what the registry says about it.
    pub(crate) fn into_error(self, options: &ClientOptions) -> ErrorKind {
        let status = self.status;
        let retry_after = self
            .header("retry-after")
            .and_then(|value| parse_retry_after(value, options.clock.now()));
        let mut body = Vec::new();
        let _ = self.into_reader().take(ERROR_BODY_LIMIT).read_to_end(&mut body);
        let messages: Vec<RegistryMessage> = parse_messages(&body);
        ErrorKind::Status {
            status,
            messages,
            retry_after,
        }
    }
}

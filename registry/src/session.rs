//! `Session`: a request to a registry with scheme, authorization and redirects sorted out. One try; trying again
//! is the caller's business.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rbuild_oci::DOCKER_HUB;
use ureq::http::{HeaderName, HeaderValue, Method, header};

use crate::auth::{Auth, Scope, Subject};
use crate::error::{Attempt, Error, ErrorKind, TransportKind};
use crate::event::Event;
use crate::http::{Answer, Http, Payload, lock};
use crate::proxy::is_loopback;
use crate::url::{Scheme, Url, encode};

const MAX_REDIRECTS: usize = 8;

/// Where a request goes.
pub(crate) enum Target {
    /// A path on the registry, with its query if it has one.
    Path(String),
    /// An address that the registry gave us.
    Url(Url),
}

impl Target {
    pub(crate) fn with_query(self, name: &str, value: &str) -> Self {
        match self {
            Self::Path(path) => {
                let mark = if path.contains('?') { '&' } else { '?' };
                Self::Path(format!("{path}{mark}{name}={}", encode(value)))
            }
            Self::Url(url) => Self::Url(url.with_query(name, value)),
        }
    }
}

pub(crate) struct Call<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) scope: &'a Scope,
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) payload: Payload<'a>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(attempt: &'a Attempt, scope: &'a Scope, method: Method, target: Target) -> Self {
        Self {
            attempt,
            scope,
            method,
            target,
            headers: Vec::new(),
            payload: Payload::None,
        }
    }

    pub(crate) fn get(attempt: &'a Attempt, scope: &'a Scope, path: String) -> Self {
        Self::new(attempt, scope, Method::GET, Target::Path(path))
    }

    pub(crate) fn head(attempt: &'a Attempt, scope: &'a Scope, path: String) -> Self {
        Self::new(attempt, scope, Method::HEAD, Target::Path(path))
    }

    /// Adds a header; text that no header can carry is the caller's mistake and is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }
}

/// How each host is spoken to, learnt from the first exchange.
#[derive(Default)]
pub(crate) struct Schemes(Mutex<BTreeMap<String, Scheme>>);

pub(crate) struct Session<'a> {
    pub(crate) http: &'a Http,
    pub(crate) auth: &'a Auth,
    pub(crate) schemes: &'a Schemes,
}

impl Session<'_> {
    /// Sends a call; the answer may have any status but 401-that-could-be-mended and redirects of reads.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let attempt = call.attempt;
        let known = || lock(&self.schemes.0).get(&attempt.host).copied();
        if let Some(scheme) = known() {
            return self.call_with(call, scheme);
        }
        match self.call_with(call, Scheme::Https) {
            // What failed after the registry had answered over TLS is no reason to doubt that it speaks it. A call
            // at the same time may have learnt meanwhile that it does not.
            Err(error) if known() != Some(Scheme::Https) && self.may_fall_back(&error) => {
                self.call_with(call, Scheme::Http)
            }
            result => result,
        }
    }

    /// An answer of any kind shows that the registry speaks this scheme.
    fn learn(&self, host: &str, scheme: Scheme) {
        let new = lock(&self.schemes.0).insert(host.to_owned(), scheme).is_none();
        if new && scheme == Scheme::Http {
            (self.http.options().events)(Event::PlainHttp {
                host: host.to_owned(),
            });
        }
    }

    /// Plain HTTP is tried where it is allowed and the server does not speak TLS. A certificate that is not
    /// trusted is no such case.
    fn may_fall_back(&self, error: &Error) -> bool {
        let ErrorKind::Transport { kind, .. } = &error.kind else {
            // No roots are needed for what is allowed to be plain.
            return matches!(error.kind, ErrorKind::NoRoots) && self.plain_allowed(&error.attempt.host);
        };
        matches!(
            kind,
            TransportKind::NotTls | TransportKind::Cut | TransportKind::Refused
        ) && self.plain_allowed(&error.attempt.host)
    }

    fn plain_allowed(&self, host: &str) -> bool {
        let url = Url::new(Scheme::Http, host, "/");
        self.http.options().insecure.contains(host) || is_loopback(url.hostname())
    }

    fn call_with(&self, call: &Call<'_>, scheme: Scheme) -> Result<Answer, Error> {
        let attempt = call.attempt;
        let base = Url::new(scheme, endpoint(&attempt.host), "/");
        let subject = Subject {
            attempt,
            scope: call.scope,
            base: &base,
        };
        let mut url = match &call.target {
            Target::Path(path) => base.join(path).map_err(|e| ErrorKind::Url(e).at(attempt))?,
            Target::Url(url) => url.clone(),
        };
        let mut authorization = None;
        if url.same_origin(&base) {
            authorization = self.auth.known(self.http, &subject)?;
        }
        let mut asked_again = false;
        let mut redirects = 0;
        loop {
            let mut headers = call.headers.clone();
            if url.same_origin(&base)
                && let Some(value) = &authorization
            {
                headers.push((header::AUTHORIZATION, value.clone()));
            }
            let answer = self
                .http
                .send(&call.method, &url, &headers, call.payload)
                .map_err(|kind| kind.at(attempt))?;
            if url.same_origin(&base) {
                self.learn(&attempt.host, scheme);
            }
            match answer.status {
                401 if !asked_again && url.same_origin(&base) => {
                    asked_again = true;
                    match self
                        .auth
                        .after_refusal(self.http, &subject, &answer, authorization.as_ref())?
                    {
                        None => return Ok(answer),
                        some => authorization = some,
                    }
                    answer.drain();
                }
                301 | 302 | 303 | 307 | 308 if matches!(call.method, Method::GET | Method::HEAD) => {
                    url = self.redirect(&answer, &url).map_err(|kind| kind.at(attempt))?;
                    redirects += 1;
                    if redirects > MAX_REDIRECTS {
                        let to = url.authority().to_owned();
                        return Err(ErrorKind::Redirect {
                            to,
                            reason: "in circles",
                        }
                        .at(attempt));
                    }
                    answer.drain();
                }
                _ => return Ok(answer),
            }
        }
    }

    fn redirect(&self, answer: &Answer, from: &Url) -> Result<Url, ErrorKind> {
        let location = answer
            .header("location")
            .ok_or(ErrorKind::Protocol("the registry redirects to nowhere"))?;
        let to = from.join(location)?;
        if from.scheme() == Scheme::Https
            && to.scheme() == Scheme::Http
            && !self.plain_allowed(to.authority())
        {
            let reason = "from TLS to clear text";
            return Err(ErrorKind::Redirect {
                to: to.authority().to_owned(),
                reason,
            });
        }
        Ok(to)
    }

    /// An address for the next write, as the registry names it. Behind a proxy registries often name themselves
    /// as `http`; then TLS is kept.
    pub(crate) fn location(&self, answer: &Answer) -> Result<Url, ErrorKind> {
        let missing = ErrorKind::Protocol("the registry did not say where to upload to");
        let to = answer.url.join(answer.header("location").ok_or(missing)?)?;
        if answer.url.scheme() == Scheme::Https && to.scheme() == Scheme::Http {
            if to.hostname() == answer.url.hostname() {
                let authority = answer.url.authority().to_owned();
                return Ok(to.at(Scheme::Https, &authority));
            }
            let reason = "from TLS to clear text";
            return Err(ErrorKind::Redirect {
                to: to.authority().to_owned(),
                reason,
            });
        }
        Ok(to)
    }
}

/// The host that serves the API.
fn endpoint(host: &str) -> &str {
    if host == DOCKER_HUB {
        "registry-1.docker.io"
    } else {
        host
    }
}

//! `Client`: the handle that callers hold, and what all its verbs share: sessions and trying again.
//!
//! The verbs themselves are in `resolve`, `fetch`, `push`, `upload` and `list`.

use std::sync::Arc;

use rbuild_oci::Reference;

use crate::auth::{Auth, Scope, Source};
use crate::credentials::Credential;
use crate::error::{Action, Attempt, Error, ErrorKind};
use crate::event::Event;
use crate::http::{Answer, Http};
use crate::options::ClientOptions;
use crate::session::{Call, Schemes, Session};
use crate::slots::{Slot, Slots};

/// A blocking client for any number of registries. Cheap to clone; clones share connections and tokens and may
/// be used from many threads at once.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: Http,
    auth: Auth,
    schemes: Schemes,
    slots: Slots,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("options", self.options())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client. Nothing is read or connected before it is needed.
    pub fn new(options: ClientOptions) -> Self {
        let inner = Inner {
            auth: Auth::new(Source::Lookup(options.credentials.clone())),
            schemes: Schemes::default(),
            slots: Slots::new(options.transfers_per_host),
            http: Http::new(options),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What it was told.
    pub fn options(&self) -> &ClientOptions {
        self.inner.http.options()
    }

    /// Raises the cancel flag and cuts what is under way, so that no thread keeps waiting for the network.
    pub fn cancel(&self) {
        self.options().cancel.cancel();
        self.inner.http.shutdown();
    }

    /// Asks a registry whether it is one and, when `credential` is given, whether it accepts it. For login.
    pub fn ping(&self, host: &str, credential: Option<&Credential>) -> Result<(), Error> {
        let attempt = Attempt {
            action: Action::Ping,
            host: host.to_owned(),
            repository: String::new(),
            object: String::new(),
        };
        if !rbuild_oci::is_registry_host(host) {
            return Err(ErrorKind::Url(crate::url::UrlError).at(&attempt));
        }
        // Remembered tokens must not answer for the credential on trial.
        let auth = Auth::new(Source::Fixed(credential.cloned()));
        let session = Session {
            http: &self.inner.http,
            auth: &auth,
            schemes: &self.inner.schemes,
        };
        let scope = Scope::none();
        self.retry(&attempt, || {
            let call = Call::get(&attempt, &scope, "/v2/".to_owned());
            let answer = session.call(&call)?;
            self.expect(answer, &attempt, &[200])?.drain();
            Ok(())
        })
    }

    pub(crate) fn session(&self) -> Session<'_> {
        Session {
            http: &self.inner.http,
            auth: &self.inner.auth,
            schemes: &self.inner.schemes,
        }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }

    pub(crate) fn slot(&self, host: &str) -> Slot<'_> {
        self.inner.slots.take(host)
    }

    /// An answer with one of the `wanted` statuses, or what is wrong.
    pub(crate) fn expect(&self, answer: Answer, attempt: &Attempt, wanted: &[u16]) -> Result<Answer, Error> {
        if wanted.contains(&answer.status) {
            return Ok(answer);
        }
        Err(answer.into_error(self.options()).at(attempt))
    }

    /// Repeats `op` while it fails for a reason that may pass.
    pub(crate) fn retry<T>(
        &self,
        attempt: &Attempt,
        mut op: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 0;
        loop {
            match op() {
                Ok(value) => return Ok(value),
                Err(error) => self.wait_after(attempt, &mut tries, error)?,
            }
        }
    }

    /// Waits before the next try, or gives the error back when there shall be none.
    pub(crate) fn wait_after(&self, attempt: &Attempt, tries: &mut u32, error: Error) -> Result<(), Error> {
        let options = self.options();
        let cancelled = || options.cancel.is_cancelled();
        if cancelled() {
            return Err(ErrorKind::Cancelled.at(attempt));
        }
        if !error.kind.is_transient() {
            return Err(error);
        }
        let retry_after = match &error.kind {
            ErrorKind::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        let Some(delay) = options.retry.delay(*tries, retry_after, options.clock.as_ref()) else {
            return Err(error);
        };
        *tries += 1;
        let reason = error.kind.to_string();
        (options.events)(Event::Retry {
            attempt: attempt.clone(),
            reason,
            delay,
            number: *tries,
        });
        options.clock.sleep(delay, &cancelled);
        if cancelled() {
            Err(ErrorKind::Cancelled.at(attempt))
        } else {
            Ok(())
        }
    }
}

/// Names what is being done to a repository.
pub(crate) fn attempt(action: Action, reference: &Reference, object: impl Into<String>) -> Attempt {
    Attempt {
        action,
        host: reference.host().to_owned(),
        repository: reference.repository().to_owned(),
        object: object.into(),
    }
}

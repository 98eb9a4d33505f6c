//! `objects`: single files below a URL, asked for and put by plain `HEAD` and `PUT`; they are fetched as any file is
//! (`download`). Caches of build tools speak no more than that.

use std::io::{self, Read};

use ureq::http::{HeaderName, HeaderValue, Method, header};

use crate::authorization::Authorization;
use crate::client::Client;
use crate::credentials::{Credential, Patience};
use crate::download::shown;
use crate::error::{Action, Attempt, Error, ErrorKind};
use crate::http::Payload;
use crate::url::Url;

impl Client {
    /// Who we are to the server of a URL, as the files and helpers for registries say: under its host, or the host with
    /// the first parts of the path.
    pub fn authorization_for(&self, url: &str) -> Option<Authorization> {
        let url = Url::parse(url).ok()?;
        let options = self.options();
        let patience = Patience {
            is_cancelled: &|| options.cancel.is_cancelled(),
            slow: &|_| {},
        };
        let path = url.path().trim_matches('/').to_owned();
        match options
            .credentials
            .lookup(url.authority(), &path, &patience)
            .credential?
        {
            Credential::Basic { username, password } => Authorization::basic(&username, password.reveal()),
            Credential::RegistryToken(token) => Authorization::bearer(token.reveal()),
            // That is for a server that gives tokens.
            Credential::IdentityToken(_) => None,
        }
    }

    /// Whether a file is there.
    ///
    /// # Errors
    /// The server says neither yes nor no.
    pub fn object_exists(&self, url: &str, authorization: Option<&Authorization>) -> Result<bool, Error> {
        let (attempt, url) = aim(Action::CheckObject, url)?;
        self.retry(&attempt, || {
            let answer = self
                .http()
                .send(&Method::HEAD, &url, &headers(authorization), Payload::None)
                .map_err(|kind| kind.at(&attempt))?;
            if answer.status == 404 {
                return Ok(false);
            }
            self.expect(answer, &attempt, &[200, 204]).map(|_| true)
        })
    }

    /// Puts a file of `len` bytes, which `open` opens as often as it is asked.
    ///
    /// # Errors
    /// The bytes cannot be read, or the server does not take them.
    pub fn put_object(
        &self,
        url: &str,
        authorization: Option<&Authorization>,
        len: u64,
        open: &dyn Fn() -> io::Result<Box<dyn Read>>,
    ) -> Result<(), Error> {
        let (attempt, url) = aim(Action::PutObject, url)?;
        let open = || open().map(|reader| reader as Box<dyn Read + '_>);
        self.retry(&attempt, || {
            let payload = match len {
                0 => Payload::Bytes(&[]),
                len => Payload::Stream { len, open: &open },
            };
            let mut headers = headers(authorization);
            let octets = HeaderValue::from_static("application/octet-stream");
            headers.push((header::CONTENT_TYPE, octets));
            let answer = self
                .http()
                .send(&Method::PUT, &url, &headers, payload)
                .map_err(|kind| kind.at(&attempt))?;
            self.expect(answer, &attempt, &[200, 201, 202, 204])?.drain();
            Ok(())
        })
    }
}

fn aim(action: Action, url: &str) -> Result<(Attempt, Url), Error> {
    let mut attempt = Attempt {
        action,
        host: String::new(),
        repository: String::new(),
        object: shown(url),
    };
    let url = Url::parse(url).map_err(|error| ErrorKind::Url(error).at(&attempt))?;
    url.authority().clone_into(&mut attempt.host);
    Ok((attempt, url))
}

fn headers(authorization: Option<&Authorization>) -> Vec<(HeaderName, HeaderValue)> {
    let value = authorization.and_then(Authorization::header);
    value
        .map(|value| (header::AUTHORIZATION, value))
        .into_iter()
        .collect()
}

//! `Auth`: which `Authorization` goes with a request: challenges, credentials and tokens, remembered per host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{HeaderName, HeaderValue, Method, header};

use crate::challenge::{Challenge, TokenAnswer};
use crate::credentials::{Credential, Credentials, Patience};
use crate::error::{Action, Attempt, Error, ErrorKind};
use crate::event::Event;
use crate::http::{Answer, Http, Payload, lock};
use crate::proxy::is_loopback;
use crate::secret::Secret;
use crate::url::{Scheme, Url, encode};

const TOKEN_BODY_LIMIT: u64 = 1 << 20;
/// Lifetime of a token that does not say (distribution's token specification: 60 seconds).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// A token this near its end counts as expired, so that it does not die under way.
const MARGIN: Duration = Duration::from_secs(10);

/// What a request needs to be allowed to do: `repository:NAME:ACTIONS`, sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Scope(BTreeSet<String>);

impl Scope {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn pull(repository: &str) -> Self {
        Self([format!("repository:{repository}:pull")].into())
    }

    pub(crate) fn push(repository: &str) -> Self {
        Self([format!("repository:{repository}:pull,push")].into())
    }

    /// With the right to read from another repository, for a mount.
    pub(crate) fn and_pull(mut self, repository: &str) -> Self {
        self.0.insert(format!("repository:{repository}:pull"));
        self
    }

    /// With what the registry itself named in its challenge.
    fn and_asked(mut self, asked: Option<&str>) -> Self {
        self.0.extend(
            asked
                .unwrap_or_default()
                .split(' ')
                .filter(|s| !s.is_empty())
                .map(str::to_owned),
        );
        self
    }
}

/// Where credentials come from.
pub(crate) enum Source {
    Lookup(Credentials),
    Fixed(Option<Credential>),
}

struct Token {
    value: Secret,
    expires: SystemTime,
}

pub(crate) struct Auth {
    source: Source,
    challenges: Mutex<BTreeMap<String, Challenge>>,
    tokens: Mutex<BTreeMap<(String, Scope), Token>>,
    found: Mutex<BTreeMap<(String, String), Option<Credential>>>,
}

/// A request's subject, as far as authorization cares.
pub(crate) struct Subject<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) scope: &'a Scope,
    /// How we speak to the registry; a token server must not be less safe.
    pub(crate) base: &'a Url,
}

impl Auth {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            challenges: Mutex::default(),
            tokens: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// What to send from the start, from what the host asked for before.
    pub(crate) fn known(&self, http: &Http, subject: &Subject<'_>) -> Result<Option<HeaderValue>, Error> {
        let challenge = lock(&self.challenges).get(&subject.attempt.host).cloned();
        match challenge {
            None => Ok(None),
            Some(challenge) => self.answer(http, subject, &challenge, false),
        }
    }

    /// What to send after a 401, or `None` when there is nothing new to try. `sent` was refused.
    pub(crate) fn after_refusal(
        &self,
        http: &Http,
        subject: &Subject<'_>,
        refused: &Answer,
        sent: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Error> {
        let values = refused.headers.get_all(header::WWW_AUTHENTICATE);
        let (known, unknown) = crate::challenge::parse(values.iter().filter_map(|v| v.to_str().ok()));
        // A token shows the password to the token server only, so it is the better choice of two.
        let bearer = known.iter().find(|c| matches!(c, Challenge::Bearer { .. }));
        let Some(challenge) = bearer.or(known.first()) else {
            return match unknown.first() {
                Some(scheme) => Err(ErrorKind::AuthScheme(scheme.clone()).at(subject.attempt)),
                None => Ok(None),
            };
        };
        lock(&self.challenges).insert(subject.attempt.host.clone(), challenge.clone());
        let answer = self.answer(http, subject, challenge, true)?;
        Ok(answer.filter(|new| Some(new) != sent))
    }

    fn answer(
        &self,
        http: &Http,
        subject: &Subject<'_>,
        challenge: &Challenge,
        fresh: bool,
    ) -> Result<Option<HeaderValue>, Error> {
        let Attempt { host, repository, .. } = subject.attempt;
        let credential = self.credential(http, host, repository);
        match (challenge, credential) {
            (_, Some(Credential::RegistryToken(token))) => {
                Ok(sensitive(format!("Bearer {}", token.reveal())))
            }
            (Challenge::Basic, Some(Credential::Basic { username, password })) => {
                Ok(basic(&username, &password))
            }
            (Challenge::Basic, _) => Ok(None),
            (
                Challenge::Bearer {
                    realm,
                    service,
                    scope,
                    ..
                },
                credential,
            ) => {
                let key = (host.clone(), subject.scope.clone());
                let now = http.options().clock.now();
                if !fresh
                    && let Some(token) = lock(&self.tokens).get(&key)
                    && token.expires > now
                {
                    return Ok(sensitive(format!("Bearer {}", token.value.reveal())));
                }
                let asked = subject
                    .scope
                    .clone()
                    .and_asked(scope.as_deref().filter(|_| fresh));
                let request = TokenRequest {
                    realm,
                    service: service.as_deref(),
                    scope: &asked,
                };
                let token = request.send(http, subject, credential.as_ref())?;
                let header = sensitive(format!("Bearer {}", token.value.reveal()));
                lock(&self.tokens).insert(key, token);
                Ok(header)
            }
        }
    }

    fn credential(&self, http: &Http, host: &str, repository: &str) -> Option<Credential> {
        let credentials = match &self.source {
            Source::Fixed(credential) => return credential.clone(),
            Source::Lookup(credentials) => credentials,
        };
        let key = (host.to_owned(), repository.to_owned());
        // Held while looking, so that parallel layers ask a helper once.
        let mut found = lock(&self.found);
        if let Some(credential) = found.get(&key) {
            return credential.clone();
        }
        let options = http.options();
        let patience = Patience {
            is_cancelled: &|| options.cancel.is_cancelled(),
            slow: &|helper| {
                (options.events)(Event::SlowHelper {
                    helper: helper.to_owned(),
                });
            },
        };
        let lookup = credentials.lookup(host, repository, &patience);
        for warning in lookup.warnings {
            (http.options().events)(Event::Credentials(warning));
        }
        found.insert(key, lookup.credential.clone());
        lookup.credential
    }
}

/// Whether a token server without TLS may be told what the registry, which has none either, may be told: on the same host,
/// or where the user has said so. One with TLS gets what the registry could have asked for itself.
fn may_hear(http: &Http, registry: &Url, realm: &Url) -> bool {
    let (one, other) = (registry.hostname(), realm.hostname());
    one == other
        || is_loopback(one) && is_loopback(other)
        || http.options().insecure.contains(realm.authority())
}

struct TokenRequest<'a> {
    realm: &'a str,
    service: Option<&'a str>,
    scope: &'a Scope,
}

impl TokenRequest<'_> {
    fn send(
        &self,
        http: &Http,
        subject: &Subject<'_>,
        credential: Option<&Credential>,
    ) -> Result<Token, Error> {
        let attempt = Attempt {
            action: Action::Authenticate,
            ..subject.attempt.clone()
        };
        let fail = |kind: ErrorKind| kind.at(&attempt);
        let realm = subject.base.join(self.realm).map_err(|e| fail(e.into()))?;
        let is_given = matches!(
            credential,
            Some(Credential::IdentityToken(_) | Credential::Basic { .. })
        );
        let is_clear = realm.scheme() == Scheme::Http;
        if is_clear
            && (subject.base.scheme() == Scheme::Https || is_given && !may_hear(http, subject.base, &realm))
        {
            let reason = "which would send credentials in clear text";
            return Err(fail(ErrorKind::Redirect {
                to: realm.authority().to_owned(),
                reason,
            }));
        }
        let answer = match credential {
            Some(Credential::IdentityToken(token)) => self.post(http, &realm, token),
            Some(Credential::Basic { username, password }) => {
                self.get(http, realm, Some(username), basic(username, password))
            }
            _ => self.get(http, realm, None, None),
        }
        .map_err(fail)?;
        if answer.status != 200 {
            return Err(fail(answer.into_error(http.options())));
        }
        let body = answer.read_all(TOKEN_BODY_LIMIT).map_err(fail)?;
        // The body is a secret; serde's words about it are not repeated.
        let broken = || fail(ErrorKind::Protocol("the token server's answer holds no token"));
        let parsed: TokenAnswer = serde_json::from_slice(&body).map_err(|_| broken())?;
        let value = [parsed.token, parsed.access_token]
            .into_iter()
            .flatten()
            .map(|text| text.0)
            .find(|text| !text.reveal().is_empty())
            .ok_or_else(broken)?;
        // The server's own clock is not asked: `issued_at` of a skewed server would be worse than ours.
        let lifetime = parsed
            .expires_in
            .map_or(DEFAULT_LIFETIME, |s| Duration::from_secs(s.min(86_400)));
        let expires = http.options().clock.now() + lifetime.saturating_sub(MARGIN);
        Ok(Token { value, expires })
    }

    fn get(
        &self,
        http: &Http,
        mut url: Url,
        account: Option<&str>,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, ErrorKind> {
        if let Some(service) = self.service {
            url = url.with_query("service", service);
        }
        for scope in &self.scope.0 {
            url = url.with_query("scope", scope);
        }
        if let Some(account) = account {
            url = url.with_query("account", account);
        }
        let headers: Vec<(HeaderName, HeaderValue)> = authorization
            .map(|value| (header::AUTHORIZATION, value))
            .into_iter()
            .collect();
        http.send(&Method::GET, &url, &headers, Payload::None)
    }

    /// OAuth2 with a refresh token (distribution's "Token Authentication: OAuth2").
    fn post(&self, http: &Http, url: &Url, token: &Secret) -> Result<Answer, ErrorKind> {
        let mut form = format!(
            "grant_type=refresh_token&client_id=rbuild&refresh_token={}",
            encode(token.reveal())
        );
        if let Some(service) = self.service {
            form.push_str(&format!("&service={}", encode(service)));
        }
        let scopes: Vec<&str> = self.scope.0.iter().map(String::as_str).collect();
        if !scopes.is_empty() {
            form.push_str(&format!("&scope={}", encode(&scopes.join(" "))));
        }
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        http.send(
            &Method::POST,
            url,
            &[(header::CONTENT_TYPE, kind)],
            Payload::Bytes(form.as_bytes()),
        )
    }
}

fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    sensitive(format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{}", password.reveal()))
    ))
}

/// `None` for text that no header can carry.
fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

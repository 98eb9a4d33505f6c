//! `Authorization`: who we are to a server that is no registry. What registries are told is decided in `auth`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::HeaderValue;

use crate::secret::Secret;

/// The value of a request's `Authorization` header. It cannot be printed by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization(Secret);

impl Authorization {
    /// A value as it is sent, such as `Bearer …`. `None` for text that no header can carry.
    pub fn verbatim(value: &str) -> Option<Self> {
        let value = value.trim();
        let can_be_sent = !value.is_empty() && HeaderValue::from_str(value).is_ok();
        can_be_sent.then(|| Self(Secret::new(value)))
    }

    /// A bearer token (RFC 6750).
    pub fn bearer(token: &str) -> Option<Self> {
        Self::of_scheme("Bearer", token.trim())
    }

    /// User and password (RFC 7617).
    pub fn basic(user: &str, password: &str) -> Option<Self> {
        Self::of_scheme("Basic", &STANDARD.encode(format!("{user}:{password}")))
    }

    fn of_scheme(scheme: &str, credentials: &str) -> Option<Self> {
        if credentials.is_empty() {
            return None;
        }
        Self::verbatim(&format!("{scheme} {credentials}"))
    }

    /// The value itself, for whoever sends it.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.reveal()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let shown = |value: Option<Authorization>| value.map(|value| value.reveal().to_owned());
        assert_eq!(
            shown(Authorization::bearer("abc\n")).as_deref(),
            Some("Bearer abc")
        );
        // RFC 7617, section 2.
        assert_eq!(
            shown(Authorization::basic("Aladdin", "open sesame")).as_deref(),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert_eq!(
            shown(Authorization::verbatim(" Custom x ")).as_deref(),
            Some("Custom x")
        );
        for bad in ["", "\n", "a\r\nX-Other: y", "nul\0"] {
            assert_eq!(Authorization::verbatim(bad), None, "{bad:?}");
            assert_eq!(Authorization::bearer(bad), None, "{bad:?}");
        }
        let canary = Authorization::bearer("canary").unwrap();
        assert!(!format!("{canary:?}").contains("canary"));
    }
}

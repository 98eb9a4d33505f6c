//! `ProxySettings`: which proxy serves a URL (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).

use std::fmt;
use std::net::IpAddr;

use crate::secret::Secret;
use crate::url::{Scheme, Url};

/// Proxies as the environment names them. A proxy's URL may hold a password, so it is kept secret.
#[derive(Clone, Default)]
pub struct ProxySettings {
    /// For plain HTTP.
    pub http: Option<Secret>,
    /// For HTTPS.
    pub https: Option<Secret>,
    /// Hosts that are reached directly: names with their subdomains, addresses, networks, `*`.
    pub no_proxy: Vec<String>,
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

impl ProxySettings {
    /// No proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads variables through `var`; lower-case names win, as in curl.
    pub fn from_vars(var: &dyn Fn(&str) -> Option<String>) -> Self {
        let get = |lower: &str| {
            var(lower)
                .or_else(|| var(&lower.to_ascii_uppercase()))
                .filter(|value| !value.trim().is_empty())
        };
        let all = get("all_proxy");
        let no_proxy = get("no_proxy").unwrap_or_default();
        Self {
            http: get("http_proxy").or_else(|| all.clone()).map(Secret::new),
            https: get("https_proxy").or(all).map(Secret::new),
            no_proxy: no_proxy
                .split([',', ' '])
                .map(|rule| rule.trim().to_ascii_lowercase())
                .filter(|rule| !rule.is_empty())
                .collect(),
        }
    }

    /// The proxy for `url`, if any. Loopback is always reached directly.
    pub(crate) fn for_url(&self, url: &Url) -> Option<&Secret> {
        let proxy = match url.scheme() {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }?;
        let (host, port) = (url.hostname().to_ascii_lowercase(), url.port());
        if is_loopback(&host) || self.no_proxy.iter().any(|rule| rule_matches(rule, &host, port)) {
            return None;
        }
        Some(proxy)
    }
}

/// Whether a bare host name or address (no port, no brackets) is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn rule_matches(rule: &str, host: &str, port: u16) -> bool {
    if rule == "*" {
        return true;
    }
    if let Some((network, bits)) = rule.split_once('/') {
        return match (
            network.parse::<IpAddr>(),
            bits.parse::<u32>(),
            host.parse::<IpAddr>(),
        ) {
            (Ok(network), Ok(bits), Ok(address)) => in_network(network, bits, address),
            _ => false,
        };
    }
    if let Ok(address) = rule
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
    {
        return host.parse::<IpAddr>() == Ok(address);
    }
    let (name, wanted_port) = match rule.rsplit_once(':') {
        Some((name, digits)) if digits.parse::<u16>().is_ok() => (name, digits.parse::<u16>().ok()),
        _ => (rule, None),
    };
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    // `.example.com` and `*.example.com` mean subdomains only; `example.com` means itself too.
    if let Some(suffix) = name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
        return host
            .strip_suffix(suffix)
            .is_some_and(|rest| rest.ends_with('.') && rest.len() > 1);
    }
    host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
}

fn in_network(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(no_proxy: &str) -> ProxySettings {
        ProxySettings::from_vars(&|name| match name {
            "HTTPS_PROXY" => Some("http://user:canary@proxy:3128".to_owned()),
            "no_proxy" => Some(no_proxy.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn no_proxy_rules() {
        for (rule, url, direct) in [
            ("", "https://ghcr.io/v2/", false),
            ("", "http://ghcr.io/v2/", true),
            ("", "https://localhost:5000/v2/", true),
            ("", "https://127.9.9.9/v2/", true),
            ("", "https://[::1]:5000/v2/", true),
            ("*", "https://ghcr.io/v2/", true),
            ("ghcr.io", "https://ghcr.io/v2/", true),
            ("GHCR.io", "https://ghcr.io/v2/", true),
            ("io", "https://ghcr.io/v2/", true),
            ("hcr.io", "https://ghcr.io/v2/", false),
            (".ghcr.io", "https://ghcr.io/v2/", false),
            (".ghcr.io", "https://a.ghcr.io/v2/", true),
            ("*.ghcr.io", "https://a.ghcr.io/v2/", true),
            ("a.b, ghcr.io:443", "https://ghcr.io/v2/", true),
            ("ghcr.io:5000", "https://ghcr.io/v2/", false),
            ("10.0.0.0/8", "https://10.2.3.4/v2/", true),
            ("10.0.0.0/8", "https://11.2.3.4/v2/", false),
            ("0.0.0.0/0", "https://11.2.3.4/v2/", true),
            ("fd00::/8", "https://[fd12::1]/v2/", true),
            ("11.2.3.4", "https://11.2.3.4/v2/", true),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(
                settings(rule).for_url(&url).is_none(),
                direct,
                "{rule} for {url:?}"
            );
        }
    }

    #[test]
    fn a_proxy_password_is_not_printed() {
        assert!(!format!("{:?}", settings("")).contains("canary"));
    }
}

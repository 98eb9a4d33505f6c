//! `80`, `80/udp`, `8000-8010`: ports of EXPOSE after expansion.

use core::net::IpAddr;
use std::fmt;

/// Ports that EXPOSE names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// First port.
    pub first: u16,
    /// Last port, the first one when it is no range.
    pub last: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: Protocol,
    /// What stood before the container's port (`127.0.0.1:8080:`); it has no meaning in an image.
    pub host: Option<String>,
}

/// Protocols of ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as they are")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

impl Ports {
    /// Parses `[[ip:]host:]port[-port][/protocol]`.
    ///
    /// Returns `None` when it is none.
    pub fn parse(text: &str) -> Option<Ports> {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return None,
        };
        let (host, ports) = match ports.rsplit_once(':') {
            Some((host, ports)) => (Some(host), ports),
            None => (None, ports),
        };
        if host.is_some_and(|host| !is_host(host)) {
            return None;
        }
        let (first, last) = range(ports)?;
        Some(Ports {
            first,
            last,
            protocol,
            host: host.map(str::to_owned),
        })
    }
}

/// What to write instead of a text that is no port.
pub fn help(text: &str) -> String {
    const FORM: &str =
        "write a number or a range, with tcp, udp or sctp behind a slash: `8080`, `8000-8010/udp`";
    let ports = text.split_once('/').map_or(text, |(ports, _)| ports);
    let numbers: Option<Vec<u64>> = ports
        .split(['-', ','])
        .map(|number| number.parse().ok())
        .collect();
    let short = text.len() < 64;
    match numbers.as_deref() {
        Some(_) if ports.contains(',') && short => {
            format!("ports stand between spaces: `{}`", text.replace(',', " "))
        }
        Some(numbers) if numbers.iter().any(|number| *number > 65_535) => {
            "the highest port is 65535".to_owned()
        }
        Some([first, last]) if first > last => {
            format!("a range begins with the lower port: `{last}-{first}`")
        }
        Some(_) if Ports::parse(ports).is_some() => "the protocol is tcp, udp or sctp".to_owned(),
        _ => FORM.to_owned(),
    }
}

/// `80` or `8000-8010`.
fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| -> Option<u16> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            None
        } else {
            text.parse().ok()
        }
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

/// What may stand before the last colon: `[ip:]port[-port]`, with any part left out; an IPv6 address has brackets or not.
fn is_host(text: &str) -> bool {
    let (ip, ports) = match text.rsplit_once(':') {
        Some((ip, ports)) => (ip, ports),
        None => ("", text),
    };
    let bare = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    (ip.is_empty() || bare.parse::<IpAddr>().is_ok()) && (ports.is_empty() || range(ports).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let form = "write a number or a range, with tcp, udp or sctp behind a slash: `8080`, `8000-8010/udp`";
        for (text, expected) in [
            ("80/htp", "the protocol is tcp, udp or sctp"),
            ("80/icmp", "the protocol is tcp, udp or sctp"),
            ("70000", "the highest port is 65535"),
            ("1-70000/udp", "the highest port is 65535"),
            ("90-80", "a range begins with the lower port: `80-90`"),
            ("80,443", "ports stand between spaces: `80 443`"),
            ("http", form),
            ("1-2-3", form),
            ("", form),
        ] {
            assert_eq!(help(text), expected, "{text}");
        }
    }

    #[test]
    fn forms() {
        let ports = |text: &str| {
            Ports::parse(text).map(|p| {
                (
                    p.first,
                    p.last,
                    p.protocol.to_string(),
                    p.host.unwrap_or_default(),
                )
            })
        };
        assert_eq!(ports("80"), Some((80, 80, "tcp".into(), String::new())));
        assert_eq!(ports("53/UDP"), Some((53, 53, "udp".into(), String::new())));
        assert_eq!(
            ports("8000-8010/sctp"),
            Some((8000, 8010, "sctp".into(), String::new()))
        );
        assert_eq!(
            ports("127.0.0.1:80:8080"),
            Some((8080, 8080, "tcp".into(), "127.0.0.1:80".into()))
        );
        for (text, host) in [
            ("0.0.0.0:81-82:80", "0.0.0.0:81-82"),
            ("::80", ":"),
            ("[::1]:81:80", "[::1]:81"),
            ("[2001:db8::68]::80", "[2001:db8::68]:"),
            ("2001:db8::68::80", "2001:db8::68:"),
            ("::1:81:80", "::1:81"),
            ("::::80", ":::"),
        ] {
            assert_eq!(ports(text), Some((80, 80, "tcp".into(), host.into())), "{text}");
        }
        for bad in [
            "",
            "x",
            "80/icmp",
            "90-80",
            "65536",
            "-80",
            "80-",
            "+80",
            "80/tcp/udp",
            "localhost:80:80",
            "1.2.3:80:80",
            "x:80",
            "[::1:80:80",
        ] {
            assert_eq!(ports(bad), None, "{bad}");
        }
    }
}

//! `80`, `80/udp`, `8000-8010`: ports of EXPOSE after expansion.

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
            Some((host, ports)) => (Some(host.to_owned()), ports),
            None => (None, ports),
        };
        let number = |text: &str| -> Option<u16> {
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                None
            } else {
                text.parse().ok()
            }
        };
        let (first, last) = match ports.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(ports)?, number(ports)?),
        };
        (first <= last).then_some(Ports {
            first,
            last,
            protocol,
            host,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(ports(bad), None, "{bad}");
        }
    }
}

//! The resolver file of a container, made from the host's: `resolv.conf(5)`. A pure function.

use std::net::IpAddr;

use rbuild_sandbox::FORWARDER;
use rbuild_sandbox::name_server::{begins_with_local_server, is_loopback, name_server};

/// Name servers for a host that has none which a container could reach.
const FALLBACK: [&str; 2] = ["nameserver 8.8.8.8", "nameserver 8.8.4.4"];

/// Makes the container's `resolv.conf`.
///
/// `host` is `/etc/resolv.conf`; `upstream` is `/run/systemd/resolve/resolv.conf` where it exists, which has the real
/// servers of a host whose first file only names the local stub. With `own_network` the container has a network
/// namespace of its own, in which the host's loopback servers are out of reach: [`FORWARDER`] takes the place of
/// one that stands first, and others are left out. Everything else (`search`, `options`, comments) is kept. Without any
/// server left, public ones are used.
pub(super) fn container_resolv_conf(host: &str, upstream: Option<&str>, own_network: bool) -> String {
    let is_stub = |text: &str| {
        let mut servers = text.lines().filter_map(name_server).peekable();
        servers.peek().is_some() && servers.all(|server| server == IpAddr::from([127, 0, 0, 53]))
    };
    let source = match upstream {
        Some(upstream) if is_stub(host) => upstream,
        _ => host,
    };
    let forwarder = format!("nameserver {FORWARDER}");
    let mut forwarder = Some(forwarder.as_str()).filter(|_| begins_with_local_server(source));
    let mut lines: Vec<&str> = source
        .lines()
        .filter_map(|line| match name_server(line) {
            Some(address) if own_network && is_loopback(&address) => forwarder.take(),
            _ => Some(line),
        })
        .collect();
    if !lines.iter().any(|line| name_server(line).is_some()) {
        lines.extend(FALLBACK);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_is_kept_as_it_is() {
        let host = "# made by hand\nsearch example.org\nnameserver 192.0.2.1\noptions edns0 ndots:2\n";
        assert_eq!(container_resolv_conf(host, None, false), host);
        assert_eq!(
            container_resolv_conf(host, Some("nameserver 192.0.2.9\n"), true),
            host
        );
    }

    #[test]
    fn the_stub_of_systemd_gives_way_to_the_real_servers() {
        let host = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";
        let upstream = "nameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch lan\n";
        assert_eq!(container_resolv_conf(host, Some(upstream), false), upstream);
    }

    #[test]
    fn loopback_servers_are_replaced_only_in_an_own_network() {
        let host = "nameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.1\nsearch a b\n";
        assert_eq!(
            container_resolv_conf(host, None, true),
            "nameserver 169.254.1.1\nnameserver 192.0.2.1\nsearch a b\n"
        );
        assert_eq!(container_resolv_conf(host, None, false), host);
        let host = "nameserver 192.0.2.1\nnameserver 127.0.0.1\n";
        assert_eq!(container_resolv_conf(host, None, true), "nameserver 192.0.2.1\n");
    }

    #[test]
    fn without_a_server_there_is_a_fallback() {
        for host in ["", "search x\n", "nameserver nonsense\n"] {
            assert!(
                container_resolv_conf(host, None, true).contains("nameserver 8.8.8.8\n"),
                "{host:?}"
            );
        }
    }
}

//! The lines of `resolv.conf(5)` that name a server.

use std::net::IpAddr;

/// Whether the first server of a `resolv.conf` is one that only the host itself can reach.
pub fn begins_with_local_server(text: &str) -> bool {
    text.lines()
        .find_map(name_server)
        .is_some_and(|address| is_loopback(&address))
}

/// Whether an address is one that only the host itself can reach.
pub fn is_loopback(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address
                    .to_ipv4_mapped()
                    .is_some_and(|address| address.is_loopback())
        }
    }
}

/// The server that a line names.
pub fn name_server(line: &str) -> Option<IpAddr> {
    let mut words = line.split_ascii_whitespace();
    if words.next() != Some("nameserver") {
        return None;
    }
    // A scope (`fe80::1%eth0`) is not part of the address.
    words.next()?.split('%').next()?.parse().ok()
}

//! Sockets that have a name and no file.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::Command;

/// What a stream and a datagram to a name meet: error numbers, 0 for success.
pub(crate) fn connect(name: &str) -> [i32; 2] {
    let stream = UnixStream::connect_addr(&address(name)).map(|_| ());
    let datagram = UnixDatagram::unbound()
        .and_then(|socket| socket.send_to_addr(b"x", &address(&format!("{name}-datagram"))));
    [number(stream), number(datagram.map(|_| ()))]
}

/// What a child meets that connects to a name of ours.
pub(crate) fn serve(name: &str) -> serde_json::Value {
    let _stream = UnixListener::bind_addr(&address(name)).unwrap();
    let _datagram = UnixDatagram::bind_addr(&address(&format!("{name}-datagram"))).unwrap();
    let output = Command::new("/bin/inside")
        .args(["connect", name])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn address(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(name).unwrap()
}

fn number(outcome: io::Result<()>) -> i32 {
    outcome.err().map_or(0, |error| error.raw_os_error().unwrap())
}

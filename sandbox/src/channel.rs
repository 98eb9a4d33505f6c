//! [`Channel`]: small packets with descriptors, between us and a program of ours that we start.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::wire;

/// Bytes, and descriptors that came with them.
pub type Packet = (Vec<u8>, Vec<OwnedFd>);

/// One end of a pair of sockets that have no name.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn pair() -> Result<(Self, Self), Errno> {
        let (one, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(one), Self(other)))
    }

    /// Sends bytes, which may be many, and descriptors, at most seven.
    ///
    /// # Errors
    /// What the kernel says; `EPIPE` when the other end is closed.
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        // A packet has room for few bytes; memory has room for all.
        let text = wire::memory_file(&[bytes])?;
        let mut all = vec![text.as_fd()];
        all.extend(descriptors);
        wire::send(self.0.as_fd(), b"+", &all)
    }

    /// Receives what was sent; `None` when the other end is closed.
    ///
    /// # Errors
    /// What the kernel says; `EPROTO` for what no [`send`](Self::send) has sent.
    pub fn receive(&self) -> Result<Option<Packet>, Errno> {
        let (packet, mut descriptors) = wire::receive(self.0.as_fd())?;
        if packet.is_empty() {
            return Ok(None);
        }
        if descriptors.is_empty() {
            return Err(Errno::PROTO);
        }
        let text = descriptors.remove(0);
        Ok(Some((wire::read_memory_file(text.as_fd())?, descriptors)))
    }
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_and_a_descriptor_arrive() {
        let (here, there) = Channel::pair().unwrap();
        let bytes = vec![7; 100_000];
        let file = wire::memory_file(&[b"content"]).unwrap();
        here.send(&bytes, &[file.as_fd()]).unwrap();
        let (got, descriptors) = there.receive().unwrap().unwrap();
        assert_eq!(got, bytes);
        assert_eq!(
            wire::read_memory_file(descriptors[0].as_fd()).unwrap(),
            b"content"
        );
        drop(here);
        assert!(there.receive().unwrap().is_none());
    }
}

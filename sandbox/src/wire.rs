//! The bytes that the program, the zygote and the new process say to each other.
//!
//! One request is one packet on the control socket with its descriptors attached. Its answers come on a socket of its
//! own: the process as a pidfd, the pty if one was asked for, and in the end the exit status. A failure of the new
//! process comes through a pipe that exec closes.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::emulator::Machine;
use crate::spec::Network;
use crate::sys::Ended;

/// The most descriptors that one packet carries.
const MAX_FDS: usize = 16;
/// The most bytes of one packet; specs travel in memory files instead.
const MAX_PACKET: usize = 64;

/// Descriptors and data of one start request.
pub(crate) struct Request {
    /// Where the zygote and the child answer.
    pub(crate) reply: OwnedFd,
    /// Write end of the pipe for the child's failure.
    pub(crate) failure: OwnedFd,
    /// The spec as JSON, in a memory file.
    pub(crate) spec: OwnedFd,
    /// The bytes of all blobs of the spec, in order, in a memory file.
    pub(crate) blobs: OwnedFd,
    /// Whether to make a network namespace, and whether to connect it.
    pub(crate) network: Network,
    /// Whose programs are to be emulated.
    pub(crate) machine: Option<Machine>,
    /// What becomes descriptors 0, 1 and 2.
    pub(crate) streams: Streams,
    /// The directories of the command's group.
    pub(crate) groups: Vec<OwnedFd>,
}

/// Where descriptors 0, 1 and 2 come from.
pub(crate) enum Streams {
    /// From these.
    Given([OwnedFd; 3]),
    /// From a pty of the container, `rows` by `columns`.
    Pty { rows: u16, columns: u16 },
}

impl Request {
    /// All descriptors of the request and one more, for who keeps these alone.
    pub(crate) fn descriptors_and<'a>(&'a self, more: &'a OwnedFd) -> Vec<BorrowedFd<'a>> {
        let own = [&self.reply, &self.failure, &self.spec, &self.blobs, more];
        let mut all: Vec<BorrowedFd<'a>> = own.map(AsFd::as_fd).into();
        if let Streams::Given(streams) = &self.streams {
            all.extend(streams.iter().map(AsFd::as_fd));
        }
        all.extend(self.groups.iter().map(AsFd::as_fd));
        all
    }

    /// Lets go of all but where the answer goes.
    pub(crate) fn keep_reply(self) -> OwnedFd {
        self.reply
    }

    /// Sends the request as one packet.
    pub(crate) fn send(&self, control: BorrowedFd<'_>) -> Result<(), Errno> {
        let mut bytes = vec![match self.network {
            Network::Host => 0,
            Network::None => 1,
            Network::Private => 2,
        }];
        bytes.push(Machine::byte(self.machine));
        let mut fds = vec![
            self.reply.as_fd(),
            self.failure.as_fd(),
            self.spec.as_fd(),
            self.blobs.as_fd(),
        ];
        match &self.streams {
            Streams::Given(streams) => {
                bytes.push(0);
                fds.extend(streams.iter().map(AsFd::as_fd));
            }
            Streams::Pty { rows, columns } => {
                bytes.push(1);
                bytes.extend(rows.to_le_bytes());
                bytes.extend(columns.to_le_bytes());
            }
        }
        fds.extend(self.groups.iter().map(AsFd::as_fd));
        send(control, &bytes, &fds)
    }

    /// Receives a request; `None` at the end of the program that sends them.
    pub(crate) fn receive(control: BorrowedFd<'_>) -> Result<Option<Self>, Errno> {
        let (bytes, fds) = receive(control)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let [network, machine, ref streams @ ..] = bytes[..] else {
            return Err(Errno::PROTO);
        };
        let network = match network {
            0 => Network::Host,
            1 => Network::None,
            2 => Network::Private,
            _ => return Err(Errno::PROTO),
        };
        let mut fds = fds.into_iter();
        let mut next = || fds.next().ok_or(Errno::PROTO);
        let (reply, failure, spec, blobs) = (next()?, next()?, next()?, next()?);
        let streams = match *streams {
            [0] => Streams::Given([next()?, next()?, next()?]),
            [1, r0, r1, c0, c1] => Streams::Pty {
                rows: u16::from_le_bytes([r0, r1]),
                columns: u16::from_le_bytes([c0, c1]),
            },
            _ => return Err(Errno::PROTO),
        };
        Ok(Some(Self {
            reply,
            failure,
            spec,
            blobs,
            network,
            machine: Machine::of_byte(machine),
            streams,
            groups: fds.collect(),
        }))
    }
}

/// One answer to a request.
pub(crate) enum Reply {
    /// The process exists.
    Cloned(OwnedFd),
    /// The process could not be made.
    NotCloned(Errno),
    /// The pty's master side.
    Pty(OwnedFd),
    /// The process has ended.
    Ended(Ended),
}

impl Reply {
    /// Sends the answer as one packet.
    pub(crate) fn send(&self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        match self {
            Reply::Cloned(pidfd) => send_cloned(socket, pidfd.as_fd()),
            Reply::NotCloned(errno) => {
                let mut bytes = vec![b'n'];
                bytes.extend(errno.raw_os_error().to_le_bytes());
                send(socket, &bytes, &[])
            }
            Reply::Pty(master) => send(socket, b"p", &[master.as_fd()]),
            Reply::Ended(ended) => {
                let mut bytes = vec![b'e'];
                bytes.extend(ended.status.to_le_bytes());
                bytes.extend(ended.max_rss.to_le_bytes());
                bytes.extend((ended.cpu.as_micros() as u64).to_le_bytes());
                send(socket, &bytes, &[])
            }
        }
    }

    /// Receives an answer; `None` when the zygote is gone.
    pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<Option<Self>, Errno> {
        let (bytes, mut fds) = receive(socket)?;
        let Some((tag, mut rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let reply = match tag {
            b'c' => Reply::Cloned(fds.pop().ok_or(Errno::PROTO)?),
            b'p' => Reply::Pty(fds.pop().ok_or(Errno::PROTO)?),
            b'n' => Reply::NotCloned(Errno::from_raw_os_error(i32::from_le_bytes(take(&mut rest)?))),
            b'e' => Reply::Ended(Ended {
                status: i32::from_le_bytes(take(&mut rest)?),
                max_rss: u64::from_le_bytes(take(&mut rest)?),
                cpu: Duration::from_micros(u64::from_le_bytes(take(&mut rest)?)),
            }),
            _ => return Err(Errno::PROTO),
        };
        Ok(Some(reply))
    }
}

/// [`Reply::Cloned`] of a descriptor that the sender keeps.
pub(crate) fn send_cloned(socket: BorrowedFd<'_>, pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    send(socket, b"c", &[pidfd])
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Errno> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(Errno::PROTO)?;
    *bytes = rest;
    Ok(*head)
}

pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOBIG);
    }
    let sent = rustix::io::retry_on_intr(|| {
        sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
    })?;
    if sent == bytes.len() {
        Ok(())
    } else {
        Err(Errno::MSGSIZE)
    }
}

pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<(Vec<u8>, Vec<OwnedFd>), Errno> {
    let mut bytes = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => continue,
            // The peer died with unread packets: as much an end as an orderly one.
            Err(Errno::CONNRESET) => break 0,
            other => break other?.bytes,
        }
    };
    bytes.truncate(length);
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    Ok((bytes, fds))
}

/// Puts bytes into memory without a name that cannot be changed any more.
pub(crate) fn memory_file(parts: &[&[u8]]) -> Result<OwnedFd, Errno> {
    let file = rustix::fs::memfd_create("rbuild", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
            rest = &rest[written..];
        }
    }
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}

/// Reads a memory file from its beginning.
pub(crate) fn read_memory_file(file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    let size = rustix::fs::fstat(file)?.st_size as usize;
    let mut bytes = vec![0; size];
    let mut done = 0;
    while done < size {
        match rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut bytes[done..], done as u64))? {
            0 => return Err(Errno::IO),
            read => done += read,
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    }

    #[test]
    fn a_request_arrives_whole() {
        let (here, there) = pair();
        let file = || memory_file(&[b"x"]).unwrap();
        let request = Request {
            reply: file(),
            failure: file(),
            spec: memory_file(&[b"sp", b"ec"]).unwrap(),
            blobs: file(),
            network: Network::Private,
            machine: Machine::of_byte(3),
            streams: Streams::Pty {
                rows: 25,
                columns: 300,
            },
            groups: vec![file(), file()],
        };
        request.send(here.as_fd()).unwrap();
        let got = Request::receive(there.as_fd()).unwrap().unwrap();
        assert_eq!(got.network, Network::Private);
        assert_eq!(got.machine, Machine::of_byte(3));
        assert!(matches!(
            got.streams,
            Streams::Pty {
                rows: 25,
                columns: 300
            }
        ));
        assert_eq!(read_memory_file(got.spec.as_fd()).unwrap(), b"spec");
        assert_eq!(got.groups.len(), 2);
        drop(here);
        assert!(Request::receive(there.as_fd()).unwrap().is_none());
    }

    #[test]
    fn exit_status_arrives_whole() {
        let (here, there) = pair();
        let ended = Ended {
            status: 0x8900,
            max_rss: 1 << 40,
            cpu: Duration::from_micros(1_234_567),
        };
        Reply::Ended(ended).send(here.as_fd()).unwrap();
        let Some(Reply::Ended(got)) = Reply::receive(there.as_fd()).unwrap() else {
            panic!("another reply")
        };
        assert_eq!(
            (got.status, got.max_rss, got.cpu),
            (ended.status, ended.max_rss, ended.cpu)
        );
    }

    #[test]
    fn garbage_is_refused() {
        let (here, there) = pair();
        send(here.as_fd(), b"zz", &[]).unwrap();
        assert!(matches!(Reply::receive(there.as_fd()), Err(Errno::PROTO)));
        send(here.as_fd(), &[0, 0], &[]).unwrap();
        assert!(matches!(Request::receive(there.as_fd()), Err(Errno::PROTO)));
    }
}

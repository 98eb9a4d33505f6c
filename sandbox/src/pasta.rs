//! A network of the step's own that leads out: `pasta(1)` carries what comes from it to sockets on the host's network.
//!
//! Its process is a child of the zygote in a pid namespace of its own: when the zygote ends that namespace, or ends
//! itself, the kernel kills it.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, MemfdFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::caller::Caller;
use crate::child;
use crate::landlock;
use crate::name_server::begins_with_local_server;
use crate::remedy::Remedy;
use crate::signals;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::Network;
use crate::sys::{self, Cloned, Process};

/// What a program of the host does not take longer for.
const PATIENCE: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};
/// What the connector says when all is well. Nothing at all would mean that it is dead.
const CONNECTED: &str = "+";

/// The address, in a network of the step's own, of the first name server that the host has, where that is out of reach.
pub const FORWARDER: &str = "169.254.1.1";

/// What is in the way of a network of one's own that leads out.
#[derive(Debug)]
pub(crate) struct Obstacle {
    /// What is not there.
    pub(crate) detail: String,
    /// What mends it.
    pub(crate) remedy: Remedy,
}

/// What is missing on this host.
pub(crate) fn obstacle(caller: &Caller) -> Option<Obstacle> {
    if caller.find_program("pasta").is_none() {
        return Some(Obstacle {
            detail: "pasta is not installed".to_owned(),
            remedy: Remedy::Pasta,
        });
    }
    let errno = rustix::fs::access("/dev/net/tun", Access::READ_OK | Access::WRITE_OK).err()?;
    Some(Obstacle {
        detail: format!("/dev/net/tun: {}", std::io::Error::from(errno)),
        remedy: Remedy::NetTun,
    })
}

/// The network of a step for which none was asked by name. The host's, where its abstract sockets can be closed off; else
/// one of its own, where that can be had; else the host's.
pub fn default_network(caller: &Caller) -> Network {
    choose(landlock::has_scopes(), || obstacle(caller).is_none())
}

fn choose(has_scopes: bool, can_be_private: impl FnOnce() -> bool) -> Network {
    match !has_scopes && can_be_private() {
        true => Network::Private,
        false => Network::Host,
    }
}

/// Whether the host has a default route. One that has none leads nowhere, and `pasta` does not start there.
pub(crate) fn host_leads_somewhere() -> bool {
    let read = |file: &str, is_default: fn(&str) -> bool| {
        match fs::read_to_string(format!("/proc/self/net/{file}")) {
            Ok(routes) => routes.lines().any(is_default),
            // A kernel without IPv6 has no such file. What cannot be read is for `pasta` to judge.
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    };
    read("route", is_default_route) || read("ipv6_route", is_default_route_6)
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, three counters, mask.
fn is_default_route(line: &str) -> bool {
    let mut words = line.split_whitespace().skip(1);
    words.next() == Some("00000000") && words.nth(5) == Some("00000000")
}

/// A line of `/proc/net/ipv6_route`: destination, its length, …, interface. That of `lo` stands for "unreachable".
fn is_default_route_6(line: &str) -> bool {
    let mut words = line.split_whitespace().skip(1);
    words.next() == Some("00") && words.last() != Some("lo")
}

/// Starts what connects the network of a step that is just being made. It tells the step through `tell`.
pub(crate) fn connect(step: &Process, tell: OwnedFd, caller: &Caller) -> Result<Process, Errno> {
    let pid = signals::pid_of(step.pidfd.as_fd()).ok_or(Errno::SRCH)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let network = rustix::fs::open(format!("/proc/{pid}/ns/net"), flags, Mode::empty())?;
    match sys::clone_process(libc::CLONE_NEWPID)? {
        Cloned::Parent(process) => Ok(process),
        Cloned::Child => {
            let _ = std::panic::catch_unwind(|| stay(&network, &tell, caller));
            sys::exit_now(1)
        }
    }
}

/// The connector's life: start `pasta`, say how that went, and stay as long as it runs.
fn stay(network: &OwnedFd, tell: &OwnedFd, caller: &Caller) -> Result<(), Errno> {
    rustix::stdio::dup2_stdin(network)?;
    // The step is told of its start by the end of pipes that this process has too.
    sys::close_all_but(&[tell.as_fd()])?;
    let text = match start(caller) {
        Ok(()) => CONNECTED.to_owned(),
        Err(text) => text,
    };
    rustix::io::write(tell, text.as_bytes())?;
    sys::close_all_but(&[rustix::stdio::stdin()])?;
    while sys::wait(-1).is_ok() {}
    Ok(())
}

/// Returns when `pasta` has gone into the background, which it does when all stands, or has failed. Descriptor 0 is the
/// network namespace: a path below `/proc/PID/ns` it may not follow, since it gives up its privileges first.
fn start(caller: &Caller) -> Result<(), String> {
    let program = caller.find_program("pasta").ok_or("pasta is not installed")?;
    let words = |error: std::io::Error| format!("pasta: {error}");
    let errors =
        rustix::fs::memfd_create("pasta", MemfdFlags::CLOEXEC).map_err(|errno| words(errno.into()))?;
    let mut errors = File::from(errors);
    let mut command = Command::new(program);
    child::with_limits_of_caller(&mut command);
    // With a forwarder, answers of the first server come from the forwarder's address, whoever was asked.
    let resolver = match fs::read_to_string("/etc/resolv.conf") {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("/etc/resolv.conf: {error}"));
        }
        other => other.unwrap_or_default(),
    };
    if begins_with_local_server(&resolver) {
        command.args(["--dns-forward", FORWARDER]);
    }
    let status = command
        // As root it would become "nobody", who may not enter the namespace. It is root of ours alone.
        .args(["--runas", "0:0"])
        .args(["--netns", "/proc/self/fd/0", "--no-netns-quit"])
        // Addresses and routes as the host has them.
        .args(["--config-net", "--quiet"])
        // Neither ports of the step on the host, nor the host's loopback in the step.
        .args([
            "-t",
            "none",
            "-u",
            "none",
            "-T",
            "none",
            "-U",
            "none",
            "--no-map-gw",
        ])
        .env_clear()
        .stdout(Stdio::null())
        .stderr(errors.try_clone().map_err(words)?)
        .status()
        .map_err(words)?;
    if status.success() {
        return Ok(());
    }
    let mut said = Vec::new();
    errors
        .rewind()
        .and_then(|()| errors.read_to_end(&mut said))
        .map_err(words)?;
    Err(format!(
        "pasta: {}",
        reason(&String::from_utf8_lossy(&said)).unwrap_or(&status.to_string())
    ))
}

/// The last thing that it said, but for what is about its own log.
fn reason(said: &str) -> Option<&str> {
    said.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !line.ends_with("syslog"))
}

/// The step's part: waits until its network is connected.
pub(crate) fn wait(connection: &OwnedFd) -> Result<(), SpawnError> {
    let fail = |errno| SpawnError::new(Phase::Connection, errno);
    let words = |text: &str| SpawnError::words(Phase::Connection, text);
    let mut said = [0; 1024];
    let mut polled = [PollFd::new(connection, PollFlags::IN)];
    if rustix::io::retry_on_intr(|| poll(&mut polled, Some(&PATIENCE))).map_err(fail)? == 0 {
        return Err(words("pasta does not come up"));
    }
    let length = rustix::io::retry_on_intr(|| rustix::io::read(connection, &mut said)).map_err(fail)?;
    match String::from_utf8_lossy(&said[..length]).as_ref() {
        CONNECTED => Ok(()),
        "" => Err(words("pasta was killed")),
        text => Err(words(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_network_is_left_only_where_it_cannot_be_closed_off() {
        assert_eq!(choose(true, || true), Network::Host);
        assert_eq!(choose(true, || false), Network::Host);
        assert_eq!(choose(false, || true), Network::Private);
        assert_eq!(choose(false, || false), Network::Host);
    }

    #[test]
    fn default_routes_are_told_from_others() {
        let header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
        assert!(!is_default_route(header));
        assert!(is_default_route(
            "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"
        ));
        assert!(!is_default_route(
            "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"
        ));
        // A half of all addresses, as VPNs have it.
        assert!(!is_default_route(
            "tun0\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0"
        ));
        let zeros = "00000000000000000000000000000000";
        let line = |length: &str, interface: &str| {
            format!("{zeros} {length} {zeros} 00 {zeros} 00000400 00000001 00000000 00000003 {interface}")
        };
        assert!(is_default_route_6(&line("00", "eth0")));
        assert!(!is_default_route_6(&line("00", "lo")));
        assert!(!is_default_route_6(&line("40", "eth0")));
        assert!(!is_default_route(""));
        assert!(!is_default_route_6(""));
    }

    #[test]
    fn the_reason_is_the_last_thing_that_was_said() {
        let said = "Failed to send 57 bytes to syslog\nCouldn't pick external interface\n\n";
        assert_eq!(reason(said), Some("Couldn't pick external interface"));
        assert_eq!(reason("Failed to send 57 bytes to syslog\n"), None);
    }
}

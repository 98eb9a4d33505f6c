//! Runs one command in isolation, without privileges on the host.
//!
//! The order of use in a program, all on the main thread before any other thread exists:
//!
//! 1. [`probe::allowance`] says cheaply what the host allows, [`probe::probe`] says it thoroughly, with fixes;
//! 2. [`enter`] moves the process into a user namespace in which it is root over a range of ids;
//! 3. [`Zygote::start`] forks the small process that clones each step;
//! 4. from then on any thread may [`Zygote::spawn`] a [`SandboxSpec`].
//!
//! ```no_run
//! use rbuild_sandbox::{Caller, Confinement, IdMapping, Root, SandboxSpec, Stdio, Zygote, enter};
//! use std::fs::File;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let caller = Caller::default();
//! enter(&IdMapping::for_host(&caller)?)?;
//! let zygote = Zygote::start(&caller, Confinement::Namespaces)?;
//! let root = Root::Directory("/var/lib/machines/small".into());
//! let mut spec = SandboxSpec::new(root, vec!["/bin/id".into()]);
//! spec.env = vec!["PATH=/bin".into()];
//! let log = || File::create("log").map(Into::into);
//! let stdio = Stdio::Streams { stdin: File::open("/dev/null")?.into(), stdout: log()?, stderr: log()? };
//! let exit = zygote.spawn(&spec, stdio)?.wait()?;
//! println!("{}", exit.status.shell_code());
//! # Ok(()) }
//! ```
//!
//! Lives here: namespaces, mounts, identity, system call filter, the start and the end of one command. Deliberately not here: images, layers, cache, logging,
//! Dockerfiles. This is the only crate with `unsafe`, all of it in `sys.rs`.

mod ask;
mod blob;
mod caller;
pub mod cgroup;
mod channel;
pub mod child;
mod confinement;
mod elf;
mod emulator;
mod executor;
mod furnish;
mod idmap;
pub mod inherited;
mod init;
mod inside;
mod keeper;
mod landlock;
mod limits;
mod mountinfo;
pub mod name_server;
mod overlay;
mod pasta;
pub mod probe;
mod pty;
mod raw;
mod remedy;
mod running;
mod seccomp;
mod shortage;
pub mod signals;
mod spawn_error;
pub mod spec;
mod starter;
mod sys;
mod userns;
mod validate;
mod way;
mod wire;
mod writers;
mod zygote;

pub use ask::{SealedSpec, SpecHead};
pub use blob::Blob;
pub use caller::Caller;
pub use channel::{Channel, Packet};
pub use confinement::Confinement;
pub use executor::{Execution, Executor};
pub use idmap::{Helpers, IdMapError, IdMapping, IdRange};
pub use inside::Fate;
pub use limits::{IoKind, IoRate, Limits, NumberList};
pub use pasta::{FORWARDER, default_network};
pub use pty::{RawMode, Winsize, resize, signal_of_key, window_size};
pub use remedy::Remedy;
pub use running::{Exit, ExitStatus, Running, Stdio};
pub use shortage::Shortage;
pub use spawn_error::{Phase, SpawnError};
pub use spec::{
    Capability, Credentials, Mount, MountFlags, MountKind, Network, Resource, Rlimit, Root, SandboxSpec,
};
pub use starter::{Started, Starter, go_on_as_first_process};
pub use sys::MemoryOrEnd;
pub use userns::{EnterError, Entered, enter};
pub use validate::InvalidSpec;
pub use way::{Wanted, Way};
pub use writers::{Writers, writers};
pub use zygote::Zygote;

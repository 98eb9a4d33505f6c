//! What to run, as plain data: root file system, mounts, command, identity, limits.
//!
//! Nothing here looks at the host; `validate.rs` checks what can be judged from the data alone.
//! Resolving names (users, mount targets, image paths) is the caller's work.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::limits::Limits;
use crate::raw;

/// The most overlay layers that the kernel accepts (`OVL_MAX_STACK` minus the upper layer).
pub const MAX_LOWERS: usize = 499;

/// One command and everything it sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// The root file system.
    pub root: Root,
    /// Whether the root mount is read-only; the mounts in `mounts` keep their own flags.
    pub read_only: bool,
    /// Mounts made after `/proc`, `/sys` and `/dev`, in this order.
    pub mounts: Vec<Mount>,
    /// Program and arguments. A program without `/` is looked up in the `PATH` of `env`.
    #[serde(with = "raw::os_strings")]
    pub argv: Vec<OsString>,
    /// The complete environment as `NAME=value`; nothing is inherited.
    #[serde(with = "raw::os_strings")]
    pub env: Vec<OsString>,
    /// Working directory, absolute; symlinks are resolved inside the root.
    #[serde(with = "raw::path")]
    pub cwd: PathBuf,
    /// Who runs the command, in container ids.
    pub user: Credentials,
    /// File mode creation mask.
    pub umask: u32,
    /// Host name inside (at most 64 bytes).
    pub hostname: String,
    /// Which network the command sees.
    pub network: Network,
    /// Capabilities of root inside, and the bounding set of everybody else.
    pub capabilities: Vec<Capability>,
    /// Sets `no_new_privs`: set-user-ID programs and file capabilities have no effect.
    pub no_new_privs: bool,
    /// Whether the system call filter is installed.
    pub seccomp: bool,
    /// Resource limits; a hard limit above the caller's own is lowered to it.
    pub rlimits: Vec<Rlimit>,
    /// What the command and all that it starts may use together.
    #[serde(default)]
    pub limits: Limits,
    /// How likely the kernel is to kill the command when memory runs out, -1000 to 1000, where it is not as for us.
    #[serde(default)]
    pub oom_score_adj: Option<i16>,
    /// The architecture of the programs in the root, in the words of platforms. Where it is not this machine's they are
    /// emulated if that is possible.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Whether the command gets a session of its own, hence no controlling terminal. A pty always makes one.
    pub new_session: bool,
}

impl SandboxSpec {
    /// A spec with the defaults of a build step: root user, umask 0022, the 14 default capabilities, system call
    /// filter, network of the host, empty environment, a session of its own.
    pub fn new(root: Root, argv: Vec<OsString>) -> Self {
        Self {
            root,
            read_only: false,
            mounts: Vec::new(),
            argv,
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            user: Credentials {
                uid: 0,
                gid: 0,
                groups: Vec::new(),
            },
            umask: 0o022,
            hostname: "rbuild".to_owned(),
            network: Network::Host,
            capabilities: Capability::DEFAULT.to_vec(),
            no_new_privs: false,
            seccomp: true,
            rlimits: Vec::new(),
            limits: Limits::default(),
            oom_score_adj: None,
            architecture: None,
            new_session: true,
        }
    }

    /// Whether the command can mount and unmount, by itself or in a user namespace that it makes.
    pub fn may_mount(&self) -> bool {
        !self.seccomp || self.capabilities.contains(&Capability::SysAdmin)
    }
}

/// Where the root file system comes from. Host paths, absolute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Root {
    /// An overlay whose changes land in `upper`.
    Overlay {
        /// Read-only layers, the top one first, 1 to [`MAX_LOWERS`].
        #[serde(with = "raw::paths")]
        lowers: Vec<PathBuf>,
        /// The directory that receives changes.
        #[serde(with = "raw::path")]
        upper: PathBuf,
        /// Overlay's work directory, on the same file system as `upper`, empty.
        #[serde(with = "raw::path")]
        work: PathBuf,
        /// Whether to leave out every sync of the upper layer (overlay option `volatile`).
        volatile: bool,
    },
    /// An overlay without an upper directory; writes fail with `EROFS`.
    ReadOnlyOverlay {
        /// Layers, the top one first, 1 to [`MAX_LOWERS`].
        #[serde(with = "raw::paths")]
        lowers: Vec<PathBuf>,
    },
    /// A plain directory, used as it is.
    Directory(#[serde(with = "raw::path")] PathBuf),
}

/// One mount inside the container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute container path. It must exist and no component may be a symlink; `/` and everything in `/proc`
    /// are refused.
    #[serde(with = "raw::path")]
    pub target: PathBuf,
    /// What appears there.
    pub kind: MountKind,
}

/// What a [`Mount`] shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MountKind {
    /// A file or directory of the host.
    Bind {
        /// Host path; with `source_root` a path inside that directory.
        #[serde(with = "raw::path")]
        source: PathBuf,
        /// When given, `source` is resolved inside this directory and its symlinks cannot leave it.
        #[serde(with = "raw::option_path")]
        source_root: Option<PathBuf>,
        /// Whether mounts beneath the source come along.
        recursive: bool,
        /// Whether a directory is the command's alone while it runs: then it can be moved into the root, and back, where
        /// nothing can be mounted.
        #[serde(default)]
        lent: bool,
        /// Mount flags.
        flags: MountFlags,
    },
    /// An overlay: a directory whose changes land in `upper`, which the caller throws away.
    OverlayBind {
        /// Read-only layers, the top one first, 1 to [`MAX_LOWERS`].
        #[serde(with = "raw::paths")]
        lowers: Vec<PathBuf>,
        /// The directory that receives changes.
        #[serde(with = "raw::path")]
        upper: PathBuf,
        /// Overlay's work directory, on the same file system as `upper`.
        #[serde(with = "raw::path")]
        work: PathBuf,
        /// Mount flags.
        flags: MountFlags,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Size limit in bytes; `None` is the kernel's default (half of the memory).
        size: Option<u64>,
        /// Permissions of its root directory.
        mode: u32,
        /// Mount flags.
        flags: MountFlags,
    },
    /// A read-only file in memory that cannot be swapped out; its bytes never touch a disk.
    SecretFile {
        /// Its content.
        bytes: Blob,
        /// Its permissions.
        mode: u32,
        /// Its owner, a container id.
        uid: u32,
        /// Its group, a container id.
        gid: u32,
    },
    /// A read-only file in memory, 0644 and owned by root: `hosts`, `resolv.conf`, `hostname`.
    ReadOnlyFile {
        /// Its content.
        content: Blob,
    },
}

/// Flags of a mount, all off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountFlags {
    /// Writes fail with `EROFS`.
    pub read_only: bool,
    /// Set-user-ID bits and file capabilities have no effect.
    pub nosuid: bool,
    /// Device files cannot be opened.
    pub nodev: bool,
    /// Programs cannot be executed.
    pub noexec: bool,
}

/// User and group ids inside the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups; the primary one is always added to them.
    pub groups: Vec<u32>,
}

/// Which network a command sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The host's.
    Host,
    /// A new one with nothing but loopback.
    None,
    /// A new one, from which `pasta(1)` leads to where the host's network leads, but not to the host.
    Private,
}

/// A resource limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Which one.
    pub resource: Resource,
    /// Soft limit; `u64::MAX` means unlimited.
    pub soft: u64,
    /// Hard limit; `u64::MAX` means unlimited.
    pub hard: u64,
}

/// Resources with a limit, see `getrlimit(2)`. Names as `ulimit` options of the field spell them.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
}

/// Capabilities, numbered as in `linux/capability.h`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum Capability {
    Chown = 0,
    DacOverride = 1,
    DacReadSearch = 2,
    Fowner = 3,
    Fsetid = 4,
    Kill = 5,
    Setgid = 6,
    Setuid = 7,
    Setpcap = 8,
    LinuxImmutable = 9,
    NetBindService = 10,
    NetBroadcast = 11,
    NetAdmin = 12,
    NetRaw = 13,
    IpcLock = 14,
    IpcOwner = 15,
    SysModule = 16,
    SysRawio = 17,
    SysChroot = 18,
    SysPtrace = 19,
    SysPacct = 20,
    SysAdmin = 21,
    SysBoot = 22,
    SysNice = 23,
    SysResource = 24,
    SysTime = 25,
    SysTtyConfig = 26,
    Mknod = 27,
    Lease = 28,
    AuditWrite = 29,
    AuditControl = 30,
    Setfcap = 31,
    MacOverride = 32,
    MacAdmin = 33,
    Syslog = 34,
    WakeAlarm = 35,
    BlockSuspend = 36,
    AuditRead = 37,
    Perfmon = 38,
    Bpf = 39,
    CheckpointRestore = 40,
}

impl Capability {
    /// Every capability that the kernel knows, in order of number.
    pub fn all() -> impl Iterator<Item = Capability> {
        use Capability::*;
        [
            Chown,
            DacOverride,
            DacReadSearch,
            Fowner,
            Fsetid,
            Kill,
            Setgid,
            Setuid,
            Setpcap,
            LinuxImmutable,
            NetBindService,
            NetBroadcast,
            NetAdmin,
            NetRaw,
            IpcLock,
            IpcOwner,
            SysModule,
            SysRawio,
            SysChroot,
            SysPtrace,
            SysPacct,
            SysAdmin,
            SysBoot,
            SysNice,
            SysResource,
            SysTime,
            SysTtyConfig,
            Mknod,
            Lease,
            AuditWrite,
            AuditControl,
            Setfcap,
            MacOverride,
            MacAdmin,
            Syslog,
            WakeAlarm,
            BlockSuspend,
            AuditRead,
            Perfmon,
            Bpf,
            CheckpointRestore,
        ]
        .into_iter()
    }

    /// What root holds in a build step: the set that docker and BuildKit give.
    pub const DEFAULT: [Capability; 14] = [
        Capability::Chown,
        Capability::DacOverride,
        Capability::Fowner,
        Capability::Fsetid,
        Capability::Kill,
        Capability::Setgid,
        Capability::Setuid,
        Capability::Setpcap,
        Capability::NetBindService,
        Capability::NetRaw,
        Capability::SysChroot,
        Capability::Mknod,
        Capability::AuditWrite,
        Capability::Setfcap,
    ];
}

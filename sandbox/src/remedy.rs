//! What mends a host, as data: which of them it is is known here, the words are the program's.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::shortage::Shortage;

/// One thing to do about a host that does not allow something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Have more of what there is no more of.
    More(Shortage),
    /// Have another kernel: it is older than 5.12.
    NewerKernel,
    /// Give the user subordinate ids; `None`: whoever calls.
    SubordinateIds(Option<String>),
    /// Leave this user namespace, or give it 65536 ids.
    WiderNamespace,
    /// Install `newuidmap` and `newgidmap`.
    IdHelpers,
    /// Give a program its set-user-ID bit back.
    SetUserId(PathBuf),
    /// Make a file readable.
    Readable(PathBuf),
    /// `user.max_user_namespaces` is 0.
    UserNamespaces,
    /// There are as many user namespaces, or as deeply nested ones, as there may be.
    MoreUserNamespaces,
    /// `kernel.unprivileged_userns_clone` is 0.
    UnprivilegedNamespaces,
    /// AppArmor takes their privileges away.
    AppArmor,
    /// Another host, or root: nothing more is known.
    OtherHost,
    /// A system call filter of an outer container is in the way.
    NoFilter,
    /// An outer container covers parts of `/proc`.
    WholeProc,
    /// No procfs can be mounted in a user namespace, and nobody knows why.
    HostWithProc,
    /// Ask for no sandbox by name.
    AnotherSandbox,
    /// A step cannot be started, and nobody knows why.
    UnknownHost,
    /// Keep the store on a local disk.
    LocalStore,
    /// Keep the store on a volume of the container.
    StoreOnVolume,
    /// Load the module of overlays.
    OverlayModule,
    /// Nothing: steps see the name of the host.
    HostName,
    /// Nothing: steps see the host's `/sys`, read-only.
    HostSys,
    /// Allow network namespaces; only steps without a network need them.
    NetworkNamespaces,
    /// Have Landlock, or `pasta`, to keep abstract sockets out of reach.
    AbstractSockets,
    /// Install `pasta`.
    Pasta,
    /// Open `/dev/net/tun` to the user.
    NetTun,
    /// Delegate a cgroup.
    DelegatedCgroup,
    /// Let systemd, or the host of the container, delegate these controllers too.
    DelegatedControllers,
    /// Give the user a cgroup of version 1 in the hierarchy of this controller.
    CgroupOfUser(String),
    /// Let the container write its cgroups.
    WritableCgroups,
    /// Have cgroups mounted.
    MountedCgroups,
}

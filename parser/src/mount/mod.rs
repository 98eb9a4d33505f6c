//! `RUN --mount=`: raw options as written, and the typed mount after expansion.

mod resolve;

pub use resolve::{MountError, MountErrorKind};

use std::fmt;

use crate::{Span, Word};

/// One `--mount=`, not yet expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mount {
    /// The value of the flag.
    pub span: Span,
    /// The options in order.
    pub options: Vec<MountOption>,
}

/// One `key[=value]` of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MountOption {
    /// The key in lower case.
    pub key: String,
    /// Where the option stands.
    pub span: Span,
    /// The value; `None` without `=`. Variables may stand in every one.
    pub value: Option<Word>,
}

/// Kinds of mounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[expect(missing_docs, reason = "named as in the Dockerfile")]
pub enum MountType {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

impl fmt::Display for MountType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MountType::Bind => "bind",
            MountType::Cache => "cache",
            MountType::Tmpfs => "tmpfs",
            MountType::Secret => "secret",
            MountType::Ssh => "ssh",
        })
    }
}

/// A mount after expansion, every option checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedMount {
    /// What is mounted.
    pub kind: ResolvedMountKind,
    /// Variables that were read without a default and not set.
    pub undefined: Vec<(String, Span)>,
    /// Variables that were read and set.
    pub used: Vec<String>,
    /// Options that were accepted and have no effect here (`z`, `Z`, ...): where, and which.
    pub ignored: Vec<(Span, String)>,
}

/// The typed mount. Paths are as written: a relative target still has to be joined to WORKDIR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedMountKind {
    /// Files of the context, a stage or an image.
    Bind(BindMount),
    /// A directory that outlives the build.
    Cache(CacheMount),
    /// Memory.
    Tmpfs(TmpfsMount),
    /// A secret, as file or environment variable.
    Secret(SecretMount),
    /// An agent's socket.
    Ssh(SshMount),
}

/// `type=bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// Where to; not empty, not `/`.
    pub target: String,
    /// Stage, named context or image; `None`: the build context.
    pub from: Option<String>,
    /// Path below the root of `from`; `/` is the default.
    pub source: String,
    /// `rw`: writes are possible and discarded.
    pub writable: bool,
}

/// `type=cache`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMount {
    /// Where to; not empty, not `/`.
    pub target: String,
    /// `id`; `None`: the cleaned absolute target.
    pub id: Option<String>,
    /// How parallel steps share it.
    pub sharing: Sharing,
    /// Stage or image whose files seed an empty cache.
    pub from: Option<String>,
    /// Path below the root of `from`; `/` is the default.
    pub source: String,
    /// `ro`.
    pub read_only: bool,
    /// Mode of a new cache directory; 0755 is the default.
    pub mode: u32,
    /// Owner of a new cache directory; 0 is the default.
    pub uid: u32,
    /// Group of a new cache directory; 0 is the default.
    pub gid: u32,
}

/// `sharing=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sharing {
    /// Several at once.
    #[default]
    Shared,
    /// Each writer its own.
    Private,
    /// One after the other.
    Locked,
}

/// `type=tmpfs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Where to; not empty, not `/`.
    pub target: String,
    /// `size` in bytes.
    pub size: Option<u64>,
    /// `ro`.
    pub read_only: bool,
}

/// `type=secret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretMount {
    /// Name of the secret; the target's last component by default.
    pub id: String,
    /// The file to make. `None` with `env` alone; `/run/secrets/<id>` by default.
    pub target: Option<String>,
    /// The environment variable to set.
    pub env: Option<String>,
    /// Whether the build fails without it.
    pub required: bool,
    /// 0400 is the default.
    pub mode: u32,
    /// Owner of the file.
    pub uid: u32,
    /// Group of the file.
    pub gid: u32,
}

/// `type=ssh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshMount {
    /// Which agent; `default` is the default.
    pub id: String,
    /// The socket; `None`: `/run/buildkit/ssh_agent.N`.
    pub target: Option<String>,
    /// Whether the build fails without it.
    pub required: bool,
    /// 0600 is the default.
    pub mode: u32,
    /// Owner of the socket.
    pub uid: u32,
    /// Group of the socket.
    pub gid: u32,
}

impl Mount {
    /// The type as far as it is known without expansion.
    pub fn mount_type(&self) -> Option<MountType> {
        resolve::static_type(self)
    }

    /// The raw `from=`: the lowering needs it, with global ARGs, to find what depends on what.
    pub fn from(&self) -> Option<&Word> {
        self.options
            .iter()
            .rev()
            .find(|o| o.key == "from")
            .and_then(|o| o.value.as_ref())
    }
}

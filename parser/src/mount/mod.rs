//! `RUN --mount=`: raw options as written, and the typed mount after expansion.

mod csv;
mod error;
mod resolve;
pub mod size;

pub use error::{MountError, MountErrorKind};

use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::flag::RawFlag;
use crate::instruction::Context;
use crate::kind::Kind;
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

impl MountType {
    /// Every kind and its name.
    const NAMES: [(MountType, &'static str); 5] = [
        (MountType::Bind, "bind"),
        (MountType::Cache, "cache"),
        (MountType::Tmpfs, "tmpfs"),
        (MountType::Secret, "secret"),
        (MountType::Ssh, "ssh"),
    ];

    /// The kind of that name, in any case.
    fn from_name(name: &str) -> Option<MountType> {
        let mut kinds = Self::NAMES.into_iter();
        kinds.find_map(|(kind, known)| known.eq_ignore_ascii_case(name).then_some(kind))
    }
}

impl fmt::Display for MountType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES
            .into_iter()
            .find_map(|(kind, name)| (kind == *self).then_some(name));
        f.write_str(name.unwrap_or_default())
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

impl Sharing {
    /// The way of that name, in any case.
    fn from_name(name: &str) -> Option<Sharing> {
        [Sharing::Shared, Sharing::Private, Sharing::Locked]
            .into_iter()
            .find(|way| way.as_str().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Sharing::Shared => "shared",
            Sharing::Private => "private",
            Sharing::Locked => "locked",
        }
    }
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
    /// Reads the value of the flag. Names of options are checked here, values as far as no variable is in them.
    pub(crate) fn parse(cx: &mut Context<'_>, flag: &RawFlag) -> Option<Mount> {
        let value = flag.value().unwrap_or_default();
        let range = flag.value_range();
        let span = cx.span(&range);
        let fields = match csv::fields(value) {
            Some(fields) if !value.is_empty() => fields,
            _ => {
                cx.report(Diagnostic::error(Kind::Mount(MountErrorKind::Malformed), span));
                return None;
            }
        };
        let mut options = Vec::with_capacity(fields.len());
        for field in fields {
            let exact = field.exact && flag.is_exact();
            let place = |start: usize, end: usize| {
                if exact {
                    range.start + start..range.start + end
                } else {
                    range.clone()
                }
            };
            let (key, value) = match field.text.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (field.text.as_ref(), None),
            };
            let value = value.map(|value| {
                let start = field.range.start + key.len() + 1;
                cx.decoded_word(value, place(start, start + value.len()), exact)
            });
            let span = cx.span(&place(field.range.start, field.range.end));
            options.push(MountOption {
                key: key.to_ascii_lowercase(),
                span,
                value,
            });
        }
        let mount = Mount { span, options };
        for diagnostic in mount.check() {
            cx.report(diagnostic);
        }
        Some(mount)
    }

    /// What is wrong whatever the variables are.
    fn check(&self) -> Vec<Diagnostic> {
        let unset = |_: &str| None;
        if self.has_variables() {
            return self
                .check_names()
                .err()
                .map(MountError::into_diagnostic)
                .into_iter()
                .collect();
        }
        match self.resolve(&unset, &unset) {
            Err(MountError {
                kind: MountErrorKind::Expand(_),
                ..
            }) => Vec::new(),
            Err(error) => vec![error.into_diagnostic()],
            Ok(resolved) => resolved.warnings(),
        }
    }

    /// Whether an option is expanded. If none is, all that is wrong with them is among the diagnostics of the file.
    pub fn has_variables(&self) -> bool {
        let mut values = self.options.iter().filter_map(|option| option.value.as_ref());
        values.any(Word::has_variables)
    }

    /// The type as far as it is known without expansion.
    pub fn mount_type(&self) -> Option<MountType> {
        let Some(option) = self.options.iter().rev().find(|o| o.key == "type") else {
            return Some(MountType::Bind);
        };
        MountType::from_name(&option.value.as_ref()?.text)
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

impl ResolvedMount {
    /// A warning for each option without effect.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.ignored
            .iter()
            .map(|(span, option)| {
                Diagnostic::warning(
                    Kind::IgnoredMountOption {
                        option: option.clone(),
                    },
                    *span,
                )
            })
            .collect()
    }
}

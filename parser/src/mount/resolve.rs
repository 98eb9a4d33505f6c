//! Options of a mount: names, values, defaults, and which go together.

use std::borrow::Cow;

use crate::Span;
use crate::expand::{self, ExpandError, Scope};
use crate::mount::{
    BindMount, CacheMount, Mount, MountError, MountErrorKind, MountOption, MountType, ResolvedMount,
    ResolvedMountKind, SecretMount, Sharing, SshMount, TmpfsMount, size,
};

/// A value as the option has it, or expanded. Most values are plain, and files have thousands of mounts.
type Value<'a> = Cow<'a, str>;

/// The values of a mount's options, expanded.
#[derive(Default)]
struct Options<'a> {
    mount_type: MountType,
    from: Option<Given<'a, Value<'a>>>,
    source: Option<Given<'a, Value<'a>>>,
    target: Option<Given<'a, Value<'a>>>,
    read_only: Option<Given<'a, bool>>,
    required: Option<Given<'a, bool>>,
    size: Option<Given<'a, u64>>,
    id: Option<Given<'a, Value<'a>>>,
    sharing: Option<Given<'a, Sharing>>,
    mode: Option<Given<'a, u32>>,
    uid: Option<Given<'a, u32>>,
    gid: Option<Given<'a, u32>>,
    env: Option<Given<'a, Value<'a>>>,
    ignored: Vec<&'a MountOption>,
}

/// A value and the option that gave it.
struct Given<'a, T> {
    value: T,
    option: &'a MountOption,
}

impl Mount {
    /// Expands and checks every option. `scope` is for all values; `from_scope` for `from=`, which sees ARGs only.
    ///
    /// # Errors
    /// The first option that is wrong.
    pub fn resolve(&self, scope: &dyn Scope, from_scope: &dyn Scope) -> Result<ResolvedMount, MountError> {
        self.check_names()?;
        let mut undefined = Vec::new();
        let mut used = Vec::new();
        let mut values = Vec::with_capacity(self.options.len());
        for option in &self.options {
            let value = match &option.value {
                None => None,
                Some(word) if expand::is_plain(word) => Some(Cow::Borrowed(word.text.as_str())),
                Some(word) => {
                    let scope = if option.key == "from" { from_scope } else { scope };
                    let expanded = word
                        .expand(scope)
                        .map_err(|ExpandError { kind, span }| MountError {
                            kind: MountErrorKind::Expand(kind),
                            span,
                        })?;
                    undefined.extend(expanded.undefined);
                    used.extend(expanded.used);
                    Some(Cow::Owned(expanded.value))
                }
            };
            values.push((option, value));
        }
        used.sort();
        used.dedup();
        let mut options = Options {
            mount_type: mount_type(&values)?,
            ..Options::default()
        };
        for (option, value) in values {
            options.set(option, value)?;
        }
        options.check_type()?;
        let ignored = std::mem::take(&mut options.ignored);
        Ok(ResolvedMount {
            kind: options.build(self.span)?,
            undefined,
            used,
            ignored: ignored
                .into_iter()
                .map(|option| (option.span, option.key.clone()))
                .collect(),
        })
    }

    /// Whether every option is one that mounts have.
    pub(crate) fn check_names(&self) -> Result<(), MountError> {
        for MountOption { key, span, value } in &self.options {
            let option = || key.clone();
            let kind = match key.as_str() {
                "readonly" | "ro" | "readwrite" | "rw" | "required" | "z" | "u" => continue,
                "type" | "from" | "source" | "src" | "target" | "dst" | "destination" | "size" | "id"
                | "sharing" | "mode" | "uid" | "gid" | "env" | "relabel" => match value {
                    Some(_) => continue,
                    None => MountErrorKind::NeedsValue { option: option() },
                },
                "bind-propagation" | "propagation" | "tmpcopyup" | "notmpcopyup" | "nosuid" | "nodev"
                | "noexec" | "suid" | "dev" | "exec" => MountErrorKind::Refused { option: option() },
                "" => MountErrorKind::Malformed,
                _ => MountErrorKind::UnknownOption { option: option() },
            };
            return Err(MountError { kind, span: *span });
        }
        Ok(())
    }
}

fn mount_type(values: &[(&MountOption, Option<Value<'_>>)]) -> Result<MountType, MountError> {
    let Some((option, value)) = values.iter().rev().find(|(option, _)| option.key == "type") else {
        return Ok(MountType::Bind);
    };
    let value = value.as_deref().unwrap_or_default();
    MountType::from_name(value)
        .ok_or_else(|| invalid(option, value, "`bind`, `cache`, `tmpfs`, `secret` or `ssh`"))
}

fn invalid(option: &MountOption, value: &str, expected: &'static str) -> MountError {
    MountError {
        kind: MountErrorKind::InvalidValue {
            option: option.key.clone(),
            value: value.to_owned(),
            expected,
        },
        span: option.value.as_ref().map_or(option.span, |word| word.span),
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it; none at all is `true`.
fn boolean(option: &MountOption, value: Option<&str>) -> Result<bool, MountError> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(invalid(option, other, "`true` or `false`")),
    }
}

fn number(option: &MountOption, value: &str, radix: u32, expected: &'static str) -> Result<u32, MountError> {
    match u32::from_str_radix(value, radix) {
        Ok(number) if !value.starts_with('+') => Ok(number),
        _ => Err(invalid(option, value, expected)),
    }
}

/// The last part of a path.
fn base_name(path: &str) -> String {
    let parts = path.trim_end_matches('/').rsplit('/');
    parts.take(1).collect()
}

/// Whether an absolute path is `/` after all.
fn is_root(path: &str) -> bool {
    let depth = path.split('/').fold(0_usize, |depth, part| match part {
        "" | "." => depth,
        ".." => depth.saturating_sub(1),
        _ => depth + 1,
    });
    path.starts_with('/') && depth == 0
}

impl<'a> Options<'a> {
    fn set(&mut self, option: &'a MountOption, value: Option<Value<'a>>) -> Result<(), MountError> {
        fn put<'a, T>(
            slot: &mut Option<Given<'a, T>>,
            option: &'a MountOption,
            value: T,
        ) -> Option<&'a MountOption> {
            slot.replace(Given { value, option })
                .map(|earlier| earlier.option)
        }
        let given = value.is_some();
        let text = value.unwrap_or_default();
        // An empty value is none, as in BuildKit.
        let empty = text.is_empty();
        let overridden = match option.key.as_str() {
            "from" if !empty => put(&mut self.from, option, text),
            "source" | "src" if !empty => put(&mut self.source, option, text),
            "target" | "dst" | "destination" if !empty => put(&mut self.target, option, text),
            "id" if !empty => put(&mut self.id, option, text),
            "env" => {
                if empty || text.contains(['=', '\0']) {
                    return Err(invalid(option, &text, "the name of a variable"));
                }
                put(&mut self.env, option, text)
            }
            "readonly" | "ro" => put(
                &mut self.read_only,
                option,
                boolean(option, given.then_some(&text))?,
            ),
            "readwrite" | "rw" => put(
                &mut self.read_only,
                option,
                !boolean(option, given.then_some(&text))?,
            ),
            "required" => put(
                &mut self.required,
                option,
                boolean(option, given.then_some(&text))?,
            ),
            "size" => match size::parse(&text) {
                Some(bytes) => put(&mut self.size, option, bytes),
                None => return Err(invalid(option, &text, "a size like `64m`")),
            },
            "sharing" => match Sharing::from_name(&text) {
                Some(sharing) => put(&mut self.sharing, option, sharing),
                None => return Err(invalid(option, &text, "`shared`, `private` or `locked`")),
            },
            "mode" => {
                let expected = "an octal mode like `0755`";
                let mode = number(option, &text, 8, expected)?;
                if mode > 0o7777 {
                    return Err(invalid(option, &text, expected));
                }
                put(&mut self.mode, option, mode)
            }
            "uid" => put(&mut self.uid, option, number(option, &text, 10, "a number")?),
            "gid" => put(&mut self.gid, option, number(option, &text, 10, "a number")?),
            // SELinux labels and chowning of the source: there is nothing to do for them here.
            "z" | "u" | "relabel" => Some(option),
            _ => None,
        };
        self.ignored.extend(overridden);
        Ok(())
    }

    fn build(self, span: Span) -> Result<ResolvedMountKind, MountError> {
        if let Some(target) = &self.target
            && is_root(&target.value)
        {
            let (kind, span) = (MountErrorKind::RootTarget, target.option.span);
            return Err(MountError { kind, span });
        }
        match self.mount_type {
            MountType::Bind => Ok(ResolvedMountKind::Bind(BindMount {
                target: self.target_or_here(),
                from: text(&self.from),
                source: self.source_or_root(),
                writable: flag(&self.read_only) == Some(false),
            })),
            MountType::Cache => self.cache(),
            MountType::Tmpfs => Ok(ResolvedMountKind::Tmpfs(TmpfsMount {
                target: self.target_or_here(),
                size: self.size.as_ref().map(|given| given.value),
                read_only: flag(&self.read_only) == Some(true),
            })),
            MountType::Secret => self.secret(span),
            MountType::Ssh => Ok(ResolvedMountKind::Ssh(SshMount {
                id: text(&self.id).unwrap_or_else(|| "default".to_owned()),
                target: text(&self.target),
                required: flag(&self.required).unwrap_or(false),
                mode: self.mode_or(0o600),
                uid: id(&self.uid),
                gid: id(&self.gid),
            })),
        }
    }

    fn cache(self) -> Result<ResolvedMountKind, MountError> {
        let from = text(&self.from);
        if let (Some(source), None) = (&self.source, &from) {
            let (kind, span) = (MountErrorKind::SourceWithoutFrom, source.option.span);
            return Err(MountError { kind, span });
        }
        Ok(ResolvedMountKind::Cache(CacheMount {
            target: self.target_or_here(),
            id: text(&self.id),
            sharing: self.sharing.as_ref().map_or(Sharing::Shared, |given| given.value),
            from,
            source: self.source_or_root(),
            read_only: flag(&self.read_only) == Some(true),
            mode: self.mode_or(0o755),
            uid: id(&self.uid),
            gid: id(&self.gid),
        }))
    }

    fn secret(self, span: Span) -> Result<ResolvedMountKind, MountError> {
        let (source, target, env) = (text(&self.source), text(&self.target), text(&self.env));
        if let (Some(source), Some(_)) = (&self.source, &self.id) {
            let (first, second) = ("id", "source");
            let kind = MountErrorKind::Conflict { first, second };
            let span = source.option.span;
            return Err(MountError { kind, span });
        }
        let name = text(&self.id).or(source);
        let name = name.or_else(|| target.as_deref().map(base_name));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            let (option, mount_type) = ("id", MountType::Secret);
            let kind = MountErrorKind::Missing { option, mount_type };
            return Err(MountError { kind, span });
        };
        let target = match (&target, &env) {
            (None, None) => Some(format!("/run/secrets/{}", base_name(&name))),
            _ => target,
        };
        Ok(ResolvedMountKind::Secret(SecretMount {
            id: name,
            target,
            env,
            required: flag(&self.required).unwrap_or(false),
            mode: self.mode_or(0o400),
            uid: id(&self.uid),
            gid: id(&self.gid),
        }))
    }

    /// On the WORKDIR, where none is named.
    fn target_or_here(&self) -> String {
        text(&self.target).unwrap_or_else(|| ".".to_owned())
    }

    fn source_or_root(&self) -> String {
        text(&self.source).unwrap_or_else(|| "/".to_owned())
    }

    fn mode_or(&self, default: u32) -> u32 {
        self.mode.as_ref().map_or(default, |given| given.value)
    }

    /// Options that the type does not have: an error, or a note where BuildKit accepts and ignores them.
    fn check_type(&mut self) -> Result<(), MountError> {
        use MountType as T;
        fn given<'a, T>(slot: &Option<Given<'a, T>>) -> Option<&'a MountOption> {
            slot.as_ref().map(|given| given.option)
        }
        let mount_type = self.mount_type;
        let when = |refused: bool, option: Option<&'a MountOption>| option.filter(|_| refused);
        let of_owner = !matches!(mount_type, T::Bind | T::Tmpfs);
        let of_agent = matches!(mount_type, T::Secret | T::Ssh);
        let refused = [
            when(!of_owner, given(&self.mode)),
            when(!of_owner, given(&self.uid)),
            when(!of_owner, given(&self.gid)),
            when(mount_type != T::Tmpfs, given(&self.size)),
            when(mount_type != T::Cache, given(&self.sharing)),
            when(mount_type != T::Secret, given(&self.env)),
            when(!of_agent, given(&self.required)),
            when(of_agent, given(&self.from)),
            when(mount_type == T::Ssh, given(&self.source)),
        ];
        if let Some(option) = refused
            .into_iter()
            .flatten()
            .min_by_key(|option| option.span.start)
        {
            return Err(MountError {
                kind: MountErrorKind::NotForType {
                    option: option.key.clone(),
                    mount_type,
                },
                span: option.span,
            });
        }
        // A secret and a socket are never written to by the step.
        let writable =
            given(&self.read_only).filter(|option| matches!(option.key.as_str(), "rw" | "readwrite"));
        let ignored = [
            when(matches!(mount_type, T::Bind | T::Tmpfs), given(&self.id)),
            when(mount_type == T::Tmpfs, given(&self.from)),
            when(mount_type == T::Tmpfs, given(&self.source)),
            when(of_agent, writable),
        ];
        self.ignored.extend(ignored.into_iter().flatten());
        Ok(())
    }
}

fn text(given: &Option<Given<'_, Value<'_>>>) -> Option<String> {
    given.as_ref().map(|given| given.value.clone().into_owned())
}

fn flag(given: &Option<Given<'_, bool>>) -> Option<bool> {
    given.as_ref().map(|given| given.value)
}

fn id(given: &Option<Given<'_, u32>>) -> u32 {
    given.as_ref().map_or(0, |given| given.value)
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

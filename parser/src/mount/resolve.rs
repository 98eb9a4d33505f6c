//! Options of a mount: names, values, defaults, and which go together.

use crate::Span;
use crate::expand::{ExpandError, Scope};
use crate::mount::{
    BindMount, CacheMount, Mount, MountError, MountErrorKind, MountOption, MountType, ResolvedMount,
    ResolvedMountKind, SecretMount, Sharing, SshMount, TmpfsMount, size,
};

/// The values of a mount's options, expanded.
#[derive(Default)]
struct Options {
    mount_type: MountType,
    from: Option<Given<String>>,
    source: Option<Given<String>>,
    target: Option<Given<String>>,
    read_only: Option<Given<bool>>,
    required: Option<Given<bool>>,
    size: Option<Given<u64>>,
    id: Option<Given<String>>,
    sharing: Option<Given<Sharing>>,
    mode: Option<Given<u32>>,
    uid: Option<Given<u32>>,
    gid: Option<Given<u32>>,
    env: Option<Given<String>>,
    ignored: Vec<(Span, String)>,
}

/// A value and the option that gave it.
struct Given<T> {
    value: T,
    key: String,
    span: Span,
}

impl Mount {
    /// Expands and checks every option. `scope` is for all values; `from_scope` for `from=`, which sees global
    /// ARGs only, because stages depend on it.
    ///
    /// # Errors
    /// The first option that is wrong.
    pub fn resolve(&self, scope: &dyn Scope, from_scope: &dyn Scope) -> Result<ResolvedMount, MountError> {
        self.check_names()?;
        let mut undefined = Vec::new();
        let mut used = Vec::new();
        let mut values = Vec::new();
        for option in &self.options {
            let value = match &option.value {
                None => None,
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
                    Some(expanded.value)
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
        let kind = options.build(self.span)?;
        Ok(ResolvedMount {
            kind,
            undefined,
            used,
            ignored: options.ignored,
        })
    }

    /// Whether every option is one that mounts have.
    pub(crate) fn check_names(&self) -> Result<(), MountError> {
        for MountOption { key, span, value } in &self.options {
            let option = key.clone();
            let kind = match key.as_str() {
                "readonly" | "ro" | "readwrite" | "rw" | "required" | "z" | "u" => continue,
                "type" | "from" | "source" | "src" | "target" | "dst" | "destination" | "size" | "id"
                | "sharing" | "mode" | "uid" | "gid" | "env" | "relabel" => match value {
                    Some(_) => continue,
                    None => MountErrorKind::NeedsValue { option },
                },
                "bind-propagation" | "propagation" | "tmpcopyup" | "notmpcopyup" | "nosuid" | "nodev"
                | "noexec" | "suid" | "dev" | "exec" => MountErrorKind::Refused { option },
                "" => MountErrorKind::Malformed,
                _ => MountErrorKind::UnknownOption { option },
            };
            return Err(MountError { kind, span: *span });
        }
        Ok(())
    }
}

fn mount_type(values: &[(&MountOption, Option<String>)]) -> Result<MountType, MountError> {
    let Some((option, value)) = values.iter().rev().find(|(option, _)| option.key == "type") else {
        return Ok(MountType::Bind);
    };
    let value = value.clone().unwrap_or_default();
    Ok(match value.to_ascii_lowercase().as_str() {
        "bind" => MountType::Bind,
        "cache" => MountType::Cache,
        "tmpfs" => MountType::Tmpfs,
        "secret" => MountType::Secret,
        "ssh" => MountType::Ssh,
        _ => {
            return Err(invalid(
                option,
                value,
                "`bind`, `cache`, `tmpfs`, `secret` or `ssh`",
            ));
        }
    })
}

fn invalid(option: &MountOption, value: String, expected: &'static str) -> MountError {
    MountError {
        kind: MountErrorKind::InvalidValue {
            option: option.key.clone(),
            value,
            expected,
        },
        span: option.value.as_ref().map_or(option.span, |word| word.span),
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it; none at all is `true`.
fn boolean(option: &MountOption, value: Option<String>) -> Result<bool, MountError> {
    match value.as_deref() {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(_) => Err(invalid(option, value.unwrap_or_default(), "`true` or `false`")),
    }
}

fn number(
    option: &MountOption,
    value: String,
    radix: u32,
    expected: &'static str,
) -> Result<u32, MountError> {
    match u32::from_str_radix(&value, radix) {
        Ok(number) if !value.starts_with('+') => Ok(number),
        _ => Err(invalid(option, value, expected)),
    }
}

impl Options {
    fn set(&mut self, option: &MountOption, value: Option<String>) -> Result<(), MountError> {
        fn put<T>(slot: &mut Option<Given<T>>, option: &MountOption, value: T) -> Option<(Span, String)> {
            let earlier = slot.replace(Given {
                value,
                key: option.key.clone(),
                span: option.span,
            });
            earlier.map(|earlier| (earlier.span, earlier.key))
        }
        let text = value.clone().unwrap_or_default();
        // An empty value is none, as in BuildKit.
        let empty = text.is_empty();
        let overridden = match option.key.as_str() {
            "from" if !empty => put(&mut self.from, option, text),
            "source" | "src" if !empty => put(&mut self.source, option, text),
            "target" | "dst" | "destination" if !empty => put(&mut self.target, option, text),
            "id" if !empty => put(&mut self.id, option, text),
            "env" => {
                if empty || text.contains(['=', '\0']) {
                    return Err(invalid(option, text, "the name of a variable"));
                }
                put(&mut self.env, option, text)
            }
            "readonly" | "ro" => put(&mut self.read_only, option, boolean(option, value)?),
            "readwrite" | "rw" => put(&mut self.read_only, option, !boolean(option, value)?),
            "required" => put(&mut self.required, option, boolean(option, value)?),
            "size" => match size::parse(&text) {
                Some(bytes) => put(&mut self.size, option, bytes),
                None => return Err(invalid(option, text, "a size like `64m`")),
            },
            "sharing" => {
                let sharing = match text.to_ascii_lowercase().as_str() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => return Err(invalid(option, text, "`shared`, `private` or `locked`")),
                };
                put(&mut self.sharing, option, sharing)
            }
            "mode" => {
                let expected = "an octal mode like `0755`";
                let mode = number(option, text.clone(), 8, expected)?;
                if mode > 0o7777 {
                    return Err(invalid(option, text, expected));
                }
                put(&mut self.mode, option, mode)
            }
            "uid" => put(&mut self.uid, option, number(option, text, 10, "a number")?),
            "gid" => put(&mut self.gid, option, number(option, text, 10, "a number")?),
            // SELinux labels and chowning of the source: there is nothing to do for them here.
            "z" | "u" | "relabel" => Some((option.span, option.key.clone())),
            _ => None,
        };
        self.ignored.extend(overridden);
        Ok(())
    }

    fn build(&mut self, span: Span) -> Result<ResolvedMountKind, MountError> {
        self.check_type()?;
        let error = |kind, span| Err(MountError { kind, span });
        let text = |given: &Option<Given<String>>| given.as_ref().map(|given| given.value.clone());
        let needs_target = !matches!(self.mount_type, MountType::Secret | MountType::Ssh);
        if needs_target && self.target.is_none() {
            return error(
                MountErrorKind::Missing {
                    option: "target",
                    mount_type: self.mount_type,
                },
                span,
            );
        }
        if let Some(target) = &self.target
            && crate::ignore::clean(&target.value) == "/"
        {
            return error(MountErrorKind::RootTarget, target.span);
        }
        let target = text(&self.target);
        let source = text(&self.source).unwrap_or_else(|| "/".to_owned());
        let flag = |given: &Option<Given<bool>>| given.as_ref().map(|given| given.value);
        let (uid, gid) = (
            self.uid.as_ref().map_or(0, |g| g.value),
            self.gid.as_ref().map_or(0, |g| g.value),
        );
        let mode = |default| self.mode.as_ref().map_or(default, |given| given.value);
        Ok(match self.mount_type {
            MountType::Bind => ResolvedMountKind::Bind(BindMount {
                target: target.unwrap_or_default(),
                from: text(&self.from),
                source,
                writable: flag(&self.read_only) == Some(false),
            }),
            MountType::Cache => {
                if let (Some(source), None) = (&self.source, &self.from) {
                    return error(MountErrorKind::SourceWithoutFrom, source.span);
                }
                ResolvedMountKind::Cache(CacheMount {
                    target: target.unwrap_or_default(),
                    id: text(&self.id),
                    sharing: self.sharing.as_ref().map_or(Sharing::Shared, |given| given.value),
                    from: text(&self.from),
                    source,
                    read_only: flag(&self.read_only) == Some(true),
                    mode: mode(0o755),
                    uid,
                    gid,
                })
            }
            MountType::Tmpfs => ResolvedMountKind::Tmpfs(TmpfsMount {
                target: target.unwrap_or_default(),
                size: self.size.as_ref().map(|given| given.value),
                read_only: flag(&self.read_only) == Some(true),
            }),
            MountType::Secret => {
                if let (Some(source), Some(_)) = (&self.source, &self.id) {
                    return error(
                        MountErrorKind::Conflict {
                            first: "id",
                            second: "source",
                        },
                        source.span,
                    );
                }
                let base = |path: &str| {
                    path.trim_end_matches('/')
                        .rsplit('/')
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                };
                let id = text(&self.id)
                    .or_else(|| text(&self.source))
                    .or_else(|| target.as_deref().map(base));
                let Some(id) = id.filter(|id| !id.is_empty()) else {
                    return error(
                        MountErrorKind::Missing {
                            option: "id",
                            mount_type: MountType::Secret,
                        },
                        span,
                    );
                };
                let env = text(&self.env);
                let target = match (&target, &env) {
                    (None, None) => Some(format!("/run/secrets/{}", base(&id))),
                    _ => target,
                };
                ResolvedMountKind::Secret(SecretMount {
                    id,
                    target,
                    env,
                    required: flag(&self.required).unwrap_or(false),
                    mode: mode(0o400),
                    uid,
                    gid,
                })
            }
            MountType::Ssh => ResolvedMountKind::Ssh(SshMount {
                id: text(&self.id).unwrap_or_else(|| "default".to_owned()),
                target,
                required: flag(&self.required).unwrap_or(false),
                mode: mode(0o600),
                uid,
                gid,
            }),
        })
    }

    /// Options that the type does not have: an error, or a note where BuildKit accepts and ignores them.
    fn check_type(&mut self) -> Result<(), MountError> {
        use MountType as T;
        fn given<T>(slot: &Option<Given<T>>) -> Option<(Span, String)> {
            slot.as_ref().map(|given| (given.span, given.key.clone()))
        }
        let mount_type = self.mount_type;
        let owner = [given(&self.mode), given(&self.uid), given(&self.gid)];
        let mut refused = Vec::new();
        if matches!(mount_type, T::Bind | T::Tmpfs) {
            refused.extend(owner);
        }
        if mount_type != T::Tmpfs {
            refused.push(given(&self.size));
        }
        if mount_type != T::Cache {
            refused.push(given(&self.sharing));
        }
        if mount_type != T::Secret {
            refused.push(given(&self.env));
        }
        if !matches!(mount_type, T::Secret | T::Ssh) {
            refused.push(given(&self.required));
        } else {
            refused.push(given(&self.from));
        }
        if mount_type == T::Ssh {
            refused.push(given(&self.source));
        }
        if let Some((span, option)) = refused.into_iter().flatten().min_by_key(|(span, _)| span.start) {
            return Err(MountError {
                kind: MountErrorKind::NotForType { option, mount_type },
                span,
            });
        }
        let ignored = match mount_type {
            T::Bind => vec![given(&self.id)],
            T::Tmpfs => vec![given(&self.id), given(&self.from), given(&self.source)],
            // A secret and a socket are never written to by the step.
            T::Secret | T::Ssh => {
                vec![given(&self.read_only).filter(|(_, key)| key == "rw" || key == "readwrite")]
            }
            T::Cache => Vec::new(),
        };
        self.ignored.extend(ignored.into_iter().flatten());
        Ok(())
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

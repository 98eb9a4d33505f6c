//! `RUN --mount` to mounts of a step and the vertices that they need.

use super::copy::input;
use super::fault::Fault;
use super::finding::Finding;
use super::stage::{self, StageLowering};
use super::{From, expanding};
use crate::ops::spec::ExecMount;
use dockerfile_parser::Span;
use dockerfile_parser::mount::{CacheMount, Mount, ResolvedMountKind, SecretMount, SshMount};
use rbuild_rootfs::path;
use rbuild_solver::VertexId;

/// Where the values of a mount stand; those that are not given, where the mount does.
struct Places {
    mount: Span,
    target: Span,
    from: Span,
    source: Span,
}

impl Places {
    fn of(mount: &Mount) -> Self {
        let place = |keys: &[&str]| {
            let mut options = mount.options.iter().rev();
            let option = options.find(|option| keys.contains(&option.key.as_str()));
            option
                .and_then(|option| option.value.as_ref())
                .map_or(mount.span, |value| value.span)
        };
        Self {
            mount: mount.span,
            target: place(&["target", "dst", "destination"]),
            from: place(&["from"]),
            source: place(&["source", "src"]),
        }
    }
}

impl StageLowering<'_, '_> {
    pub(super) fn mounts(
        &mut self,
        mounts: &[Mount],
        more: &mut Vec<VertexId>,
    ) -> Result<Vec<ExecMount>, Finding> {
        let mut made = Vec::new();
        let mut agents = 0;
        for mount in mounts {
            let resolved = mount
                .resolve(&self.state.scope, &self.seen_by_from())
                .map_err(|error| Finding::error(Fault::Mount(error.kind), error.span))?;
            if let Some(from) = mount.from()
                && from.has_variables()
            {
                let expanded = from.expand(&self.seen_by_from()).map_err(expanding)?;
                self.judge_from("from", from, &expanded)?;
            }
            // Of a mount without variables the parser has told.
            for (span, option) in resolved.ignored.into_iter().filter(|_| mount.has_variables()) {
                self.report(Finding::warning(Fault::IgnoredMountOption(option), span));
            }
            made.push(self.mount(resolved.kind, &Places::of(mount), more, &mut agents)?);
        }
        Ok(made)
    }

    fn mount(
        &mut self,
        kind: ResolvedMountKind,
        places: &Places,
        more: &mut Vec<VertexId>,
        agents: &mut usize,
    ) -> Result<ExecMount, Finding> {
        Ok(match kind {
            ResolvedMountKind::Bind(bind) => {
                let source = path::clean(&bind.source);
                let vertex = self.mount_source(bind.from.as_deref(), &source, places)?;
                ExecMount::Bind {
                    target: self.mount_target(&bind.target, places)?,
                    input: input(more, vertex),
                    source,
                    writable: bind.writable,
                }
            }
            ResolvedMountKind::Cache(cache) => self.cache_mount(cache, places, more)?,
            ResolvedMountKind::Tmpfs(tmpfs) => ExecMount::Tmpfs {
                target: self.mount_target(&tmpfs.target, places)?,
                size: tmpfs.size,
                read_only: tmpfs.read_only,
            },
            ResolvedMountKind::Secret(secret) => {
                self.demand_secret(&secret, places.mount)?;
                let target = secret.target.as_deref();
                ExecMount::Secret {
                    target: target
                        .map(|target| self.mount_target(target, places))
                        .transpose()?,
                    id: secret.id,
                    env: secret.env,
                    required: secret.required,
                    mode: secret.mode,
                    uid: secret.uid,
                    gid: secret.gid,
                }
            }
            ResolvedMountKind::Ssh(ssh) => {
                self.demand_agent(&ssh, places.mount)?;
                let default = format!("/run/buildkit/ssh_agent.{agents}");
                *agents += 1;
                ExecMount::Ssh {
                    target: self.mount_target(ssh.target.as_deref().unwrap_or(&default), places)?,
                    id: ssh.id,
                    required: ssh.required,
                    mode: ssh.mode,
                    uid: ssh.uid,
                    gid: ssh.gid,
                }
            }
        })
    }

    fn cache_mount(
        &mut self,
        cache: CacheMount,
        places: &Places,
        more: &mut Vec<VertexId>,
    ) -> Result<ExecMount, Finding> {
        let target = self.mount_target(&cache.target, places)?;
        let seed = match cache.from.as_deref() {
            None => None,
            Some(from) => {
                let source = path::clean(&cache.source);
                let vertex = self.mount_source(Some(from), &source, places)?;
                Some((input(more, vertex), source))
            }
        };
        let id = cache.id.unwrap_or_else(|| target.clone());
        Ok(ExecMount::Cache {
            id: match self.stages.input().build_args.steering("BUILDKIT_CACHE_MOUNT_NS") {
                Some(namespace) => format!("{namespace}/{id}"),
                None => id,
            },
            target,
            sharing: cache.sharing,
            read_only: cache.read_only,
            mode: cache.mode,
            uid: cache.uid,
            gid: cache.gid,
            seed,
        })
    }

    /// The target as an absolute path, as far as the WORKDIR is known.
    fn mount_target(&self, text: &str, places: &Places) -> Result<String, Finding> {
        let target = path::join(&self.cwd(), text);
        if self.base_is_unknown() && !text.starts_with('/') {
            return Ok(target);
        }
        if target == "/" || target == "/proc" || target.starts_with("/proc/") {
            return Err(Finding::error(Fault::NoMountPoint(target), places.target));
        }
        Ok(target)
    }

    /// What a step demands is asked for before its key is: it must not hit without.
    fn demand_secret(&self, mount: &SecretMount, at: Span) -> Result<(), Finding> {
        let Some(given) = self.stages.input().given else {
            return Ok(());
        };
        let id = &mount.id;
        let why = match given.secrets.get(id) {
            None if !mount.required => return Ok(()),
            None => None,
            Some(secret) => match secret.missing() {
                None => return Ok(()),
                missing => missing,
            },
        };
        let id = id.clone();
        Err(Finding::error(Fault::Secret { id, why }, at))
    }

    fn demand_agent(&self, mount: &SshMount, at: Span) -> Result<(), Finding> {
        let id = &mount.id;
        let given = self.stages.input().given;
        if !mount.required || given.is_none_or(|given| given.ssh.contains_key(id)) {
            return Ok(());
        }
        Err(Finding::error(Fault::Agent(id.clone()), at))
    }

    /// The snapshot in which the source of a mount is found.
    fn mount_source(
        &mut self,
        from: Option<&str>,
        source: &str,
        places: &Places,
    ) -> Result<VertexId, Finding> {
        let from = match from {
            None => From::Context(self.stages.input().context.clone()),
            Some(name) => {
                let platform = self.state.platform.clone();
                self.stages
                    .from(name, places.from, self.index, &platform, &self.secrets)?
            }
        };
        Ok(match from {
            From::Vertex(vertex) => vertex,
            From::Context(context) => {
                stage::context_files(self.stages, context, source, places.source, &self.secrets)
            }
        })
    }
}

//! [`Container`]: the image and the request as what a sandbox runs, started.

use crate::command::{argv, environment};
use crate::error::StartError;
use crate::kept::{Change, Holder, Kept};
use crate::process::Process;
use crate::request::Request;
use rbuild_oci::ContainerConfig;
use rbuild_rootfs::{MountPoints, path, root_of, standard_mounts, users};
use rbuild_sandbox::{
    Exit, Mount, MountFlags, MountKind, Root, SandboxSpec, SealedSpec, SpawnError, Stdio, Zygote, cgroup,
};
use rbuild_store::snapshot::{ActiveSnapshot, Form, Held, Snapshot, SnapshotStore};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What a container begins with.
pub struct Image<'a> {
    /// Its config.
    pub config: &'a ContainerConfig,
    /// Its files; `None` for an image without any.
    pub files: Option<Held>,
}

/// What starts containers.
#[derive(Debug, Clone, Copy)]
pub struct Runner<'a> {
    /// Starts their commands.
    pub zygote: &'a Zygote,
    /// In which form they get their files.
    pub form: Form,
}

/// A container whose command runs. Dropping it kills the command; its writable layer goes with it.
pub struct Container<'s> {
    process: Process,
    pty: Option<OwnedFd>,
    /// Where what becomes of it is written down.
    holder: Option<Holder>,
    // What the command stands on, in use until it has ended.
    _writable: ActiveSnapshot<'s>,
    _image: Option<Held>,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // Whoever else holds the process keeps it alive, but not the files under it.
        self.process.kill();
        let _ = self.process.wait();
    }
}

impl<'s> Container<'s> {
    /// Starts a command and returns once it executes.
    ///
    /// # Errors
    /// What is asked for does not fit the image, the store or the host fails, or the program cannot be executed.
    pub fn start(
        runner: &Runner<'_>,
        snapshots: &'s SnapshotStore,
        image: Image<'_>,
        request: &Request,
        stdio: Stdio,
    ) -> Result<Self, StartError> {
        if !request.limits.is_none() {
            cgroup::check(&request.limits)?;
        }
        let files = image.files.as_ref().map(|held| &held.snapshot);
        let mut writable = snapshots.begin(files, runner.form)?;
        let has_terminal = matches!(stdio, Stdio::Pty { .. });
        let spec = sandbox(request, image.config, has_terminal, &mut writable)?;
        let mut running = runner.zygote.spawn(&spec, stdio)?;
        Ok(Self {
            pty: running.take_pty(),
            process: Process::new(running),
            holder: None,
            _writable: writable,
            _image: image.files,
        })
    }

    /// Starts the command of a container that is kept, and looks after it. `change` is of the container, which does not
    /// live.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_kept(
        zygote: &Zygote,
        ready: Ready<'s>,
        kept: &Kept,
        mut change: Change<'_>,
        stdio: Stdio,
    ) -> Result<Self, StartError> {
        let holder = Holder::begin(kept.clone())?;
        let mut running = zygote.spawn(&ready.spec, stdio).inspect_err(|error| {
            let _ = change.not_started(error.exit_code().into(), error.to_string());
        })?;
        let pty = running.take_pty();
        let process = Process::new(running);
        let mut container = Self {
            pty,
            process,
            holder: None,
            _writable: ready.writable,
            _image: ready.files,
        };
        holder.began_for_the_asker(container.process.pid())?;
        container.holder = Some(holder);
        Ok(container)
    }

    /// Its first process, to be used from any thread.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process.clone()
    }

    /// The outer side of its terminal, once, where one was asked for.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.pty.take()
    }

    /// Waits for the end of the command.
    ///
    /// # Errors
    /// The sandbox's runner process is gone.
    pub fn wait(&self) -> Result<Exit, SpawnError> {
        let exit = self.process.wait()?;
        let Some(holder) = &self.holder else {
            return Ok(exit);
        };
        Ok(Exit {
            status: holder.ended_for_good(&exit),
            ..exit
        })
    }
}

/// A container that is kept, with everything that its command stands on.
pub struct Ready<'s> {
    spec: SandboxSpec,
    writable: ActiveSnapshot<'s>,
    files: Option<Held>,
}

impl<'s> Ready<'s> {
    /// Makes a container ready to be started: mount points, users and the files of `/etc` are looked up anew. `change` is of
    /// the container, which does not live.
    ///
    /// # Errors
    /// What is asked for does not fit the image, or the store or the host fails.
    pub fn new(
        snapshots: &'s SnapshotStore,
        kept: &Kept,
        change: &Change<'_>,
        files: Option<Held>,
    ) -> Result<Self, StartError> {
        let record = &change.record;
        if !record.request.limits.is_none() {
            cgroup::check(&record.request.limits)?;
        }
        let below = files.as_ref().map(|held| &held.snapshot);
        let mut writable = snapshots.resume(kept.dir().layer(), below)?;
        let mut spec = sandbox(&record.request, &record.config, record.tty, &mut writable)?;
        if let Root::Overlay { volatile, .. } = &mut spec.root {
            // What a command has synced stays, unless all of it goes anyway.
            *volatile = record.auto_remove;
        }
        Ok(Self {
            spec,
            writable,
            files,
        })
    }

    /// For a process that starts it in place of this one.
    ///
    /// # Errors
    /// No memory.
    pub fn seal(&self) -> Result<SealedSpec, SpawnError> {
        SealedSpec::new(&self.spec)
    }
}

/// What runs and what it sees.
fn sandbox(
    request: &Request,
    image: &ContainerConfig,
    has_terminal: bool,
    writable: &mut ActiveSnapshot<'_>,
) -> Result<SandboxSpec, StartError> {
    let files = writable.parent().map(Snapshot::tree).transpose()?;
    let tree = files.unwrap_or_default();
    let user = users::user(&tree, request.user.as_deref().unwrap_or(&image.user))?;
    let cwd = path::clean(request.workdir.as_deref().unwrap_or(&image.working_dir));

    let mut points = MountPoints::new(&tree);
    let mounts = mounts(request, &mut points)?;
    let cwd = points.working_directory(&cwd)?;
    points.finish(writable)?;

    let argv = argv(request, image)?;
    let mut spec = SandboxSpec::new(
        root_of(writable.root()?),
        argv.into_iter().map(OsString::from).collect(),
    );
    spec.read_only = request.read_only;
    spec.mounts = mounts;
    let home = user.home.as_deref().and_then(Path::to_str);
    spec.env = environment(request, image, has_terminal, home);
    spec.cwd = cwd;
    spec.user = user.credentials();
    spec.hostname.clone_from(&request.hostname);
    spec.network = request.network;
    spec.no_new_privs = request.no_new_privs;
    spec.limits.clone_from(&request.limits);
    spec.rlimits.clone_from(&request.rlimits);
    spec.oom_score_adj = request.oom_score_adj;
    Ok(spec)
}

fn mounts(request: &Request, points: &mut MountPoints<'_>) -> Result<Vec<Mount>, StartError> {
    let mut mounts = standard_mounts(points, &request.add_hosts, &request.hostname, request.network)?;
    if request.read_only {
        for path in ["/run", "/tmp"] {
            let kind = MountKind::Tmpfs {
                size: None,
                mode: 0o1777,
                flags: MountFlags {
                    nosuid: true,
                    nodev: true,
                    ..MountFlags::default()
                },
            };
            mounts.push(points.mount(path, kind)?);
        }
    }
    for mount in &request.mounts {
        mounts.push(points.mount(&mount.target, mount.kind.clone())?);
    }
    Ok(mounts)
}

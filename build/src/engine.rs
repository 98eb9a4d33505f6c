//! What all steps of a build share: the store, the sandbox, secrets, logs. Made once per build.

pub use crate::entering::{Entered, enter_host, enter_namespace, enter_sandbox};

use crate::error::{Error, HostError};
use crate::host::{Host, ThisHost};
use crate::ops::{Material, OpError, StepChecks, StepId};
use crate::registries::Registries;
use crate::remote::Access;
use crate::request::Environment;
use crate::request::Secret;
use crate::request::SshSource;
use dockerfile_parser::lint::Policy;
use rbuild_sandbox::probe::Choice;
use rbuild_sandbox::{Executor, Limits, Network, Rlimit, cgroup};
use rbuild_store::Store;
use rbuild_store::buildlog::{BuildLog, StepUse};
use rbuild_store::cache_mount::CacheMountName;
use rbuild_store::snapshot::{CommitOptions, Form, HashTar, SnapshotStore};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Shared by the ops of one build.
pub struct Engine {
    /// The store.
    pub store: Store,
    /// Its snapshots.
    pub snapshots: Arc<SnapshotStore>,
    /// Fetches images.
    pub registries: Registries,
    /// `--secret`.
    pub secrets: BTreeMap<String, Secret>,
    /// `--ssh`.
    pub ssh: BTreeMap<String, SshSource>,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: Option<i64>,
    /// Seconds since 1970, taken once.
    pub now: u64,
    /// What earlier builds made of a step; files are linked from there.
    pub previous: PreviousOutput,
    /// What the steps are checked for.
    pub checks: StepChecks,
    /// Variables of the caller.
    pub environment: Environment,
    /// Whether steps on the default network have one of their own, whatever the host.
    private_network: bool,
    /// What the command of a step may use.
    pub(crate) limits: Limits,
    /// What each process of a step may use.
    pub(crate) rlimits: Vec<Rlimit>,
    host: Arc<dyn Host>,
    sandbox: OnceLock<Box<dyn Executor>>,
    /// Whether the caller has another id in the namespace than outside of it.
    is_mapped: OnceLock<bool>,
    log: Mutex<Option<BuildLog>>,
    next_log: AtomicUsize,
    logs: Mutex<BTreeMap<StepId, String>>,
    used: Mutex<BTreeMap<StepId, StepUse>>,
    /// Cache mounts that this build has emptied.
    emptied: Mutex<BTreeSet<CacheMountName>>,
    /// What came from elsewhere.
    materials: Mutex<BTreeSet<Material>>,
}

/// Finds the snapshot that a step made last time.
pub type PreviousOutput = Box<dyn Fn(&StepId) -> Option<crate::ops::StepOutput> + Send + Sync>;

impl Engine {
    /// An engine that has not entered the user namespace yet.
    #[must_use]
    pub fn new(
        snapshots: Arc<SnapshotStore>,
        registries: Registries,
        secrets: BTreeMap<String, Secret>,
        epoch: Option<i64>,
        now: u64,
        previous: PreviousOutput,
    ) -> Self {
        Self {
            store: snapshots.store().clone(),
            snapshots,
            registries,
            secrets,
            ssh: BTreeMap::new(),
            epoch,
            now,
            previous,
            checks: StepChecks::default(),
            environment: Environment::default(),
            private_network: false,
            limits: Limits::default(),
            rlimits: Vec::new(),
            host: Arc::new(ThisHost::default()),
            sandbox: OnceLock::new(),
            is_mapped: OnceLock::new(),
            log: Mutex::new(None),
            next_log: AtomicUsize::new(0),
            logs: Mutex::default(),
            used: Mutex::default(),
            materials: Mutex::default(),
            emptied: Mutex::default(),
        }
    }

    /// With agents for `--mount=type=ssh`.
    #[must_use]
    pub fn with_ssh(mut self, ssh: BTreeMap<String, SshSource>) -> Self {
        self.ssh = ssh;
        self
    }

    /// For a caller with these variables.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// With another way to run steps.
    #[must_use]
    pub fn on(mut self, host: Arc<dyn Host>) -> Self {
        self.host = host;
        self
    }

    /// With what the file wants to hear of the checks.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.checks = StepChecks::new(policy);
        self
    }

    /// With a network of its own for each step on the default network.
    #[must_use]
    pub fn with_private_network(mut self, private: bool) -> Self {
        self.private_network = private;
        self
    }

    /// With limits for each step.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits, rlimits: Vec<Rlimit>) -> Self {
        self.limits = limits;
        self.rlimits = rlimits;
        self
    }

    /// The network of a step that asks for none by name.
    #[must_use]
    pub fn default_network(&self) -> Network {
        match self.private_network {
            true => Network::Private,
            false => self.host.default_network(),
        }
    }

    /// The form in which a step gets its files.
    #[must_use]
    pub fn snapshot_form(&self) -> Form {
        self.host.snapshot_form()
    }

    /// Whether file systems can be mounted for a step.
    #[must_use]
    pub fn mounts(&self) -> bool {
        self.host.mounts()
    }

    /// What is lost on this host, once it was entered.
    #[must_use]
    pub fn weaker(&self) -> Option<Choice> {
        self.host.weaker()
    }

    /// Enters the user namespace and starts the zygote: once, while the process has one thread.
    ///
    /// # Errors
    /// What the host does not allow, and the line that mends it.
    pub fn prepare(&self) -> Result<(), Error> {
        if self.sandbox.get().is_some() {
            return Ok(());
        }
        let is_root = rustix::process::geteuid().is_root();
        let executor = self.host.enter(&self.store)?;
        if !self.limits.is_none() {
            cgroup::check(&self.limits).map_err(HostError::Limits)?;
        }
        let _ = self.is_mapped.set(!is_root);
        // What processes that were killed have left behind. It costs room only, so nothing is said.
        let _ = self.store.sweep_tmp();
        // Set once: `prepare` is called by one thread.
        let _ = self.sandbox.set(executor);
        Ok(())
    }

    /// Whether the user namespace was entered: ids of files are real.
    #[must_use]
    pub fn is_entered(&self) -> bool {
        self.sandbox.get().is_some()
    }

    /// Who runs the steps.
    ///
    /// # Errors
    /// [`Engine::prepare`] was not called: a bug.
    pub fn executor(&self) -> Result<&dyn Executor, OpError> {
        self.sandbox
            .get()
            .map(Box::as_ref)
            .ok_or(OpError::Internal("a step ran before the sandbox was entered"))
    }

    /// The value of a secret; `None` when it was not given.
    ///
    /// # Errors
    /// It cannot be read or is too large.
    pub fn secret(&self, id: &str) -> Result<Option<&[u8]>, OpError> {
        let Some(secret) = self.secrets.get(id) else {
            return Ok(None);
        };
        secret.bytes().map(Some).map_err(|why| OpError::Secret {
            id: id.to_owned(),
            why,
        })
    }

    /// Throws away what a cache mount holds from earlier builds. What other builds use at this moment stays.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn empty_cache_mount_once(&self, name: &CacheMountName) -> Result<(), OpError> {
        // Held meanwhile: another step of this build must not take what is about to go.
        let mut emptied = self.emptied.lock().unwrap_or_else(PoisonError::into_inner);
        if emptied.insert(name.clone()) {
            self.store.empty_cache_mount(name)?;
        }
        Ok(())
    }

    /// Who we are to what is fetched.
    #[must_use]
    pub fn access(&self) -> Access<'_> {
        let is_mapped = self.is_mapped.get().is_some_and(|is_mapped| *is_mapped);
        let home = self.environment.home().filter(|_| is_mapped);
        Access::new(&self.secrets, &self.ssh, &self.environment).with_ssh_home(home)
    }

    /// How snapshots are committed: with the identity of their tar, since their files are read anyway.
    #[must_use]
    pub fn commit_options(&self) -> CommitOptions {
        CommitOptions {
            now: i64::try_from(self.now).unwrap_or(i64::MAX),
            tar: HashTar::Now { epoch: self.epoch },
        }
    }

    /// A new log file for a step.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn step_log(&self, step: &StepId) -> Result<(File, Option<PathBuf>), OpError> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.is_none() {
            *log = Some(self.store.builds().start()?);
        }
        let Some(build) = log.as_ref() else {
            return Err(OpError::Internal("no build log"));
        };
        let (name, file) = build.step_log(self.next_log.fetch_add(1, Ordering::Relaxed))?;
        let path = build.log_path(&name);
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(step.clone(), name);
        Ok((file, path))
    }

    /// Notes what the command of a step used.
    pub(crate) fn note_use(&self, step: &StepId, used: StepUse) {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(step.clone(), used);
    }

    /// What the commands of steps used.
    pub(crate) fn used(&self) -> BTreeMap<StepId, StepUse> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what a build is made from.
    pub(crate) fn note_materials(&self, found: impl IntoIterator<Item = Material>) {
        let mut materials = self.materials.lock().unwrap_or_else(PoisonError::into_inner);
        materials.extend(found);
    }

    /// What was noted so far.
    pub(crate) fn materials(&self) -> BTreeSet<Material> {
        let materials = self.materials.lock().unwrap_or_else(PoisonError::into_inner);
        materials.clone()
    }

    /// The build's log and the names of the steps' logs, to be finished by the caller.
    pub fn take_log(&self) -> (Option<BuildLog>, BTreeMap<StepId, String>) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).take();
        let logs = std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner));
        (log, logs)
    }
}

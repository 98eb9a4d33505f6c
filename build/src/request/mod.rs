//! [`Request`]: everything that shapes a build, as data.

mod edits;
mod entitlements;
mod environment;
mod named_context;
mod network;
mod no_cache;
mod output;
mod pull_policy;
mod registry;
mod secret;
mod shared_cache;
mod source;
mod squash;
mod ssh;

pub use edits::Edits;
pub use entitlements::Entitlements;
pub use environment::Environment;
pub use named_context::{NamedContext, context_key};
pub use network::ExecNetwork;
pub use no_cache::NoCache;
pub use output::{Destination, ImageForm, LayerCompression, Output};
pub use pull_policy::PullPolicy;
pub use registry::RegistrySettings;
pub use secret::{Secret, SecretError, SecretSource};
pub use shared_cache::{CacheMode, CachePlace, CacheTarget};
pub use source::{ContextSource, DockerfileSource};
pub use squash::Squash;
pub use ssh::SshSource;

use crate::stop::Stop;
use dockerfile_parser::Platform;
use rbuild_oci::Reference;
use rbuild_sandbox::{Limits, Rlimit, Wanted};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The build argument that says how late times may be.
pub const EPOCH_ARG: &str = "SOURCE_DATE_EPOCH";

/// Everything that shapes a build.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// Directory of the store.
    pub store_root: PathBuf,
    /// The context.
    pub context: ContextSource,
    /// The Dockerfile.
    pub dockerfile: DockerfileSource,
    /// The ignore file of the context, where it is not the one that belongs to the Dockerfile.
    pub ignore_file: Option<PathBuf>,
    /// Names of the result, normalised.
    pub tags: Vec<Reference>,
    /// Build arguments, those that steer the build (`SOURCE_DATE_EPOCH`, `BUILDKIT_…`) and proxies included.
    pub build_args: BTreeMap<String, String>,
    /// Name or index of the stage to build; the last one when `None`.
    pub target: Option<String>,
    /// This machine.
    pub build_platform: Platform,
    /// What is built for; never empty. Several platforms make an index of as many images.
    pub platforms: Vec<Platform>,
    /// Where results go; never empty.
    pub outputs: Vec<Output>,
    /// Which steps run anyway.
    pub no_cache: NoCache,
    /// Caches of other machines that are asked for what this one does not have.
    pub cache_from: Vec<CachePlace>,
    /// Caches that results are sent to.
    pub cache_to: Vec<CacheTarget>,
    /// When to ask registries.
    pub pull: PullPolicy,
    /// Named contexts, by their [`context_key`].
    pub build_contexts: BTreeMap<String, NamedContext>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Secret>,
    /// Agents for `RUN --mount=type=ssh` by id.
    pub ssh: BTreeMap<String, SshSource>,
    /// What changes in the image besides what the Dockerfile says.
    pub edits: Edits,
    /// Network of steps.
    pub network: ExecNetwork,
    /// Whether steps on the default network have one of their own, on every host.
    pub private_network: bool,
    /// Which way steps are run.
    pub sandbox: Wanted,
    /// Another frontend than the built-in one is an error.
    pub strict_syntax: bool,
    /// What steps may ask for beyond the sandbox.
    pub entitlements: Entitlements,
    /// Directories with specs of devices; the usual ones when empty.
    pub cdi_spec_dirs: Vec<PathBuf>,
    /// Lines for /etc/hosts: name and address.
    pub add_hosts: Vec<(String, String)>,
    /// Steps at once.
    pub jobs: NonZeroUsize,
    /// `no-new-privileges`.
    pub no_new_privs: bool,
    /// Size of /dev/shm in bytes.
    pub shm_size: Option<u64>,
    /// What the command of a step may use together with all that it starts. In no key.
    #[serde(default)]
    pub limits: Limits,
    /// What each process of a step may use. In no key.
    #[serde(default)]
    pub rlimits: Vec<Rlimit>,
    /// Which layers become one.
    pub squash: Squash,
    /// Docker's media types instead of OCI's.
    pub docker_format: bool,
    /// Build arguments are kept out of what others read.
    pub redact_args: bool,
    /// `SOURCE_DATE_EPOCH` in seconds since 1970.
    pub epoch: Option<i64>,
    /// How registries are spoken to.
    pub registry: RegistrySettings,
    /// Variables of the caller.
    pub environment: Environment,
    /// Ends the build from outside.
    #[serde(skip)]
    pub stop: Stop,
}

impl Request {
    /// The first of the platforms: what is said once of a Dockerfile is said for it.
    #[must_use]
    pub fn first_platform(&self) -> &Platform {
        self.platforms.first().unwrap_or(&self.build_platform)
    }

    /// Builds the `Dockerfile` of `context` for this machine into the store at `store_root`, with what a build has that
    /// nobody gave options.
    #[must_use]
    pub fn new(store_root: PathBuf, context: ContextSource) -> Self {
        Self {
            store_root,
            context,
            dockerfile: DockerfileSource::Default,
            ignore_file: None,
            tags: Vec::new(),
            build_args: BTreeMap::new(),
            target: None,
            build_platform: build_platform(),
            platforms: vec![build_platform()],
            outputs: vec![Output::Image {
                names: Vec::new(),
                push: false,
                form: ImageForm::default(),
            }],
            no_cache: NoCache::Nothing,
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            pull: PullPolicy::Missing,
            build_contexts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            edits: Edits::default(),
            network: ExecNetwork::Default,
            private_network: false,
            sandbox: Wanted::Auto,
            strict_syntax: false,
            entitlements: Entitlements::default(),
            cdi_spec_dirs: Vec::new(),
            add_hosts: Vec::new(),
            jobs: default_jobs(),
            no_new_privs: false,
            shm_size: None,
            limits: Limits::default(),
            rlimits: Vec::new(),
            squash: Squash::No,
            docker_format: false,
            redact_args: false,
            epoch: None,
            registry: RegistrySettings::default(),
            environment: Environment::default(),
            stop: Stop::new(),
        }
    }
}

/// Steps at once. They mostly wait (for the network, for a lock), so a few more than processors keep them busy.
#[must_use]
pub fn default_jobs() -> NonZeroUsize {
    let cpus = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cpus.max(8)).unwrap_or(NonZeroUsize::MIN)
}

/// This machine, in OCI's words.
#[must_use]
pub fn build_platform() -> Platform {
    Platform::new("linux", std::env::consts::ARCH, "")
}

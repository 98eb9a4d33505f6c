//! What the flags of a build mean: parsed, checked, independent of each other no more.

mod edits;
pub mod entitlements;
pub mod named_context;
pub mod output;
pub mod registry;
pub mod secret;
pub mod spec;
mod squash;
pub mod ssh;

use crate::cli::build::BuildArgs;
use crate::error::Failure;
use crate::lower::PREDEFINED;
use crate::ops::spec::ExecNetwork;
use crate::pull::RegistrySettings;
use crate::remote::Remote;
use crate::remote::address::redacted;
use crate::ui::ProgressMode;
use dockerfile_parser::Platform;
pub use edits::Edits;
use entitlements::Entitlements;
use named_context::NamedContext;
use output::{ImageForm, Output};
use rbuild_registry::Reference;
use secret::SecretSource;
pub use squash::Squash;
use ssh::SshSource;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Where the context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// A directory.
    Directory(PathBuf),
    /// `-`: a tar, or a Dockerfile without a context.
    Stdin,
    /// A git repository, or a tar (or Dockerfile) at a URL.
    Remote(Remote),
}

/// Where the Dockerfile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerfileSource {
    /// `Dockerfile` (or `dockerfile`) in the context.
    Default,
    /// `-f PATH`.
    Path(PathBuf),
    /// `-f -`.
    Stdin,
}

/// Which steps run whatever the cache holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCache {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// Those of these stages, by name or index.
    Stages(Vec<String>),
}

impl NoCache {
    /// Whether it holds for a stage.
    #[must_use]
    pub fn covers(&self, name: Option<&str>, index: usize) -> bool {
        match self {
            NoCache::Nothing => false,
            NoCache::Everything => true,
            NoCache::Stages(stages) => stages.iter().any(|stage| {
                name.is_some_and(|name| stage.eq_ignore_ascii_case(name)) || *stage == index.to_string()
            }),
        }
    }
}

/// When to ask the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Only for what the store does not have.
    Missing,
    /// Always; the store's image is used when it is the same.
    Always,
    /// Never.
    Never,
}

impl PullPolicy {
    /// Reads `--pull`.
    ///
    /// # Errors
    /// An unknown policy.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "missing" | "false" => Ok(PullPolicy::Missing),
            // Asking and fetching what is newer is what `always` does: digests decide, nothing is fetched twice.
            "always" | "true" | "newer" => Ok(PullPolicy::Always),
            "never" => Ok(PullPolicy::Never),
            other => Err(choice("--pull", other, &["always", "missing", "never", "newer"])),
        }
    }
}

/// What to do with the Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Build it.
    Build,
    /// Report what the checks find.
    Check,
    /// Describe arguments, secrets and the target.
    Outline,
    /// List the stages.
    Targets,
}

/// Everything that shapes a build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Directory of the store.
    pub store_root: PathBuf,
    /// The context.
    pub context: ContextSource,
    /// The Dockerfile.
    pub dockerfile: DockerfileSource,
    /// `-t`, normalised.
    pub tags: Vec<Reference>,
    /// `--build-arg`, those from the environment and `SOURCE_DATE_EPOCH` included.
    pub build_args: BTreeMap<String, String>,
    /// `--target`.
    pub target: Option<String>,
    /// This machine.
    pub build_platform: Platform,
    /// What is built for.
    pub platform: Platform,
    /// Where results go; never empty.
    pub outputs: Vec<Output>,
    /// Which steps run anyway.
    pub no_cache: NoCache,
    /// When to ask registries.
    pub pull: PullPolicy,
    /// Named contexts.
    pub build_contexts: BTreeMap<String, NamedContext>,
    /// Secrets.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Agents for `--mount=type=ssh`.
    pub ssh: BTreeMap<String, SshSource>,
    /// What changes in the image besides what the Dockerfile says.
    pub edits: Edits,
    /// Network of steps.
    pub network: ExecNetwork,
    /// `--strict-syntax`.
    pub strict_syntax: bool,
    /// `--allow`.
    pub entitlements: Entitlements,
    /// `--cdi-spec-dir`; the usual ones when empty.
    pub cdi_spec_dirs: Vec<PathBuf>,
    /// Lines for /etc/hosts.
    pub add_hosts: Vec<(String, String)>,
    /// Steps at once.
    pub jobs: NonZeroUsize,
    /// `no-new-privileges`.
    pub no_new_privs: bool,
    /// Size of /dev/shm.
    pub shm_size: Option<u64>,
    /// Which layers become one.
    pub squash: Squash,
    /// Docker's media types instead of OCI's.
    pub docker_format: bool,
    /// `--ignorefile`.
    pub ignore_file: Option<PathBuf>,
    /// Build arguments are kept out of what others read.
    pub redact_args: bool,
    /// Where to write the image id.
    pub iidfile: Option<PathBuf>,
    /// Where to write the description.
    pub metadata_file: Option<PathBuf>,
    /// How to show progress.
    pub progress: ProgressMode,
    /// Only the image id on standard output.
    pub quiet: bool,
    /// Exit with the failing command's code.
    pub propagate_exit: bool,
    /// What to do.
    pub call: Call,
    /// `,format=json` of `--call`.
    pub call_json: bool,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: Option<i64>,
    /// How registries are spoken to.
    pub registry: RegistrySettings,
}

impl BuildOptions {
    /// Gives the flags their meaning.
    ///
    /// # Errors
    /// The first flag that is wrong, with a suggestion.
    pub fn from_args(args: &BuildArgs, root: Option<&Path>) -> Result<Self, Failure> {
        let env = |name: &str| std::env::var(name).ok();
        let mut context = match args.context.as_deref() {
            Some("-") => ContextSource::Stdin,
            Some(text) => match Remote::parse(text)
                .map_err(|why| Failure::usage(format!("the context `{}`: {why}", redacted(text))))?
            {
                Some(remote) => ContextSource::Remote(remote),
                None if text.contains("://") => {
                    return Err(Failure::usage(format!(
                        "the context `{}` is a URL of a kind that is not supported",
                        redacted(text)
                    ))
                    .hint("use a directory, `-`, https://…/archive.tar, or a git repository"));
                }
                None => ContextSource::Directory(PathBuf::from(text)),
            },
            None => {
                return Err(Failure::usage("no build context was given")
                    .hint("`rbuild .` builds the current directory; `rbuild --help` shows more"));
            }
        };
        let dockerfile = match args.file.as_deref() {
            None => DockerfileSource::Default,
            Some(path) if path == Path::new("-") => DockerfileSource::Stdin,
            Some(path) => DockerfileSource::Path(path.to_owned()),
        };
        if context == ContextSource::Stdin && dockerfile == DockerfileSource::Stdin {
            return Err(Failure::usage(
                "the context and the Dockerfile cannot both come from standard input",
            ));
        }
        let tags = args
            .tags
            .iter()
            .map(|tag| reference("-t", tag))
            .collect::<Result<Vec<_>, _>>()?;
        let build_platform = build_platform();
        let platform = match args.platform.as_deref() {
            None => build_platform.clone(),
            Some(text) if text.contains(',') => {
                return Err(Failure::usage(
                    "--platform: more than one platform at once is not supported yet",
                ));
            }
            Some(text) => Platform::parse(text, &build_platform)
                .map_err(|error| Failure::usage(format!("--platform: {error}")))?,
        };
        let edits = Edits::from_args(args, &platform)?;
        let build_args = build_args(args, &env)?;
        if let ContextSource::Remote(Remote::Git(address)) = &mut context {
            let keep = build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR").map(String::as_str);
            address.keep_git_dir |= matches!(keep, Some("1" | "t" | "T" | "true" | "True" | "TRUE"));
        }
        let epoch = epoch(args, &build_args, &env)?;
        let quiet = args.quiet;
        let (call, call_json) = call(args)?;
        Ok(Self {
            store_root: crate::store_root::locate(root)?,
            context,
            dockerfile,
            tags,
            build_args,
            target: args.target.clone().filter(|target| !target.is_empty()),
            build_platform,
            platform,
            outputs: outputs(args)?,
            no_cache: match (args.no_cache, args.no_cache_filter.is_empty()) {
                (true, _) => NoCache::Everything,
                (false, false) => NoCache::Stages(args.no_cache_filter.clone()),
                (false, true) => NoCache::Nothing,
            },
            pull: PullPolicy::parse(&args.pull)?,
            build_contexts: args
                .build_contexts
                .iter()
                .map(|text| named_context::parse(text))
                .collect::<Result<_, _>>()?,
            secrets: args
                .secrets
                .iter()
                .map(|text| secret::parse(text, |name| std::env::var_os(name).is_some()))
                .collect::<Result<_, _>>()?,
            ssh: args
                .ssh
                .iter()
                .map(|text| ssh::parse(text, env("SSH_AUTH_SOCK").as_deref()))
                .collect::<Result<_, _>>()?,
            edits,
            network: match args.network.as_str() {
                "default" => ExecNetwork::Default,
                "none" => ExecNetwork::None,
                "host" => ExecNetwork::Host,
                other => return Err(choice("--network", other, &["default", "none", "host"])),
            },
            strict_syntax: args.strict_syntax,
            entitlements: Entitlements::parse(&args.allow)?,
            cdi_spec_dirs: args.cdi_spec_dirs.clone(),
            add_hosts: args
                .add_hosts
                .iter()
                .map(|text| add_host(text))
                .collect::<Result<_, _>>()?,
            jobs: jobs(args)?,
            no_new_privs: no_new_privs(&args.security_opts)?,
            shm_size: args
                .shm_size
                .as_deref()
                .map(|text| size("--shm-size", text))
                .transpose()?,
            squash: Squash::from_args(args),
            docker_format: match args.format.as_str() {
                "oci" => false,
                "docker" => true,
                other => return Err(choice("--format", other, &["oci", "docker"])),
            },
            ignore_file: args.ignore_file.clone(),
            redact_args: args.redact_args,
            iidfile: args.iidfile.clone(),
            metadata_file: args.metadata_file.clone(),
            progress: progress(args.progress.as_deref(), quiet, env)?,
            quiet,
            propagate_exit: args.propagate_exit,
            call,
            call_json,
            epoch,
            registry: args.registry.settings()?,
        })
    }
}

/// A reference from a flag, normalised.
///
/// # Errors
/// What is wrong with it.
pub fn reference(flag: &str, text: &str) -> Result<Reference, Failure> {
    Reference::parse(text).map_err(|error| Failure::usage(format!("{flag} `{text}`: {error}")))
}

/// This machine, in OCI's words.
#[must_use]
pub fn build_platform() -> Platform {
    Platform::new("linux", std::env::consts::ARCH, "")
}

/// The mode that is asked for: by flag or `RBUILD_PROGRESS`, else by `BUILDKIT_PROGRESS`, which scripts set.
fn progress(
    typed: Option<&str>,
    quiet: bool,
    env: impl Fn(&str) -> Option<String>,
) -> Result<ProgressMode, Failure> {
    if quiet {
        return Ok(ProgressMode::Quiet);
    }
    const INHERITED: &str = "BUILDKIT_PROGRESS";
    let inherited = env(INHERITED).filter(|value| !value.is_empty());
    match typed
        .map(|typed| ("--progress", typed))
        .or(inherited.as_deref().map(|value| (INHERITED, value)))
    {
        None => Ok(ProgressMode::Auto),
        Some((name, value)) => value
            .parse()
            .map_err(|_| choice(name, value, &ProgressMode::NAMES)),
    }
}

/// The error for a word that is none of `known`.
#[must_use]
pub fn choice(flag: &str, word: &str, known: &[&str]) -> Failure {
    let failure = Failure::usage(format!("{flag}: unknown value `{word}`"));
    match dockerfile_parser::suggest::nearest(word, known.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("use one of: {}", known.join(", "))),
    }
}

/// Bytes of `64m`, `1g`, `512k`, `1024`.
///
/// # Errors
/// It is no size.
pub fn size(flag: &str, text: &str) -> Result<u64, Failure> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, shift) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 10),
        Some(b'm') => (&lower[..lower.len() - 1], 20),
        Some(b'g') => (&lower[..lower.len() - 1], 30),
        _ => (lower, 0),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| Failure::usage(format!("{flag}: `{text}` is not a size like 64m")))
}

/// `--security-opt`.
///
/// # Errors
/// An option that is not known.
pub fn no_new_privs(options: &[String]) -> Result<bool, Failure> {
    let mut set = false;
    for option in options {
        match option.as_str() {
            "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true" => set = true,
            "no-new-privileges=false" | "no-new-privileges:false" => set = false,
            other => return Err(choice("--security-opt", other, &["no-new-privileges"])),
        }
    }
    Ok(set)
}

/// `HOST:IP` or `HOST=IP`; brackets around an IPv6 address are dropped.
///
/// # Errors
/// It has another form, or the address is none.
pub fn add_host(text: &str) -> Result<(String, String), Failure> {
    let wrong = || Failure::usage(format!("--add-host `{text}` is not of the form HOST:IP"));
    let (host, address) = text
        .split_once('=')
        .or_else(|| text.split_once(':'))
        .ok_or_else(wrong)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = if address == "host-gateway" {
        "127.0.0.1"
    } else {
        address
    };
    if host.is_empty() || host.contains(char::is_whitespace) || address.parse::<std::net::IpAddr>().is_err() {
        return Err(wrong());
    }
    Ok((host.to_owned(), address.to_owned()))
}

fn pair(flag: &str, text: &str) -> Result<(String, String), Failure> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(Failure::usage(format!(
            "{flag} `{text}` is not of the form KEY=VALUE"
        )));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn build_args(
    args: &BuildArgs,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut values = BTreeMap::new();
    // Proxies of the caller reach RUN as predefined arguments, as docker's configuration would do it.
    for name in PREDEFINED {
        if let Some(value) = env(name) {
            values.insert(name.to_owned(), value);
        }
    }
    if let Some(epoch) = env("SOURCE_DATE_EPOCH") {
        values.insert("SOURCE_DATE_EPOCH".to_owned(), epoch);
    }
    for file in &args.build_arg_files {
        values.extend(crate::container::env_file::read(file, env)?);
    }
    for text in &args.build_args {
        match text.split_once('=') {
            Some(("", _)) => {
                return Err(Failure::usage(format!(
                    "--build-arg `{text}` is not of the form KEY[=VALUE]"
                )));
            }
            Some((name, value)) => {
                values.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = env(text) {
                    values.insert(text.clone(), value);
                }
            }
        }
    }
    Ok(values)
}

fn epoch(
    args: &BuildArgs,
    build_args: &BTreeMap<String, String>,
    _env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<i64>, Failure> {
    match args
        .source_date_epoch
        .as_deref()
        .or_else(|| build_args.get("SOURCE_DATE_EPOCH").map(String::as_str))
    {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse::<i64>()
            .ok()
            .filter(|seconds| *seconds >= 0)
            .map(Some)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "SOURCE_DATE_EPOCH `{text}` is not a number of seconds since 1970"
                ))
            }),
    }
}

fn outputs(args: &BuildArgs) -> Result<Vec<Output>, Failure> {
    let mut outputs = args
        .outputs
        .iter()
        .map(|text| output::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    match outputs.iter().filter(|output| output.is_stdout()).count() {
        0 => {}
        1 if std::io::stdout().is_terminal() => {
            return Err(Failure::usage("refusing to write an archive to a terminal")
                .hint("redirect standard output, or give a file as dest="));
        }
        1 => {}
        _ => return Err(Failure::usage("only one output can go to standard output")),
    }
    let stores = outputs
        .iter()
        .any(|output| matches!(output, Output::Image { .. }));
    if (outputs.is_empty() || args.load || args.push) && !stores {
        outputs.push(Output::Image {
            names: Vec::new(),
            push: args.push,
            form: ImageForm::default(),
        });
    } else if args.push {
        for output in &mut outputs {
            if let Output::Image { push, .. } = output {
                *push = true;
            }
        }
    }
    for name in outputs.iter().flat_map(Output::names) {
        reference("-o name=", name)?;
    }
    if outputs
        .iter()
        .any(|output| matches!(output, Output::Image { names, push: true, .. } if names.is_empty()))
        && args.tags.is_empty()
    {
        return Err(Failure::usage("pushing needs a name: give one with -t"));
    }
    Ok(outputs)
}

fn jobs(args: &BuildArgs) -> Result<NonZeroUsize, Failure> {
    match args.jobs {
        Some(jobs) => NonZeroUsize::new(jobs).ok_or_else(|| Failure::usage("--jobs must be at least 1")),
        // Steps mostly wait (for the network, for a lock), so a few more than processors keep them busy.
        None => {
            let cpus = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            Ok(NonZeroUsize::new(cpus.max(8)).unwrap_or(NonZeroUsize::MIN))
        }
    }
}

fn call(args: &BuildArgs) -> Result<(Call, bool), Failure> {
    let (method, format) = match args.call.split_once(',') {
        Some((method, format)) => (method, Some(format)),
        None => (args.call.as_str(), None),
    };
    let json = match format {
        None | Some("format=text") => false,
        Some("format=json") => true,
        Some(other) => return Err(choice("--call", other, &["format=json", "format=text"])),
    };
    let call = match method {
        "build" if args.check => Call::Check,
        "build" => Call::Build,
        "check" => Call::Check,
        "outline" => Call::Outline,
        "targets" => Call::Targets,
        other => return Err(choice("--call", other, &["build", "check", "outline", "targets"])),
    };
    Ok((call, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("x", "64m").unwrap(), 64 << 20);
        assert_eq!(size("x", "1G").unwrap(), 1 << 30);
        assert_eq!(size("x", "10kb").unwrap(), 10 << 10);
        assert_eq!(size("x", "7").unwrap(), 7);
        assert!(size("x", "7x").is_err());
    }

    #[test]
    fn hosts() {
        assert_eq!(add_host("a:1.2.3.4").unwrap(), ("a".into(), "1.2.3.4".into()));
        assert_eq!(add_host("a=[::1]").unwrap(), ("a".into(), "::1".into()));
        assert_eq!(add_host("a:::1").unwrap(), ("a".into(), "::1".into()));
        assert!(add_host("a:b").is_err());
    }

    #[test]
    fn no_cache_covers_names_and_indices() {
        let some = NoCache::Stages(vec!["Build".into(), "2".into()]);
        assert!(some.covers(Some("build"), 0));
        assert!(some.covers(None, 2));
        assert!(!some.covers(Some("run"), 1));
        assert!(NoCache::Everything.covers(None, 0));
    }
}

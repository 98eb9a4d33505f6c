//! `rbuild [build] [OPTIONS] CONTEXT`.

use super::foreign::ForeignArgs;
use super::streams::note;
use crate::error::Failure;
use crate::interrupt;
use crate::options::limits::LimitArgs;
use crate::options::registry::RegistryArgs;
use crate::options::{BuildOptions, Call};
use crate::progress::Progress;
use crate::report::build_error;
use crate::ui::Style;
use clap::Args;
use rbuild_build::observer::SharedObserver;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was typed for a build.
#[derive(Debug, Default, Args)]
#[command(next_line_help = false)]
pub struct BuildArgs {
    /// Build context: a directory, the URL of a git repository or an archive, or `-` for an archive or a Dockerfile on
    /// standard input
    #[arg(value_name = "CONTEXT", required = true)]
    pub context: Option<String>,

    /// Dockerfile, relative to the current directory; `-` reads it from standard input [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Ignore file [default: FILE.dockerignore, else CONTEXT/.dockerignore]
    #[arg(long = "ignorefile", value_name = "FILE")]
    pub ignore_file: Option<PathBuf>,

    /// Name the result `NAME[:TAG]` (repeatable)
    #[arg(short, long = "tag", value_name = "NAME")]
    pub tags: Vec<String>,

    /// Set a build argument; without a value it is taken from the environment (repeatable)
    #[arg(long = "build-arg", value_name = "KEY[=VALUE]")]
    pub build_args: Vec<String>,

    /// Read build arguments from a file of KEY=VALUE lines (repeatable)
    #[arg(long = "build-arg-file", value_name = "FILE")]
    pub build_arg_files: Vec<PathBuf>,

    /// Fail when the Dockerfile or BUILDKIT_SYNTAX asks for another frontend than docker/dockerfile
    #[arg(long)]
    pub strict_syntax: bool,

    /// Build up to this stage [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// Platform to build for, such as linux/arm64; several with commas (repeatable)
    #[arg(long, env = "DOCKER_DEFAULT_PLATFORM", value_name = "PLATFORM")]
    pub platform: Vec<String>,

    /// Where the result goes (repeatable): type=oci|docker|local|tar with dest=FILE|DIR, type=image|registry;
    /// a bare path is type=local
    #[arg(short, long = "output", value_name = "SPEC")]
    pub outputs: Vec<String>,

    /// Push the result to the registry of its names
    #[arg(long)]
    pub push: bool,

    /// Keep the result in the local store (the default without -o)
    #[arg(long)]
    pub load: bool,

    /// Run every step, whatever the cache holds
    #[arg(long)]
    pub no_cache: bool,

    /// Run the steps of these stages, whatever the cache holds
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,

    /// Cache of other machines to look for results in: REPOSITORY, type=registry,ref=REPOSITORY, type=local,src=DIR,
    /// type=http,url=URL (repeatable)
    #[arg(long = "cache-from", value_name = "SPEC")]
    pub cache_from: Vec<String>,

    /// Cache for other machines to send results to: type=registry,ref=REPOSITORY, type=local,dest=DIR, type=http,url=URL,
    /// each with [,mode=min|max][,ignore-error=false][,read-only=true] (repeatable)
    #[arg(long = "cache-to", value_name = "SPEC")]
    pub cache_to: Vec<String>,

    /// Repository of a registry for both, as kaniko has it
    #[arg(long, value_name = "REPOSITORY")]
    pub cache_repo: Option<String>,

    /// When to ask the registry for base images: always, missing, never, newer
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true, default_value = "missing", default_missing_value = "always")]
    pub pull: String,

    /// Another context for FROM, COPY --from and mounts: NAME=DIR, oci-layout://PATH[:TAG][@DIGEST], docker-image://REF,
    /// target:STAGE, or a URL (repeatable)
    #[arg(long = "build-context", value_name = "NAME=SOURCE")]
    pub build_contexts: Vec<String>,

    /// Secret for RUN --mount=type=secret: id=ID[,src=FILE|,env=VAR] (repeatable)
    #[arg(long = "secret", value_name = "SPEC")]
    pub secrets: Vec<String>,

    /// Agent for RUN --mount=type=ssh: default, or ID[=SOCKET|KEY,…] (repeatable)
    #[arg(long = "ssh", value_name = "SPEC")]
    pub ssh: Vec<String>,

    /// Add a label to the image (repeatable)
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,

    /// Take a label from the image that the base or the Dockerfile gave it (repeatable)
    #[arg(long = "unsetlabel", value_name = "KEY")]
    pub unset_labels: Vec<String>,

    /// Take a variable from the image that the base or the Dockerfile gave it; steps still see it (repeatable)
    #[arg(long = "unsetenv", value_name = "NAME")]
    pub unset_env: Vec<String>,

    /// Annotate the manifest, or with manifest-descriptor:, index:, index-descriptor: those (repeatable)
    #[arg(long = "annotation", value_name = "[SCOPE:]KEY=VALUE")]
    pub annotations: Vec<String>,

    /// Leave the history out of the image
    #[arg(long)]
    pub omit_history: bool,

    /// Keep the values of build arguments out of the image's history and the store's records
    #[arg(long)]
    pub redact_args: bool,

    /// Network of RUN steps: default, none, host, private
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub network: String,

    /// How RUN steps are closed in: auto (the strongest that the host allows), namespaces, single-id, chroot, supervisor
    #[arg(long, value_name = "KIND", default_value = "auto")]
    pub sandbox: String,

    /// Add a line to /etc/hosts of RUN steps: HOST:IP or HOST=IP (repeatable)
    #[arg(long = "add-host", value_name = "HOST:IP")]
    pub add_hosts: Vec<String>,

    /// Entitlement that steps may use: network.host, security.insecure, device[=NAME] (repeatable)
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    pub allow: Vec<String>,

    /// Directory with specs of devices [default: /etc/cdi and /var/run/cdi] (repeatable)
    #[arg(long = "cdi-spec-dir", value_name = "DIR")]
    pub cdi_spec_dirs: Vec<PathBuf>,

    /// Steps that may run at once [default: 8, or the number of CPUs if that is more]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,

    /// Forbid gaining privileges through set-id programs: no-new-privileges (repeatable)
    #[arg(long = "security-opt", value_name = "OPTION")]
    pub security_opts: Vec<String>,

    /// Size of /dev/shm in RUN steps, such as 64m
    #[arg(long, value_name = "SIZE")]
    pub shm_size: Option<String>,

    /// Make one layer of those that the build adds to its base
    #[arg(long)]
    pub squash: bool,

    /// Make one layer of all, the base's too
    #[arg(long, conflicts_with = "squash")]
    pub squash_all: bool,

    /// Media types of the image: oci or docker
    #[arg(long, value_name = "FORMAT", default_value = "oci")]
    pub format: String,

    /// Write the image id (config digest) to a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,

    /// Write a description of the result as JSON to a file
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    /// How to show progress: auto, tty, plain, quiet (or none), rawjson [default: auto]
    #[arg(long, env = "RBUILD_PROGRESS", value_name = "MODE")]
    pub progress: Option<String>,

    /// Print only the image id; a failing step is still shown
    #[arg(short, long)]
    pub quiet: bool,

    /// Return the exit code of the failing command instead of 1
    #[arg(long)]
    pub propagate_exit: bool,

    /// Check the Dockerfile and build nothing
    #[arg(long)]
    pub check: bool,

    /// What to do: build, check, outline, targets; the last three with `,format=json` too
    #[arg(long, value_name = "METHOD", default_value = "build")]
    pub call: String,

    /// Clamp times in the image to this Unix time [env: SOURCE_DATE_EPOCH]
    #[arg(long, visible_alias = "timestamp", value_name = "SECONDS")]
    pub source_date_epoch: Option<String>,

    /// What each step may use.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// Flags of other builders; see [`super::parse`].
    #[arg(skip)]
    pub foreign: ForeignArgs,
}

/// Builds.
///
/// # Errors
/// Whatever stops the build, worded and with its exit code.
pub fn run(args: &BuildArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let notes = args.foreign.judge()?;
    let options = BuildOptions::from_args(args, root)?;
    for text in notes.iter().filter(|_| !args.quiet) {
        note(&format!("note: {text}"));
    }
    let style = Style::new(std::io::stderr().is_terminal(), |name| std::env::var(name).ok());
    if options.call != Call::Build {
        return crate::call::run(&options, &style);
    }
    let progress = Arc::new(Progress::new(options.progress, style));
    let observer: SharedObserver = Arc::clone(&progress) as SharedObserver;
    let built = rbuild_build::build(&options.request, &observer)
        .map_err(|error| {
            progress.close();
            build_error::failure(error, &options, &style)
        })
        .and_then(|result| {
            let told = crate::describe::describe(&options, &result);
            told.map(|()| result).map_err(interrupt::or_failure)
        });
    match built {
        Ok(result) => {
            progress.finish(&result);
            Ok(0)
        }
        Err(failure) => {
            progress.close();
            Err(failure)
        }
    }
}

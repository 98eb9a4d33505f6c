//! Flags of docker, buildx, buildah and kaniko that rbuild does not have: each is accepted because what it asks for is
//! so anyway, or refused with what to use instead. None is unknown, none is ignored without a word.
//!
//! The table is the whole truth: the parser, the messages and `docs/flags.md` are made from it.

use crate::error::Failure;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag of another builder.
#[derive(Debug)]
pub struct Foreign {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What clap knows it by: no other argument may have that.
    id: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// Whether a value must follow; otherwise `=VALUE` may.
    pub takes_value: bool,
    /// The values that are accepted without effect.
    pub accepted: Accepted,
    /// Why it has no effect, or what to do instead.
    pub text: &'static str,
}

/// Which values of a flag have no effect. All others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Whatever is given.
    All,
    /// These.
    Only(&'static [&'static str]),
}

/// What rbuild does anyway, or has no use for.
const fn ignored(name: &'static str, text: &'static str) -> Foreign {
    only(name, Accepted::All, text)
}

const fn only(name: &'static str, accepted: Accepted, text: &'static str) -> Foreign {
    Foreign {
        name,
        id: name,
        short: None,
        takes_value: false,
        accepted,
        text,
    }
}

/// What rbuild does not have.
const fn refused(name: &'static str, text: &'static str) -> Foreign {
    only(name, Accepted::Only(&[]), text).value()
}

impl Foreign {
    const fn value(self) -> Foreign {
        Foreign {
            takes_value: true,
            ..self
        }
    }

    const fn switch(self) -> Foreign {
        Foreign {
            takes_value: false,
            ..self
        }
    }

    const fn id(self, id: &'static str) -> Foreign {
        Foreign { id, ..self }
    }

    const fn short(self, letter: char) -> Foreign {
        Foreign {
            short: Some(letter),
            ..self
        }
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.id)
            .long(self.name)
            .hide(true)
            .action(ArgAction::Append)
            .allow_hyphen_values(true);
        let arg = match self.short {
            Some(letter) => arg.short(letter),
            None => arg,
        };
        if self.takes_value {
            arg.num_args(1)
        } else {
            arg.num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
        }
    }

    /// The word for what becomes of it: `accepted`, or `refused`, some values aside.
    #[must_use]
    pub fn verdict(&self) -> String {
        match self.accepted {
            Accepted::All => "accepted, no effect".to_owned(),
            Accepted::Only([]) => "refused".to_owned(),
            Accepted::Only(values) => {
                let values: Vec<String> = values.iter().map(|value| format!("`={value}`")).collect();
                format!("{} accepted, else refused", values.join(", "))
            }
        }
    }
}

/// Always so, or only so: for switches that can be turned off.
const ON: Accepted = Accepted::Only(&["true", "1"]);
const OFF: Accepted = Accepted::Only(&["false", "0"]);

/// What clap knows `--context` by: `context` is the word itself.
const CONTEXT_FLAG: &str = "context-flag";

const LIMITS: &str = "steps have no limits of their own: run rbuild in a cgroup that has them (`systemd-run --scope -p MemoryMax=2G rbuild …`)";
const NAMESPACES: &str = "each step has namespaces of its own; `--network` is the one that can be chosen";
const REMOTE_CACHE: &str = "there is no remote cache: keep the store (RBUILD_ROOT) between builds";
const ATTESTATION: &str = "rbuild writes no attestations";
const ONE_PLATFORM: &str = "one platform at a time: use --platform OS/ARCH[/VARIANT]";
const SIGNING: &str = "sign what was pushed with cosign or notation";
const MOUNTS: &str = "use RUN --mount=type=bind, or --build-context for directories outside of the context";
const COMPRESSION: &str = "use -o type=…,compression=…,compression-level=N,force-compression=true";
const SYSTEM_CALLS: &str = "the sandbox calls the kernel itself, there is no runtime to choose";
const DNS: &str = "steps use the host's resolver: put names into --add-host";
const ALWAYS: &str = "it is always so";
const NO_USE: &str = "there is nothing that it could do here";
const DIGEST_FILES: &str = "use --metadata-file: containerimage.digest and image.name are in it";
const PLAIN_REGISTRY: &str = "use --insecure-registry HOST";
const UNVERIFIED: &str = "use --insecure-registry HOST, or --tls-verify=false for all";
const MIRRORS: &str = "registries are asked by the name that the image has";
const LOGS: &str = "use --progress=plain or rawjson; whole logs are kept in the store";

/// Every such flag, by name.
pub const FOREIGN: &[Foreign] = &[
    refused("all-platforms", ONE_PLATFORM).switch(),
    refused("arch", ONE_PLATFORM),
    refused("attest", ATTESTATION),
    refused(
        "bucket",
        "fetch the archive, and pipe it in: `rbuild - < context.tar`",
    ),
    refused("builder", "there is no builder to choose: rbuild is the builder"),
    only("cache", ON, "there is always a cache; --no-cache runs every step"),
    ignored("cache-copy-layers", ALWAYS),
    refused(
        "cache-dir",
        "the cache is in the store: use --root or RBUILD_ROOT",
    ),
    refused("cache-from", REMOTE_CACHE),
    refused("cache-repo", REMOTE_CACHE),
    ignored("cache-run-layers", ALWAYS),
    refused("cache-to", REMOTE_CACHE),
    refused("cache-ttl", "use `rbuild prune --until TIME`"),
    refused(
        "cap-add",
        "use RUN --security=insecure with --allow security.insecure",
    ),
    refused(
        "cap-drop",
        "steps have few capabilities already; see docs/sandbox.md",
    ),
    refused("cgroup-parent", LIMITS),
    refused("cgroupns", NAMESPACES),
    ignored("cleanup", NO_USE),
    refused("compat-volumes", "changes after VOLUME are kept").switch(),
    ignored("compress", "a context is never sent anywhere"),
    ignored("compressed-caching", NO_USE),
    refused("compression", COMPRESSION),
    refused("compression-format", COMPRESSION),
    refused("compression-level", COMPRESSION),
    refused(
        "context",
        "give the context as the last word: `rbuild -f FILE -t NAME DIR`",
    )
    .id(CONTEXT_FLAG),
    refused(
        "context-sub-path",
        "give the directory itself, or URL#REF:DIRECTORY for a repository",
    ),
    refused(
        "cpp-flag",
        "rbuild does not run Dockerfiles through a preprocessor",
    ),
    refused("cpu-period", LIMITS),
    refused("cpu-quota", LIMITS),
    refused("cpu-shares", LIMITS),
    refused("cpuset-cpus", LIMITS),
    refused("cpuset-mems", LIMITS),
    only(
        "created-annotation",
        OFF,
        "use --annotation org.opencontainers.image.created=TIME",
    ),
    refused(
        "creds",
        "a password on a command line is seen by all: use `rbuild login`, or --authfile",
    ),
    refused("custom-platform", ONE_PLATFORM),
    refused("cw", "confidential workload images are not made"),
    refused("debug", LOGS).switch().short('D'),
    refused("decryption-key", "encrypted images are not read"),
    refused("destination", "use -t NAME --push").short('d'),
    refused("device", "use RUN --device with --allow device=NAME"),
    refused("digest-file", DIGEST_FILES),
    only("disable-compression", OFF, COMPRESSION),
    ignored(
        "disable-content-trust",
        "images are verified by digest; there is no content trust to disable",
    ),
    refused("dns", DNS),
    refused("dns-option", DNS),
    refused("dns-search", DNS),
    refused("dockerfile", "use -f FILE"),
    refused(
        "env",
        "write ENV into the Dockerfile, with an ARG and --build-arg for the value",
    ),
    ignored("force", "rbuild needs no container around it"),
    ignored(
        "force-build-metadata",
        "the metadata of every instruction is always written",
    ),
    refused("force-compression", COMPRESSION).switch(),
    ignored("force-rm", "no intermediate container is left, whatever happens"),
    refused(
        "from",
        "use --build-context NAME=docker-image://OTHER for the image NAME of FROM",
    ),
    refused("git", "repositories are fetched shallow: use URL#REF"),
    refused("group-add", "use USER name:group"),
    refused("hooks-dir", "there are no hooks"),
    only(
        "http-proxy",
        ON,
        "proxies of the caller reach steps; unset the variables to keep them away",
    ),
    only(
        "identity-label",
        OFF,
        "rbuild adds no label by itself: use --label",
    ),
    refused(
        "ignore-path",
        "write an ignore file, or use RUN rm in the step that made it",
    ),
    ignored("ignore-var-run", ALWAYS),
    refused("iidfile-raw", "use --iidfile"),
    refused("image-download-retry", "use --retry"),
    ignored("image-fs-extract-retry", "files are unpacked once, and whole"),
    refused("image-name-tag-with-digest-file", DIGEST_FILES),
    refused("image-name-with-digest-file", DIGEST_FILES),
    only(
        "inherit-annotations",
        OFF,
        "the base's annotations are the base's: use --annotation",
    ),
    only("inherit-labels", ON, "use --unsetlabel NAME for each"),
    refused("insecure", PLAIN_REGISTRY).switch(),
    refused("insecure-pull", PLAIN_REGISTRY).switch(),
    refused("ipc", NAMESPACES),
    only(
        "isolation",
        Accepted::Only(&["default", "oci", "rootless"]),
        "the best isolation that the host allows is used; `rbuild doctor` says which",
    )
    .value(),
    ignored("kaniko-dir", "the store is RBUILD_ROOT"),
    refused("layer-label", "use --label"),
    only(
        "layers",
        ON,
        "steps are always cached; --squash makes one layer of those that are new",
    ),
    refused("log-format", LOGS),
    refused("log-timestamp", LOGS).switch(),
    refused(
        "logfile",
        "redirect standard error: `rbuild --progress=plain … 2> FILE`",
    ),
    refused("logsplit", ONE_PLATFORM).switch(),
    refused(
        "manifest",
        "indexes are not made: push each platform under a name, then join them",
    ),
    refused("memory", LIMITS).short('m'),
    ignored(
        "memory-swap",
        "steps have no limit of memory, so there is none of swap",
    )
    .value(),
    refused("mount", MOUNTS),
    refused("no-hostname", "/etc/hostname of a step never enters the image").switch(),
    refused("no-hosts", "/etc/hosts of a step never enters the image").switch(),
    ignored(
        "no-push",
        "rbuild pushes only when --push or -o type=registry says so",
    ),
    ignored("no-push-cache", "no cache is pushed"),
    refused("oci-layout-path", "use -o type=oci,dest=DIR/"),
    refused("os", ONE_PLATFORM),
    refused("os-feature", ONE_PLATFORM),
    refused("os-version", ONE_PLATFORM),
    refused("pid", NAMESPACES),
    refused(
        "policy",
        "there is no policy of sources: pin bases with FROM NAME@DIGEST",
    ),
    only("provenance", OFF, ATTESTATION),
    refused("pull-always", "use --pull=always").switch(),
    refused("pull-never", "use --pull=never").switch(),
    refused(
        "push-ignore-immutable-tag-errors",
        "a push that fails is a failure",
    )
    .switch(),
    refused("push-retry", "use --retry"),
    refused(
        "registry-certificate",
        "put it into /etc/containers/certs.d/HOST/ca.crt, or use --cert-dir",
    ),
    refused(
        "registry-client-cert",
        "put it into /etc/containers/certs.d/HOST/ as client.cert and client.key",
    ),
    refused("registry-map", MIRRORS),
    refused("registry-mirror", MIRRORS),
    only("reproducible", OFF, "use --source-date-epoch 0"),
    refused("resource", LIMITS),
    only(
        "rewrite-timestamp",
        ON,
        "with --source-date-epoch times are always clamped",
    ),
    ignored("rm", "no intermediate container is left"),
    refused("runtime", SYSTEM_CALLS),
    refused("runtime-flag", SYSTEM_CALLS),
    refused("save-stages", "use --target STAGE -t NAME for each stage to keep").switch(),
    only("sbom", OFF, ATTESTATION),
    refused("sbom-image-output", ATTESTATION),
    refused("sbom-image-purl-output", ATTESTATION),
    refused("sbom-merge-strategy", ATTESTATION),
    refused("sbom-output", ATTESTATION),
    refused("sbom-purl-output", ATTESTATION),
    refused("sbom-scanner-command", ATTESTATION),
    refused("sbom-scanner-image", ATTESTATION),
    refused("sign-by", SIGNING),
    refused("single-snapshot", "use --squash").switch(),
    only("skip-default-registry-fallback", ON, MIRRORS),
    ignored(
        "skip-push-permission-check",
        "nothing is asked of a registry before the push",
    ),
    refused("skip-tls-verify", UNVERIFIED).switch(),
    refused("skip-tls-verify-pull", UNVERIFIED).switch(),
    refused("skip-tls-verify-registry", PLAIN_REGISTRY),
    only(
        "skip-unused-stages",
        ON,
        "only what the target needs is built; use --target for another one",
    ),
    ignored(
        "snapshot-mode",
        "what a step changed is found by metadata and content",
    )
    .value(),
    refused(
        "source-policy-file",
        "there is no policy of sources: pin bases with FROM NAME@DIGEST",
    ),
    refused("stage-labels", "use --label").switch(),
    only(
        "stdin",
        OFF,
        "steps read nothing from outside: use RUN --mount=type=secret or COPY",
    ),
    refused("tar-path", "use -o type=docker,dest=FILE"),
    refused("tarPath", "use -o type=docker,dest=FILE"),
    refused("ulimit", LIMITS),
    ignored("use-new-run", NO_USE),
    refused("userns", NAMESPACES),
    refused("userns-gid-map", NAMESPACES),
    refused("userns-gid-map-group", NAMESPACES),
    refused("userns-uid-map", NAMESPACES),
    refused("userns-uid-map-user", NAMESPACES),
    refused("uts", NAMESPACES),
    refused("variant", ONE_PLATFORM),
    refused("verbosity", LOGS),
    refused("volume", MOUNTS).short('v'),
    ignored("whitelist-var-run", ALWAYS),
];

/// The foreign flags that were given, with their values.
#[derive(Debug, Clone, Default)]
pub struct ForeignArgs(Vec<(&'static str, String)>);

impl ForeignArgs {
    /// What to say of those without effect.
    ///
    /// # Errors
    /// The first one that is refused, with what to use instead.
    pub fn judge(&self) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        for (name, value) in &self.0 {
            let Some(flag) = FOREIGN.iter().find(|flag| flag.name == *name) else {
                continue;
            };
            let shown = match (value.as_str(), flag.takes_value) {
                ("true", false) => format!("--{name}"),
                _ => format!("--{name}={value}"),
            };
            match flag.accepted {
                Accepted::All => notes.push(format!("{shown} has no effect: {}", flag.text)),
                // Asking for what is so anyway is worth no word.
                Accepted::Only(values) if values.contains(&value.as_str()) => {}
                Accepted::Only([]) => {
                    return Err(Failure::usage(format!("rbuild has no --{name}")).hint(flag.text));
                }
                Accepted::Only(_) => {
                    return Err(Failure::usage(format!("rbuild has no {shown}")).hint(flag.text));
                }
            }
        }
        notes.dedup();
        Ok(notes)
    }
}

impl ForeignArgs {
    /// A command that builds, and understands these flags too. They are no part of [`super::Cli`]: neither its help nor
    /// completions are to offer what there is not.
    pub(super) fn understood_by(command: Command) -> Command {
        command
            .args(FOREIGN.iter().map(Foreign::arg))
            // kaniko's `--context DIR` gets its hint, not the complaint that the context is missing.
            .mut_arg("context", |context| {
                context.required(false).required_unless_present(CONTEXT_FLAG)
            })
    }

    /// What was given.
    pub(super) fn given(matches: &ArgMatches) -> Self {
        let mut given = Vec::new();
        for flag in FOREIGN {
            for value in matches.get_many::<String>(flag.id).into_iter().flatten() {
                given.push((flag.name, value.clone()));
            }
        }
        Self(given)
    }
}

#[cfg(test)]
mod tests;

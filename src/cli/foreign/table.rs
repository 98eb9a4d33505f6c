//! The table: every flag of docker, buildx, buildah and kaniko that rbuild does not have, and its verdict.

use super::{Accepted, Foreign, OFF, ON, SYSTEM_CALLS, ignored, only, refused};

/// What clap knows `--context` by: `context` is the word itself.
pub(super) const CONTEXT_FLAG: &str = "context-flag";

const NAMESPACES: &str = "each step has namespaces of its own; `--network` is the one that can be chosen";
const ATTESTATION: &str = "rbuild writes no attestations";
const PLATFORM: &str = "use --platform OS/ARCH[/VARIANT],…";
const SIGNING: &str = "sign what was pushed with cosign or notation";
const MOUNTS: &str = "use RUN --mount=type=bind, or --build-context for directories outside of the context";
const COMPRESSION: &str = "use -o type=…,compression=…,compression-level=N,force-compression=true";
const DNS: &str = "steps use the host's resolver: put names into --add-host";
const ALWAYS: &str = "it is always so";
const NO_USE: &str = "there is nothing that it could do here";
const DIGEST_FILES: &str = "use --metadata-file: containerimage.digest and image.name are in it";
const PLAIN_REGISTRY: &str = "use --insecure-registry HOST";
const UNVERIFIED: &str = "use --insecure-registry HOST, or --tls-verify=false for all";
const MIRRORS: &str = "registries are asked by the name that the image has";
const LOGS: &str = "use --progress=plain or rawjson; whole logs are kept in the store";

/// Every such flag, by name.
pub const BUILD: &[Foreign] = &[
    refused("all-platforms", PLATFORM).switch(),
    refused("arch", PLATFORM),
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
    ignored("cache-run-layers", ALWAYS),
    refused(
        "cache-ttl",
        "let the registry expire tags; for the store use `rbuild prune --until TIME`",
    ),
    refused(
        "cap-add",
        "use RUN --security=insecure with --allow security.insecure",
    ),
    refused(
        "cap-drop",
        "steps have few capabilities already; see docs/sandbox.md",
    ),
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
    only(
        "created-annotation",
        OFF,
        "use --annotation org.opencontainers.image.created=TIME",
    ),
    refused(
        "creds",
        "a password on a command line is seen by all: use `rbuild login`, or --authfile",
    ),
    refused("custom-platform", PLATFORM),
    refused("cw", "confidential workload images are not made"),
    refused("debug", LOGS).switch(),
    refused("decryption-key", "encrypted images are not read"),
    refused("destination", "use -t NAME --push").short('d'),
    refused("device", "use RUN --device with --allow device=NAME"),
    refused("digest-file", DIGEST_FILES),
    only("disable-compression", OFF, COMPRESSION).short('D'),
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
    refused("logsplit", PLATFORM).switch(),
    refused("manifest", "use -t NAME: with several platforms it is an index"),
    refused("mount", MOUNTS),
    refused("no-hostname", "/etc/hostname of a step never enters the image").switch(),
    refused("no-hosts", "/etc/hosts of a step never enters the image").switch(),
    ignored(
        "no-push",
        "rbuild pushes only when --push or -o type=registry says so",
    ),
    ignored("no-push-cache", "no cache is pushed"),
    refused("oci-layout-path", "use -o type=oci,dest=DIR/"),
    refused("os", PLATFORM),
    refused("os-feature", PLATFORM),
    refused("os-version", PLATFORM),
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
    refused(
        "resource",
        "use --memory, --cpus, --cpu-shares and their like; see docs/limits.md",
    ),
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
    ignored("use-new-run", NO_USE),
    refused("userns", NAMESPACES),
    refused("userns-gid-map", NAMESPACES),
    refused("userns-gid-map-group", NAMESPACES),
    refused("userns-uid-map", NAMESPACES),
    refused("userns-uid-map-user", NAMESPACES),
    refused("uts", NAMESPACES),
    refused("variant", PLATFORM),
    refused("verbosity", LOGS),
    refused("volume", MOUNTS).short('v'),
    ignored("whitelist-var-run", ALWAYS),
];

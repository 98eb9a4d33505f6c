//! The table: every flag of `docker run` and `podman run` that `rbuild run` does not have, and its verdict.

use super::{Foreign, OFF, ON, SYSTEM_CALLS, ignored, only, refused};
use crate::cli::foreign::Accepted;

const LIMITS: &str =
    "the limits are those of docs/limits.md; more can be set on a cgroup that --cgroup-parent names";
const PORTS: &str =
    "no port is forwarded: with --network host, what the container listens on is the host's already";
const NETWORK: &str = "there are --network host, private and none, without names and addresses to choose";
const DNS: &str = "the host's resolver is used: put names into --add-host";
const PRIVILEGES: &str = "containers have the 14 capabilities of docs/sandbox.md, no more and no less";
const NAMESPACES: &str =
    "each container has namespaces of its own; `--network` is the one that can be chosen";
const PRIVATE: Accepted = Accepted::Only(&["private"]);
const DEVICES: &str = "containers have the devices of docs/sandbox.md; RUN --device gives others to a build";
const HEALTH: &str = "nobody looks after the health of a container";
const VOLUMES: &str = "use -v HOST:CONTAINER[:ro], or --tmpfs";
const NO_PID: &str = "`rbuild inspect` says the number of its process";
const ONE_PLATFORM: &str = "leave it out: images of this machine's platform are run";
const IDS: &str = "ids are those of /etc/subuid and /etc/subgid; `rbuild doctor` says how many";
const NO_POD: &str = "there are no pods";
const ETC: &str = "/etc/hosts, /etc/hostname and /etc/resolv.conf are always made";

/// Every such flag, by name.
pub const RUN: &[Foreign] = &[
    refused("arch", ONE_PLATFORM),
    only(
        "attach",
        Accepted::Only(&["stdout", "stderr", "STDOUT", "STDERR"]),
        "standard output and error are always the caller's; -i gives it standard input too",
    )
    .value()
    .short('a'),
    refused("blkio-weight-device", LIMITS),
    refused("cap-add", PRIVILEGES),
    refused("cap-drop", PRIVILEGES),
    refused("cgroup-conf", LIMITS),
    only("cgroupns", PRIVATE, NAMESPACES).value(),
    refused("cgroups", LIMITS),
    refused("chrootdirs", ETC),
    refused("conmon-pidfile", NO_PID),
    refused("cpu-count", LIMITS),
    refused("cpu-percent", LIMITS),
    refused("cpu-rt-period", LIMITS),
    refused("cpu-rt-runtime", LIMITS),
    refused(
        "creds",
        "a password on a command line is seen by all: use `rbuild login`, or --authfile",
    ),
    refused("decryption-key", "encrypted images are not read"),
    refused(
        "detach-keys",
        "no keys detach: use `rbuild run -d`, and `rbuild logs -f`",
    ),
    refused("device", DEVICES),
    refused("device-cgroup-rule", DEVICES),
    ignored(
        "disable-content-trust",
        "images are verified by digest; there is no content trust to disable",
    ),
    refused("dns", DNS),
    refused("dns-opt", DNS),
    refused("dns-option", DNS),
    refused("dns-search", DNS),
    refused("domainname", "use --hostname NAME.DOMAIN"),
    only("env-host", OFF, "give each variable with -e NAME"),
    refused("env-merge", "use -e NAME=VALUE with the whole value"),
    ignored("expose", PORTS).value(),
    refused("gidmap", IDS),
    refused("gpus", DEVICES),
    refused(
        "group-add",
        "use -u NAME: the user has the groups of the image's /etc/group",
    ),
    refused("group-entry", "/etc/passwd and /etc/group are the image's"),
    ignored("health-cmd", HEALTH).value(),
    ignored("health-interval", HEALTH).value(),
    ignored("health-log-destination", HEALTH).value(),
    ignored("health-max-log-count", HEALTH).value(),
    ignored("health-max-log-size", HEALTH).value(),
    refused("health-on-failure", HEALTH),
    ignored("health-retries", HEALTH).value(),
    ignored("health-start-interval", HEALTH).value(),
    ignored("health-start-period", HEALTH).value(),
    ignored("health-startup-cmd", HEALTH).value(),
    ignored("health-startup-interval", HEALTH).value(),
    ignored("health-startup-retries", HEALTH).value(),
    ignored("health-startup-success", HEALTH).value(),
    ignored("health-startup-timeout", HEALTH).value(),
    ignored("health-timeout", HEALTH).value(),
    refused("hosts-file", "use --add-host for each"),
    refused("hostuser", "/etc/passwd and /etc/group are the image's"),
    only(
        "http-proxy",
        OFF,
        "proxies are not handed on by themselves: use -e http_proxy",
    ),
    only(
        "image-volume",
        Accepted::Only(&["ignore"]),
        "VOLUME of an image has no effect: use -v or --tmpfs",
    )
    .value(),
    ignored(
        "init",
        "signals end the command as if there were one; children that it leaves are not collected",
    ),
    refused("init-path", "there is no init besides the command"),
    refused("io-maxbandwidth", LIMITS),
    refused("io-maxiops", LIMITS),
    refused("ip", NETWORK),
    refused("ip6", NETWORK),
    only("ipc", PRIVATE, NAMESPACES).value(),
    only(
        "isolation",
        Accepted::Only(&["default"]),
        "`rbuild doctor` says which isolation the host allows",
    )
    .value(),
    refused("kernel-memory", LIMITS),
    refused("link", NETWORK),
    refused("link-local-ip", NETWORK),
    refused("mac-address", NETWORK),
    refused("memory-swappiness", LIMITS),
    refused("mount", VOLUMES),
    refused("net-alias", NETWORK),
    refused("network-alias", NETWORK),
    only("no-healthcheck", ON, HEALTH),
    only("no-hostname", OFF, ETC),
    only("no-hosts", OFF, ETC),
    only("oom-kill-disable", OFF, LIMITS),
    refused("os", ONE_PLATFORM),
    only("passwd", OFF, "/etc/passwd and /etc/group are the image's"),
    refused("passwd-entry", "/etc/passwd and /etc/group are the image's"),
    refused("personality", "use setarch(1) around rbuild: it is inherited"),
    only("pid", PRIVATE, NAMESPACES).value(),
    refused("pidfile", NO_PID),
    refused("platform", ONE_PLATFORM),
    refused("pod", NO_POD),
    refused("pod-id-file", NO_POD),
    refused(
        "preserve-fd",
        "a container has the three standard streams and no other descriptor",
    ),
    refused(
        "preserve-fds",
        "a container has the three standard streams and no other descriptor",
    ),
    only("privileged", OFF, PRIVILEGES),
    refused("publish", PORTS).short('p'),
    only("publish-all", ON, PORTS).short('P'),
    only("quiet", ON, "only what is pulled is said, on standard error").short('q'),
    refused("rdt-class", LIMITS),
    only("read-only-tmpfs", ON, "with --read-only /run and /tmp are memory"),
    only("replace", OFF, "use `rbuild rm -f NAME` before"),
    refused("requires", NO_POD),
    only("rmi", OFF, "use `rbuild rmi IMAGE` afterwards"),
    refused("rootfs", "use `rbuild load` to make an image of it").switch(),
    refused("runtime", SYSTEM_CALLS),
    only(
        "sdnotify",
        Accepted::Only(&["ignore"]),
        "a container tells systemd nothing",
    )
    .value(),
    refused("seccomp-policy", "there is one filter, that of docs/sandbox.md"),
    refused("secret", "use -v FILE:/run/secrets/NAME:ro, or -e NAME"),
    refused("shm-size", "/dev/shm is as large as the host lets it be"),
    refused("shm-size-systemd", LIMITS),
    only("sig-proxy", ON, "signals are always handed on"),
    refused(
        "storage-opt",
        "the writable layer is in the store, and as large as its disk",
    ),
    refused("subgidname", IDS),
    refused("subuidname", IDS),
    refused(
        "sysctl",
        "set it on the host: with --network host it is the container's too",
    ),
    only(
        "systemd",
        Accepted::Only(&["false"]),
        "there is no cgroup in a container for it to manage",
    )
    .value(),
    refused("timeout", "use timeout(1): `timeout 10 rbuild run …`"),
    refused("tz", "use -e TZ=ZONE"),
    refused("uidmap", IDS),
    refused("umask", "it is 0022: use a shell, `sh -c 'umask 077; exec …'`"),
    refused("unsetenv", "use env(1): `rbuild run IMAGE env -u NAME COMMAND`"),
    refused("unsetenv-all", "use env(1): `rbuild run IMAGE env -i COMMAND`").switch(),
    refused("use-api-socket", "there is no daemon"),
    refused("userns", IDS),
    only("uts", PRIVATE, NAMESPACES).value(),
    refused("variant", ONE_PLATFORM),
    refused("volume-driver", VOLUMES),
    refused("volumes-from", VOLUMES),
];

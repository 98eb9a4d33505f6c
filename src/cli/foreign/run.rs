//! The table: every flag of `docker run` and `podman run` that `rbuild run` does not have, and its verdict.

use super::{Foreign, OFF, ON, SYSTEM_CALLS, ignored, only, refused};
use crate::cli::foreign::Accepted;

const KEPT: &str =
    "a container lives as long as its `rbuild run`: let a unit keep that (`systemd-run --user rbuild run …`)";
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
const NO_ID: &str = "containers have no id: the process of `rbuild run` stands for them";
const OUTPUT: &str = "the output is that of `rbuild run`: redirect it";
const ONE_PLATFORM: &str = "leave it out: images of this machine's platform are run";
const NO_STOP: &str = "there is no `stop`; signals to `rbuild run` reach the command";
const LABELS: &str = "nothing lists containers";
const IDS: &str = "ids are those of /etc/subuid and /etc/subgid; `rbuild doctor` says how many";
const NO_POD: &str = "there are no pods";
const ETC: &str = "/etc/hosts, /etc/hostname and /etc/resolv.conf are always made";

/// Every such flag, by name.
pub const RUN: &[Foreign] = &[
    ignored("annotation", LABELS).value(),
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
    refused("cidfile", NO_ID),
    refused("conmon-pidfile", NO_ID),
    refused("cpu-count", LIMITS),
    refused("cpu-percent", LIMITS),
    refused("cpu-rt-period", LIMITS),
    refused("cpu-rt-runtime", LIMITS),
    refused(
        "creds",
        "a password on a command line is seen by all: use `rbuild login`, or --authfile",
    ),
    refused("decryption-key", "encrypted images are not read"),
    only("detach", OFF, KEPT).short('d'),
    refused("detach-keys", KEPT),
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
    ignored("label", LABELS).value().short('l'),
    ignored("label-file", LABELS).value(),
    refused("link", NETWORK),
    refused("link-local-ip", NETWORK),
    only("log-driver", Accepted::Only(&["none"]), OUTPUT).value(),
    refused("log-opt", OUTPUT),
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
    refused("pidfile", NO_ID),
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
    ignored("replace", "nothing is kept under a name"),
    refused("requires", NO_POD),
    only("restart", Accepted::Only(&["no"]), KEPT).value(),
    only("rmi", OFF, "use `rbuild rmi IMAGE` afterwards"),
    refused("rootfs", "use `rbuild load` to make an image of it").switch(),
    refused("runtime", SYSTEM_CALLS),
    only("sdnotify", Accepted::Only(&["ignore"]), KEPT).value(),
    refused("seccomp-policy", "there is one filter, that of docs/sandbox.md"),
    refused("secret", "use -v FILE:/run/secrets/NAME:ro, or -e NAME"),
    refused("shm-size", "/dev/shm is as large as the host lets it be"),
    refused("shm-size-systemd", LIMITS),
    only("sig-proxy", ON, "signals are always handed on"),
    ignored("stop-signal", NO_STOP).value(),
    ignored("stop-timeout", NO_STOP).value(),
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

//! rbuild inside a container as an engine makes one by default: crun with the engine's own filter, capabilities and masks.
//!
//! The container has the test's scratch directory at its own path, so that contexts and stores are where they are outside.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::base::checkout;
use super::env::{PATH, TestEnv, program_under_test};
use super::invocation::Invocation;
use super::{Base, skip};

/// Whose defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Docker's: its filter, 14 capabilities, masks.
    Docker,
    /// podman's: 11 capabilities and masks. Its filter allows namespaces, so it is left out.
    Podman,
}

/// A container that is made anew for each command, on files that stay.
pub(crate) struct Container<'e> {
    env: &'e TestEnv,
    engine: Engine,
    bundle: PathBuf,
}

const DOCKER: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Whether containers can be made here: only root can, without asking anybody for a user namespace that would change what
/// they allow.
#[track_caller]
pub(crate) fn unless_possible(test: &str) -> bool {
    if !super::env::is_root() {
        skip::because_of_host(
            test,
            "only root can make a container as an engine's daemon makes it",
        );
        return false;
    }
    skip::unless_installed(test, &["crun", "unshare"])
}

impl<'e> Container<'e> {
    pub(crate) fn new(env: &'e TestEnv, engine: Engine) -> Container<'e> {
        let bundle = env.path(format!("container-{engine:?}").to_lowercase());
        for dir in ["lower/tmp", "lower/etc", "lower/root", "upper", "work", "rootfs"] {
            std::fs::create_dir_all(bundle.join(dir)).expect("a folder can be made");
        }
        std::fs::copy("/etc/resolv.conf", bundle.join("lower/etc/resolv.conf"))
            .expect("a file can be copied");
        Container { env, engine, bundle }
    }

    /// rbuild with these arguments, and its store there.
    pub(crate) fn rbuild(&self, store: &Path, args: &[&str]) -> Invocation {
        let mut words = vec!["/rbuild".to_owned()];
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        let config = self.config(store, &words);
        std::fs::write(self.bundle.join("config.json"), config.to_string())
            .expect("config.json can be written");
        // crun refuses a tree of cgroups of both versions. The root is an overlay, as those of engines are.
        let script = "if [ \"$(stat -f -c %T /sys/fs/cgroup)\" != cgroup2fs ]; then \
              umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; \
            fi; cd \"$1\" && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none rootfs && \
            exec crun --cgroup-manager=disabled --root \"$1/crun\" run -b . \"$2\"";
        let name = format!("rbuild-it-{}-{:?}", std::process::id(), self.engine).to_lowercase();
        self.env
            .tool("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(&self.bundle)
            .arg(name)
    }

    /// A store on the container's own root, which is an overlay.
    pub(crate) fn own_store(&self) -> PathBuf {
        PathBuf::from("/store")
    }

    fn config(&self, store: &Path, args: &[String]) -> Value {
        let capabilities: Vec<&str> = match self.engine {
            Engine::Docker => DOCKER.to_vec(),
            Engine::Podman => {
                let less = ["CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE"];
                DOCKER.into_iter().filter(|one| !less.contains(one)).collect()
            }
        };
        let mut linux = json!({
            "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}],
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        });
        if self.engine == Engine::Docker {
            linux["seccomp"] = docker_filter(&capabilities);
        }
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": args,
                "env": [
                    format!("PATH={PATH}"),
                    "HOME=/root".to_owned(),
                    format!("RBUILD_ROOT={}", store.display()),
                    "SOURCE_DATE_EPOCH=1700000000".to_owned(),
                    "CI_SECRET=of-the-job".to_owned(),
                ],
                "cwd": "/",
                "capabilities": {
                    "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
                },
            },
            "root": {"path": "rootfs"},
            "hostname": "box",
            "mounts": self.mounts(),
            "linux": linux,
        })
    }

    fn mounts(&self) -> Value {
        let bind = |at: &Path, from: &Path, flag: &str| {
            json!({
                "destination": at, "source": from, "type": "bind", "options": ["bind", flag],
            })
        };
        let scratch = self.env.path("");
        let base = Base::Busybox.archive();
        json!([
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            bind(&scratch, &scratch, "rw"),
            bind(&base, &base, "ro"),
            bind(Path::new("/rbuild"), Path::new(&program_under_test()), "ro"),
        ])
    }
}

/// Docker's filter for a container with these capabilities, in the form of the runtime specification.
fn docker_filter(capabilities: &[&str]) -> Value {
    let path = checkout().join("testdata/hosts/docker-seccomp.json");
    let text = std::fs::read(&path).expect("docker's filter can be read");
    let profile: Value = serde_json::from_slice(&text).expect("docker's filter is JSON");
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let list = |of: &Value, key: &str| -> Vec<String> {
        let words = of[key].as_array().into_iter().flatten();
        words
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    let has = |word: &String| capabilities.contains(&word.as_str());
    let rules = profile["syscalls"].as_array().expect("rules");
    let holds = |rule: &&Value| {
        let (wanted, unwanted) = (&rule["includes"], &rule["excludes"]);
        let arches = list(wanted, "arches");
        list(wanted, "caps").iter().all(has)
            && (arches.is_empty() || arches.iter().any(|arch| arch == architecture))
            && !list(unwanted, "caps").iter().any(has)
            && !list(unwanted, "arches").iter().any(|arch| arch == architecture)
    };
    let syscalls: Vec<Value> = rules
        .iter()
        .filter(holds)
        .map(|rule| {
            let mut made = json!({"names": rule["names"], "action": rule["action"]});
            for key in ["args", "errnoRet"] {
                if !rule[key].is_null() {
                    made[key] = rule[key].clone();
                }
            }
            made
        })
        .collect();
    let architectures = match architecture {
        "arm64" => vec!["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        _ => vec!["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    };
    json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": architectures,
        "syscalls": syscalls,
    })
}

//! What a user can do about a host that does not allow something, or has no more of it.

use super::failure::Failure;
use rbuild_sandbox::cgroup::LimitError;
use rbuild_sandbox::{Remedy, Shortage};

/// Where more is said about what the host allows.
pub(super) const DOCTOR: &str = "`rbuild doctor` says what this host allows";

/// The line that mends it.
#[must_use]
pub fn words(remedy: &Remedy) -> String {
    let text = match remedy {
        Remedy::More(shortage) => more(*shortage),
        Remedy::NewerKernel => "use a host with Linux 5.12 or newer",
        Remedy::SubordinateIds(user) => {
            let user = user.as_deref().unwrap_or("$USER");
            return format!("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}");
        }
        Remedy::WiderNamespace => "start rbuild outside of this namespace, or give the namespace 65536 ids",
        Remedy::IdHelpers => {
            "install newuidmap and newgidmap: `sudo apt-get install uidmap` (Debian, Ubuntu), \
             `sudo dnf install shadow-utils` (Fedora)"
        }
        Remedy::SetUserId(path) => {
            return format!("{0} has lost its privilege: sudo chmod u+s {0}", path.display());
        }
        Remedy::Readable(path) => return format!("make {} readable", path.display()),
        Remedy::UserNamespaces => "sudo sysctl -w user.max_user_namespaces=15000",
        Remedy::MoreUserNamespaces => {
            "too many or too deeply nested user namespaces: sudo sysctl -w user.max_user_namespaces=15000"
        }
        Remedy::UnprivilegedNamespaces => "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        Remedy::AppArmor => {
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give rbuild a profile with `userns,` in \
             /etc/apparmor.d"
        }
        Remedy::OtherHost => "build as root, or on a host that allows user namespaces",
        Remedy::NoFilter => {
            "a container's system call filter forbids it: start that container with \
             `--security-opt seccomp=unconfined` (docker, podman) or `seccompProfile: {type: Unconfined}` (Kubernetes)"
        }
        Remedy::WholeProc => {
            "the container that this runs in covers parts of /proc: start it with \
             `--security-opt systempaths=unconfined` (docker), `--security-opt unmask=ALL` (podman) or \
             `procMount: Unmasked` (Kubernetes)"
        }
        Remedy::HostWithProc => "build on a host that allows a /proc in a user namespace",
        Remedy::UnknownHost => "build on another host, and tell the authors of rbuild about this one",
        Remedy::AnotherSandbox => "leave `--sandbox` out: the strongest way that this host allows is taken",
        Remedy::LocalStore => {
            "export RBUILD_ROOT=DIR, a directory of your own on a local disk (ext4, xfs, btrfs, tmpfs)"
        }
        Remedy::StoreOnVolume => {
            "put the store on a volume or tmpfs of this container: RBUILD_ROOT=/path/of/volume"
        }
        Remedy::OverlayModule => "sudo modprobe overlay",
        Remedy::HostName => "not needed: steps see the name of this host instead of a fixed one",
        Remedy::HostSys => "not needed: the host's /sys is shown read-only instead",
        Remedy::NetworkNamespaces => "only `--network none` needs it: allow network namespaces on the host",
        Remedy::AbstractSockets => {
            "sudo apt-get install passt, or Linux 6.12 with Landlock; until then `--network none` for steps that are \
             not trusted"
        }
        Remedy::Pasta => "sudo apt-get install passt",
        Remedy::NetTun => "sudo chmod 666 /dev/net/tun",
        Remedy::DelegatedControllers => {
            "let systemd delegate it: `[Service]` and `Delegate=cpu cpuset io memory pids` in \
             /etc/systemd/system/user@.service.d/delegate.conf, `sudo systemctl daemon-reload`, log in again, then \
             `systemd-run --user --scope -p Delegate=yes rbuild …`; a container must have it from its host"
        }
        Remedy::CgroupOfUser(controller) => {
            return format!(
                "version 1 of cgroups is not given to users: let root make a group that is yours, \
                 `D=/sys/fs/cgroup/{controller}/$USER; sudo mkdir $D; sudo chown -R $USER $D`, and use `--cgroup-parent \
                 /$USER`; or boot with `systemd.unified_cgroup_hierarchy=1`"
            );
        }
        Remedy::WritableCgroups => {
            "start the container that this runs in with a /sys/fs/cgroup that it can write: `--privileged` (docker), \
             `--cgroupns=private --security-opt unmask=/sys/fs/cgroup` (podman)"
        }
        Remedy::MountedCgroups => {
            "mount /sys/fs/cgroup; in a container: `--cgroupns=private`; where `cgroup_disable=` is on the kernel's command \
             line, boot without it"
        }
        Remedy::DelegatedCgroup => "start rbuild with: systemd-run --user --scope -p Delegate=yes rbuild …",
    };
    text.to_owned()
}

/// A limit that cannot be had.
#[must_use]
pub fn limit(error: &LimitError) -> Failure {
    let failure = Failure::host(error.to_string());
    match error.remedy() {
        Some(remedy) => failure.hint(words(&remedy)),
        None => failure,
    }
}

/// What to do where there is no more of something.
#[must_use]
pub(super) fn more(shortage: Shortage) -> &'static str {
    match shortage {
        Shortage::Processes => {
            "no more processes and threads may be started: raise `ulimit -u`, or the limit of the container or unit \
             (`--pids-limit`, `TasksMax=`), or that of memory (`ulimit -v`)"
        }
        Shortage::Memory => {
            "there is not enough memory: free some, or raise the limit of the container or unit"
        }
        Shortage::OpenFiles => "too many files are open: raise `ulimit -n`",
        Shortage::OpenFilesOfHost => "too many files are open on this host: sudo sysctl -w fs.file-max=…",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_it_is_about() {
        let user = |name: Option<&str>| words(&Remedy::SubordinateIds(name.map(str::to_owned)));
        assert!(user(Some("ann")).ends_with("--add-subgids 100000-165535 ann"));
        assert!(user(None).ends_with("$USER"));
        assert!(words(&Remedy::SetUserId("/bin/newuidmap".into())).ends_with("chmod u+s /bin/newuidmap"));
        assert!(words(&Remedy::More(Shortage::Processes)).contains("ulimit -u"));
    }
}

//! The mount points that every container has, and the files of `/etc` that it is given.

use super::Targets;
use crate::ops::OpError;
use rbuild_sandbox::{Mount, MountKind, container_resolv_conf};

/// `/proc`, `/sys`, `/dev` to stand on, and the three files of /etc that every step gets.
pub fn etc_files(
    targets: &mut Targets<'_>,
    add_hosts: &[(String, String)],
    hostname: &str,
) -> Result<Vec<Mount>, OpError> {
    let mut mounts = Vec::new();
    for (path, kind) in rbuild_sandbox::default_mount_points() {
        let target = targets.place(path, *kind == rbuild_sandbox::StubKind::Dir)?;
        let content = match *path {
            "/etc/hosts" => hosts(add_hosts, hostname),
            "/etc/hostname" => format!("{hostname}\n"),
            "/etc/resolv.conf" => resolv_conf(),
            _ => continue,
        };
        mounts.push(Mount {
            target,
            kind: MountKind::ReadOnlyFile {
                content: content.as_str().into(),
            },
        });
    }
    Ok(mounts)
}

fn hosts(add_hosts: &[(String, String)], hostname: &str) -> String {
    let mut text = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in add_hosts {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "files of the host")]
fn resolv_conf() -> String {
    let host = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let upstream = std::fs::read_to_string("/run/systemd/resolve/resolv.conf").ok();
    container_resolv_conf(&host, upstream.as_deref(), false)
}

//! The mount points that every container has, and the files of `/etc` that it is given.

mod resolv;

use crate::mount_points::{MountPointError, MountPoints};
use rbuild_sandbox::{Mount, MountKind, Network, Shortage};
use resolv::container_resolv_conf;

/// What the sandbox mounts in every root by itself.
const OF_THE_SANDBOX: [&str; 3] = ["/dev", "/proc", "/sys"];

/// `/proc`, `/sys`, `/dev` to stand on, and the three files of `/etc` that every container gets.
///
/// # Errors
/// Something else is at one of these paths, or the image cannot be read.
pub fn standard_mounts(
    points: &mut MountPoints<'_>,
    add_hosts: &[(String, String)],
    hostname: &str,
    network: Network,
) -> Result<Vec<Mount>, MountPointError> {
    for path in OF_THE_SANDBOX {
        points.place(path, Some(true))?;
    }
    [
        ("/etc/hostname", format!("{hostname}\n")),
        ("/etc/hosts", hosts(add_hosts, hostname)),
        ("/etc/resolv.conf", resolv_conf(network)?),
    ]
    .into_iter()
    .map(|(target, content)| {
        let content = content.as_str().into();
        points.mount(target, MountKind::ReadOnlyFile { content })
    })
    .collect()
}

fn hosts(add_hosts: &[(String, String)], hostname: &str) -> String {
    let mut text = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in add_hosts {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text
}

fn resolv_conf(network: Network) -> Result<String, MountPointError> {
    let host = of_host("/etc/resolv.conf")?.unwrap_or_default();
    let upstream = of_host("/run/systemd/resolve/resolv.conf")?;
    let is_private = network == Network::Private;
    Ok(container_resolv_conf(&host, upstream.as_deref(), is_private))
}

/// A file that a host may have or not. That it cannot be read at this moment does not mean that it is not there.
#[expect(clippy::disallowed_methods, reason = "a file of the host")]
fn of_host(path: &'static str) -> Result<Option<String>, MountPointError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(source) if source.raw_os_error().and_then(Shortage::of).is_some() => {
            Err(MountPointError::OfHost { path, source })
        }
        Err(_) => Ok(None),
    }
}

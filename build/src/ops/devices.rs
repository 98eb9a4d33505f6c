//! What devices of the host add to a `RUN`: their part of the key, and their mounts.

use super::OpError;
use super::spec::ExecDevices;
use crate::cdi::{DeviceNode, Edits, HostMount};
use rbuild_rootfs::MountPoints;
use rbuild_sandbox::{Mount, MountFlags, MountKind};
use rbuild_solver::Preimage;
use rustix::fs::{FileType, major, minor, stat};

/// A device is named, and what its spec adds is listed: another driver, which brings other libraries, is another key.
/// What is in the files of the host is not.
pub(super) fn identify(devices: &ExecDevices, mut preimage: Preimage) -> Preimage {
    for name in &devices.names {
        preimage = preimage.text("device", name);
    }
    let edits = &devices.edits;
    for (name, value) in &edits.env {
        preimage = preimage.text(&format!("device env {name}"), value);
    }
    for DeviceNode { path, host_path, .. } in &edits.nodes {
        preimage = preimage
            .text("device node", path)
            .text("device node of", host_path.display().to_string());
    }
    for mount in &edits.mounts {
        preimage = mounted(mount, preimage);
    }
    for group in &edits.groups {
        preimage = preimage.text("device group", group.to_string());
    }
    preimage
}

fn mounted(mount: &HostMount, preimage: Preimage) -> Preimage {
    let HostMount {
        source,
        target,
        recursive,
        flags,
    } = mount;
    let options = [
        (flags.read_only, "ro"),
        (flags.nosuid, "nosuid"),
        (flags.nodev, "nodev"),
        (flags.noexec, "noexec"),
        (*recursive, "recursive"),
    ];
    let options = options.iter().filter(|(set, _)| *set).map(|(_, option)| *option);
    // Specs are text, so their paths are.
    preimage
        .text("device mount", target)
        .text("device mount of", source.display().to_string())
        .text("device mount options", options.collect::<Vec<_>>().join(" "))
}

/// The mounts that bring device files, files and directories of the host.
pub(super) fn mounts(edits: &Edits, points: &mut MountPoints<'_>) -> Result<Vec<Mount>, OpError> {
    let mut mounts = Vec::new();
    for node in &edits.nodes {
        check(node)?;
        // A device that cannot be opened is no device: only set-id bits, which it has no use for, go.
        let flags = MountFlags {
            nosuid: true,
            ..MountFlags::default()
        };
        let kind = MountKind::Bind {
            source: node.host_path.clone(),
            source_root: None,
            recursive: false,
            lent: false,
            flags,
        };
        mounts.push(points.mount(&node.path, kind)?);
    }
    for mount in &edits.mounts {
        let source = &mount.source;
        #[expect(clippy::disallowed_methods, reason = "a spec of the host names this path")]
        std::fs::metadata(source)
            .map_err(|error| OpError::io(format!("mounting `{}` of a device", source.display()), error))?;
        let kind = MountKind::Bind {
            source: source.clone(),
            source_root: None,
            recursive: mount.recursive,
            lent: false,
            flags: mount.flags,
        };
        mounts.push(points.mount(&mount.target, kind)?);
    }
    Ok(mounts)
}

/// The file of the host is what its spec says that it is.
fn check(node: &DeviceNode) -> Result<(), OpError> {
    let shown = node.host_path.display();
    let found = stat(&node.host_path)
        .map_err(|errno| OpError::io(format!("looking at the device `{shown}`"), errno.into()))?;
    let is_block = match FileType::from_raw_mode(found.st_mode) {
        FileType::BlockDevice => true,
        FileType::CharacterDevice => false,
        _ => {
            let path = node.host_path.clone();
            return Err(OpError::NoDevice { path });
        }
    };
    let number = (major(found.st_rdev), minor(found.st_rdev));
    let fits = node.is_block.is_none_or(|wanted| wanted == is_block)
        && node.major.is_none_or(|wanted| wanted == number.0)
        && node.minor.is_none_or(|wanted| wanted == number.1);
    if fits {
        return Ok(());
    }
    Err(OpError::OtherDevice {
        path: node.host_path.clone(),
        is_block,
        major: number.0,
        minor: number.1,
    })
}

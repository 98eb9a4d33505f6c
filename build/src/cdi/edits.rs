//! What devices add to a step, checked: all of it is done, or the device is refused.

use super::Device;
use super::spec::{ContainerEdits, MountSpec, NodeSpec};
use rbuild_sandbox::MountFlags;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// What some devices add together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Variables, in order.
    pub env: Vec<(String, String)>,
    /// Device files.
    pub nodes: Vec<DeviceNode>,
    /// Files and directories of the host.
    pub mounts: Vec<HostMount>,
    /// Further groups of the command, ids of the container.
    pub groups: Vec<u32>,
    /// Device files whose spec wishes for a mode or an owner; they keep those of the host.
    pub kept_modes: Vec<String>,
}

/// A device file of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Path in the container.
    pub path: String,
    /// Path on the host.
    pub host_path: PathBuf,
    /// Whether it must be a block device (or must not), where the spec says it.
    pub is_block: Option<bool>,
    /// Its number, as far as the spec says it.
    pub major: Option<u32>,
    /// Its number, as far as the spec says it.
    pub minor: Option<u32>,
}

/// A file or directory of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMount {
    /// Path on the host.
    pub source: PathBuf,
    /// Path in the container.
    pub target: String,
    /// Whether mounts beneath it come along.
    pub recursive: bool,
    /// Flags.
    pub flags: MountFlags,
}

/// A device that asks for something that is not done here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the device `{device}` asks for {what}, which rbuild does not do")]
pub struct Unsupported {
    /// Its name.
    pub device: String,
    /// What it asks for.
    pub what: String,
    /// The file that says so.
    pub file: PathBuf,
}

impl Edits {
    /// What these devices add: each one's own, and once what its file adds for all of its devices.
    ///
    /// # Errors
    /// One of them asks for something that is not done here.
    pub fn of(devices: &[&Device]) -> Result<Self, Unsupported> {
        let mut edits = Edits::default();
        let mut files: Vec<&Rc<ContainerEdits>> = Vec::new();
        for device in devices {
            let refuse = |what: String| Unsupported {
                device: device.name.clone(),
                what,
                file: device.file.clone(),
            };
            if !files.iter().any(|file| Rc::ptr_eq(file, &device.common)) {
                edits.add(&device.common).map_err(refuse)?;
                files.push(&device.common);
            }
            edits.add(&device.own).map_err(refuse)?;
        }
        Ok(edits)
    }

    fn add(&mut self, edits: &ContainerEdits) -> Result<(), String> {
        if let Some(hook) = edits.hooks.first() {
            return Err(format!("the {} hook `{}`", hook.hook_name, hook.path));
        }
        if edits.intel_rdt.is_some() {
            return Err("`intelRdt`".to_owned());
        }
        if !edits.net_devices.is_empty() {
            return Err("`netDevices`".to_owned());
        }
        for variable in &edits.env {
            match variable.split_once('=') {
                Some((name, value)) if !name.is_empty() => self.env.push((name.to_owned(), value.to_owned())),
                _ => return Err(format!("the variable `{variable}`, which has no name")),
            }
        }
        for node in &edits.device_nodes {
            let made = device_node(node)?;
            if node.file_mode.is_some() || node.uid.is_some() || node.gid.is_some() {
                self.kept_modes.push(made.path.clone());
            }
            self.nodes.push(made);
        }
        for mount in &edits.mounts {
            self.mounts.push(host_mount(mount)?);
        }
        // The specification: 0 is ignored.
        self.groups
            .extend(edits.additional_gids.iter().filter(|gid| **gid != 0));
        Ok(())
    }
}

fn device_node(node: &NodeSpec) -> Result<DeviceNode, String> {
    let path = absolute(&node.path)?;
    // Without a device cgroup nothing takes reading or writing away from who may open the file; making further
    // device files is impossible in a user namespace anyway.
    if let Some(permissions) = &node.permissions
        && !(permissions.contains('r') && permissions.contains('w'))
    {
        return Err(format!("`{path}` with the permissions `{permissions}` alone"));
    }
    let is_block = match node.node_type.as_deref() {
        None | Some("") => None,
        Some("b") => Some(true),
        Some("c" | "u") => Some(false),
        Some(other) => return Err(format!("`{path}` of the type `{other}`")),
    };
    let host_path = match node.host_path.as_deref() {
        None | Some("") => path,
        Some(host) => absolute(host)?,
    };
    Ok(DeviceNode {
        path: path.to_owned(),
        host_path: host_path.into(),
        is_block,
        major: node.major,
        minor: node.minor,
    })
}

fn host_mount(mount: &MountSpec) -> Result<HostMount, String> {
    let target = absolute(&mount.container_path)?;
    if let Some(other @ ("tmpfs" | "proc" | "sysfs" | "cgroup" | "cgroup2" | "overlay")) =
        mount.mount_type.as_deref()
    {
        return Err(format!("a mount of the type `{other}` on `{target}`"));
    }
    let mut flags = MountFlags::default();
    let mut recursive = false;
    for option in &mount.options {
        match option.as_str() {
            "ro" => flags.read_only = true,
            "rw" => flags.read_only = false,
            "nosuid" => flags.nosuid = true,
            "suid" => flags.nosuid = false,
            "nodev" => flags.nodev = true,
            "dev" => flags.nodev = false,
            "noexec" => flags.noexec = true,
            "exec" => flags.noexec = false,
            "rbind" => recursive = true,
            // What every mount of a step is.
            "bind" | "private" | "rprivate" => {}
            other => return Err(format!("the mount option `{other}` of `{target}`")),
        }
    }
    Ok(HostMount {
        source: absolute(&mount.host_path)?.into(),
        target: target.to_owned(),
        recursive,
        flags,
    })
}

fn absolute(path: &str) -> Result<&str, String> {
    let shown = Path::new(path);
    let climbs = shown.components().any(|part| part == Component::ParentDir);
    if shown.is_absolute() && !climbs && path != "/" && !path.contains('\0') {
        Ok(path)
    } else {
        Err(format!(
            "the path `{path}`, which is not absolute and free of `..`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(json: serde_json::Value) -> Result<Edits, String> {
        let mut edits = Edits::default();
        edits.add(&serde_json::from_value(json).unwrap()).map(|()| edits)
    }

    #[test]
    fn edits_are_taken_over_whole() {
        let edits = add(serde_json::json!({
            "env": ["A=b=c"],
            "deviceNodes": [
                { "path": "/dev/a", "permissions": "rwm" },
                { "path": "/dev/b", "hostPath": "/dev/zero", "type": "c", "major": 1, "minor": 5, "gid": 44 },
            ],
            "mounts": [{ "hostPath": "/usr/lib/x", "containerPath": "/opt/x", "options": ["rbind", "rprivate", "ro", "nosuid"] }],
            "additionalGids": [0, 44],
        }))
        .unwrap();
        assert_eq!(edits.env, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(edits.nodes[0].host_path, Path::new("/dev/a"));
        assert_eq!(
            (
                edits.nodes[1].host_path.as_path(),
                edits.nodes[1].major,
                edits.nodes[1].is_block
            ),
            (Path::new("/dev/zero"), Some(1), Some(false))
        );
        assert_eq!(edits.kept_modes, ["/dev/b"]);
        assert!(edits.mounts[0].recursive && edits.mounts[0].flags.read_only && edits.mounts[0].flags.nosuid);
        assert_eq!(edits.groups, [44]);
    }

    #[test]
    fn what_is_not_done_is_named() {
        let cases = [
            (
                serde_json::json!({ "hooks": [{ "hookName": "createContainer", "path": "/bin/h" }] }),
                "createContainer hook `/bin/h`",
            ),
            (serde_json::json!({ "intelRdt": { "closID": "x" } }), "intelRdt"),
            (
                serde_json::json!({ "netDevices": [{ "hostInterfaceName": "a", "name": "b" }] }),
                "netDevices",
            ),
            (serde_json::json!({ "env": ["=x"] }), "`=x`"),
            (
                serde_json::json!({ "deviceNodes": [{ "path": "/dev/a", "permissions": "r" }] }),
                "permissions `r`",
            ),
            (
                serde_json::json!({ "deviceNodes": [{ "path": "dev/a" }] }),
                "`dev/a`",
            ),
            (
                serde_json::json!({ "deviceNodes": [{ "path": "/dev/a", "type": "p" }] }),
                "type `p`",
            ),
            (
                serde_json::json!({ "mounts": [{ "hostPath": "/a", "containerPath": "/" }] }),
                "path `/`",
            ),
            (
                serde_json::json!({ "mounts": [{ "hostPath": "/a/../b", "containerPath": "/b" }] }),
                "`/a/../b`",
            ),
            (
                serde_json::json!({ "mounts": [{ "hostPath": "/a", "containerPath": "/b", "options": ["rshared"] }] }),
                "`rshared`",
            ),
            (
                serde_json::json!({ "mounts": [{ "hostPath": "x", "containerPath": "/b", "type": "tmpfs" }] }),
                "`tmpfs`",
            ),
        ];
        for (json, word) in cases {
            let what = add(json.clone()).expect_err(word);
            assert!(what.contains(word), "no {word:?} in {what:?} for {json}");
        }
    }
}

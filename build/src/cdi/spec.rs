//! The files of the Container Device Interface, as they are written.

use super::{name, yaml};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The newest version of the format that is known here: major and minor.
const NEWEST: (u64, u64) = (1, 1);
/// Largest file that is read. Those of a machine with many GPUs have some 100 KB.
const MAX_BYTES: u64 = 4 << 20;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) cdi_version: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) devices: Vec<DeviceSpec>,
    #[serde(default)]
    pub(super) container_edits: ContainerEdits,
}

/// One device of a file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeviceSpec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) container_edits: ContainerEdits,
}

/// What is to be changed about a container. Of what cannot be done here only the presence is read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ContainerEdits {
    #[serde(default)]
    pub(super) env: Vec<String>,
    #[serde(default)]
    pub(super) device_nodes: Vec<NodeSpec>,
    #[serde(default)]
    pub(super) mounts: Vec<MountSpec>,
    #[serde(default)]
    pub(super) hooks: Vec<HookSpec>,
    #[serde(default, alias = "additionalGIDs")]
    pub(super) additional_gids: Vec<u32>,
    pub(super) intel_rdt: Option<Value>,
    #[serde(default)]
    pub(super) net_devices: Vec<Value>,
}

/// A device file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NodeSpec {
    pub(super) path: String,
    pub(super) host_path: Option<String>,
    #[serde(rename = "type")]
    pub(super) node_type: Option<String>,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    pub(super) file_mode: Option<u32>,
    pub(super) permissions: Option<String>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

/// A file or directory of the host.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MountSpec {
    pub(super) host_path: String,
    pub(super) container_path: String,
    #[serde(rename = "type")]
    pub(super) mount_type: Option<String>,
    #[serde(default)]
    pub(super) options: Vec<String>,
}

/// A program that a runtime would start.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HookSpec {
    pub(super) hook_name: String,
    pub(super) path: String,
}

/// How a file is written.
#[derive(Clone, Copy)]
pub(super) enum Format {
    Json,
    Yaml,
}

impl Format {
    /// By the end of the name; other files are none of ours.
    pub(super) fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "json" => Some(Format::Json),
            "yaml" | "yml" => Some(Format::Yaml),
            _ => None,
        }
    }
}

/// Reads a file.
///
/// # Errors
/// What is wrong with it, in words without its name.
#[expect(clippy::disallowed_methods, reason = "the host's own specs")]
pub(super) fn read(file: &Path) -> Result<Spec, String> {
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    let spec: Spec = match Format::of(file) {
        Some(Format::Yaml) => serde_json::from_value(yaml::parse(&text)?),
        _ => serde_json::from_str(&text),
    }
    .map_err(|error| error.to_string())?;
    check_version(&spec.cdi_version)?;
    name::check_kind(&spec.kind)?;
    if spec.devices.is_empty() {
        return Err("it has no devices".to_owned());
    }
    spec.devices
        .iter()
        .try_for_each(|device| name::check_device(&device.name))?;
    Ok(spec)
}

fn check_version(version: &str) -> Result<(), String> {
    let mut numbers = version
        .strip_prefix('v')
        .unwrap_or(version)
        .split('.')
        .map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) <= NEWEST => Ok(()),
        (Some(Ok(_)), Some(Ok(_))) => Err(format!(
            "version {version} of the format is newer than {}.{}, the last one that is known here",
            NEWEST.0, NEWEST.1
        )),
        _ => Err(format!("`{version}` is no version of the format")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for good in ["0.3.0", "0.6.0", "1.0.0", "v1.1.0"] {
            assert_eq!(check_version(good), Ok(()), "{good}");
        }
        assert!(check_version("1.2.0").unwrap_err().contains("newer than 1.1"));
        assert!(check_version("2.0.0").unwrap_err().contains("newer"));
        assert!(check_version("one").unwrap_err().contains("no version"));
    }
}

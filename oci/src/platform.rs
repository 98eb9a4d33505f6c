//! [`Platform`]: which machine an image is for, and which entry of an index fits a machine.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::manifest::{Descriptor, Index};

/// A platform in GOOS/GOARCH terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// GOARCH name.
    #[serde(default)]
    pub architecture: String,
    /// GOOS name.
    #[serde(default)]
    pub os: String,
    /// Windows only.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Windows only.
    #[serde(rename = "os.features", default, skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Vec<String>>,
    /// CPU variant, for example `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Platform {
    /// `os` / `architecture` / `variant`.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.filter(|variant| !variant.is_empty()).map(str::to_owned),
            ..Platform::default()
        }
    }

    /// The variant that is meant: arm64 without one is v8, arm without one is v7, amd64 is v1.
    fn level(&self) -> Option<u32> {
        let default = match self.architecture.as_str() {
            "arm64" => 8,
            "arm" => 7,
            "amd64" => 1,
            _ => 0,
        };
        match self.variant.as_deref() {
            None | Some("") => Some(default),
            Some(variant) => variant.strip_prefix('v')?.parse().ok(),
        }
    }

    /// How well an image for `image` runs on this machine: 0 is exact, higher is worse, `None` is not at all.
    pub fn distance(&self, image: &Platform) -> Option<u32> {
        if self.os != image.os || self.architecture != image.architecture {
            return None;
        }
        match (self.level(), image.level()) {
            (Some(machine), Some(image)) => machine.checked_sub(image),
            _ => (self.variant == image.variant).then_some(0),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            None | Some("") => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

impl Index {
    /// The entry that fits `machine` best; the first among equals. Attestations (`unknown/unknown`) never fit, an
    /// entry without a platform only if there is nothing better.
    pub fn select(&self, machine: &Platform) -> Option<&Descriptor> {
        self.manifests
            .iter()
            .filter_map(|entry| match &entry.platform {
                Some(platform) => Some((machine.distance(platform)?, entry)),
                None => Some((u32::MAX, entry)),
            })
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/');
        let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
        Platform::new(os, architecture, parts.next())
    }

    #[test]
    fn which_image_runs_where() {
        for (machine, image, expected) in [
            ("linux/amd64", "linux/amd64", Some(0)),
            ("linux/amd64", "linux/amd64/v2", None),
            ("linux/amd64/v3", "linux/amd64", Some(2)),
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm64/v8", "linux/arm64", Some(0)),
            ("linux/arm", "linux/arm/v6", Some(1)),
            ("linux/arm/v7", "linux/arm/v5", Some(2)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/arm64", "linux/arm/v7", None),
            ("linux/amd64", "unknown/unknown", None),
            ("linux/amd64", "windows/amd64", None),
            ("linux/mips/hard", "linux/mips/hard", Some(0)),
            ("linux/mips/hard", "linux/mips/soft", None),
        ] {
            assert_eq!(
                platform(machine).distance(&platform(image)),
                expected,
                "{image} on {machine}"
            );
        }
        assert_eq!(platform("linux/arm/v6").to_string(), "linux/arm/v6");
        assert_eq!(platform("linux/arm").to_string(), "linux/arm");
    }
}

//! [`ImagePlatform`]: which machine an image is for, and which entry of an index fits a machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A platform in GOOS/GOARCH terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePlatform {
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

/// A string that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform; write `os/architecture[/variant]`, as in `linux/arm64`")]
pub struct PlatformError(pub String);

impl ImagePlatform {
    /// The platform that this program was compiled for.
    pub fn host() -> ImagePlatform {
        Self::new(std::env::consts::OS, std::env::consts::ARCH, None).normalised()
    }

    /// `os` / `architecture` / `variant`.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> ImagePlatform {
        ImagePlatform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.filter(|variant| !variant.is_empty()).map(str::to_owned),
            ..ImagePlatform::default()
        }
    }

    /// Aliases resolved (`x86_64` is `amd64`), default variants made one form: `arm64/v8` and `amd64/v1` lose
    /// theirs, `arm` gains `v7`.
    pub fn normalised(&self) -> Self {
        let os = self.os.to_ascii_lowercase();
        let arch = self.architecture.to_ascii_lowercase();
        let variant = self
            .variant
            .as_deref()
            .map(str::to_ascii_lowercase)
            .filter(|v| !v.is_empty());
        let (arch, variant) = match (arch.as_str(), variant.as_deref()) {
            ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64", None),
            ("x86_64" | "x86-64" | "amd64", v) => ("amd64", v),
            ("i386" | "i486" | "i586" | "i686" | "x86" | "386", _) => ("386", None),
            ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64", None),
            ("aarch64" | "arm64", v) => ("arm64", v),
            ("armhf", _) => ("arm", Some("v7")),
            ("armel", _) => ("arm", Some("v6")),
            ("arm", None | Some("7")) => ("arm", Some("v7")),
            ("arm", Some("5")) => ("arm", Some("v5")),
            ("arm", Some("6")) => ("arm", Some("v6")),
            ("arm", Some("8")) => ("arm", Some("v8")),
            ("powerpc64le", v) => ("ppc64le", v),
            (other, v) => (other, v),
        };
        Self::new(if os == "macos" { "darwin" } else { &os }, arch, variant)
    }

    /// The variant as a number; one that is not written is the lowest.
    fn level(&self) -> Option<u32> {
        match self.variant.as_deref() {
            None if self.architecture == "amd64" => Some(1),
            None if self.architecture == "arm64" => Some(8),
            None => Some(0),
            Some(variant) => variant.strip_prefix('v')?.parse().ok(),
        }
    }

    /// How well an image for `image` runs on this machine: 0 is exact, higher is worse, `None` is not at all.
    pub fn distance(&self, image: &ImagePlatform) -> Option<u32> {
        let (machine, image) = (self.normalised(), image.normalised());
        if machine.os != image.os || machine.architecture != image.architecture {
            return None;
        }
        match (machine.level(), image.level()) {
            // A processor of a newer variant runs what was made for an older one.
            (Some(machine), Some(image)) => machine.checked_sub(image),
            _ => (machine.variant == image.variant).then_some(0),
        }
    }

    /// `unknown/unknown`, which marks attestations.
    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl FromStr for ImagePlatform {
    type Err = PlatformError;

    fn from_str(s: &str) -> Result<Self, PlatformError> {
        let ok = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let parts: Vec<&str> = s.split('/').collect();
        if !parts.iter().all(ok) {
            return Err(PlatformError(s.to_owned()));
        }
        match parts.as_slice() {
            [os, arch] => Ok(Self::new(os, arch, None).normalised()),
            [os, arch, variant] => Ok(Self::new(os, arch, Some(variant)).normalised()),
            _ => Err(PlatformError(s.to_owned())),
        }
    }
}

impl fmt::Display for ImagePlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            None | Some("") => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> ImagePlatform {
        let mut parts = text.split('/');
        let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
        ImagePlatform::new(os, architecture, parts.next())
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
            ("linux/mips", "linux/mips/soft", None),
            ("linux/amd64", "linux/x86_64", Some(0)),
            ("linux/amd64", "linux/amd64/v1", Some(0)),
            ("linux/aarch64/v8", "linux/arm64", Some(0)),
            ("linux/arm/v7", "linux/arm/v8", None),
            ("linux/arm64", "linux/arm/v7", None),
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
    #[test]
    fn parses_and_refuses() {
        assert_eq!(
            "linux/arm/7".parse::<ImagePlatform>().unwrap().to_string(),
            "linux/arm/v7"
        );
        for bad in ["", "linux", "linux/", "/amd64", "linux/a/b/c", "linux/a b"] {
            assert_eq!(bad.parse::<ImagePlatform>(), Err(PlatformError(bad.to_owned())));
        }
    }
}

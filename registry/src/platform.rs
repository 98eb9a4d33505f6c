//! `Platform` and which platform of an index serves a wanted one.

use std::fmt;
use std::str::FromStr;

/// `os/architecture[/variant]`, in Go's names (`amd64`, `arm64`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v7` of `arm/v7`.
    #[serde(default)]
    pub variant: Option<String>,
}

/// A string that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform; write `os/architecture[/variant]`, as in `linux/arm64`")]
pub struct PlatformError(pub String);

impl Platform {
    /// The platform that this program was compiled for.
    pub fn host() -> Self {
        Self::new(std::env::consts::OS, std::env::consts::ARCH, None).normalised()
    }

    fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.filter(|v| !v.is_empty()).map(str::to_owned),
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

    /// How well `self` (what an index offers) serves `wanted`: 0 is exact, more is older, `None` is not at all.
    pub fn rank_for(&self, wanted: &Platform) -> Option<u32> {
        let (have, want) = (self.normalised(), wanted.normalised());
        if have.os != want.os || have.architecture != want.architecture {
            return None;
        }
        let level = |platform: &Platform| -> Option<u32> {
            match platform.variant.as_deref() {
                None if platform.architecture == "amd64" => Some(1),
                None if platform.architecture == "arm64" => Some(8),
                None => Some(0),
                Some(v) => v.strip_prefix('v').and_then(|n| n.parse().ok()),
            }
        };
        match (level(&have), level(&want)) {
            // A processor of a newer variant runs what was made for an older one.
            (Some(have), Some(want)) => want.checked_sub(have),
            _ => (have.variant == want.variant).then_some(0),
        }
    }

    /// `unknown/unknown`, which marks attestations.
    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl FromStr for Platform {
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

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let rank = |have: &str, want: &str| {
            have.parse::<Platform>()
                .unwrap()
                .rank_for(&want.parse::<Platform>().unwrap())
        };
        for (have, want, expected) in [
            ("linux/amd64", "linux/amd64", Some(0)),
            ("linux/x86_64", "linux/amd64", Some(0)),
            ("linux/amd64/v1", "linux/amd64", Some(0)),
            ("linux/amd64/v3", "linux/amd64", None),
            ("linux/amd64", "linux/amd64/v3", Some(2)),
            ("linux/arm64/v8", "linux/arm64", Some(0)),
            ("linux/arm64", "linux/aarch64/v8", Some(0)),
            ("linux/arm/v6", "linux/arm/v7", Some(1)),
            ("linux/arm/v7", "linux/arm", Some(0)),
            ("linux/arm/v8", "linux/arm/v7", None),
            ("linux/arm/v7", "linux/arm64", None),
            ("windows/amd64", "linux/amd64", None),
            ("linux/riscv64", "linux/riscv64", Some(0)),
            ("linux/mips/softfloat", "linux/mips/softfloat", Some(0)),
            ("linux/mips/softfloat", "linux/mips", None),
        ] {
            assert_eq!(rank(have, want), expected, "{have} for {want}");
        }
    }

    #[test]
    fn parses_and_refuses() {
        assert_eq!(
            "linux/arm/7".parse::<Platform>().unwrap().to_string(),
            "linux/arm/v7"
        );
        for bad in ["", "linux", "linux/", "/amd64", "linux/a/b/c", "linux/a b"] {
            assert_eq!(bad.parse::<Platform>(), Err(PlatformError(bad.to_owned())));
        }
    }
}

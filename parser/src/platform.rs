//! `linux/arm64/v8`: names of platforms, normalised as containerd does it.

use std::fmt;

/// An operating system, a processor and its variant, in OCI's names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, ...
    pub architecture: String,
    /// `v7`; empty when the architecture says it all.
    pub variant: String,
}

/// A text that names no platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformError {
    /// The text.
    pub text: String,
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a platform like `linux/arm64`", self.text)
    }
}

impl std::error::Error for PlatformError {}

/// Names that Go knows as an operating system, so that a single word can be told apart.
const OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];

impl Platform {
    /// Parses `os`, `arch`, `os/arch` or `os/arch/variant` in any usual spelling. What is missing comes from
    /// `default`: the host or the target.
    ///
    /// # Errors
    /// When a part is empty, too many, or has characters that no platform has.
    pub fn parse(text: &str, default: &Platform) -> Result<Platform, PlatformError> {
        let error = || PlatformError {
            text: text.to_owned(),
        };
        let parts: Vec<String> = text.split('/').map(str::to_ascii_lowercase).collect();
        let valid = |p: &String| {
            !p.is_empty()
                && p.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        if !parts.iter().all(valid) {
            return Err(error());
        }
        match parts.as_slice() {
            [os] if OS.contains(&os.as_str()) || os == "macos" => {
                Ok(Platform::new(os, &default.architecture, &default.variant))
            }
            [arch] if known(arch) => Ok(Platform::new(&default.os, arch, "")),
            [os, arch] => Ok(Platform::new(os, arch, "")),
            [os, arch, variant] => Ok(Platform::new(os, arch, variant)),
            _ => Err(error()),
        }
    }

    /// A platform in normal form.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Platform {
        let os = if os == "macos" { "darwin" } else { os };
        let (architecture, variant) = normalise(architecture, variant);
        Platform {
            os: os.to_owned(),
            architecture,
            variant,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.variant)
        }
    }
}

/// Whether a single word is an architecture.
fn known(arch: &str) -> bool {
    const ARCH: &[&str] = &[
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
        "ppc64le", "riscv64", "s390x", "sparc64", "wasm",
    ];
    ARCH.contains(&normalise(arch, "").0.as_str())
}

/// Architecture and variant in containerd's normal form.
fn normalise(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = match (architecture, variant) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", v) => ("amd64", v),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64", v) => ("arm64", v),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let host = Platform::new("linux", "amd64", "");
        let shown = |text: &str| Platform::parse(text, &host).map(|p| p.to_string());
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v2", "linux/amd64/v2"),
            ("aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("armhf", "linux/arm/v7"),
            ("armel", "linux/arm/v6"),
            ("i386", "linux/386"),
            ("linux", "linux/amd64"),
            ("Windows/AMD64", "windows/amd64"),
            ("macos", "darwin/amd64"),
            ("linux/riscv64", "linux/riscv64"),
            ("linux/mips64le", "linux/mips64le"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "linux/",
            "/amd64",
            "a/b/c/d",
            "lin ux/amd64",
            "sparc-unknown",
            "linux/$ARCH",
        ] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}

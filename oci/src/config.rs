//! The image config: what OCI image-spec `config.md` and Docker's image JSON say, with nothing lost.
//!
//! Known fields are typed; every other field of a base image is carried through. What we write has its object keys
//! sorted, so the same config is the same bytes. (A base image's own config is never rewritten: its bytes are kept.)

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::digest::{DiffId, Digest};
use crate::error::DocumentError;
use crate::json::{self, null_is_default};

/// Most bytes a config may have.
pub const CONFIG_LIMIT: u64 = 8 << 20;

/// An image config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// RFC 3339 time of creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it (`MAINTAINER`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// GOARCH name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// GOOS name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// Windows only.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Windows only.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// CPU variant, for example `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How a container of the image starts.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// The layers.
    pub rootfs: RootFs,
    /// One entry per instruction.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
    /// Everything else (`docker_version`, `container_config`, …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How a container starts: the `config` object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// `USER`: empty is root.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// `EXPOSE`: `80/tcp`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `ENV`: `NAME=value`, in order.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// `ENTRYPOINT`; an empty list is not the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`; an empty list is not the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// `VOLUME`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub volumes: BTreeMap<String, Empty>,
    /// `WORKDIR`: empty is `/`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// `LABEL`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// `STOPSIGNAL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// `STOPSIGNAL`'s companion: seconds until SIGKILL (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Windows: the command line is already escaped (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_escaped: Option<bool>,
    /// `HEALTHCHECK` (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// `ONBUILD` (Docker).
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub on_build: Vec<String>,
    /// `SHELL` (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Everything else (`Hostname`, `Image`, `AttachStdin`, …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `HEALTHCHECK`. Durations are nanoseconds; 0 or absent is inherited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", "…"]`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Until a check counts as hung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// In which failures do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Between two checks during the start period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    /// Failures in a row until unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The layers of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One per layer, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<DiffId>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for RootFs {
    fn default() -> Self {
        RootFs {
            kind: "layers".to_owned(),
            diff_ids: Vec::new(),
            extra: Map::new(),
        }
    }
}

/// One instruction in the image's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339 time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Which builder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub empty_layer: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The value of a JSON object that is used as a set: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Only the key says something; some tools write null.
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Empty {})
    }
}

impl ImageConfig {
    /// Reads and checks a config.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig, DocumentError> {
        let config: ImageConfig = json::parse("image config", bytes, CONFIG_LIMIT)?;
        if config.rootfs.kind != "layers" {
            return Err(DocumentError::Invalid {
                what: "image config",
                detail: format!(
                    "its rootfs type is `{}`, not `layers`",
                    config.rootfs.kind.escape_debug()
                ),
            });
        }
        Ok(config)
    }

    /// Checks that an image's layers are those that the config lists.
    ///
    /// # Errors
    /// Another number of layers, or another one.
    pub fn check_layers(&self, diff_ids: &[DiffId]) -> Result<(), DocumentError> {
        let listed = &self.rootfs.diff_ids;
        if listed.len() != diff_ids.len() {
            return Err(DocumentError::LayerCount {
                layers: diff_ids.len(),
                diff_ids: listed.len(),
            });
        }
        match listed
            .iter()
            .zip(diff_ids)
            .find(|(listed, layer)| listed != layer)
        {
            None => Ok(()),
            Some((listed, layer)) => Err(DocumentError::Invalid {
                what: "image config",
                detail: format!("it lists layer {listed} where the image has {layer}"),
            }),
        }
    }

    /// The config's bytes: keys sorted, no white space.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        json::write("image config", self)
    }

    /// The image id: the digest of [`to_bytes`](Self::to_bytes).
    pub fn id(&self) -> Result<Digest, DocumentError> {
        Ok(Digest::of(&self.to_bytes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF_ID: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn docker() -> Value {
        serde_json::json!({
            "architecture": "arm", "variant": "v7", "os": "linux", "author": "me", "created": "2020-01-01T00:00:00Z",
            "docker_version": "20.10.7", "container": "abc", "os.features": ["x"], "os.version": "10",
            "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) "], "Zeta": 1, "Alpha": null},
            "config": {
                "Hostname": "", "Domainname": "", "User": "app", "AttachStdin": false, "Tty": false,
                "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Env": ["Z=1", "A=2", "PATH=/bin"],
                "Cmd": [], "Entrypoint": ["/x"], "ArgsEscaped": true, "Image": "sha256:00", "Volumes": {"/data": {}},
                "WorkingDir": "/w", "OnBuild": ["RUN a", "COPY b c"], "Labels": {"b": "2", "a": "1"},
                "StopSignal": "SIGINT", "StopTimeout": 9, "Shell": ["/bin/bash", "-c"],
                "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1000000000_i64, "Timeout": 2, "StartPeriod": 3,
                    "StartInterval": 4, "Retries": 5, "Future": true},
            },
            "rootfs": {"type": "layers", "diff_ids": [DIFF_ID], "base": 3},
            "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "x", "empty_layer": true, "new": 18446744073709551615_u64},
                {"created_by": "y", "comment": "c", "author": "z"}],
            "moby.buildkit.buildinfo.v1": "eyJ9",
        })
    }

    /// A number keeps its value, however often a config is read and written.
    #[test]
    fn numbers_do_not_drift() {
        let text = r#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]},
            "future":100000066666666666666666666666666666666666666666666666666666666666666000}"#;
        let written = |bytes: &[u8]| ImageConfig::parse(bytes).unwrap().to_bytes().unwrap();
        let once = written(text.as_bytes());
        assert_eq!(written(&once), once);
    }

    #[test]
    fn nothing_is_lost() {
        let before = docker();
        let config = ImageConfig::parse(&serde_json::to_vec(&before).unwrap()).unwrap();
        assert_eq!(config.config.env, ["Z=1", "A=2", "PATH=/bin"], "order kept");
        assert_eq!(config.config.cmd, Some(vec![]), "an empty CMD is not none");
        assert_eq!(config.config.on_build.len(), 2);
        assert_eq!(
            config.config.healthcheck.as_ref().unwrap().start_interval,
            Some(4)
        );
        let after: Value = serde_json::from_slice(&config.to_bytes().unwrap()).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn the_same_config_is_the_same_bytes() {
        let shuffled: Value = serde_json::from_str(
            r#"{"rootfs":{"diff_ids":[],"type":"layers"},"zz":{"b":1,"a":[{"d":1,"c":2}]},"os":"linux","architecture":"amd64",
                "config":{"Labels":{"b":"2","a":"1"},"Zed":1,"Cmd":["x"]}}"#,
        )
        .unwrap();
        let config = ImageConfig::parse(&serde_json::to_vec(&shuffled).unwrap()).unwrap();
        let bytes = String::from_utf8(config.to_bytes().unwrap()).unwrap();
        assert_eq!(
            bytes,
            r#"{"architecture":"amd64","config":{"Cmd":["x"],"Labels":{"a":"1","b":"2"},"Zed":1},"os":"linux","rootfs":{"diff_ids":[],"type":"layers"},"zz":{"a":[{"c":2,"d":1}],"b":1}}"#
        );
        assert_eq!(
            ImageConfig::parse(bytes.as_bytes()).unwrap().id().unwrap(),
            config.id().unwrap()
        );
    }

    #[test]
    fn null_is_what_go_writes_for_nothing() {
        let config = ImageConfig::parse(
            br#"{"os":"linux","architecture":"amd64","config":{"Env":null,"Cmd":null,"Labels":null,"Volumes":null,"OnBuild":null,"ExposedPorts":{"1/tcp":null}},"rootfs":{"type":"layers","diff_ids":null},"history":null}"#,
        )
        .unwrap();
        assert_eq!(config.config.cmd, None);
        assert!(config.config.exposed_ports.contains_key("1/tcp"));
        let config =
            ImageConfig::parse(br#"{"config":null,"rootfs":{"type":"layers","diff_ids":[]}}"#).unwrap();
        assert_eq!(config.config, ContainerConfig::default());
    }

    #[test]
    fn nonsense_is_refused() {
        for (bad, expected) in [
            (&br#"{}"#[..], "missing field `rootfs`"),
            (b"[]", "expected struct"),
            (
                b"{\"rootfs\":{\"type\":\"layers\"},\"rootfs\":{\"type\":\"layers\"}}",
                "duplicate field",
            ),
            (
                br#"{"rootfs":{"type":"squash","diff_ids":[]}}"#,
                "rootfs type is `squash`",
            ),
            (
                br#"{"rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}}"#,
                "../../x",
            ),
            (br#"{"rootfs":{"type":"layers","diff_ids":["md5:00"]}}"#, "md5"),
        ] {
            let error = ImageConfig::parse(bad).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

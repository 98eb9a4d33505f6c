//! What steps may ask for beyond the sandbox. Everything else is refused.

use std::collections::BTreeMap;

/// What the command line allows.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entitlements {
    /// `network.host`: `RUN --network=host`.
    pub network_host: bool,
    /// `security.insecure`: `RUN --security=insecure`.
    pub security_insecure: bool,
    /// `device`: `RUN --device` of whatever device.
    pub every_device: bool,
    /// `device=NAME[,alias=OTHER]`: devices or kinds of devices.
    pub devices: Vec<String>,
    /// What the Dockerfile may call a device, and what it is.
    pub aliases: BTreeMap<String, String>,
}

impl Entitlements {
    /// The device that a name of the Dockerfile means: itself, unless it is an alias.
    #[must_use]
    pub fn device_named<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// Whether steps may have the device of this qualified name, `kind=name`.
    #[must_use]
    pub fn allows_device(&self, name: &str) -> bool {
        let kind = name.split('=').next().unwrap_or_default();
        self.every_device
            || self.devices.iter().any(|allowed| {
                allowed == name
                    || allowed == kind
                    || allowed.strip_suffix("=*").is_some_and(|all| all == kind)
            })
    }
}

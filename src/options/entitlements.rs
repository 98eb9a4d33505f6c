//! `--allow`: what steps may ask for beyond the sandbox.

use super::choice;
use super::spec;
use crate::error::Failure;
use rbuild_build::request::Entitlements;

const KNOWN: [&str; 3] = ["network.host", "security.insecure", "device"];

/// Reads all values of the flag.
///
/// # Errors
/// One that is not known, with the nearest that is.
pub(super) fn entitlements(values: &[String]) -> Result<Entitlements, Failure> {
    let mut allowed = Entitlements::default();
    for value in values {
        match value.split_once('=') {
            Some(("device", devices)) => device(&mut allowed, devices)?,
            None => match value.as_str() {
                "network.host" => allowed.network_host = true,
                "security.insecure" => allowed.security_insecure = true,
                "device" => allowed.every_device = true,
                other => return Err(choice("--allow", other, &KNOWN)),
            },
            Some((other, _)) if KNOWN.contains(&other) => {
                return Err(Failure::usage(format!("--allow: `{other}` has no value")));
            }
            Some((other, _)) => return Err(choice("--allow", other, &KNOWN)),
        }
    }
    Ok(allowed)
}

/// `NAME[,alias=OTHER]`, where NAME may have a `=` of its own.
fn device(allowed: &mut Entitlements, value: &str) -> Result<(), Failure> {
    let (name, options) = value.split_once(',').unwrap_or((value, ""));
    if name.is_empty() {
        return Err(Failure::usage("--allow: `device=` needs the name of a device")
            .hint("`--allow device` allows all of them"));
    }
    if !options.is_empty() {
        for (key, alias) in spec::fields("--allow", options)? {
            match (key.as_str(), alias) {
                ("alias", Some(alias)) if !alias.is_empty() => {
                    allowed.aliases.insert(alias, name.to_owned());
                }
                ("alias", _) => return Err(Failure::usage("--allow: `alias` needs a value")),
                (other, _) => return Err(spec::unknown_key("--allow device", other, &["alias"])),
            }
        }
    }
    allowed.devices.push(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<Entitlements, String> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        entitlements(&values).map_err(|failure| format!("{} {:?}", failure.text(), failure))
    }

    #[test]
    fn each_is_its_own() {
        assert_eq!(parse(&[]), Ok(Entitlements::default()));
        let network = parse(&["network.host"]).unwrap();
        assert!(network.network_host && !network.security_insecure && !network.allows_device("a.b/c=d"));
        let insecure = parse(&["security.insecure"]).unwrap();
        assert!(insecure.security_insecure && !insecure.network_host);
    }

    #[test]
    fn devices_by_name_by_kind_or_all() {
        for (value, one, other, foreign) in [
            ("device", true, true, true),
            ("device=v.com/gpu=0", true, false, false),
            ("device=v.com/gpu", true, true, false),
            ("device=v.com/gpu=*", true, true, false),
        ] {
            let allowed = parse(&[value]).unwrap();
            let allows =
                ["v.com/gpu=0", "v.com/gpu=1", "v.com/gpu2=0"].map(|name| allowed.allows_device(name));
            assert_eq!(allows, [one, other, foreign], "{value}");
        }
        let renamed = parse(&["device=v.com/gpu=0,alias=gpu"]).unwrap();
        assert_eq!(renamed.device_named("gpu"), "v.com/gpu=0");
        assert_eq!(renamed.device_named("v.com/gpu=1"), "v.com/gpu=1");
        assert!(renamed.allows_device("v.com/gpu=0"));
    }

    #[test]
    fn unknown_ones_are_refused() {
        for (value, word) in [
            ("network.hots", "did you mean `network.host`"),
            ("devices=x", "did you mean `device`"),
            ("network.host=x", "has no value"),
            ("device=", "needs the name"),
            ("device=a.b/c,alis=x", "did you mean `alias`"),
            ("device=a.b/c,alias=", "needs a value"),
            ("fs.read", "unknown value `fs.read`"),
        ] {
            let error = parse(&[value]).unwrap_err();
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    }
}

//! Values that several flags have: names, sizes, pairs, one of a few words.

use crate::error::Failure;
use rbuild_oci::Reference;
use rbuild_sandbox::{Network, Wanted};

/// A name as podman and skopeo may have it, without the `docker://` that says what is meant anyway.
#[must_use]
pub fn without_transport(name: &str) -> &str {
    name.strip_prefix("docker://").unwrap_or(name)
}

/// A reference from a flag, normalised.
///
/// # Errors
/// What is wrong with it.
pub fn reference(flag: &str, text: &str) -> Result<Reference, Failure> {
    // How podman and skopeo call a registry.
    let name = without_transport(text);
    Reference::parse(name).map_err(|error| Failure::usage(format!("{flag} `{text}`: {error}")))
}

/// The error for a word that is none of `known`.
#[must_use]
pub fn choice(flag: &str, word: &str, known: &[&str]) -> Failure {
    let failure = Failure::usage(format!("{flag}: unknown value `{word}`"));
    match dockerfile_parser::suggest::nearest(word, known.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("use one of: {}", known.join(", "))),
    }
}

/// Bytes of `64m`, `1.5g`, `512KiB`, `1024`, as docker reads them.
///
/// # Errors
/// It is no size.
pub fn size(flag: &str, text: &str) -> Result<u64, Failure> {
    bytes(text).ok_or_else(|| Failure::usage(format!("{flag}: `{text}` is not a size like 64m")))
}

fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let lower = lower.strip_suffix('i').unwrap_or(lower);
    let digits = lower.trim_end_matches(['k', 'm', 'g', 't', 'p']);
    let shift = match &lower[digits.len()..] {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let digits = digits.trim_end();
    if let Ok(number) = digits.parse::<u64>() {
        return number.checked_mul(1 << shift);
    }
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|_| is_plain)? * (1u64 << shift) as f64;
    (number < u64::MAX as f64).then_some(number as u64)
}

/// `--security-opt`.
///
/// # Errors
/// An option that is not known.
pub fn no_new_privs(options: &[String]) -> Result<bool, Failure> {
    let mut set = false;
    for option in options {
        match option.as_str() {
            "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true" => set = true,
            "no-new-privileges=false" | "no-new-privileges:false" => set = false,
            other => return Err(choice("--security-opt", other, &["no-new-privileges"])),
        }
    }
    Ok(set)
}

/// `--network`; `None` is the host's choice. `pasta` is what podman calls a private one.
///
/// # Errors
/// It is none of those.
pub fn network(text: &str) -> Result<Option<Network>, Failure> {
    match text {
        "default" => Ok(None),
        "none" => Ok(Some(Network::None)),
        "host" => Ok(Some(Network::Host)),
        "private" | "pasta" => Ok(Some(Network::Private)),
        other => Err(choice(
            "--network",
            other,
            &["default", "none", "host", "private"],
        )),
    }
}

/// `--sandbox`.
///
/// # Errors
/// It is none that there is.
pub fn sandbox(text: &str) -> Result<Wanted, Failure> {
    let named = Wanted::ALL.into_iter().find(|wanted| wanted.name() == text);
    named.ok_or_else(|| choice("--sandbox", text, &Wanted::ALL.map(Wanted::name)))
}

/// `HOST:IP` or `HOST=IP`; brackets around an IPv6 address are dropped.
///
/// # Errors
/// It has another form, or the address is none.
pub fn add_host(text: &str) -> Result<(String, String), Failure> {
    let wrong = || Failure::usage(format!("--add-host `{text}` is not of the form HOST:IP"));
    let (host, address) = text
        .split_once('=')
        .or_else(|| text.split_once(':'))
        .ok_or_else(wrong)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = if address == "host-gateway" {
        "127.0.0.1"
    } else {
        address
    };
    if host.is_empty() || host.contains(char::is_whitespace) || address.parse::<std::net::IpAddr>().is_err() {
        return Err(wrong());
    }
    Ok((host.to_owned(), address.to_owned()))
}

/// `KEY=VALUE`; the value may be left out.
///
/// # Errors
/// There is no key.
pub fn pair(flag: &str, text: &str) -> Result<(String, String), Failure> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(Failure::usage(format!(
            "{flag}: there is no name before `=`, as in KEY=VALUE"
        )));
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("x", "64m").unwrap(), 64 << 20);
        assert_eq!(size("x", "1G").unwrap(), 1 << 30);
        assert_eq!(size("x", "10kb").unwrap(), 10 << 10);
        assert_eq!(size("x", "7").unwrap(), 7);
        assert_eq!(size("x", "1.5g").unwrap(), 3 << 29);
        assert_eq!(size("x", "2 MiB").unwrap(), 2 << 20);
        assert_eq!(size("x", "1t").unwrap(), 1 << 40);
        for wrong in ["7x", "", "m", "1km", "-1", "1.2.3", "1e3", "nan", "99999999999g"] {
            assert!(size("x", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(add_host("a:1.2.3.4").unwrap(), ("a".into(), "1.2.3.4".into()));
        assert_eq!(add_host("a=[::1]").unwrap(), ("a".into(), "::1".into()));
        assert_eq!(add_host("a:::1").unwrap(), ("a".into(), "::1".into()));
        assert!(add_host("a:b").is_err());
    }
}

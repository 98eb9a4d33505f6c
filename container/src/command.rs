//! The command line and the environment of a container.

use crate::error::StartError;
use crate::request::Request;
use rbuild_oci::ContainerConfig;
use rbuild_rootfs::DEFAULT_PATH;
use std::ffi::OsString;

/// Entry point and command: a given command replaces the image's, an entry point replaces both.
pub(crate) fn argv(request: &Request, image: &ContainerConfig) -> Result<Vec<String>, StartError> {
    let mut argv = Vec::new();
    match &request.entrypoint {
        Some(entrypoint) => argv.extend(Some(entrypoint.clone()).filter(|program| !program.is_empty())),
        None => argv.extend(image.entrypoint.iter().flatten().cloned()),
    }
    if request.command.is_empty() {
        if request.entrypoint.is_none() {
            argv.extend(image.cmd.iter().flatten().cloned());
        }
    } else {
        argv.extend(request.command.iter().cloned());
    }
    if argv.first().is_some_and(String::is_empty) {
        return Err(StartError::EmptyCommand);
    }
    if argv.is_empty() {
        return Err(StartError::NoCommand);
    }
    Ok(argv)
}

/// The complete environment: what every container has, the image's variables, those that were given.
pub(crate) fn environment(
    request: &Request,
    image: &ContainerConfig,
    has_terminal: bool,
    home: Option<&str>,
) -> Vec<OsString> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| match variables.iter_mut().find(|(other, _)| other == name) {
        Some((_, old)) => value.clone_into(old),
        None => variables.push((name.to_owned(), value.to_owned())),
    };
    set("PATH", DEFAULT_PATH);
    set("HOSTNAME", &request.hostname);
    if has_terminal {
        set("TERM", "xterm");
    }
    set("HOME", home.unwrap_or("/"));
    for variable in &image.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        set(name, value);
    }
    for (name, value) in &request.env {
        set(name, value);
    }
    variables
        .into_iter()
        .map(|(name, value)| OsString::from(format!("{name}={value}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn image() -> ContainerConfig {
        ContainerConfig {
            entrypoint: Some(words("/entry -x")),
            cmd: Some(words("serve")),
            env: vec!["PATH=/bin".to_owned(), "LANG=C".to_owned()],
            ..ContainerConfig::default()
        }
    }

    #[test]
    fn a_command_replaces_the_images_and_an_entry_point_both() {
        let line = |entrypoint: Option<&str>, command: &str| {
            let request = Request {
                entrypoint: entrypoint.map(str::to_owned),
                command: words(command),
                ..Request::default()
            };
            argv(&request, &image()).map(|argv| argv.join(" ")).ok()
        };
        assert_eq!(line(None, "").as_deref(), Some("/entry -x serve"));
        assert_eq!(line(None, "help").as_deref(), Some("/entry -x help"));
        assert_eq!(line(Some("/bin/sh"), "").as_deref(), Some("/bin/sh"));
        assert_eq!(line(Some(""), "id -u").as_deref(), Some("id -u"));
        assert_eq!(line(Some(""), ""), None);
    }

    #[test]
    fn what_was_given_wins_over_the_image_and_that_over_what_every_container_has() {
        let request = Request {
            env: vec![("LANG".to_owned(), "de".to_owned())],
            hostname: "box".to_owned(),
            ..Request::default()
        };
        let variables = environment(&request, &image(), true, Some("/root"));
        let expected = ["PATH=/bin", "HOSTNAME=box", "TERM=xterm", "HOME=/root", "LANG=de"];
        assert_eq!(variables, expected.map(OsString::from));
    }
}

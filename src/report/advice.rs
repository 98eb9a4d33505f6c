//! What a user can do about what the lowering found in a file, or on this host.

use super::words;
use dockerfile_parser::suggest::nearest;
use rbuild_build::lower::{AbsentDevice, Fault, Finding};
use rbuild_build::signal;

/// What to do about a finding: where nothing is known about itself, what there is to say about its cause.
#[must_use]
pub fn help(finding: &Finding) -> Option<String> {
    let of_cause = || {
        let failure = words::failure(finding.cause.as_deref()?);
        failure.first_hint().map(str::to_owned)
    };
    let own = of_fault(&finding.fault).map(|help| finding.shown(&help));
    own.or_else(of_cause)
}

fn of_fault(fault: &Fault) -> Option<String> {
    let fixed = match fault {
        Fault::NoTarget { near, .. } | Fault::OtherPlatform { near, .. } => {
            return Some(format!("did you mean `{}`?", near.as_ref()?));
        }
        Fault::NoImage { near, .. } => return Some(format!("did you mean stage `{}`?", near.as_ref()?)),
        Fault::Deep { limit } => {
            return Some(format!(
                "at most {limit} stages may each need the next one by a name that only a build knows"
            ));
        }
        Fault::Heavy { limit } => {
            return Some(format!(
                "all together may inherit {limit} variables, labels and steps"
            ));
        }
        Fault::NoFrom { env: Some(name), .. } => {
            return Some(format!("it sees ARGs only, and `{name}` is an ENV"));
        }
        Fault::Port(text) => return Some(dockerfile_parser::port::help(text)),
        Fault::Signal(text) => {
            let near = nearest(text.trim_start_matches("SIG"), signal::names())?;
            return Some(format!("did you mean `{near}`?"));
        }
        Fault::Secret { id, .. } => {
            return Some(format!("give it with `--secret id={id},src=FILE` or `env=VAR`"));
        }
        Fault::Agent(id) => return Some(format!("give it with `--ssh {id}`, or `--ssh {id}=SOCKET|KEY`")),
        Fault::DeviceNotAllowed(name) => {
            return Some(format!("add `--allow device={name}` to the command line"));
        }
        Fault::Device(unsupported) => {
            let file = unsupported.file.display();
            return Some(format!(
                "{file} says so; give a spec without it with `--cdi-spec-dir DIR`"
            ));
        }
        Fault::NoDevice(absent) => return Some(of_absent(absent)),
        Fault::NoFrom { env: None, .. } => "it sees the ARGs of the stage, and those before the first `FROM`",
        Fault::FromLater(_) => "move that stage above this one",
        Fault::NoBase(_) => "give the ARG a default, or set it with --build-arg",
        Fault::NoUser => "`USER 0` is root",
        Fault::CopyOfUrl => "`ADD` fetches files by URL, and repositories",
        Fault::Scheme(_) => "`ADD` fetches http and https URLs, and git repositories",
        Fault::Checksum { .. } => "for a URL the checksum is `sha256:` and 64 hexadecimal digits",
        Fault::UrlWithoutName => "give the file's name as the destination",
        Fault::ChownByName(_) => {
            "--link reads nothing of the image below, its /etc/passwd included: write numbers"
        }
        Fault::Chmod(_) => "an octal mode like 0755, or a symbolic one like u=rwX,go=rX",
        Fault::NoCommandName { of_shell: true } => "it is that of `SHELL`",
        Fault::UnreadHeredocs => {
            "name a command for them, such as `RUN sh <<FIRST`, or write one heredoc for each RUN"
        }
        Fault::InsecureNotAllowed => "add `--allow security.insecure` to the command line",
        Fault::HostNetworkNotAllowed => "add `--allow network.host` to the command line",
        _ => return None,
    };
    Some(fixed.to_owned())
}

fn of_absent(absent: &AbsentDevice) -> String {
    let names = absent.names.iter().map(String::as_str);
    let mut help = match (nearest(&absent.wanted, names), absent.names.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => {
            let directories = absent.directories.iter().map(|dir| dir.display().to_string());
            let directories: Vec<String> = directories.collect();
            format!("no devices are described in {}", directories.join(", "))
        }
        (None, names) => format!("the devices of this host: {}", names.join(", ")),
    };
    for fault in &absent.unread {
        help += &format!("; not read: {fault}");
    }
    help
}

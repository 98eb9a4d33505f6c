//! One line for steps that are not run the strongest way that there is.

use rbuild_sandbox::probe::Choice;
use rbuild_sandbox::{Confinement, Way};

/// How steps are run, and why not better.
#[must_use]
pub fn line(choice: &Choice) -> String {
    let how = how(choice.way);
    match &choice.because {
        Some(check) => format!(
            "note: {how}: {}: {}; `rbuild doctor` says what is lost and what mends it",
            check.name, check.detail
        ),
        None => format!("note: {how}, as asked for"),
    }
}

/// How commands are run, as the end of "here …".
#[must_use]
pub fn how(way: Way) -> &'static str {
    match (way.confinement, way.overlays) {
        (Confinement::Namespaces, true) => "steps run in namespaces of their own, on overlays",
        (Confinement::Namespaces, false) => "steps run in namespaces of their own, on copies of their files",
        (Confinement::SharedProcesses, true) => {
            "steps run in namespaces, but see the processes of this container"
        }
        (Confinement::SharedProcesses, false) => {
            "steps run in namespaces, but see the processes of this container, on copies of their files"
        }
        (Confinement::Chroot, _) => "steps run without namespaces, in a directory as their root",
    }
}

/// What of the strongest way is lost in one, as a user meets it.
#[must_use]
pub fn lost(way: Way) -> Vec<&'static str> {
    let mut lost: Vec<&str> = match way.confinement {
        Confinement::Namespaces => Vec::new(),
        Confinement::SharedProcesses => vec![
            "steps see the processes around the build and their command lines; they cannot signal or trace them",
            "`--network private` is refused",
        ],
        Confinement::Chroot => vec![
            "steps have no namespaces: they share the network, the host name and the process numbers of this container",
            "`/proc` shows the machine but no process; `/dev/stdout`, `/dev/fd` and new terminals are missing",
            "set-user-ID programs and file capabilities have no effect, so `sudo` fails for other users than root",
            "`--network none`, secrets as files, privileged steps and devices are refused; `--mount=type=tmpfs` is on the disk",
        ],
    };
    if !way.overlays {
        lost.push("each chain of steps has a copy of its files, which takes room and time");
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbuild_sandbox::probe::Check;

    #[test]
    fn only_the_strongest_loses_nothing() {
        for confinement in [
            Confinement::Namespaces,
            Confinement::SharedProcesses,
            Confinement::Chroot,
        ] {
            for overlays in [true, false] {
                let way = Way {
                    confinement,
                    overlays,
                };
                assert_eq!(lost(way).is_empty(), way == Way::STRONGEST, "{way:?}");
            }
        }
    }

    #[test]
    fn the_line_says_how_and_why() {
        let way = Way {
            confinement: Confinement::Chroot,
            overlays: false,
        };
        let because = Check {
            name: "user namespace".to_owned(),
            ok: false,
            required: false,
            detail: "the kernel refuses".to_owned(),
            remedy: None,
        };
        let asked = Choice { way, because: None };
        assert!(line(&asked).ends_with("as asked for"));
        let text = line(&Choice {
            because: Some(because),
            ..asked
        });
        assert_eq!(
            text,
            "note: steps run without namespaces, in a directory as their root: user namespace: the kernel refuses; \
             `rbuild doctor` says what is lost and what mends it"
        );
    }
}

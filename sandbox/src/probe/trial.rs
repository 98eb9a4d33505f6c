//! Starts a whole step, so that the verdict cannot differ from what a build meets.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::caller::Caller;
use crate::running::Stdio;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{Root, SandboxSpec};
use crate::way::Way;
use crate::zygote::Zygote;

/// Walks every step of [`crate::init`] up to the execution of a file that is no program, with a root in `place`, a
/// directory of the store that is left empty. Call it as root, of the user namespace where that is the way, while there is
/// one thread.
///
/// # Errors
/// The first step that fails.
pub(super) fn start_step(place: &Path, way: Way) -> Result<(), SpawnError> {
    let trial = place.join("trial");
    let outcome = prepare(&trial)
        .map_err(|error| SpawnError::words(Phase::Root, error.to_string()))
        .and_then(|()| spawn(&trial, way));
    // What is left is a directory with a telling name, at the worst.
    let _ = fs::remove_dir_all(&trial);
    outcome
}

fn prepare(trial: &Path) -> io::Result<()> {
    for name in ["lower/proc", "lower/sys", "lower/dev", "upper", "work"] {
        fs::create_dir_all(trial.join(name))?;
    }
    let program = trial.join("lower/program");
    fs::write(&program, "of no format")?;
    // Whatever the umask.
    for path in [&program, &trial.join("lower"), &trial.join("upper")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    // A store gives files to others.
    std::os::unix::fs::chown(&program, Some(1), Some(1))
}

fn spawn(trial: &Path, way: Way) -> Result<(), SpawnError> {
    let root = match way.overlays {
        true => Root::Overlay {
            lowers: vec![trial.join("lower")],
            upper: trial.join("upper"),
            work: trial.join("work"),
            volatile: true,
        },
        false => Root::Directory(trial.join("lower")),
    };
    let mut spec = SandboxSpec::new(root, vec!["/program".into()]);
    // To take on another id is a part of it.
    (spec.user.uid, spec.user.gid) = (1, 1);
    let null = || {
        rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| SpawnError::new(Phase::Streams, errno).at("/dev/null"))
    };
    let stdio = Stdio::Streams {
        stdin: null()?,
        stdout: null()?,
        stderr: null()?,
    };
    match Zygote::start(&Caller::default(), way.confinement)?.spawn(&spec, stdio) {
        Err(error) if error.phase == Phase::Execute && error.errno == libc::ENOEXEC => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(SpawnError::words(
            Phase::Execute,
            "a file of no format was executed",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_left_empty() {
        let place = tempfile::tempdir().unwrap();
        let _ = start_step(place.path(), Way::STRONGEST);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

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
use crate::zygote::Zygote;

/// Walks every step of [`crate::init`] up to the execution of a file that is no program, on an overlay in `place`, a
/// directory of the store that is left empty. Call it as root of the user namespace, while there is one thread.
///
/// # Errors
/// The first step that fails.
pub(super) fn start_step(place: &Path) -> Result<(), SpawnError> {
    let trial = place.join("trial");
    let outcome = prepare(&trial)
        .map_err(|error| SpawnError::words(Phase::Root, error.to_string()))
        .and_then(|()| spawn(&trial));
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
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
}

fn spawn(trial: &Path) -> Result<(), SpawnError> {
    let root = Root::Overlay {
        lowers: vec![trial.join("lower")],
        upper: trial.join("upper"),
        work: trial.join("work"),
        volatile: true,
    };
    let spec = SandboxSpec::new(root, vec!["/program".into()]);
    let null = || {
        rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| SpawnError::new(Phase::Streams, errno).at("/dev/null"))
    };
    let stdio = Stdio::Streams {
        stdin: null()?,
        stdout: null()?,
        stderr: null()?,
    };
    match Zygote::start(&Caller::default())?.spawn(&spec, stdio) {
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
        let _ = start_step(place.path());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

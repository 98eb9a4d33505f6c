//! The working directory and the program: found, checked, executed.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Init, Outcome, walk};
use crate::elf;
use crate::spawn_error::{Phase, SpawnError};

const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How many interpreters in a row the kernel follows: `execve(2)`.
const MAX_INTERPRETERS: usize = 5;
/// How much of a script's first line the kernel reads.
const SCRIPT_LINE: usize = 256;

/// Enters the working directory and makes sure that it is inside the root (CVE-2024-21626).
pub(super) fn working_directory(init: &mut Init) -> Outcome {
    let fail = |errno| {
        let error = SpawnError::new(Phase::WorkingDirectory, errno).at(&init.spec.cwd);
        match errno {
            Errno::LOOP => error.because("it leads through a magic link of /proc, or symlinks in a circle"),
            _ => error,
        }
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open_checked(init.spec.cwd.as_os_str(), flags).map_err(fail)?;
    rustix::process::fchdir(&directory).map_err(fail)?;
    let reached = rustix::process::getcwd(Vec::new()).map_err(fail)?;
    if !reached.to_bytes().starts_with(b"/") {
        return Err(fail(Errno::NOENT).because("it is outside the root file system"));
    }
    Ok(())
}

/// Lists the existing files that `argv[0]` may mean, while permissions are not in the way.
pub(super) fn find(init: &mut Init) -> Outcome {
    let name = &init.spec.argv[0];
    let mut refused = None;
    for candidate in candidates(name, &init.spec.env) {
        match check_program(&candidate, 0) {
            Ok(()) => init.candidates.push(c_string(&candidate)?),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => refused = Some((errno, candidate)),
        }
    }
    match refused {
        _ if !init.candidates.is_empty() => Ok(()),
        None => Err(SpawnError::new(Phase::Execute, Errno::NOENT).at(name)),
        Some((errno, candidate)) => {
            let error = SpawnError::new(Phase::Program, errno).at(candidate);
            Err(match errno {
                Errno::LOOP => {
                    error.because("it leads through a magic link of /proc, or symlinks in a circle")
                }
                Errno::ACCESS => error.because("it is not a regular file"),
                _ => error,
            })
        }
    }
}

fn candidates(name: &OsStr, env: &[OsString]) -> Vec<OsString> {
    let bytes = name.as_bytes();
    if bytes.contains(&b'/') {
        return vec![name.to_owned()];
    }
    let path = env
        .iter()
        .rev()
        .find_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    path.unwrap_or(DEFAULT_PATH)
        .split(|byte| *byte == b':')
        .map(|directory| if directory.is_empty() { b"." } else { directory })
        .map(|directory| OsString::from_vec([directory, b"/", bytes].concat()))
        .collect()
}

/// Refuses programs and interpreters that are reached through a magic link such as `/proc/self/exe`, which at this
/// moment is the builder itself (CVE-2019-5736). `EACCES` for what is no regular file.
fn check_program(path: &OsStr, depth: usize) -> Result<(), Errno> {
    let file = open_checked(path, OFlags::PATH | OFlags::CLOEXEC)?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(Errno::ACCESS);
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(file) = open_checked(path, flags) else {
        // Not readable even for root: exec will say so, or execute it without our reading it.
        return Ok(());
    };
    let mut line = [0; SCRIPT_LINE];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut line)).unwrap_or(0);
    let start = &line[..length];
    let named = interpreter(start).map(OsStr::to_owned);
    match named.or_else(|| elf::loader(&file, start)) {
        Some(interpreter) if depth < MAX_INTERPRETERS => match check_program(&interpreter, depth + 1) {
            // Whether the interpreter can be executed is for exec to say; only a magic link is refused here.
            Err(Errno::LOOP) => Err(Errno::LOOP),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The program that a script's first line names.
fn interpreter(start: &[u8]) -> Option<&OsStr> {
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = line.trim_ascii_start();
    let end = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | 0))
        .unwrap_or(line.len());
    (end > 0).then(|| OsStr::from_bytes(&line[..end]))
}

fn open_checked(path: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    loop {
        match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
            Err(Errno::AGAIN | Errno::INTR) => continue,
            // A filter around us that does not know the call, or does not want it.
            Err(Errno::NOSYS | Errno::PERM) => return walk::open(path, flags),
            other => return other,
        }
    }
}

fn c_string(text: &OsStr) -> Result<CString, SpawnError> {
    CString::new(text.as_bytes()).map_err(|_| SpawnError::words(Phase::Execute, "a NUL byte").at(text))
}

/// Becomes the command. Returns only with an error.
pub(super) fn execute(init: &mut Init) -> Outcome {
    let argv: Vec<CString> = init
        .spec
        .argv
        .iter()
        .map(|arg| c_string(arg))
        .collect::<Result<_, _>>()?;
    let env: Vec<CString> = init
        .spec
        .env
        .iter()
        .map(|variable| c_string(variable))
        .collect::<Result<_, _>>()?;
    let mut failure = (Errno::NOENT, None::<&CStr>);
    for candidate in &init.candidates {
        let Err(error) = nix::unistd::execve(candidate, &argv, &env);
        let errno = Errno::from_raw_os_error(error as i32);
        match errno {
            // As the shell does: the next directory of PATH may have another one.
            Errno::ACCESS | Errno::NOENT | Errno::NOTDIR => failure = (errno, Some(candidate)),
            _ => {
                failure = (errno, Some(candidate));
                break;
            }
        }
    }
    let (errno, candidate) = failure;
    let path = candidate.map_or(init.spec.argv[0].clone(), |path| {
        OsStr::from_bytes(path.to_bytes()).to_owned()
    });
    let error = SpawnError::new(Phase::Execute, errno).at(path);
    Err(match errno {
        // It was there a moment ago.
        Errno::NOENT => {
            error.because("the file exists, but the interpreter or loader that it names does not")
        }
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_looked_up_in_path() {
        let env = ["A=b".into(), "PATH=/x::/y".into()];
        assert_eq!(candidates("p".as_ref(), &env), ["/x/p", "./p", "/y/p"]);
        assert_eq!(candidates("./p".as_ref(), &env), ["./p"]);
        assert_eq!(candidates("p".as_ref(), &[]).len(), 6);
    }

    #[test]
    fn the_interpreter_is_found_as_the_kernel_finds_it() {
        let of = |line: &str| interpreter(line.as_bytes()).map(|path| path.to_string_lossy().into_owned());
        assert_eq!(of("#!/bin/sh\necho"), Some("/bin/sh".into()));
        assert_eq!(of("#! \t/proc/self/exe arg"), Some("/proc/self/exe".into()));
        assert_eq!(of("#!\n"), None);
        assert_eq!(of("\x7fELF"), None);
    }
}

//! Why a command could not be started, as the Dockerfile has it.

use crate::error::ProgramError;
use crate::ops::OpError;
use crate::ops::spec::{ExecMount, ExecSpec};
use rbuild_layer::tree::{LastLink, Tree, TreeView};
use rbuild_sandbox::{Phase, SpawnError};
use rustix::io::Errno;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The error of a step whose command was not started.
pub(super) fn spawn_error(error: SpawnError, spec: &ExecSpec, tree: &TreeView) -> OpError {
    if let Some(missing) = missing_in_mount(&error, spec) {
        return missing;
    }
    if error.phase == Phase::Identity && error.errno == Errno::INVAL.raw_os_error() {
        return OpError::NoSuchId(error);
    }
    if !error.is_program() {
        return OpError::Sandbox(error);
    }
    OpError::Program(match Errno::from_raw_os_error(error.errno) {
        Errno::TOOBIG => ProgramError::TooLong,
        Errno::NOEXEC => not_executable(error, tree),
        Errno::NOENT | Errno::NOTDIR => not_there(spec, tree),
        _ => ProgramError::Refused(error),
    })
}

/// A mount whose target is missing in another mount, where nothing can be made.
fn missing_in_mount(error: &SpawnError, spec: &ExecSpec) -> Option<OpError> {
    if error.phase != Phase::Mounts || error.errno != Errno::NOENT.raw_os_error() {
        return None;
    }
    let path = error.path.as_deref()?;
    let around = targets(spec)
        .filter(|target| path.starts_with(target) && path != Path::new(target))
        .max_by_key(|target| target.len())?;
    Some(OpError::NoMountPoint {
        path: path.to_owned(),
        around: around.to_owned(),
    })
}

fn targets(spec: &ExecSpec) -> impl Iterator<Item = &str> {
    spec.mounts.iter().filter_map(ExecMount::target)
}

/// A file that the kernel does not know how to execute.
fn not_executable(error: SpawnError, tree: &TreeView) -> ProgramError {
    let path = error.path.clone().unwrap_or_default();
    match head(&path, tree).as_deref() {
        Some(head) if head.starts_with(b"\x7fELF") => ProgramError::OtherMachine {
            path,
            machine: machine(head),
        },
        Some(_) => ProgramError::NoProgram { path },
        None => ProgramError::Refused(error),
    }
}

/// The first bytes of a file of the image.
fn head(path: &Path, tree: &TreeView) -> Option<Vec<u8>> {
    let resolved = tree.resolve(path.as_os_str().as_bytes(), LastLink::Follow).ok()?;
    let mut bytes = Vec::new();
    let file = tree.open(&resolved.node?.path).ok()?;
    file.take(64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The platform that an ELF header names: `e_machine` of elf(5), in the byte order of `EI_DATA`.
fn machine(head: &[u8]) -> String {
    let Some(&[first, second]) = head.get(18..20).and_then(<[u8]>::first_chunk::<2>) else {
        return "an unknown machine".to_owned();
    };
    let number = match head.get(5) {
        Some(2) => u16::from_be_bytes([first, second]),
        _ => u16::from_le_bytes([first, second]),
    };
    let name = match number {
        3 => "386",
        8 => "mips",
        21 => "ppc64",
        22 => "s390x",
        40 => "arm",
        62 => "amd64",
        183 => "arm64",
        243 => "riscv64",
        258 => "loong64",
        other => return format!("a machine of number {other}"),
    };
    name.to_owned()
}

/// A program, or what it needs, that is not there.
fn not_there(spec: &ExecSpec, tree: &TreeView) -> ProgramError {
    let base = match spec.base_name.as_str() {
        "" => "the image".to_owned(),
        name => format!("`{name}`"),
    };
    if let Some((name, content)) = &spec.script {
        return ProgramError::NoInterpreter {
            heredoc: name.clone(),
            line: content.lines().next().unwrap_or_default().to_owned(),
            base,
        };
    }
    let program = spec.argv.first().cloned().unwrap_or_default();
    if let Some(hiding) = targets(spec).find(|target| Path::new(&program).starts_with(target)) {
        let mount = hiding.to_owned();
        return ProgramError::Hidden { program, mount };
    }
    let is_there = program.starts_with('/')
        && tree
            .resolve(program.as_bytes(), LastLink::Follow)
            .is_ok_and(|resolved| resolved.node.is_some());
    match (is_there, spec.is_shell_form) {
        (true, _) => ProgramError::NoLoader { program },
        (false, true) => ProgramError::NoShell { program, base },
        (false, false) => ProgramError::NotThere { program, base },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_either_byte_order() {
        let mut head = [0; 20];
        head[5] = 1;
        head[18] = 183;
        assert_eq!(machine(&head), "arm64");
        head[5] = 2;
        head[18..].copy_from_slice(&[0, 22]);
        assert_eq!(machine(&head), "s390x");
        head[18..].copy_from_slice(&[0x12, 0x34]);
        assert_eq!(machine(&head), "a machine of number 4660");
        assert_eq!(machine(&head[..10]), "an unknown machine");
    }
}

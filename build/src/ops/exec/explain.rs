//! A command that could not be started, in the words of the Dockerfile.

use crate::error::{Failure, Kind};
use crate::ops::OpError;
use crate::ops::spec::{ExecMount, ExecSpec};
use rbuild_layer::tree::{LastLink, Tree, TreeView};
use rbuild_sandbox::{Phase, SpawnError};
use rustix::io::Errno;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is wrong, and what to do.
type Words = (String, Option<&'static str>);

/// The error of a step whose command was not started.
pub(super) fn spawn_error(error: SpawnError, spec: &ExecSpec, tree: &TreeView) -> OpError {
    if let Some(failure) = missing_in_mount(&error, spec) {
        return OpError::Failure(failure);
    }
    if error.phase == Phase::Identity && error.errno == Errno::INVAL.raw_os_error() {
        return OpError::Failure(Failure::new(Kind::Step, error.to_string()).hint(
            "ids that are not in the ranges of /etc/subuid and /etc/subgid do not exist here: `rbuild doctor` says how \
             many there are",
        ));
    }
    if !error.is_program() {
        return OpError::Sandbox(error);
    }
    let code = error.exit_code();
    let (message, help) = match Errno::from_raw_os_error(error.errno) {
        Errno::TOOBIG => (
            "the command and its variables are too long for the kernel".to_owned(),
            Some(
                "each argument and variable may have 128 KiB, all together a quarter of the limit of the stack: put \
                 what is long into a file",
            ),
        ),
        Errno::NOEXEC => not_executable(&error, tree),
        _ if code == 127 => not_there(spec, tree),
        _ => (error.to_string(), None),
    };
    OpError::Program {
        message,
        help: help.map(str::to_owned),
        code,
    }
}

/// A mount whose target is missing in another mount, where nothing can be made.
fn missing_in_mount(error: &SpawnError, spec: &ExecSpec) -> Option<Failure> {
    if error.phase != Phase::Mounts || error.errno != Errno::NOENT.raw_os_error() {
        return None;
    }
    let path = error.path.as_deref()?;
    let around = targets(spec)
        .filter(|target| path.starts_with(target) && path != Path::new(target))
        .max_by_key(|target| target.len())?;
    let message = format!(
        "`{}` is not in what is mounted on `{around}`, so that nothing can be mounted there",
        path.display()
    );
    Some(
        Failure::new(Kind::Step, message)
            .hint("let the mount around it be writable: what is written to a bind with `rw` is thrown away"),
    )
}

fn targets(spec: &ExecSpec) -> impl Iterator<Item = &str> {
    spec.mounts.iter().filter_map(ExecMount::target)
}

/// A file that the kernel does not know how to execute.
fn not_executable(error: &SpawnError, tree: &TreeView) -> Words {
    let path = error.path.as_deref().unwrap_or(Path::new(""));
    let shown = path.display();
    match head(path, tree).as_deref() {
        Some(head) if head.starts_with(b"\x7fELF") => (
            format!(
                "`{shown}` is a program for {}, which this machine does not execute",
                machine(head)
            ),
            Some(
                "build on such a machine, or register an emulator on this one: `sudo apt-get install \
                 qemu-user-static binfmt-support`",
            ),
        ),
        Some(_) => (
            format!("`{shown}` is neither a program nor a script that begins with `#!`"),
            None,
        ),
        None => (error.to_string(), None),
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
fn not_there(spec: &ExecSpec, tree: &TreeView) -> Words {
    let base = match spec.base_name.as_str() {
        "" => "the image".to_owned(),
        name => format!("`{name}`"),
    };
    if let Some((name, content)) = &spec.script {
        let line = content.lines().next().unwrap_or_default();
        let message =
            format!("the interpreter that the heredoc `{name}` begins with, `{line}`, is not in {base}");
        return (message, None);
    }
    let program = spec.argv.first().map(String::as_str).unwrap_or_default();
    if let Some(hiding) = targets(spec).find(|target| Path::new(program).starts_with(target)) {
        return (
            format!("`{program}` is not in what is mounted on `{hiding}`"),
            None,
        );
    }
    let is_there = program.starts_with('/')
        && tree
            .resolve(program.as_bytes(), LastLink::Follow)
            .is_ok_and(|resolved| resolved.node.is_some());
    if is_there {
        return (
            format!("`{program}` is there, but the interpreter or library loader it names is not"),
            Some("a script needs its `#!` program, a dynamic binary its loader; both must be in the image"),
        );
    }
    if spec.is_shell_form {
        return (
            format!("there is no `{program}` in {base}, which the shell form of RUN needs"),
            Some("use a base with a shell, the exec form `RUN [\"program\", \"argument\"]`, or SHELL"),
        );
    }
    (format!("there is no `{program}` in {base}"), None)
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

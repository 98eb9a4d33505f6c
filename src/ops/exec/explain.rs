//! A program that cannot be executed, in the words of the Dockerfile.

use crate::error::{Failure, Kind};
use crate::ops::OpError;
use crate::ops::spec::{ExecMount, ExecSpec};
use rbuild_sandbox::{SpawnError, Step};
use rbuild_store::tree::{LastLink, Tree, TreeView};
use rustix::io::Errno;
use std::path::Path;

/// What the image is called in a message.
fn base(spec: &ExecSpec) -> String {
    if spec.base_name.is_empty() {
        "the image".to_owned()
    } else {
        format!("`{}`", spec.base_name)
    }
}

/// A program that cannot be executed, in the words of the Dockerfile.
pub(super) fn spawn_error(error: SpawnError, spec: &ExecSpec, tree: &TreeView) -> OpError {
    if let Some(failure) = missing_in_mount(&error, spec) {
        return OpError::Failure(failure);
    }
    if !error.is_program() {
        return OpError::Sandbox(error);
    }
    let code = error.exit_code();
    if error.errno == Errno::TOOBIG.raw_os_error() {
        return OpError::Program {
            message: "the command and its variables are too long for the kernel".to_owned(),
            help: Some(
                "each argument and variable may have 128 KiB, all together a quarter of the limit of the stack: \
                 put what is long into a file"
                    .to_owned(),
            ),
            code,
        };
    }
    let program = spec.argv.first().map(String::as_str).unwrap_or_default();
    if code != 127 {
        return OpError::Program {
            message: error.to_string(),
            help: None,
            code,
        };
    }
    if let Some((name, content)) = &spec.script {
        let line = content.lines().next().unwrap_or_default();
        return OpError::Program {
            message: format!(
                "the interpreter that the heredoc `{name}` begins with, `{line}`, is not in {}",
                base(spec)
            ),
            help: None,
            code,
        };
    }
    let hiding = spec
        .mounts
        .iter()
        .filter_map(ExecMount::target)
        .find(|target| Path::new(program).starts_with(target));
    if let Some(hiding) = hiding {
        return OpError::Program {
            message: format!("`{program}` is not in what is mounted on `{hiding}`"),
            help: None,
            code,
        };
    }
    let is_there = program.starts_with('/')
        && tree
            .resolve(program.as_bytes(), LastLink::Follow)
            .is_ok_and(|resolved| resolved.node.is_some());
    if is_there {
        return OpError::Program {
            message: format!("`{program}` is there, but the interpreter or library loader it names is not"),
            help: Some(
                "a script needs its `#!` program, a dynamic binary its loader; both must be in the image"
                    .to_owned(),
            ),
            code,
        };
    }
    let base = base(spec);
    if spec.is_shell_form {
        return OpError::Program {
            message: format!("there is no `{program}` in {base}, which the shell form of RUN needs"),
            help: Some(
                "use a base with a shell, the exec form `RUN [\"program\", \"argument\"]`, or SHELL"
                    .to_owned(),
            ),
            code,
        };
    }
    OpError::Program {
        message: format!("there is no `{program}` in {base}"),
        help: None,
        code,
    }
}

/// A mount whose target is missing in another mount, where nothing can be made.
fn missing_in_mount(error: &SpawnError, spec: &ExecSpec) -> Option<Failure> {
    if error.step != Step::Mounts || error.errno != Errno::NOENT.raw_os_error() {
        return None;
    }
    let path = error.path.as_deref()?;
    let around = spec
        .mounts
        .iter()
        .filter_map(ExecMount::target)
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

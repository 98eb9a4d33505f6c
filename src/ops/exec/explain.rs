//! A program that cannot be executed, in the words of the Dockerfile.

use crate::ops::OpError;
use crate::ops::spec::ExecSpec;
use rbuild_sandbox::SpawnError;
use rbuild_store::tree::{LastLink, Tree, TreeView};

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
    if !error.is_program() {
        return OpError::Sandbox(error);
    }
    let code = error.exit_code();
    if error.errno == rustix::io::Errno::TOOBIG.raw_os_error() {
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

//! Entry point: the command line to an exit code.

use rbuild::cli;
use rbuild::error::Failure;
use rbuild_sandbox::MemoryOrEnd;
use std::io::Write;
use std::process::ExitCode;

/// Without memory nothing can be said in another way, nor anything be cleaned up: the next build does that.
#[global_allocator]
static MEMORY: MemoryOrEnd = MemoryOrEnd {
    words: "error: out of memory\nhelp: free some, raise the limit (`ulimit -v`, or of the container or unit), or run fewer steps \
            at once with --jobs\n",
    code: 125,
};

fn main() -> ExitCode {
    end_without_stacks();
    rbuild_sandbox::inherited::settle();
    if cli::containers::is_monitor() {
        return ExitCode::from(cli::containers::monitor());
    }
    let args = match cli::verbs::translate(std::env::args_os().collect()) {
        Ok(cli::verbs::Meant::Words(args)) => cli::root_after_verb(args),
        Ok(cli::verbs::Meant::Nothing(why)) => {
            cli::streams::note(why);
            return ExitCode::SUCCESS;
        }
        Err(failure) => return fail(&failure),
    };
    let cli = match cli::parse(&args) {
        Ok(cli) => cli,
        Err(error) => {
            let args: Vec<String> = args
                .iter()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect();
            let error = cli::with_nearest_flag(error, &args);
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 125 } else { 0 });
        }
    };
    match cli::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => fail(&failure),
    }
}

/// A thread whose second stack, for the handler of overflows, cannot be had panics in the runtime.
fn end_without_stacks() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic
            .to_string()
            .contains("failed to allocate an alternative stack")
        {
            MEMORY.end();
        }
        before(panic);
    }));
}

fn fail(failure: &Failure) -> ExitCode {
    // Nobody may be reading; that changes nothing about the exit code.
    let _ = rbuild::standard_error::StandardError::default().write_all(failure.text().as_bytes());
    ExitCode::from(failure.exit_code())
}

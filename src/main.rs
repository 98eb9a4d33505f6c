//! Entry point: the command line to an exit code.

use rbuild::cli;
use rbuild::error::Failure;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    rbuild_sandbox::inherited::settle();
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

fn fail(failure: &Failure) -> ExitCode {
    // Nobody may be reading; that changes nothing about the exit code.
    let _ = rbuild::standard_error::StandardError::default().write_all(failure.text().as_bytes());
    ExitCode::from(failure.exit_code())
}

//! Entry point: the command line to an exit code.

use rbuild::cli;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    rbuild_sandbox::inherited::settle();
    let args = cli::root_after_verb(std::env::args_os().collect());
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
        Err(failure) => {
            // Nobody may be reading; that changes nothing about the exit code.
            let _ = std::io::stderr().write_all(failure.text().as_bytes());
            ExitCode::from(failure.exit_code())
        }
    }
}

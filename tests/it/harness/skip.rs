//! Skipping out loud: a skip is printed, written to `RBUILD_TEST_SKIPS`, and under `RBUILD_TEST_STRICT` a failure.

use std::fs::OpenOptions;
use std::io::Write;

/// Notes that the calling test cannot run here because of something the *host* does not allow. The caller returns.
pub(crate) fn because_of_host(test: &str, reason: &str) {
    let line = format!("{test}: {reason}");
    eprintln!("skipped: {line}");
    if let Some(path) = std::env::var_os("RBUILD_TEST_SKIPS") {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .expect("the file for skips opens");
        // One write, so that lines of several processes do not mix.
        file.write_all(format!("{line}\n").as_bytes())
            .expect("the file for skips is written");
    }
}

/// Whether every one of these programs is installed. What is missing is a skip, or under `RBUILD_TEST_STRICT` a
/// failure, since `scripts/test` installs all of them.
#[track_caller]
pub(crate) fn unless_installed(test: &str, programs: &[&str]) -> bool {
    for program in programs {
        if find(program).is_some() {
            continue;
        }
        assert!(
            std::env::var_os("RBUILD_TEST_STRICT").is_none(),
            "{test}: `{program}` is not installed"
        );
        because_of_host(test, &format!("`{program}` is not installed"));
        return false;
    }
    true
}

/// Where a program is, looked up where administrators' tools are too.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    super::env::PATH
        .split(':')
        .map(|dir| std::path::Path::new(dir).join(program))
        .find(|path| path.is_file())
}

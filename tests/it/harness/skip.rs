//! Skipping out loud: a skip is printed and written to `RBUILD_TEST_SKIPS`. Under `RBUILD_TEST_STRICT` a missing program is a
//! failure.

mod note;

pub(crate) use note::because_of_host;

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

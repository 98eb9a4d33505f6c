//! For tests: a store in a temporary directory, and this test program again as another process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::filesystem::Need;
use crate::store::Store;

/// In the child process: what it should do and on which store.
const ROLE: &str = "RBUILD_TEST_ROLE";
const STORE: &str = "RBUILD_TEST_STORE";

/// A new store, removed with the directory.
pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), "boot", Need::Writing).unwrap();
    (dir, store)
}

/// The command that runs the test `test` (its full path) of this program, which asks [`role`] what to do.
pub(crate) fn command(test: &str, role: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command
        .env(ROLE, role)
        .env(STORE, root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// What this process was started for, and its store; `None` in an ordinary test run.
pub(crate) fn role() -> Option<(String, Store)> {
    let role = std::env::var(ROLE).ok()?;
    let root = std::env::var_os(STORE)?;
    Some((
        role,
        Store::open(Path::new(&root), "boot", Need::Writing).unwrap(),
    ))
}

/// The store's path for a child that has to open it itself.
pub(crate) fn root() -> Option<std::path::PathBuf> {
    std::env::var_os(STORE).map(Into::into)
}

/// Tells the parent that the child is where it should be.
pub(crate) fn say_ready() {
    println!("\nready");
}

/// Waits until the child has said so.
pub(crate) fn await_ready(child: &mut Child) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        if line.unwrap() == "ready" {
            return;
        }
    }
    panic!("the child ended before it was ready: {:?}", child.wait());
}

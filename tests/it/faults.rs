//! What the store promises when the machine fails it: system calls that fail one after the other, what a power loss leaves,
//! limits that are reached, clocks that jump.
//!
//! Each has a short form, which runs with the other tests, and a long one (`RBUILD_TORTURE=1`, `just torture`), which
//! leaves nothing out and prints what it did.

use crate::harness::env::{is_root, program_under_test};
use crate::harness::{Base, Invocation, TestEnv, skip};

mod clock;
mod inject;
mod limits;
mod many;
mod power;

/// Whether the long forms are wanted.
pub(crate) fn long() -> bool {
    std::env::var_os("RBUILD_TORTURE").is_some()
}

/// A figure of the long form, for the report.
pub(crate) fn figure(text: &str) {
    if long() {
        println!("figure: {text}");
    }
}

/// A shell script in namespaces where we are root, may mount, and start programs under `strace`: an ordinary user could not
/// have a program traced that starts `newuidmap`. `$R` is the program under test, `$BASE` the base for `--build-context`.
/// `None`: this host does not let us.
fn script(env: &TestEnv, test: &str, text: &str) -> Option<Invocation> {
    let mut words = vec!["--mount"];
    if !is_root() {
        words.extend(["--map-auto", "--map-root-user"]);
    }
    let unshare = || env.tool("unshare").args(&words);
    if unshare()
        .args(["mount", "-t", "tmpfs", "none", "/mnt"])
        .run()
        .code()
        != 0
    {
        skip::because_of_host(test, "file systems cannot be mounted in a namespace of our own");
        return None;
    }
    let base = format!("busybox:local=oci-layout://{}", Base::Busybox.archive().display());
    let invocation = unshare()
        .args(["sh", "-c", text])
        .env("R", program_under_test())
        .env("ARCHIVE", Base::Busybox.archive())
        .env("BASE", base)
        .env("SOURCE_DATE_EPOCH", "1700000000");
    Some(invocation)
}

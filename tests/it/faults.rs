//! What the store promises when the machine fails it: system calls that fail one after the other, what a power loss leaves,
//! limits that are reached, clocks that jump.
//!
//! Each has a short form, which runs with the other tests, and a long one (`RBUILD_TORTURE=1`, `just torture`), which
//! leaves nothing out and prints what it did.

use crate::harness::env::program_under_test;
use crate::harness::{Base, Invocation, TestEnv, skip};
use std::collections::BTreeMap;

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
pub(crate) fn script(env: &TestEnv, test: &str, text: &str) -> Option<Invocation> {
    let mount = env
        .unshare(&["--mount"])
        .args(["mount", "-t", "tmpfs", "none", "/mnt"]);
    if mount.run().code() != 0 {
        skip::because_of_host(test, "file systems cannot be mounted in a namespace of our own");
        return None;
    }
    let invocation = env
        .unshare(&["--mount"])
        .args(["sh", "-c", text])
        .env("R", program_under_test())
        .env("ARCHIVE", Base::Busybox.archive())
        .env("BASE", Base::Busybox.as_context())
        .env("SOURCE_DATE_EPOCH", "1700000000");
    Some(invocation)
}

/// A verb that something goes wrong in.
struct Case {
    name: &'static str,
    /// Makes the store that the verb begins with.
    prepare: &'static str,
    verb: &'static str,
    /// Writes the result to `out`, in the store that the verb left.
    judge: &'static str,
    /// How many faults the short form tries.
    short: usize,
}

const BUILD: &str =
    "\"$R\" build -q --jobs 1 --build-context \"$BASE\" -t app -o type=image -o type=oci,dest=out context";
const DOCKERFILE: &str = "FROM busybox:local\nCOPY f /f\nRUN tr a-z A-Z < /f > /F && mkdir /d && ln /F /d/F\n\
                          COPY --from=busybox:local /etc/passwd /d/\n";

/// How often each call is made by whichever process makes it most often.
fn count(trace: &str) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((process, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if call
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            *counts.entry((call.to_owned(), process.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((call, _), count) in counts {
        let entry = most.entry(call).or_insert(0);
        *entry = count.max(*entry);
    }
    most
}

/// The numbers from 1 to `count`: all, or as many as are wanted, from the first to the last.
fn spread(count: usize, wanted: usize) -> Vec<usize> {
    if count <= wanted {
        return (1..=count).collect();
    }
    (0..wanted)
        .map(|at| 1 + at * (count - 1) / (wanted - 1))
        .collect()
}

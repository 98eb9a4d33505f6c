//! How a skip is told. The tests of other crates include this file.

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

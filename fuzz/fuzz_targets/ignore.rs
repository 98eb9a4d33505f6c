//! Ignore files never panic, and a directory that is not to be entered has nothing below it that is wanted.
#![no_main]

use dockerfile_parser::IgnoreFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (String, Vec<u8>)| {
    let (text, path) = input;
    let Ok(ignore) = IgnoreFile::parse(&text) else {
        return;
    };
    let clean = path
        .split(|byte| *byte == b'/')
        .all(|part| !matches!(part, b"" | b"." | b".."));
    if clean && !ignore.decide(&path).excluded {
        for (at, byte) in path.iter().enumerate() {
            assert!(
                *byte != b'/' || ignore.may_reinclude_below(&path[..at]),
                "{:?}",
                &path[..at]
            );
        }
    }
});

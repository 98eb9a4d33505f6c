//! The source can be printed back from the tree, and parses to the same again.
#![no_main]

use dockerfile_parser::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let parsed = parse(source);
    let printed = parsed.dockerfile.to_source();
    assert_eq!(printed, source);
    assert_eq!(parse(&printed), parsed);
});

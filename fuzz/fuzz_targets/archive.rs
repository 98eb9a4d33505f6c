//! Any bytes as an archive of `ADD` or as a layer: reading ends, no name leads out, and unpacking touches nothing outside.
#![no_main]

#[path = "../properties/archive.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::holds(data));

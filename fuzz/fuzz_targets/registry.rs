//! Any bytes as the answers of a registry: the client ends, never panics, believes nothing that has not the digest asked
//! for, and shows its password to no other host.
#![no_main]

#[path = "../properties/registry.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::holds(data));

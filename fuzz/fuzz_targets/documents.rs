//! Any bytes as a document of a registry or a layout: parsing never panics, and what is understood is written again.
#![no_main]

#[path = "../properties/documents.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::holds(data));

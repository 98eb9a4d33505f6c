//! Any bytes as an archive of images: opening it, listing its images and taking one in never panics, and what comes in
//! has the digest that it is stored under.
#![no_main]

#[path = "../properties/layout.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::holds(data));

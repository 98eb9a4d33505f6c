//! The fuzz targets in short: the samples of `testdata/fuzz`, and some thousand mutations of them from a fixed seed, so
//! that every run tries the same inputs. `fuzz/` has the long form, which is guided by what the code does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod mutate;

#[path = "../../fuzz/properties/archive.rs"]
mod archive;
#[path = "../../fuzz/properties/documents.rs"]
mod documents;
#[path = "../../fuzz/properties/layout.rs"]
mod layout;
#[path = "../../fuzz/properties/registry.rs"]
mod registry;

use mutate::Mutator;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The samples of a target, in the order of their names.
fn samples(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/fuzz")
        .join(target);
    let entries = std::fs::read_dir(&dir).expect("the samples are in the checkout");
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{}", dir.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Tries a property on the samples and on `rounds` mutations of them. The input of a failure is printed.
fn try_all(target: &str, rounds: usize, holds: fn(&[u8])) {
    let samples = samples(target);
    let mut mutator = Mutator::new(1);
    let mutations: Vec<Vec<u8>> = (0..rounds).map(|_| mutator.mutate(&samples)).collect();
    for input in samples.iter().chain(&mutations) {
        if catch_unwind(AssertUnwindSafe(|| holds(input))).is_err() {
            let kept = std::env::temp_dir().join(format!("rbuild-fuzz-{target}-{}", std::process::id()));
            std::fs::write(&kept, input).unwrap();
            panic!("the property of `{target}` does not hold for {}", kept.display());
        }
    }
}

#[test]
fn archives() {
    try_all("archive", 600, archive::holds);
}

#[test]
fn documents_of_images() {
    try_all("documents", 20_000, documents::holds);
}

#[test]
fn archives_of_images() {
    try_all("layout", 3000, layout::holds);
}

#[test]
fn answers_of_registries() {
    try_all("registry", 3000, registry::holds);
}

/// The samples are what they are meant to be: each target gets somewhere with some of them.
#[test]
fn the_samples_are_understood() {
    let understood = |target: &str, is: fn(&[u8]) -> bool| {
        let count = samples(target).iter().filter(|sample| is(sample)).count();
        (target.to_owned(), count)
    };
    let counts = [
        understood("archive", archive::is_understood),
        understood("documents", documents::is_understood),
        understood("layout", layout::is_understood),
        understood("registry", registry::is_understood),
    ];
    let expected = [("archive", 9), ("documents", 6), ("layout", 4), ("registry", 8)];
    assert_eq!(
        counts.each_ref().map(|(name, count)| (name.as_str(), *count)),
        expected
    );
}

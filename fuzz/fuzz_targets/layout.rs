//! Any bytes as an archive of images: opening it and listing its images never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rbuild_store::image::source;
use rbuild_store::{Need, Store};
use std::path::Path;
use std::sync::LazyLock;

static STORE: LazyLock<(tempfile::TempDir, Store)> = LazyLock::new(|| {
    let place = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&place.path().join("store"), "boot", Need::Copy).expect("a store");
    (place, store)
});

fuzz_target!(|data: &[u8]| {
    let Ok(images) = source::open_stream(&STORE.1, Path::new("input"), data) else {
        return;
    };
    for entry in 0..images.entries().len().min(8) {
        if let Ok(image) = images.image(entry) {
            let _ = image.parse_config();
        }
    }
});

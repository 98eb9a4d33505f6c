//! Any bytes as an archive of images: opening it, listing its images and taking one in never panics, and what comes in
//! has the digest that it is stored under.

use rbuild_store::image::{LayerSource, source};
use rbuild_store::{Need, Store};
use std::path::Path;

thread_local! {
    // Of the thread, at whose end it is removed.
    static STORE: (Store, tempfile::TempDir) = {
        let place = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(&place.path().join("store"), "boot", Need::Writing).expect("a store");
        (store, place)
    };
}

pub(crate) fn holds(data: &[u8]) {
    taken(data);
}

/// How many images of it came into the store.
fn taken(data: &[u8]) -> usize {
    STORE.with(|(store, _)| taken_into(store, data))
}

fn taken_into(store: &Store, data: &[u8]) -> usize {
    let Ok(images) = source::open_stream(store, Path::new("input"), data) else {
        return 0;
    };
    let pin = store.locks().pin_blobs().expect("nobody else is there");
    let mut taken = 0;
    for entry in 0..images.entries().len().min(8) {
        let Ok(image) = images.image(entry) else { continue };
        let _ = image.parse_config();
        let Ok(ingested) = source::ingest(store, &*images, &image, &pin) else {
            continue;
        };
        for layer in &ingested.layers {
            if let LayerSource::Blob(descriptor) = &layer.source {
                store
                    .blobs()
                    .verify(&descriptor.digest)
                    .expect("what came in is whole");
            }
        }
        taken += 1;
    }
    taken
}

/// Whether an image is in it. For the test of the samples.
#[allow(dead_code, reason = "the fuzzer does not ask")]
pub(crate) fn is_understood(data: &[u8]) -> bool {
    taken(data) > 0
}

//! Any bytes as a document of a registry or a layout: parsing never panics, and what is understood is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rbuild_oci::{Document, ImageConfig, Index, Manifest, Reference};

fuzz_target!(|data: &[u8]| {
    let _ = Document::parse(data, None);
    let _ = Manifest::parse(data, None);
    let _ = Index::parse(data, None);
    if let Ok(config) = ImageConfig::parse(data) {
        let written = config.to_bytes().expect("what was read can be written");
        let again = ImageConfig::parse(&written).expect("what was written can be read");
        assert_eq!(again.to_bytes().ok(), Some(written));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(reference) = Reference::parse(text)
    {
        let shown = reference.to_string();
        assert_eq!(
            Reference::parse(&shown).map(|again| again.to_string()).ok(),
            Some(shown)
        );
    }
});

//! Any bytes as a document of a registry or a layout: parsing never panics, and what is understood is written again.

use rbuild_oci::{Document, ImageConfig, ImagePlatform, Index, Manifest, Reference};

pub(crate) fn holds(data: &[u8]) {
    let _ = Document::parse(data, None);
    let _ = Document::parse(data, Some("application/vnd.docker.distribution.manifest.v2+json"));
    if let Ok(manifest) = Manifest::parse(data, None) {
        let _ = manifest.require_image();
        assert_eq!(manifest, Manifest::parse(data, None).expect("it was read before"));
    }
    if let Ok(index) = Index::parse(data, None) {
        let offered = index.manifests.len();
        assert!(index.candidates(&ImagePlatform::host()).len() <= offered);
        let _ = index.platforms();
    }
    if let Ok(config) = ImageConfig::parse(data) {
        let written = config.to_bytes().expect("what was read can be written");
        let again = ImageConfig::parse(&written).expect("what was written can be read");
        assert_eq!(again.to_bytes().ok(), Some(written));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(reference) = Reference::parse(text)
    {
        let shown = reference.to_string();
        let again = Reference::parse(&shown).map(|again| again.to_string());
        assert_eq!(again.ok(), Some(shown));
    }
}

/// Whether it is a document. For the test of the samples.
#[allow(dead_code, reason = "the fuzzer does not ask")]
pub(crate) fn is_understood(data: &[u8]) -> bool {
    let reference = std::str::from_utf8(data).is_ok_and(|text| Reference::parse(text).is_ok());
    reference || ImageConfig::parse(data).is_ok() || Document::parse(data, None).is_ok()
}

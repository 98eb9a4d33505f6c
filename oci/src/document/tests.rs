//! Confusion attacks as tables.

use super::*;
use crate::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};

const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn descriptor(media_type: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{HEX}","size":1}}"#)
}

fn image(media_type: &str, extra: &str) -> String {
    let own = if media_type.is_empty() {
        String::new()
    } else {
        format!(r#""mediaType":"{media_type}","#)
    };
    format!(
        r#"{{"schemaVersion":2,{own}"config":{},"layers":[]{extra}}}"#,
        descriptor(OCI_CONFIG)
    )
}

fn index(media_type: &str, entries: &str) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{entries}]}}"#)
}

#[test]
fn accepts_what_registries_serve() {
    for (body, served, expected) in [
        (image(OCI_MANIFEST, ""), Some(OCI_MANIFEST), OCI_MANIFEST),
        (
            image(DOCKER_MANIFEST, ""),
            Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
            DOCKER_MANIFEST,
        ),
        (image("", ""), Some(OCI_MANIFEST), OCI_MANIFEST),
        (image("", ""), None, OCI_MANIFEST),
        (image(OCI_MANIFEST, ""), Some("application/json"), OCI_MANIFEST),
        (image("", "").replace("[]", "null"), None, OCI_MANIFEST),
        (index(OCI_INDEX, ""), Some(OCI_INDEX), OCI_INDEX),
        (index(DOCKER_LIST, ""), Some(DOCKER_LIST), DOCKER_LIST),
    ] {
        let document = Document::parse(body.as_bytes(), served).unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(document.media_type(served), expected, "{body}");
    }
}

#[test]
fn refuses_confusion() {
    use DocumentError as E;
    let with_manifests = image(OCI_MANIFEST, r#","manifests":[]"#);
    let only_config = format!(
        r#"{{"schemaVersion":2,"config":{},"manifests":[]}}"#,
        descriptor(OCI_CONFIG)
    );
    let twice = image(OCI_MANIFEST, r#","layers":[]"#);
    let v1 = r#"{"schemaVersion":1,"name":"x","tag":"y","fsLayers":[]}"#.to_owned();
    let unsupported = |name: &str| E::MediaType {
        what: "manifest".to_owned(),
        media_type: name.to_owned(),
    };
    let table: Vec<(String, Option<&str>, E)> = vec![
        (
            with_manifests.clone(),
            Some(OCI_MANIFEST),
            E::Ambiguous("manifests", "layers"),
        ),
        (with_manifests, None, E::Ambiguous("manifests", "layers")),
        (only_config, Some(OCI_INDEX), E::Ambiguous("manifests", "config")),
        (
            image(OCI_MANIFEST, ""),
            Some(OCI_INDEX),
            E::MediaTypeMismatch {
                announced: OCI_INDEX.to_owned(),
                own: OCI_MANIFEST.to_owned(),
            },
        ),
        (
            image(OCI_MANIFEST, ""),
            Some(DOCKER_MANIFEST),
            E::MediaTypeMismatch {
                announced: DOCKER_MANIFEST.to_owned(),
                own: OCI_MANIFEST.to_owned(),
            },
        ),
        (image("", ""), Some(OCI_INDEX), E::Missing("manifests")),
        (index(OCI_MANIFEST, ""), None, E::Missing("config")),
        (
            index(OCI_MANIFEST, ""),
            Some(OCI_INDEX),
            E::MediaTypeMismatch {
                announced: OCI_INDEX.to_owned(),
                own: OCI_MANIFEST.to_owned(),
            },
        ),
        (
            image(OCI_MANIFEST, r#","fsLayers":[]"#),
            None,
            E::Ambiguous("layers", "fsLayers"),
        ),
        (v1.clone(), None, E::SchemaOne),
        (
            v1,
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            E::SchemaOne,
        ),
        (
            image(OCI_MANIFEST, ""),
            Some("text/html"),
            unsupported("text/html"),
        ),
        (
            r#"{"schemaVersion":3,"layers":[]}"#.to_owned(),
            None,
            E::SchemaVersion(3),
        ),
        (r#"{"layers":[]}"#.to_owned(), None, E::Missing("schemaVersion")),
        (
            image("application/vnd.cncf.helm", ""),
            None,
            unsupported("application/vnd.cncf.helm"),
        ),
    ];
    for (body, served, expected) in table {
        assert_eq!(
            Document::parse(body.as_bytes(), served),
            Err(expected),
            "{body} as {served:?}"
        );
    }
    for body in [
        twice,
        "<html>".to_owned(),
        "[]".to_owned(),
        image(OCI_MANIFEST, "").replace("\"size\":1", "\"size\":-1"),
        image(OCI_MANIFEST, "").replace(HEX, "../../etc/passwd"),
        image(OCI_MANIFEST, "").replace(HEX, "00"),
        image(OCI_MANIFEST, "").replace("sha256", "md5"),
    ] {
        let result = Document::parse(body.as_bytes(), Some(OCI_MANIFEST));
        assert!(matches!(result, Err(E::Invalid { .. })), "{body}: {result:?}");
    }
}

#[test]
fn a_document_is_what_was_asked_for() {
    let (image, index) = (image(OCI_MANIFEST, ""), index(OCI_INDEX, ""));
    let error = Manifest::parse(index.as_bytes(), None).unwrap_err();
    assert!(error.to_string().contains(OCI_INDEX), "{error}");
    let error = Index::parse(image.as_bytes(), None).unwrap_err();
    assert!(error.to_string().contains(OCI_MANIFEST), "{error}");
    let chart = image.replace(OCI_CONFIG, "application/vnd.cncf.helm.config.v1+json");
    assert!(Document::parse(chart.as_bytes(), None).is_ok());
    let error = Manifest::parse(chart.as_bytes(), None).unwrap_err();
    assert!(
        matches!(&error, DocumentError::NotAnImage { media_type } if media_type.contains("helm")),
        "{error}"
    );
    let error = Index::parse(b"{", None).unwrap_err();
    assert!(error.to_string().contains("index"), "{error}");
    let large = [&b"{"[..], &vec![b' '; MANIFEST_LIMIT as usize]].concat();
    assert!(matches!(
        Document::parse(&large, None),
        Err(DocumentError::TooLarge { .. })
    ));
}

/// Documents that oci-spec writes are understood.
#[test]
fn reads_what_oci_spec_writes() {
    use oci_spec::image as oci;
    let digest = || format!("sha256:{HEX}").parse::<oci::Digest>().unwrap();
    let config = oci::Descriptor::new(oci::MediaType::ImageConfig, 7, digest());
    let layer = oci::Descriptor::new(oci::MediaType::ImageLayerGzip, 8, digest());
    let theirs = oci::ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(oci::MediaType::ImageManifest)
        .config(config)
        .layers(vec![layer])
        .build()
        .unwrap();
    let bytes = serde_json::to_vec(&theirs).unwrap();
    let ours = Manifest::parse(&bytes, Some(OCI_MANIFEST)).unwrap();
    assert_eq!((ours.config.size, ours.layers[0].size), (7, 8));
    assert_eq!(ours.layers[0].media_type, crate::media_type::OCI_LAYER_GZIP);
}

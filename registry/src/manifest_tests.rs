//! Confusion attacks and platform choice as tables.

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
        let manifest = Manifest::parse(body.as_bytes(), served).unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(manifest.media_type(), expected);
    }
}

#[test]
fn refuses_confusion() {
    use ManifestError as E;
    let with_manifests = image(OCI_MANIFEST, r#","manifests":[]"#);
    let only_config = format!(
        r#"{{"schemaVersion":2,"config":{},"manifests":[]}}"#,
        descriptor(OCI_CONFIG)
    );
    let twice = image(OCI_MANIFEST, r#","layers":[]"#);
    let v1 = r#"{"schemaVersion":1,"name":"x","tag":"y","fsLayers":[]}"#.to_owned();
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
                served: OCI_INDEX.to_owned(),
                own: OCI_MANIFEST.to_owned(),
            },
        ),
        (
            image(OCI_MANIFEST, ""),
            Some(DOCKER_MANIFEST),
            E::MediaTypeMismatch {
                served: DOCKER_MANIFEST.to_owned(),
                own: OCI_MANIFEST.to_owned(),
            },
        ),
        (image("", ""), Some(OCI_INDEX), E::Missing("manifests")),
        (index(OCI_MANIFEST, ""), None, E::Missing("config")),
        (
            image(OCI_MANIFEST, r#","fsLayers":[]"#),
            None,
            E::Ambiguous("layers", "fsLayers"),
        ),
        (v1.clone(), None, E::Schema1),
        (
            v1,
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            E::Schema1,
        ),
        (
            image(OCI_MANIFEST, ""),
            Some("text/html"),
            E::MediaType("text/html".to_owned()),
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
            E::MediaType("application/vnd.cncf.helm".to_owned()),
        ),
    ];
    for (body, served, expected) in table {
        assert_eq!(
            Manifest::parse(body.as_bytes(), served),
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
        image(OCI_MANIFEST, "").replace("sha256", "md5"),
    ] {
        let result = Manifest::parse(body.as_bytes(), Some(OCI_MANIFEST));
        assert!(matches!(result, Err(E::Json(_))), "{body}: {result:?}");
    }
}

fn entry(n: u8, media_type: &str, platform: &str, extra: &str) -> String {
    let platform = match platform.split('/').collect::<Vec<_>>().as_slice() {
        [os, arch] => format!(r#","platform":{{"os":"{os}","architecture":"{arch}"}}"#),
        [os, arch, v] => format!(r#","platform":{{"os":"{os}","architecture":"{arch}","variant":"{v}"}}"#),
        _ => String::new(),
    };
    let digest = format!("{n:064}");
    format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{digest}","size":1{platform}{extra}}}"#)
}

fn pick(entries: &[String], wanted: &str) -> Vec<u8> {
    let body = index(OCI_INDEX, &entries.join(","));
    let Ok(Manifest::Index(index)) = Manifest::parse(body.as_bytes(), None) else {
        panic!("{body}")
    };
    let wanted = wanted.parse().unwrap();
    index
        .candidates(&wanted)
        .iter()
        .map(|d| d.digest.hex().parse().unwrap())
        .collect()
}

#[test]
fn chooses_the_platform() {
    let m = OCI_MANIFEST;
    let list = [
        entry(1, m, "linux/arm/v6", ""),
        entry(2, m, "linux/amd64", ""),
        entry(3, m, "linux/arm/v7", ""),
        entry(4, m, "unknown/unknown", ""),
        entry(
            5,
            m,
            "linux/amd64",
            r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#,
        ),
        entry(6, m, "linux/arm64/v8", r#","urls":null"#),
        entry(7, m, "linux/amd64", ""),
        entry(8, "application/vnd.oci.artifact", "linux/amd64", ""),
        entry(9, OCI_INDEX, "", ""),
    ];
    assert_eq!(pick(&list, "linux/amd64"), [2, 7, 9]);
    assert_eq!(pick(&list, "linux/arm/v7"), [3, 1, 9]);
    assert_eq!(pick(&list, "linux/arm/v6"), [1, 9]);
    assert_eq!(pick(&list, "linux/arm64"), [6, 9]);
    assert_eq!(pick(&list, "linux/s390x"), [9]);
    assert_eq!(
        pick(&[entry(1, m, "", "")], "linux/s390x"),
        [1],
        "the only image needs no platform"
    );
    assert_eq!(
        pick(&[entry(1, m, "", ""), entry(2, m, "", "")], "linux/amd64"),
        [0u8; 0]
    );
    assert_eq!(
        pick(
            &[entry(1, m, "", ""), entry(2, m, "unknown/unknown", "")],
            "linux/amd64"
        ),
        [1]
    );
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
    let Ok(Manifest::Image(ours)) = Manifest::parse(&bytes, Some(OCI_MANIFEST)) else {
        panic!()
    };
    assert_eq!((ours.config.size, ours.layers[0].size), (7, 8));
    assert_eq!(ours.layers[0].media_type, crate::media_type::OCI_LAYER_GZIP);
}

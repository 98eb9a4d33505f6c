//! What a build may start from: archives and layouts of any tool, images built before, awkward layers, damaged ones.

mod archives;
mod hostile;
mod layers;

use crate::harness::archive::sha256;
use crate::harness::{OciImage, TestEnv};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Builds on `base`, which `source` is the named context for, and runs what it has.
#[track_caller]
fn builds_on(env: &TestEnv, source: &str) -> OciImage {
    let context = env.context_of(
        "FROM given\nRUN echo \"$(id -u) $(ls /bin | wc -l)\" > /made\n",
        &[],
    );
    let image = env.image(["--build-context", &format!("given={source}")], context);
    assert!(
        image.tree()["made"].text().starts_with("0 "),
        "{}",
        image.tree()["made"].text()
    );
    image
}

#[test]
fn images_built_before() {
    let env = TestEnv::new();
    let context = env.context_of("FROM busybox:local\nENV A=1\nRUN echo first > /first\n", &[]);
    let build = env
        .building(["-q", "-t", "first", "-t", "example.org/first:2"])
        .arg(&context);
    let id = build.run().success().out().into_owned();
    let hex = id.strip_prefix("sha256:").unwrap().to_owned();
    for name in [
        "first",
        "first:latest",
        "docker.io/library/first",
        "example.org/first:2",
        &id,
        &hex,
        &hex[..12],
    ] {
        let dockerfile = format!("FROM {name}\nRUN test $A = 1 && cat /first > /second\n");
        let image = env.image_of(&dockerfile, &[]);
        assert_eq!(image.tree()["second"].text(), "first\n", "{name}");
        assert_eq!(image.layers.len(), 3);
    }
    // The same steps on the same base are the same, whatever it is called.
    let dockerfile = |name: &str| format!("FROM {name}\nRUN cat /first > /second\n");
    let context = env.context_of(&dockerfile("first"), &[]);
    env.image([""; 0], context);
    let context = env.context_of(&dockerfile(&hex[..12]), &[]);
    let (_, outcome) = env.image_and_words([""; 0], context);
    assert!(outcome.err().contains("CACHED"), "{outcome}");
    // The name moves on: the next build is on the new one.
    let context = env.context_of("FROM busybox:local\nENV A=1\nRUN echo other > /first\n", &[]);
    env.building(["-t", "first"]).arg(&context).run().success();
    assert_eq!(
        env.image_of(&dockerfile("first"), &[]).tree()["second"].text(),
        "other\n"
    );
    // A name that is nowhere.
    env.refused(&dockerfile("127.0.0.1:1/nowhere"), &[])
        .says("127.0.0.1:1/nowhere");
}

/// An OCI layout directory made by hand: one layer per tar.
fn layout(env: &TestEnv, name: &str, layers: &[Vec<u8>]) -> PathBuf {
    let dir = env.path(name);
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    let blob = |bytes: &[u8]| -> Value {
        let hex = sha256(bytes);
        fs::write(dir.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({ "digest": format!("sha256:{hex}"), "size": bytes.len() })
    };
    let typed = |mut descriptor: Value, media_type: &str| {
        descriptor["mediaType"] = media_type.into();
        descriptor
    };
    let descriptors: Vec<Value> = layers.iter().map(|layer| typed(blob(layer), LAYER)).collect();
    let diff_ids: Vec<&Value> = descriptors.iter().map(|layer| &layer["digest"]).collect();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let history: Vec<Value> = layers
        .iter()
        .map(|_| json!({ "created_by": "by hand" }))
        .collect();
    let config = json!({
        "os": "linux", "architecture": architecture, "created": "2020-01-01T00:00:00Z", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids }, "history": history,
    });
    let config = typed(
        blob(config.to_string().as_bytes()),
        "application/vnd.oci.image.config.v1+json",
    );
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": descriptors,
    });
    let manifest = typed(
        blob(manifest.to_string().as_bytes()),
        "application/vnd.oci.image.manifest.v1+json",
    );
    fs::write(
        dir.join("index.json"),
        json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string(),
    )
    .unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    dir
}

/// A tar whose entries `fill` adds.
fn tar(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    fill(&mut builder);
    builder.into_inner().unwrap()
}

/// One entry; the name is written as it stands, so that it may be hostile.
fn add(tar: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, to: &str, contents: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.as_mut_bytes()[157..157 + to.len()].copy_from_slice(to.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(1234);
    header.set_gid(60_000);
    header.set_mtime(1_500_000_000);
    header.set_size(contents.len() as u64);
    if matches!(kind, tar::EntryType::Char | tar::EntryType::Block) {
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
    }
    header.set_cksum();
    tar.append(&header, contents).unwrap();
}

//! How layers leave: gzip, zstd and plain ones, in archives and registries, and what others make of them.

use serde_json::Value;

use crate::harness::registry::Registry;
use crate::harness::{TestEnv, peer, skip};

const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";

const APP: &str = "FROM busybox:local\nCOPY text /text\n";

fn text() -> String {
    (0..40_000).map(|number| format!("line {number}\n")).collect()
}

/// Media type and size of each layer, as skopeo sees them.
#[track_caller]
fn layers(env: &TestEnv, source: &str) -> Vec<(String, u64)> {
    let raw = peer::skopeo(env)
        .args(["inspect", "--tls-verify=false", "--raw", source])
        .run()
        .success();
    let manifest: Value = serde_json::from_str(&raw.out()).expect("skopeo prints JSON");
    let layers = manifest["layers"].as_array().expect("a manifest has layers");
    layers
        .iter()
        .map(|layer| {
            let media_type = layer["mediaType"].as_str().expect("a layer has a type");
            (
                media_type.to_owned(),
                layer["size"].as_u64().expect("a layer has a size"),
            )
        })
        .collect()
}

/// What skopeo unpacks of each layer is the tar that the config names.
#[track_caller]
fn unpacked_by_skopeo(env: &TestEnv, source: &str, number: usize) {
    let dir = env.path(format!("copy-{number}"));
    peer::skopeo(env)
        .args(["copy", "--src-tls-verify=false", "--dest-decompress", source])
        .arg(format!("dir:{}", dir.display()))
        .run()
        .success();
    let config = peer::skopeo(env)
        .args(["inspect", "--tls-verify=false", "--config", source])
        .run()
        .success();
    let config: Value = serde_json::from_str(&config.out()).expect("skopeo prints JSON");
    for diff_id in config["rootfs"]["diff_ids"]
        .as_array()
        .expect("a config has layers")
    {
        let hex = diff_id.as_str().unwrap_or_default().trim_start_matches("sha256:");
        assert!(dir.join(hex).is_file(), "{source}: {diff_id}");
    }
}

#[test]
fn zstd_in_archives_is_read_by_others_and_by_us() {
    if !skip::unless_installed(
        "zstd_in_archives_is_read_by_others_and_by_us",
        &["skopeo", "podman"],
    ) {
        return;
    }
    let env = TestEnv::new();
    let context = env.context_of(APP, &[("text", &text())]);
    let build = |output: &str| {
        env.building(["-t", "app:1", "-o", output])
            .arg(&context)
            .run()
            .success()
            .no_panic();
    };
    build("type=oci,dest=fast.tar,compression=zstd,compression-level=1");
    build("type=oci,dest=usual.tar,compression=zstd");
    build("type=oci,dest=again.tar,compression=zstd,compression-level=3");
    build("type=oci,dest=small.tar,compression=zstd,compression-level=19");
    build("type=oci,dest=forced.tar,compression=zstd,force-compression");
    build("type=docker,dest=docker.tar,compression=zstd,force-compression");
    let of = |name: &str| layers(&env, &format!("oci-archive:{name}.tar"));
    let [base, own] = of("usual").try_into().unwrap();
    assert_eq!(
        (base.0.as_str(), own.0.as_str()),
        (PLAIN, ZSTD),
        "the base stays as it came"
    );
    assert_eq!(of("again"), of("usual"), "3 is the default");
    assert!(of("small")[1].1 < of("fast")[1].1);
    let [forced, _] = of("forced").try_into().unwrap();
    assert_eq!(forced.0, ZSTD);
    assert!(forced.1 < base.1);
    for (number, source) in [
        "oci-archive:small.tar",
        "oci-archive:forced.tar",
        "docker-archive:docker.tar",
    ]
    .iter()
    .enumerate()
    {
        unpacked_by_skopeo(&env, source, number);
    }
    peer::podman(&env)
        .args(["load", "-i", "forced.tar"])
        .run()
        .success();
    peer::podman_run(&env, "app:1", &["tail", "-n1", "/text"])
        .success()
        .prints("line 39999");
    for archive in ["forced.tar", "docker.tar"] {
        let other = TestEnv::new();
        other
            .rbuild(["load", "-i"])
            .arg(env.path(archive))
            .run()
            .success();
        other
            .run("app:1", ["tail", "-n1", "/text"])
            .success()
            .prints("line 39999");
    }
}

#[test]
fn save_compresses_as_it_is_told() {
    if !skip::unless_installed("save_compresses_as_it_is_told", &["skopeo"]) {
        return;
    }
    let env = TestEnv::new();
    let context = env.context_of(APP, &[("text", &text())]);
    env.building(["-t", "app:1"]).arg(&context).run().success();
    let save = |file: &str, flags: &[&str]| {
        env.rbuild(["save", "-o", file])
            .args(flags)
            .arg("app:1")
            .run()
            .success()
            .no_panic();
        layers(&env, &format!("oci-archive:{file}"))
    };
    let types = |layers: Vec<(String, u64)>| -> Vec<String> {
        layers.into_iter().map(|(media_type, _)| media_type).collect()
    };
    assert_eq!(types(save("gzip.tar", &[])), [PLAIN, GZIP]);
    assert_eq!(types(save("plain.tar", &["--uncompressed"])), [PLAIN, PLAIN]);
    assert_eq!(
        types(save(
            "zstd.tar",
            &["--compression", "zstd", "--force-compression"]
        )),
        [ZSTD, ZSTD]
    );
    // As podman has it.
    let best = save(
        "best.tar",
        &["--compression-format=gzip", "--compression-level=9"],
    );
    assert!(best[1].1 < layers(&env, "oci-archive:gzip.tar")[1].1);
    env.rbuild([
        "save",
        "-o",
        "no.tar",
        "--uncompressed",
        "--compression=zstd",
        "app:1",
    ])
    .run()
    .exits(125);
}

#[test]
fn zstd_goes_through_a_registry() {
    if !skip::unless_installed(
        "zstd_goes_through_a_registry",
        &[Registry::NEEDS, &["skopeo"]].concat(),
    ) {
        return;
    }
    let env = TestEnv::new();
    let registry = Registry::plain(&env);
    let host = registry.address();
    let context = env.context_of(APP, &[("text", &text())]);
    env.building(["-t", &format!("{host}/app:1")])
        .args(["-o", "type=registry,compression=zstd,force-compression"])
        .arg(&context)
        .run()
        .success()
        .no_panic();
    env.rbuild(["push", "--compression=zstd", "--compression-level=1"])
        .args([&format!("{host}/app:1"), &format!("{host}/fast:1")])
        .run()
        .success();
    let zstd = layers(&env, &format!("docker://{host}/app:1"));
    assert!(zstd.iter().all(|(media_type, _)| media_type == ZSTD), "{zstd:?}");
    let fast = layers(&env, &format!("docker://{host}/fast:1"));
    assert_eq!((fast[0].0.as_str(), fast[1].0.as_str()), (PLAIN, ZSTD));
    unpacked_by_skopeo(&env, &format!("docker://{host}/app:1"), 0);

    // A base that came as zstd goes on as the same blob, whatever is asked for of what is built.
    let other = TestEnv::new();
    let upon = env.context_of(
        &format!("FROM {host}/app:1\nCOPY more /more\n"),
        &[("more", "more")],
    );
    let build = |name: &str, options: &str| {
        other
            .rbuild([
                "-t",
                &format!("{host}/{name}:1"),
                "-o",
                &format!("type=registry{options}"),
            ])
            .arg(&upon)
            .run()
            .success()
            .no_panic();
        layers(&env, &format!("docker://{host}/{name}:1"))
    };
    let usual = build("usual", "");
    assert_eq!(usual[..2], zstd[..]);
    assert_eq!(usual[2].0, GZIP);
    let forced = build("forced", ",force-compression");
    assert!(
        forced.iter().all(|(media_type, _)| media_type == GZIP),
        "{forced:?}"
    );
    // Docker's media types have none for it.
    let docker = build("docker", ",oci-mediatypes=false");
    assert!(
        docker
            .iter()
            .all(|(media_type, _)| media_type == "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        "{docker:?}"
    );
}

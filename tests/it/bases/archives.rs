//! Bases in archives and layouts, of any tool.

use super::{builds_on, layout, tar};
use crate::harness::archive::sha256;
use crate::harness::{Base, OciImage, TestEnv, peer, skip};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[test]
fn layouts_and_archives() {
    if !skip::unless_installed("layouts_and_archives", &["skopeo"]) {
        return;
    }
    let env = TestEnv::new();
    let from = format!("oci-archive:{}", Base::Busybox.archive().display());
    let copy = |to: String, compress: bool| {
        let mut skopeo = peer::skopeo(&env).arg("copy");
        if compress {
            skopeo = skopeo.args(["--dest-compress", "--dest-compress-format", "gzip"]);
        }
        skopeo.args([&from, &to]).run().success();
    };
    let at = |name: &str| env.path(name).display().to_string();
    copy(format!("oci:{}:one", at("layout")), true);
    copy(format!("oci-archive:{}:two", at("archive.tar")), false);
    copy(format!("docker-archive:{}:three:latest", at("docker.tar")), false);
    copy(format!("dir:{}", at("dir")), false);
    env.tool("sh")
        .args(["-c", "gzip -k docker.tar && zstd -q archive.tar"])
        .run()
        .success();

    let original = OciImage::from_archive(&Base::Busybox.archive());
    for path in [
        "layout",
        "archive.tar",
        "docker.tar",
        "docker.tar.gz",
        "archive.tar.zst",
    ] {
        // Each in a store of its own: nothing is known of it yet.
        let fresh = TestEnv::new();
        let image = builds_on(&fresh, &format!("oci-layout://{}", at(path)));
        assert_eq!(image.layer_tars[0], original.layer_tars[0], "{path}");
        assert_eq!(
            image.config["rootfs"]["diff_ids"][0], original.config["rootfs"]["diff_ids"][0],
            "{path}"
        );
    }
    // What came compressed goes out as the very same blob.
    let layout = OciImage::from_dir(&env.path("layout"));
    let image = builds_on(&env, &format!("oci-layout://{}:one", at("layout")));
    assert_eq!(image.manifest["layers"][0], layout.manifest["layers"][0]);
    builds_on(
        &env,
        &format!("oci-layout://{}@{}", at("layout"), layout.manifest_digest),
    );

    // A second image beside it: then the name decides, and a wrong one is told.
    peer::skopeo(&env)
        .args(["copy", &format!("oci-archive:{}", Base::Deep.archive().display())])
        .arg(format!("oci:{}:deep", at("layout")))
        .run()
        .success();
    let deep = builds_on(&env, &format!("oci-layout://{}:deep", at("layout")));
    assert_eq!(deep.layers.len(), 131);
    let context = env.context_of("FROM given\n", &[]);
    let refused = |source: String| {
        let outcome = env
            .rbuild(["--build-context"])
            .arg(format!("given={source}"))
            .arg(&context)
            .run();
        outcome.exits(1).no_panic()
    };
    refused(format!("oci-layout://{}:none", at("layout")))
        .says("no image `none`")
        .says("deep")
        .says("one");
    refused(format!("oci-layout://{}", at("layout"))).says("several images");
    refused(format!("oci-layout://{}", at("no-such"))).says("no-such");
    // A name with a tag of its own, as podman writes it.
    copy(format!("oci:{}:one:v1", at("layout")), false);
    for name in ["one:v1", "v1"] {
        builds_on(&env, &format!("oci-layout://{}:{name}", at("layout")));
    }
    refused(format!("oci-layout://{}", at("dir"))).says("manifest.json");
    env.write("text", "no archive");
    refused(format!("oci-layout://{}", at("text"))).says("text");
}

#[test]
fn archives_of_other_builders() {
    if !skip::unless_installed(
        "archives_of_other_builders",
        &["podman", "buildah", "umoci", "skopeo"],
    ) {
        return;
    }
    let env = TestEnv::new();
    let base = format!("oci-archive:{}", Base::Busybox.archive().display());
    // buildah: a container committed to an archive.
    let name = peer::buildah(&env)
        .args(["from", "--name", "work", &base])
        .run()
        .success();
    drop(name);
    env.write("file", "by buildah");
    peer::buildah(&env)
        .args(["copy", "work", "file", "/by"])
        .run()
        .success();
    peer::buildah(&env)
        .args([
            "commit",
            "--format",
            "oci",
            "work",
            "oci-archive:buildah.tar:by-buildah:1",
        ])
        .run()
        .success();
    // podman: `save` in both formats.
    peer::podman(&env)
        .args(["pull", "-q", "oci-archive:buildah.tar"])
        .run()
        .success();
    let id = peer::podman(&env)
        .args(["images", "-q", "--no-trunc"])
        .run()
        .success()
        .out()
        .into_owned();
    peer::podman(&env)
        .args(["tag", &id, "by-podman:1"])
        .run()
        .success();
    for (format, file) in [
        ("oci-archive", "podman-oci.tar"),
        ("docker-archive", "podman-docker.tar"),
    ] {
        peer::podman(&env)
            .args(["save", "-q", "--format", format, "-o", file, "by-podman:1"])
            .run()
            .success();
    }
    // umoci: an image made from nothing.
    peer::umoci(&env)
        .args(["init", "--layout", "umoci"])
        .run()
        .success();
    peer::umoci(&env)
        .args(["new", "--image", "umoci:mine"])
        .run()
        .success();
    let bundle = peer::unpack(&env, &env.path("umoci"), "mine");
    fs::write(bundle.join("rootfs/by"), "by umoci").unwrap();
    peer::umoci(&env)
        .args(["repack", "--image", "umoci:mine"])
        .arg(&bundle)
        .run()
        .success();

    for (file, name, said) in [
        ("buildah.tar", "by-buildah:1", "by buildah"),
        ("podman-oci.tar", "localhost/by-podman:1", "by buildah"),
        ("podman-docker.tar", "localhost/by-podman:1", "by buildah"),
    ] {
        let fresh = TestEnv::new();
        fresh
            .rbuild(["load", "-i"])
            .arg(env.path(file))
            .run()
            .success()
            .no_panic();
        let text = fs::read_to_string(env.path("file")).unwrap();
        assert_eq!(text, said);
        fresh.run(name, ["cat", "/by"]).success().prints(said);
        let image = fresh.image_of(&format!("FROM {name}\nCOPY --from={name} /by /again\n"), &[]);
        assert_eq!(image.tree()["again"].text(), said);
    }
    let source = format!("given=oci-layout://{}:mine", env.path("umoci").display());
    let context = env.context_of("FROM given\nCOPY --from=given by /again\n", &[]);
    let image = env.image(["--build-context", &source], context);
    assert_eq!(image.tree()["again"].text(), "by umoci");
}

#[test]
fn images_that_no_name_and_no_platform_tells_apart() {
    let env = TestEnv::new();
    let (first, second) = (layout(&env, "both", &[]), layout(&env, "other", &[tar(|_| {})]));
    let index =
        |dir: &Path| -> Value { serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap() };
    let manifests = [&first, &second].map(|dir| index(dir)["manifests"][0].clone());
    for blob in fs::read_dir(second.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        fs::copy(blob.path(), first.join("blobs/sha256").join(blob.file_name())).unwrap();
    }
    let inner = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests });
    let inner = inner.to_string();
    let hex = sha256(inner.as_bytes());
    fs::write(first.join("blobs/sha256").join(&hex), &inner).unwrap();
    let outer = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": format!("sha256:{hex}"), "size": inner.len(),
        "annotations": { "org.opencontainers.image.ref.name": "x" },
    }] });
    fs::write(first.join("index.json"), outer.to_string()).unwrap();
    let context = env.context_of("FROM given\nENV A=b\n", &[]);
    let build = |rest: &str| {
        let given = format!("given=oci-layout://{}{rest}", first.display());
        env.rbuild(["--build-context", &given])
            .arg(&context)
            .run()
            .no_panic()
    };
    for rest in ["", ":x"] {
        let refused = build(rest)
            .exits(1)
            .says("does not say which is for")
            .never_says("name one of: x");
        for manifest in &manifests {
            let digest = manifest["digest"].as_str().unwrap();
            assert!(refused.err().contains(digest), "{refused}");
            build(&format!("@{digest}")).success();
        }
    }
}

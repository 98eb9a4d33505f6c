//! What a build may start from: archives and layouts of any tool, images built before, awkward layers, damaged ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::archive::{entries_of, sha256};
use crate::harness::{Base, Kind, OciImage, Outcome, TestEnv, peer, skip};

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

#[test]
fn on_a_base_without_layers() {
    let env = TestEnv::new();
    let bare = layout(&env, "bare", &[]);
    let build = |flags: &[&str], dockerfile: &str| {
        let context = env.context_of(dockerfile, &[("f", "x")]);
        let source = format!("bare=oci-layout://{}", bare.display());
        env.image(["--build-context", &source].iter().chain(flags), context)
    };
    let with_layers = |image: &OciImage| {
        let history = image.config["history"].as_array().unwrap();
        history
            .iter()
            .filter(|entry| entry["empty_layer"] != true)
            .count()
    };
    for flags in [&[][..], &["--squash"], &["--squash-all"]] {
        let image = build(flags, "FROM bare\nENV A=b\nLABEL c=d\n");
        assert_eq!(image.layers.len(), 1, "{flags:?}");
        assert!(image.tree().is_empty(), "{flags:?}");
        assert_eq!(with_layers(&image), 1, "{flags:?}");
        // One that has a layer needs no other.
        let image = build(flags, "FROM bare\nENV A=b\nCOPY f /f\nLABEL c=d\n");
        assert_eq!(image.layers.len(), 1, "{flags:?}");
        assert_eq!(image.tree()["f"].text(), "x");
        assert_eq!(with_layers(&image), 1, "{flags:?}");
    }
    assert_eq!(build(&[], "FROM bare\n").layers.len(), 1);
    let nameless = build(&["--omit-history"], "FROM bare\nENV A=b\n");
    assert_eq!(nameless.layers.len(), 1);
    assert!(nameless.config["history"].as_array().is_none_or(Vec::is_empty));
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

#[test]
fn devices_links_and_whiteouts() {
    use tar::EntryType as Type;
    let env = TestEnv::new();
    let below = tar(|tar| {
        add(tar, "dev", Type::Directory, "", b"");
        add(tar, "dev/null", Type::Char, "", b"");
        add(tar, "dev/disk", Type::Block, "", b"");
        add(tar, "gone", Type::Directory, "", b"");
        add(tar, "gone/file", Type::Regular, "", b"old");
        add(tar, "kept", Type::Regular, "", b"kept");
        add(tar, "over", Type::Directory, "", b"");
        add(tar, "over/a", Type::Regular, "", b"a");
        add(tar, "over/b", Type::Regular, "", b"b");
        // Absolute and outside of the tree, as a link may well be.
        add(tar, "way-out", Type::Symlink, "/../../..", b"");
    });
    let above = tar(|tar| {
        add(tar, ".wh.gone", Type::Regular, "", b"");
        add(tar, "over", Type::Directory, "", b"");
        add(tar, "over/.wh..wh..opq", Type::Regular, "", b"");
        add(tar, "over/c", Type::Regular, "", b"c");
        add(tar, "again", Type::Regular, "", b"again");
        add(tar, "hard", Type::Link, "again", b"");
    });
    let source = format!(
        "given=oci-layout://{}",
        layout(&env, "layout", &[below.clone(), above.clone()]).display()
    );
    let context = env.context_of("FROM given\nLABEL a=b\n", &[]);
    // Base layers go through byte by byte, whatever could not be made on disk.
    let image = env.image(["--build-context", &source], &context);
    assert_eq!(image.layer_tars, [below, above]);

    // The files as one tree: devices are in it even where the user may not make one.
    env.rbuild([
        "-o",
        "type=tar,dest=files.tar",
        "-o",
        "dir",
        "--build-context",
        &source,
    ])
    .arg(&context)
    .run()
    .success()
    .says("device files are left out: dev/disk, dev/null");
    let files: BTreeMap<String, _> = entries_of(&env.path("files.tar"))
        .into_iter()
        .map(|entry| (entry.path.clone(), entry))
        .collect();
    assert_eq!(files["dev/null"].kind, Kind::Char { major: 1, minor: 3 });
    assert_eq!(files["dev/disk"].kind, Kind::Block { major: 1, minor: 3 });
    assert_eq!(
        (files["kept"].uid, files["kept"].gid, files["kept"].mtime),
        (1234, 60_000, 1_500_000_000)
    );
    assert_eq!(
        files["hard"].kind,
        Kind::Hardlink {
            to: "again".to_owned()
        }
    );
    let over: Vec<&String> = files
        .keys()
        .filter(|path| path.starts_with("over/") || path.starts_with("gone"))
        .collect();
    assert_eq!(over, ["over/c"]);
    assert_eq!(fs::read_dir(env.path("dir/dev")).unwrap().count(), 0);

    // A copy of the whole tree has them too.
    let context = env.context_of("FROM scratch\nCOPY --from=given / /\n", &[]);
    let copied = env.image(["--build-context", &source], &context).tree();
    assert_eq!(copied["dev/null"].kind, Kind::Char { major: 1, minor: 3 });
    assert_eq!((copied["kept"].uid, copied["kept"].mtime), (1234, 1_500_000_000));
}

#[test]
fn hostile_layers_touch_nothing_outside() {
    use tar::EntryType as Type;
    let env = TestEnv::new();
    let canary = env.write("canary/file", "canary");
    let outside = env.path("canary").display().to_string();
    let attempts: Vec<(&str, Vec<u8>)> = vec![
        (
            "dots",
            tar(|tar| {
                add(
                    tar,
                    &format!("{}{outside}/evil", "../".repeat(12)),
                    Type::Regular,
                    "",
                    b"evil",
                )
            }),
        ),
        (
            "absolute",
            tar(|tar| add(tar, &format!("{outside}/evil"), Type::Regular, "", b"evil")),
        ),
        (
            "through a link",
            tar(|tar| {
                add(tar, "link", Type::Symlink, &outside, b"");
                add(tar, "link/evil", Type::Regular, "", b"evil");
            }),
        ),
        (
            "hard link to a host file",
            tar(|tar| {
                add(tar, "l", Type::Symlink, &outside, b"");
                add(tar, "hard", Type::Link, "l/file", b"");
            }),
        ),
        (
            "dotted hard link",
            tar(|tar| {
                add(
                    tar,
                    "hard",
                    Type::Link,
                    &format!("{}{outside}/file", "../".repeat(12)),
                    b"",
                )
            }),
        ),
        (
            "whiteout through a link",
            tar(|tar| {
                add(tar, "link", Type::Symlink, &outside, b"");
                add(tar, "link/.wh.file", Type::Regular, "", b"");
            }),
        ),
    ];
    for (name, layer) in attempts {
        let dir = layout(&env, &name.replace(' ', "-"), &[layer]);
        let context = env.context_of("FROM given\nLABEL a=b\n", &[]);
        // Refused, or put where the path leads inside: never outside.
        env.rbuild(["-o", "out", "--build-context"])
            .arg(format!("given=oci-layout://{}", dir.display()))
            .arg(&context)
            .run()
            .no_panic();
        let left: Vec<_> = fs::read_dir(env.path("canary"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["file"], "{name}");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "canary", "{name}");
    }
}

#[test]
fn damaged_archives_store_nothing() {
    let env = TestEnv::new();
    let file = |contents: &[u8]| tar(|tar| add(tar, "file", tar::EntryType::Regular, "", contents));
    let sound = layout(&env, "sound", &[file(b"one"), file(b"two")]);
    let image = OciImage::from_dir(&sound);
    let layer = image.manifest["layers"][1]["digest"].as_str().unwrap().to_owned();
    let blob = |digest: &str| Path::new("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());

    let context = env.context_of("FROM given\n", &[]);
    let mut number = 0;
    let mut spoilt = |spoil: &dyn Fn(&Path)| -> Outcome {
        number += 1;
        let copy = env.path(format!("spoilt-{number}"));
        env.tool("cp").arg("-a").arg(&sound).arg(&copy).run().success();
        spoil(&copy);
        let outcome = env
            .rbuild(["--build-context"])
            .arg(format!("given=oci-layout://{}", copy.display()))
            .arg(&context)
            .run()
            .no_panic();
        assert_ne!(outcome.code(), 0, "{outcome}");
        let loaded = env.rbuild(["load", "-i"]).arg(&copy).run().no_panic();
        assert_eq!(loaded.code(), 125, "{loaded}");
        for dir in ["images", "tags", "snapshots", "tmp"] {
            let left = fs::read_dir(env.store().join(dir)).map_or(0, Iterator::count);
            assert_eq!(left, 0, "left in {dir} by\n{outcome}");
        }
        outcome
    };
    let edit = |path: PathBuf, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    // Puts a changed config or manifest under its right name, so that only what it says is wrong.
    let forged = |dir: &Path, change_config: &dyn Fn(&mut Value), change_manifest: &dyn Fn(&mut Value)| {
        let put = |value: &Value| {
            let text = value.to_string();
            fs::write(dir.join("blobs/sha256").join(sha256(text.as_bytes())), &text).unwrap();
            (format!("sha256:{}", sha256(text.as_bytes())), text.len())
        };
        let mut config = image.config.clone();
        change_config(&mut config);
        let mut manifest = image.manifest.clone();
        let (digest, size) = put(&config);
        manifest["config"]["digest"] = digest.into();
        manifest["config"]["size"] = size.into();
        change_manifest(&mut manifest);
        let (digest, size) = put(&manifest);
        let mut index = image.index.clone();
        index["manifests"][0]["digest"] = digest.into();
        index["manifests"][0]["size"] = size.into();
        fs::write(dir.join("index.json"), index.to_string()).unwrap();
    };
    let same = |_: &mut Value| {};

    spoilt(&|dir| edit(dir.join(blob(&layer)), &|bytes| bytes[600] ^= 1)).says(&layer);
    spoilt(&|dir| edit(dir.join(blob(&layer)), &|bytes| bytes.truncate(1000))).says(&layer[7..]);
    spoilt(&|dir| edit(dir.join(blob(&layer)), &|bytes| bytes.push(0))).says(&layer[7..]);
    spoilt(&|dir| fs::remove_file(dir.join(blob(&layer))).unwrap()).says(&layer[7..]);
    spoilt(&|dir| edit(dir.join(blob(&image.config_digest)), &|bytes| bytes[3] ^= 1))
        .says(&image.config_digest[7..]);
    spoilt(&|dir| edit(dir.join(blob(&image.manifest_digest)), &|bytes| bytes[3] ^= 1));
    spoilt(&|dir| fs::write(dir.join("index.json"), "{").unwrap()).says("index");
    spoilt(&|dir| fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap())
        .says("2.0.0");
    let other = format!("sha256:{}", "5".repeat(64));
    spoilt(&|dir| {
        forged(
            dir,
            &|config| config["rootfs"]["diff_ids"][1] = other.clone().into(),
            &same,
        )
    })
    .says(&other);
    spoilt(&|dir| {
        let drop_one = |config: &mut Value| drop(config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop());
        forged(dir, &drop_one, &same);
    })
    .says("2 layers");
    spoilt(&|dir| forged(dir, &same, &|manifest| manifest["layers"][1]["size"] = 7.into())).says(&layer[7..]);
    spoilt(&|dir| {
        forged(dir, &same, &|manifest| {
            manifest["layers"][1]["mediaType"] = "application/x-unheard-of".into()
        });
    })
    .says("application/x-unheard-of");
    spoilt(&|dir| forged(dir, &same, &|manifest| manifest["manifests"] = json!([])));
    // A link in the layout does not lead out of it.
    spoilt(&|dir| {
        let path = dir.join(blob(&layer));
        fs::rename(
            &path,
            env.path(format!("moved-{}", dir.file_name().unwrap().display())),
        )
        .unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    });
    // And the sound one builds.
    env.rbuild(["--build-context"])
        .arg(format!("given=oci-layout://{}", sound.display()))
        .arg(&context)
        .run()
        .success();

    // Archives that end too soon, at every kind of place.
    let whole = fs::read(Base::Busybox.archive()).unwrap();
    for at in [0, 1, 511, 512, 700, 5000, whole.len() / 2, whole.len() - 20_000] {
        let cut = env.write("cut.tar", &whole[..at.min(whole.len())]);
        let fresh = TestEnv::new();
        fresh.rbuild(["load", "-i"]).arg(cut).run().exits(125).no_panic();
        assert_eq!(
            fs::read_dir(fresh.store().join("images")).map_or(0, Iterator::count),
            0,
            "cut at {at}"
        );
    }
}

#[test]
fn the_debian_base_has_its_devices() {
    // Debian's minimal system comes with device nodes, which an ordinary user cannot make.
    if !skip::unless_installed("the_debian_base_has_its_devices", &["mmdebstrap"]) {
        return;
    }
    let env = TestEnv::with(&[Base::Debian]);
    let image = OciImage::from_archive(&Base::Debian.archive());
    let devices = image
        .tree()
        .values()
        .filter(|entry| matches!(entry.kind, Kind::Char { .. }))
        .count();
    assert!(devices > 0, "the base is not what this test is about");
    env.rbuild(["-o", "type=oci,dest=same.tar", "-o", "type=tar,dest=files.tar"])
        .arg(env.context_of("FROM debian:local\nLABEL a=b\n", &[]))
        .run()
        .success();
    let kept = entries_of(&env.path("files.tar"));
    assert_eq!(
        kept.iter()
            .filter(|entry| matches!(entry.kind, Kind::Char { .. }))
            .count(),
        devices
    );
    // Who owns what is the image's affair, not the user's: shadow belongs to the group of that name.
    let shadow = kept.iter().find(|entry| entry.path == "etc/shadow").unwrap();
    assert_eq!((shadow.uid, shadow.gid, shadow.mode), (0, 42, 0o640));
    env.run("debian:local", ["stat", "-c", "%u:%g %a", "/etc/shadow"])
        .success()
        .prints("0:42 640");
}

/// Layers that were unpacked before are not unpacked again; that the blobs of another image are those layers is then only
/// that image's word, which is checked.
#[test]
fn other_blobs_behind_known_layers_are_refused() {
    let env = TestEnv::new();
    let file = |contents: &[u8]| tar(|tar| add(tar, "file", tar::EntryType::Regular, "", contents));
    let sound = layout(&env, "sound", &[file(b"one")]);
    let image = OciImage::from_dir(&sound);
    let forged = env.path("forged");
    env.tool("cp").arg("-a").arg(&sound).arg(&forged).run().success();
    let put = |bytes: &[u8]| -> (Value, Value) {
        fs::write(forged.join("blobs/sha256").join(sha256(bytes)), bytes).unwrap();
        (format!("sha256:{}", sha256(bytes)).into(), bytes.len().into())
    };
    let mut manifest = image.manifest.clone();
    (manifest["layers"][0]["digest"], manifest["layers"][0]["size"]) = put(&file(b"evil"));
    let mut index = image.index.clone();
    (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = put(manifest.to_string().as_bytes());
    fs::write(forged.join("index.json"), index.to_string()).unwrap();

    let load = |path: &Path| env.rbuild(["load", "-i"]).arg(path).run().no_panic();
    load(&sound).success();
    // Again: what was refused once is not taken for checked.
    for _ in 0..2 {
        load(&forged).exits(125).says("has the wrong content");
    }
    load(&sound).success();
    // The same layer in another form is another pair, and a right one.
    let mut packed = Vec::new();
    {
        let mut gzip = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &file(b"one")).unwrap();
    }
    (manifest["layers"][0]["digest"], manifest["layers"][0]["size"]) = put(&packed);
    manifest["layers"][0]["mediaType"] = format!("{LAYER}+gzip").into();
    (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = put(manifest.to_string().as_bytes());
    fs::write(forged.join("index.json"), index.to_string()).unwrap();
    load(&forged).success();
}

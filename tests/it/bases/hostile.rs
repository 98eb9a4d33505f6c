//! Bases that are damaged or mean harm.

use super::{LAYER, add, layout, tar};
use crate::harness::archive::sha256;
use crate::harness::{Base, OciImage, Outcome, TestEnv};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

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

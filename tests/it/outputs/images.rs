//! Results as images: archives on files and standard output, media types, compression.

use super::{by_path, rich};
use crate::harness::archive::entries_of;
use crate::harness::{OciImage, Terminal, TestEnv};
use std::fs;

#[test]
fn standard_output_is_an_archive_and_no_terminal() {
    let env = TestEnv::new();
    rich(&env)
        .args(["-o", "type=tar,dest=files.tar", "-o", "type=oci,dest=app.tar"])
        .run()
        .success();
    let expected = fs::read(env.path("files.tar")).unwrap();
    // Warm, quiet or not: the archive and nothing else.
    for flags in [
        &["-o", "-"][..],
        &["-q", "-o", "-"],
        &["-q", "-o", "type=tar,dest=-"],
    ] {
        let out = rich(&env).args(flags).run().success();
        assert!(
            out.stdout == expected,
            "{flags:?}: {} bytes instead of {}",
            out.stdout.len(),
            expected.len()
        );
    }
    let out = rich(&env).args(["-q", "-o", "type=oci,dest=-"]).run().success();
    assert!(out.stdout == fs::read(env.path("app.tar")).unwrap());
    rich(&env)
        .args(["-o", "-", "-o", "type=oci,dest=-"])
        .run()
        .exits(125)
        .says("only one output");

    // Refused before anything is built.
    let fresh = TestEnv::new();
    let mut terminal = Terminal::start(rich(&fresh).args(["-o", "-"]), 24, 80);
    assert_eq!(terminal.wait().code(), Some(125));
    assert!(
        terminal
            .seen()
            .contains("refusing to write an archive to a terminal"),
        "{}",
        terminal.seen()
    );
    assert!(!fresh.store().join("snapshots").exists());

    // A reader that goes away.
    let full = rich(&env)
        .args(["-o", "type=tar,dest=/dev/full"])
        .run()
        .exits(125)
        .no_panic();
    full.says("No space left on device");
}

#[test]
fn compression_and_media_types() {
    let env = TestEnv::new();
    let context = env.context_of(
        "FROM busybox:local\nCOPY text /text\n",
        &[("text", &"text ".repeat(50_000))],
    );
    let build = |options: &str, flags: &[&str]| {
        let dest = env.path("built.tar");
        env.building(["-o"])
            .arg(format!("type=oci,dest={}{options}", dest.display()))
            .args(flags)
            .arg(&context)
            .run()
            .success();
        OciImage::from_archive(&dest)
    };
    let layers = |image: &OciImage| -> Vec<(String, u64)> {
        let layers = image.manifest["layers"].as_array().unwrap();
        layers
            .iter()
            .map(|layer| {
                (
                    layer["mediaType"].as_str().unwrap().to_owned(),
                    layer["size"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let tar = "application/vnd.oci.image.layer.v1.tar";
    let usual = build("", &[]);
    let [base, own] = layers(&usual).try_into().unwrap();
    assert_eq!(
        (base.0.as_str(), own.0.as_str()),
        (tar, gzip),
        "a base's layers stay as they came"
    );

    let [same, fast] = layers(&build(",compression-level=1", &[])).try_into().unwrap();
    let [_, best] = layers(&build(",compression-level=9", &[])).try_into().unwrap();
    assert_eq!(same, base);
    assert!(best.1 < fast.1, "{} < {}", best.1, fast.1);
    let [same, plain] = layers(&build(",compression=uncompressed", &[]))
        .try_into()
        .unwrap();
    assert_eq!(same, base);
    assert_eq!(
        (plain.0.as_str(), plain.1),
        (tar, usual.layer_tars[1].len() as u64)
    );
    let [forced, _] = layers(&build(",force-compression=true", &[])).try_into().unwrap();
    assert_eq!(forced.0, gzip);
    assert!(forced.1 < base.1);
    // A docker archive has no compressed layers: what comes from there is compressed on its way out.
    env.building(["-o", "type=docker,dest=docker.tar"])
        .arg(&context)
        .run()
        .success();
    let from_docker = env.path("docker.tar");
    let context = env.context_of("FROM base\n", &[]);
    env.rbuild(["-o", "type=oci,dest=again.tar", "--build-context"])
        .arg(format!("base=oci-layout://{}", from_docker.display()))
        .arg(&context)
        .run()
        .success();
    let [base, _] = layers(&OciImage::from_archive(&env.path("again.tar")))
        .try_into()
        .unwrap();
    assert_eq!(base.0, gzip);

    // The config says nothing of compression: the image is the same one.
    for (options, flags) in [(",oci-mediatypes=false", &[][..]), ("", &["--format", "docker"])] {
        let docker = build(options, flags);
        assert_eq!(docker.config_digest, usual.config_digest);
        assert_eq!(
            docker.manifest["mediaType"],
            "application/vnd.docker.distribution.manifest.v2+json"
        );
        assert_eq!(
            docker.manifest["config"]["mediaType"],
            "application/vnd.docker.container.image.v1+json"
        );
        assert_eq!(
            layers(&docker)[1].0,
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
        );
    }
    assert_eq!(
        usual.manifest["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
}

#[test]
fn an_empty_layer_and_no_files() {
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nLABEL a=b\nENV X=1\n", &[]);
    env.rbuild([
        "-t",
        "empty",
        "-o",
        "type=oci,dest=empty.tar",
        "-o",
        "type=image",
        "-o",
        "type=docker,dest=d.tar",
    ])
    .args(["-o", "type=tar,dest=files.tar", "-o", "dir"])
    .arg(&context)
    .run()
    .success()
    .no_panic();
    let image = OciImage::from_archive(&env.path("empty.tar"));
    assert_eq!(image.layers.len(), 1);
    assert!(image.tree().is_empty());
    assert_eq!(image.config["config"]["Labels"]["a"], "b");
    env.run("empty", ["true"]).exits(127).says("true: not found");
    assert_eq!(by_path(entries_of(&env.path("files.tar"))).len(), 0);
    assert_eq!(fs::read_dir(env.path("dir")).unwrap().count(), 0);
    // And it is a base like any other, from both archives.
    let other = TestEnv::new();
    for archive in ["empty.tar", "d.tar"] {
        other
            .rbuild(["load", "-i"])
            .arg(env.path(archive))
            .run()
            .success();
        let image = other.image_of("FROM empty\nCOPY f /f\n", &[("f", "x")]);
        assert_eq!(image.layers.len(), 2);
        assert_eq!(
            image.config["config"]["Env"].as_array().unwrap().last().unwrap(),
            "X=1"
        );
    }
}

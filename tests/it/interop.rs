//! The other tools of the field take what we write: skopeo, umoci, runc, crun, podman and buildah.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::env::is_root;
use crate::harness::{Base, OciImage, TestEnv, archive, peer, skip};

const APP: &str = "FROM busybox:local\n\
    RUN mkdir -p /srv/data && echo content > /srv/data/file && chown -R app:app /srv/data && rm /etc/group\n\
    COPY --chmod=755 <<'EOF' /srv/entry\n#!/bin/sh\necho \"$GREETING from $(id -u) in $PWD: $*\"\nEOF\n\
    ENV GREETING=\"hello there\"\nWORKDIR /srv/data\nUSER app\nEXPOSE 80/tcp\nVOLUME /srv/data\n\
    LABEL org.opencontainers.image.title=app\nSTOPSIGNAL SIGINT\n\
    ENTRYPOINT [\"/srv/entry\"]\nCMD [\"a b\", \"c\"]\n";

const SAID: &str = "hello there from 1000 in /srv/data: a b c";

/// The image as a layout, an OCI archive and a docker archive.
fn built(env: &TestEnv) -> OciImage {
    let context = env.context_of(APP, &[]);
    env.building([
        "-t",
        "app:1",
        "-o",
        "type=oci,dest=layout/",
        "-o",
        "type=oci,dest=oci.tar",
    ])
    .args(["-o", "type=docker,dest=docker.tar", "-o", "type=image"])
    .arg(context)
    .run()
    .success()
    .no_panic();
    env.run("app:1", [""; 0]).success().prints(SAID);
    OciImage::from_archive(&env.path("oci.tar"))
}

#[test]
fn skopeo_inspects_and_copies() {
    if !skip::unless_installed("skopeo_inspects_and_copies", &["skopeo"]) {
        return;
    }
    let env = TestEnv::new();
    let image = built(&env);
    for source in ["oci:layout", "oci-archive:oci.tar", "docker-archive:docker.tar"] {
        let inspected = peer::skopeo(&env).args(["inspect", source]).run().success();
        let inspected: Value = serde_json::from_str(&inspected.out()).expect("skopeo prints JSON");
        assert_eq!(
            inspected["Labels"]["org.opencontainers.image.title"], "app",
            "{source}"
        );
        assert_eq!(inspected["Os"], "linux");
        if source != "docker-archive:docker.tar" {
            assert_eq!(inspected["Digest"], json!(image.manifest_digest), "{source}");
        }
        // A copy verifies every blob on the way.
        let copy = format!("dir:{}", env.path(format!("dir-{}", source.len())).display());
        peer::skopeo(&env).args(["copy", source, &copy]).run().success();
        let config = peer::skopeo(&env)
            .args(["inspect", "--config", &copy])
            .run()
            .success();
        let config: Value = serde_json::from_str(&config.out()).expect("skopeo prints JSON");
        assert_eq!(config["rootfs"], image.config["rootfs"], "{source}");
        assert_eq!(config["config"], image.config["config"], "{source}");
        assert_eq!(
            config["history"].as_array().map(Vec::len),
            image.config["history"].as_array().map(Vec::len)
        );
    }
    // Docker's media types come out as they went in.
    env.rbuild(["-o", "type=oci,dest=v2s2.tar,oci-mediatypes=false"])
        .arg(env.context_of("FROM app:1\n", &[]))
        .run()
        .success();
    let raw = peer::skopeo(&env)
        .args(["inspect", "--raw", "oci-archive:v2s2.tar"])
        .run()
        .success();
    assert!(
        raw.out()
            .contains("application/vnd.docker.distribution.manifest.v2+json"),
        "{raw}"
    );
    // And back: what skopeo writes is the same image to us.
    peer::skopeo(&env)
        .args(["copy", "oci:layout", "oci-archive:back.tar:back:1"])
        .run()
        .success();
    let other = TestEnv::new();
    other
        .rbuild(["load", "-i"])
        .arg(env.path("back.tar"))
        .run()
        .success();
    assert_eq!(other.saved("back:1").config_digest, image.config_digest);
    other
        .run("back:1", ["x"])
        .success()
        .prints("hello there from 1000 in /srv/data: x");
}

#[test]
fn others_take_an_image_without_files() {
    if !skip::unless_installed(
        "others_take_an_image_without_files",
        &["skopeo", "umoci", "buildah"],
    ) {
        return;
    }
    let env = TestEnv::new();
    env.building([
        "-t",
        "empty:1",
        "-o",
        "type=oci,dest=layout/",
        "-o",
        "type=docker,dest=docker.tar",
    ])
    .arg(env.context_of("FROM scratch\nENV A=b\nLABEL c=d\n", &[]))
    .run()
    .success();
    for source in ["oci:layout:1", "docker-archive:docker.tar"] {
        let inspected = peer::skopeo(&env).args(["inspect", source]).run().success();
        let inspected: Value = serde_json::from_str(&inspected.out()).expect("skopeo prints JSON");
        assert_eq!(inspected["Layers"].as_array().map(Vec::len), Some(1), "{source}");
        let copy = format!("dir:{}", env.path(format!("dir-{}", source.len())).display());
        peer::skopeo(&env).args(["copy", source, &copy]).run().success();
        peer::buildah(&env)
            .args(["from", "--name", &source.replace([':', '.'], "-"), source])
            .run()
            .success();
    }
    let bundle = peer::unpack(&env, &env.path("layout"), "1");
    assert_eq!(std::fs::read_dir(bundle.join("rootfs")).unwrap().count(), 0);
}

#[test]
fn umoci_unpacks_and_runtimes_run() {
    if !skip::unless_installed("umoci_unpacks_and_runtimes_run", &["umoci", "runc"]) {
        return;
    }
    let env = TestEnv::new();
    built(&env);
    let layout = env.path("layout");
    peer::umoci(&env)
        .args(["stat", "--image", "layout:1"])
        .run()
        .success();
    let bundle = peer::unpack(&env, &layout, "1");
    assert!(
        !bundle.join("rootfs/etc/group").exists(),
        "the deletion reached umoci"
    );
    let file = std::fs::read_to_string(bundle.join("rootfs/srv/data/file")).unwrap();
    assert_eq!(file, "content\n");
    let config: Value = serde_json::from_slice(&std::fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["process"]["user"]["uid"], 1000);
    assert_eq!(config["process"]["args"], json!(["/srv/entry", "a b", "c"]));
    // As an ordinary user umoci maps one id only, so the program is run as that.
    if !crate::harness::env::is_root() {
        as_root_inside(&bundle);
    }
    let uid = if crate::harness::env::is_root() { 1000 } else { 0 };
    let expected = format!("hello there from {uid} in /srv/data: a b c");
    peer::runc(&env, &bundle, &[]).success().prints(&expected);
}

/// Sets the user of a bundle to root, in its own user namespace.
fn as_root_inside(bundle: &Path) {
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["process"]["user"] = json!({ "uid": 0, "gid": 0 });
    std::fs::write(path, config.to_string()).unwrap();
}

#[test]
fn podman_loads_and_runs() {
    if !skip::unless_installed("podman_loads_and_runs", &["podman", "runc"]) {
        return;
    }
    let env = TestEnv::new();
    let image = built(&env);
    for file in ["oci.tar", "docker.tar"] {
        let loaded = peer::podman(&env)
            .args(["load", "-q", "-i", file])
            .run()
            .success();
        assert!(loaded.out().contains("docker.io/library/app:1"), "{loaded}");
        let id = peer::podman(&env)
            .args([
                "image",
                "inspect",
                "--format",
                "{{.Id}}",
                "docker.io/library/app:1",
            ])
            .run()
            .success();
        assert_eq!(
            format!("sha256:{}", id.out()),
            image.config_digest,
            "{file}: the same image id"
        );
        peer::podman_run(&env, "docker.io/library/app:1", &[])
            .success()
            .prints(SAID);
        peer::podman(&env)
            .args(["rmi", "-f", "docker.io/library/app:1"])
            .run()
            .success();
    }
}

#[test]
fn buildah_builds_upon_it() {
    if !skip::unless_installed("buildah_builds_upon_it", &["buildah"]) {
        return;
    }
    let env = TestEnv::new();
    let image = built(&env);
    peer::buildah(&env)
        .args(["from", "--name", "work", "oci-archive:oci.tar"])
        .run()
        .success();
    let inspected = peer::buildah(&env)
        .args([
            "inspect",
            "--format",
            "{{.OCIv1.Config.User}} {{.FromImageDigest}}",
            "work",
        ])
        .run()
        .success();
    assert_eq!(inspected.out(), format!("app {}", image.manifest_digest));
    peer::buildah(&env)
        .args(["run", "--user", "0", "work", "cat", "/srv/data/file"])
        .run()
        .success()
        .prints("content");
}

/// What `docker load` and `ctr import` look for in an OCI archive.
#[test]
fn an_oci_archive_is_a_docker_archive_too() {
    let env = TestEnv::new();
    let image = built(&env);
    let files: std::collections::BTreeMap<String, _> = archive::entries_of(&env.path("oci.tar"))
        .into_iter()
        .map(|entry| (entry.path.clone(), entry))
        .collect();
    let items: Value = serde_json::from_str(&files["manifest.json"].text()).unwrap();
    let blob = |digest: &Value| format!("blobs/sha256/{}", &digest.as_str().unwrap()[7..]);
    let layers: Vec<String> = image.manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| blob(&layer["digest"]))
        .collect();
    assert_eq!(
        items,
        json!([{ "Config": blob(&json!(image.config_digest)), "RepoTags": ["docker.io/library/app:1"], "Layers": layers }])
    );
    let annotations = &image.index["manifests"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "1");
    assert_eq!(annotations["io.containerd.image.name"], "docker.io/library/app:1");
}

/// What a container starts with is the same whoever built the image; a base with its own metadata, and children that
/// change it. Left out is what buildah has otherwise than docker: ranges of ports, paths that are not clean, SHELL before a shell form of CMD, the
/// name that it gives itself in a label.
#[test]
fn buildah_makes_the_same_config() {
    if !is_root() || !skip::unless_installed("buildah_makes_the_same_config", &["buildah"]) {
        return;
    }
    let env = TestEnv::new();
    let base = "FROM busybox:local\nARG V=1.2\nENV A=1 B=\"two words\" C=$V\nENV LEGACY some  text\n\
                LABEL version=$V \"multi word\"=\"x y\" l='1'\nEXPOSE 80 53/udp\nVOLUME /data\nUSER app:daemon\n\
                WORKDIR /work\nWORKDIR ../rel\nSTOPSIGNAL USR1\nMAINTAINER some one\n\
                HEALTHCHECK --interval=5m --timeout=3s --start-period=1s --retries=4 CMD wget \"http://localhost/\"\n\
                CMD [\"inherited\", \"b c\"]\nENTRYPOINT [\"/entry\"]\n";
    let children = [
        "",
        "ENTRYPOINT [\"other\"]\n",
        "ENTRYPOINT other\nCMD [\"own\"]\n",
        "CMD [\"own\"]\nENTRYPOINT [\"other\"]\n",
        "CMD echo $A && true\nENV A=2 D=$A\nLABEL l=2 new=\"$B\"\nEXPOSE 81/tcp\nVOLUME [\"/a b\", \"/c\"]\nWORKDIR sub\n",
        "HEALTHCHECK NONE\nUSER 5:6\nSTOPSIGNAL 9\nSHELL [\"/bin/ash\", \"-eo\", \"pipefail\", \"-c\"]\n",
        "ONBUILD RUN echo \"later\" $A\nONBUILD COPY . /x\nONBUILD ENTRYPOINT [\"x\"]\n",
    ];
    let archive = format!("oci-archive:{}", Base::Busybox.archive().display());
    peer::buildah(&env).args(["pull", "-q", &archive]).run().success();
    for (at, child) in children.into_iter().enumerate() {
        let dockerfile = base.replacen(":local", ":local AS base", 1) + "FROM base\n" + child;
        let context = env.context_of(&dockerfile, &[]);
        let name = format!("peer-{at}");
        peer::buildah(&env)
            .args(["build", "-q", "--pull=never", "--format", "docker", "-t", &name])
            .arg(&context)
            .run()
            .success();
        let theirs = peer::buildah(&env)
            .args(["inspect", "--type", "image", &name])
            .run()
            .success();
        let theirs: Value = serde_json::from_str(&theirs.out()).unwrap();
        let mut theirs = theirs["Docker"]["config"].clone();
        theirs["Labels"]
            .as_object_mut()
            .unwrap()
            .remove("io.buildah.version");
        let ours = env.image([""; 0], &context);
        for field in [
            "Env",
            "Cmd",
            "Entrypoint",
            "ExposedPorts",
            "Labels",
            "User",
            "Volumes",
            "WorkingDir",
            "StopSignal",
            "OnBuild",
            "Shell",
            "Healthcheck",
        ] {
            // Go writes an empty list as null, or leaves it out; and buildah puts a variable that is set again last.
            let told = |config: &Value| match config.get(field).cloned().unwrap_or_default() {
                Value::Array(list) if list.is_empty() => Value::Null,
                Value::Array(mut list) if field == "Env" => {
                    list.sort_by_key(Value::to_string);
                    Value::Array(list)
                }
                value => value,
            };
            assert_eq!(
                told(&ours.config["config"]),
                told(&theirs),
                "{field} of {child:?}: ours, then buildah's"
            );
        }
    }
}

/// A health check is no part of OCI's config: it stays in it as docker's extension, and in docker's own form.
#[test]
fn a_health_check_leaves_in_every_form() {
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nHEALTHCHECK --retries=2 CMD [\"a\", \"b\"]\n", &[]);
    for (flags, file) in [
        (["-o", "type=oci,dest=one.tar"].as_slice(), "one.tar"),
        (&["-o", "type=docker,dest=two.tar"], "two.tar"),
        (
            &["--format", "docker", "-o", "type=oci,dest=three.tar"],
            "three.tar",
        ),
    ] {
        env.building(flags)
            .arg(&context)
            .run()
            .success()
            .never_says("warning");
        let files: std::collections::BTreeMap<String, _> = archive::entries_of(&env.path(file))
            .into_iter()
            .map(|entry| (entry.path.clone(), entry))
            .collect();
        let items: Value = serde_json::from_str(&files["manifest.json"].text()).unwrap();
        let config: Value =
            serde_json::from_str(&files[items[0]["Config"].as_str().unwrap()].text()).unwrap();
        assert_eq!(
            config["config"]["Healthcheck"],
            json!({"Test": ["CMD", "a", "b"], "Retries": 2}),
            "{file}"
        );
    }
}

/// What another tool unpacks of a squashed image is what it unpacks of the layers.
#[test]
fn a_squashed_image_unpacks_to_the_same_files() {
    if !skip::unless_installed("a_squashed_image_unpacks_to_the_same_files", &["umoci"]) {
        return;
    }
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN mkdir /d && echo old > /d/a && ln /d/a /d/b && rm /bin/vi\n\
                      RUN rm /d/a && echo new > /d/a && rm -r /usr && mkdir -p /usr/x && chmod 1711 /usr/x\n\
                      RUN rm -r /d/b /home && ln -s /d /home && mkfifo /d/fifo && touch -d @1000 /d/a\n";
    let context = env.context_of(dockerfile, &[]);
    let files = |tag: &str, flags: &[&str]| {
        env.building(flags)
            .args(["-t", &format!("app:{tag}"), "-o", "type=oci,dest=layout/"])
            .arg(&context)
            .run()
            .success();
        let bundle = peer::unpack(&env, &env.path("layout"), tag);
        let listed = env
            .tool("find")
            .arg(bundle.join("rootfs"))
            .args(["-mindepth", "1", "-printf", "%P %y %m %U:%G %l %n %s %T@\n"])
            .run()
            .success();
        let mut lines: Vec<String> = listed.out().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let plain = files("plain", &[]);
    assert!(
        plain.iter().any(|line| line.starts_with("usr/x d 1711")),
        "{plain:?}"
    );
    assert_eq!(files("squashed", &["--squash"]), plain);
    assert_eq!(files("flat", &["--squash-all"]), plain);
}

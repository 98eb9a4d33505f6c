//! Where results go: every type of `-o`, several at once, what is refused, and that nothing half-written stays.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::archive::{entries_of, sha256};
use crate::harness::{Entry, Invocation, Kind, OciImage, Terminal, TestEnv};

const RICH: &str = "FROM busybox:local\n\
    RUN mkdir -p /d/closed /d/sub && echo one > /d/one && ln /d/one /d/again && ln -s /etc/passwd /d/link && \\\n\
    ln -s ../../outside /d/out && mkfifo /d/fifo && echo s > /d/set-id && chown 1000:1000 /d/set-id && \\\n\
    chmod 4755 /d/set-id && cp /bin/busybox /d/root-id && chmod 4755 /d/root-id && chmod 1777 /d/sub && \\\n\
    touch -d '2001-02-03 04:05:06' /d/one && chmod 555 /d/closed && rm /etc/group\n\
    USER app\nCMD [\"cat\", \"/d/one\"]\n";

/// The entries of a tree without its root, which an archive of files need not name.
fn by_path(entries: Vec<Entry>) -> BTreeMap<String, Entry> {
    entries
        .into_iter()
        .filter(|entry| !entry.path.is_empty())
        .map(|entry| (entry.path.clone(), entry))
        .collect()
}

/// A build of [`RICH`], which the store holds after the first.
fn rich(env: &TestEnv) -> Invocation {
    let context = env.path("rich");
    if !context.exists() {
        env.context("rich", &[("Dockerfile", RICH)]);
    }
    env.building(["-f"])
        .arg(context.join("Dockerfile"))
        .cwd(env.path(""))
        .arg(context)
}

#[test]
fn everything_at_once() {
    let env = TestEnv::new();
    rich(&env)
        .args([
            "-t",
            "app",
            "-t",
            "example.org/team/app:2",
            "-o",
            "type=image",
            "-o",
            "type=oci,dest=app.tar",
        ])
        .args([
            "-o",
            "type=oci,dest=layout/",
            "-o",
            "type=oci,dest=layout-too,tar=false,name=other:3",
        ])
        .args([
            "-o",
            "type=docker,dest=docker.tar",
            "-o",
            "type=tar,dest=files.tar",
            "-o",
            "local",
        ])
        .args(["--iidfile", "id", "--metadata-file", "meta.json"])
        .run()
        .success()
        .no_panic();
    let image = OciImage::from_archive(&env.path("app.tar"));

    // The same image everywhere.
    let dir = OciImage::from_dir(&env.path("layout"));
    assert_eq!(dir.manifest_digest, image.manifest_digest);
    assert_eq!(
        OciImage::from_dir(&env.path("layout-too")).manifest_digest,
        image.manifest_digest
    );
    assert_eq!(fs::read_to_string(env.path("id")).unwrap(), image.config_digest);
    assert_eq!(env.saved("app").config_digest, image.config_digest);
    env.run("example.org/team/app:2", [""; 0]).success().prints("one");
    let meta: Value = serde_json::from_slice(&fs::read(env.path("meta.json")).unwrap()).unwrap();
    assert_eq!(meta["containerimage.config.digest"], json!(image.config_digest));
    assert_eq!(meta["containerimage.digest"], json!(image.manifest_digest));
    assert_eq!(
        meta["containerimage.descriptor"]["digest"],
        json!(image.manifest_digest)
    );
    assert_eq!(
        meta["containerimage.descriptor"]["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(
        meta["image.name"],
        "docker.io/library/app:latest,docker.io/library/other:3,example.org/team/app:2"
    );

    // Names as other tools look for them.
    let names = |index: &Value| -> Vec<String> {
        let manifests = index["manifests"].as_array().unwrap();
        manifests
            .iter()
            .map(|entry| {
                entry["annotations"]["io.containerd.image.name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    };
    let expected = ["docker.io/library/app:latest", "example.org/team/app:2"];
    assert_eq!(names(&image.index), expected);
    assert_eq!(names(&OciImage::from_dir(&env.path("layout-too")).index).len(), 3);

    docker_archive(&env.path("docker.tar"), &image);

    // The files: of all layers together, deletions applied.
    let files = by_path(entries_of(&env.path("files.tar")));
    let tree = by_path(image.tree().into_values().collect());
    assert!(!files.contains_key("etc/group"));
    let without_links = |files: &BTreeMap<String, Entry>| -> Vec<(String, u32, u64, u64)> {
        files
            .values()
            .map(|entry| (entry.path.clone(), entry.mode, entry.uid, entry.mtime))
            .collect()
    };
    assert_eq!(without_links(&files), without_links(&tree));
    local(&env.path("local"), &files);
}

/// `docker load` wants manifest.json, a config named by its digest, and uncompressed layers named by theirs.
#[track_caller]
fn docker_archive(path: &Path, image: &OciImage) {
    let files: BTreeMap<String, Entry> = by_path(entries_of(path));
    let items: Value = serde_json::from_str(&files["manifest.json"].text()).unwrap();
    let [item] = items.as_array().unwrap().as_slice() else {
        panic!("{items}")
    };
    let hex = image.config_digest.strip_prefix("sha256:").unwrap();
    assert_eq!(item["Config"], json!(format!("{hex}.json")));
    assert_eq!(sha256(files[&format!("{hex}.json")].text().as_bytes()), hex);
    assert_eq!(
        item["RepoTags"],
        json!(["docker.io/library/app:latest", "example.org/team/app:2"])
    );
    let layers: Vec<&str> = item["Layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(layers.len(), image.layer_tars.len());
    for (name, tar) in layers.iter().zip(&image.layer_tars) {
        let Kind::File { sha256: hash, .. } = &files[*name].kind else {
            panic!("{name} is no file")
        };
        assert_eq!(*hash, sha256(tar), "{name} is the layer, uncompressed");
    }
}

/// Owned by who runs this, modes and times kept, hard links hard, symlinks as they are, no device nodes.
#[track_caller]
fn local(dir: &Path, files: &BTreeMap<String, Entry>) {
    for entry in files.values() {
        let path = dir.join(&entry.path);
        let meta = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            (meta.uid(), meta.gid()),
            (
                rustix::process::getuid().as_raw(),
                rustix::process::getgid().as_raw()
            ),
            "{}",
            entry.path
        );
        assert_eq!(
            u64::try_from(meta.mtime()).unwrap(),
            entry.mtime,
            "{}",
            entry.path
        );
        if let Kind::Symlink { to } = &entry.kind {
            assert_eq!(fs::read_link(&path).unwrap(), Path::new(to));
            continue;
        }
        // Set-id bits of another user than root would give the caller's rights away.
        let mode = if entry.path == "d/set-id" {
            0o755
        } else {
            entry.mode
        };
        assert_eq!(meta.mode() & 0o7777, mode, "{}", entry.path);
    }
    let inode = |name: &str| fs::metadata(dir.join(name)).unwrap().ino();
    assert_eq!(inode("d/one"), inode("d/again"));
    assert!(!dir.join("etc/group").exists());
}

#[test]
fn local_merges_and_stays_inside() {
    let env = TestEnv::new();
    let dest = env.path("dest");
    for dir in ["dest/etc", "dest/mine", "canary/sub"] {
        fs::create_dir_all(env.path(dir)).unwrap();
    }
    env.write("dest/mine/file", "mine");
    env.write("dest/etc/passwd", "old");
    env.write("canary/one", "canary");
    // Where the image has a directory or a file, the destination has a way out.
    std::os::unix::fs::symlink(env.path("canary"), dest.join("d")).unwrap();
    std::os::unix::fs::symlink(env.path("canary/one"), dest.join("bin")).unwrap();
    fs::set_permissions(&dest, PermissionsExt::from_mode(0o700)).unwrap();

    let build = || rich(&env).args(["-o", "dest"]).run().success().no_panic();
    build();
    assert_eq!(fs::read_to_string(env.path("canary/one")).unwrap(), "canary");
    assert_eq!(
        fs::read_dir(env.path("canary")).unwrap().count(),
        2,
        "nothing was put there"
    );
    assert_eq!(fs::read_to_string(dest.join("mine/file")).unwrap(), "mine");
    assert!(
        fs::read_to_string(dest.join("etc/passwd"))
            .unwrap()
            .starts_with("root:")
    );
    assert!(fs::symlink_metadata(dest.join("d")).unwrap().is_dir());
    assert_eq!(
        fs::read_link(dest.join("d/out")).unwrap(),
        Path::new("../../outside")
    );
    assert_eq!(
        fs::metadata(&dest).unwrap().mode() & 0o777,
        0o700,
        "the destination is the user's own"
    );
    // Again over what is there, read-only directories and links included.
    build();
    assert!(!env.path("outside").exists());

    // With an epoch no time is later.
    rich(&env)
        .args(["-o", "dest"])
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .run()
        .success();
    let mtime = |name: &str| fs::symlink_metadata(dest.join(name)).unwrap().mtime();
    assert_eq!(
        (mtime("d/set-id"), mtime("d/sub")),
        (1_000_000_000, 1_000_000_000)
    );
    assert!(mtime("etc/passwd") <= 1_000_000_000);
}

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
fn failing_outputs_leave_nothing() {
    let env = TestEnv::new();
    rich(&env).run().success();
    env.write("there/keep", "keep");
    env.write("old.tar", "an earlier result");
    let before = |dir: &str| -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(env.path(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let listed = before("");
    for (output, said) in [
        ("type=oci,dest=no/such/app.tar", "no/such/app.tar"),
        ("type=docker,dest=there", "there"),
        ("type=oci,dest=there,tar=false", "is not an image archive"),
        ("type=tar,dest=there/keep/x.tar", "there/keep/x.tar"),
        ("type=local,dest=there/keep", "there/keep"),
        ("type=local,dest=/proc/self/nothing", "/proc/self/nothing"),
    ] {
        rich(&env)
            .args(["-o", output])
            .run()
            .exits(125)
            .says(said)
            .no_panic();
    }
    for (flag, file) in [
        ("--iidfile", "no/such/id"),
        ("--metadata-file", "there/keep/meta"),
    ] {
        rich(&env)
            .args([flag, file])
            .run()
            .exits(125)
            .says(file)
            .no_panic();
    }
    assert_eq!(before(""), listed);
    assert_eq!(before("there"), ["keep"]);

    // A damaged layer ends the export; the file that was there stays as it was.
    let hurt = env.tool("sh").arg("-c").arg(
        "find \"$RBUILD_ROOT/snapshots\" -path '*/fs/d/root-id' | head -n 1 | while read -r f; do \
         chmod u+w \"$f\" && printf X | dd of=\"$f\" bs=1 seek=5000 conv=notrunc 2>/dev/null; echo \"$f\"; done",
    );
    assert!(!hurt.run().success().out().is_empty());
    for output in ["type=oci,dest=old.tar", "type=docker,dest=old.tar"] {
        let failed = rich(&env)
            .args(["-o", output, "--iidfile", "id"])
            .run()
            .exits(125)
            .no_panic();
        failed.says("expected");
        assert_eq!(
            fs::read_to_string(env.path("old.tar")).unwrap(),
            "an earlier result"
        );
        assert_eq!(before(""), listed);
    }
    // Through a link the file that it leads to is replaced, not the link.
    let env = TestEnv::new();
    env.write("real/old.tar", "an earlier result");
    std::os::unix::fs::symlink("real/old.tar", env.path("link.tar")).unwrap();
    rich(&env).args(["-o", "type=oci,dest=link.tar"]).run().success();
    assert!(fs::symlink_metadata(env.path("link.tar")).unwrap().is_symlink());
    OciImage::from_archive(&env.path("real/old.tar"));
    assert_eq!(fs::read_dir(env.path("real")).unwrap().count(), 1);
    // One that leads to no file is written to: as root, `/dev/stdout` would be gone.
    std::os::unix::fs::symlink("/dev/stdout", env.path("id")).unwrap();
    let outcome = rich(&env).args(["--iidfile", "id"]).run().success();
    assert!(outcome.out().contains("sha256:"), "{outcome}");
    assert!(fs::symlink_metadata(env.path("id")).unwrap().is_symlink());
}

/// An export that takes a while is given up at once, cleaned up, and can be done again.
#[test]
fn an_interrupted_export_leaves_nothing() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN dd if=/dev/urandom of=/big bs=1M count=200 2>/dev/null; mkdir -p /d && touch /d/last\n";
    let context = env.context_of(dockerfile, &[]);
    let build = || {
        env.building([
            "--progress",
            "plain",
            "-o",
            "type=oci,dest=out/app.tar,compression-level=9",
            "--iidfile",
            "out/id",
        ])
        .arg(&context)
    };
    fs::create_dir(env.path("out")).unwrap();
    for when in ["#2 DONE", "#2 CACHED"] {
        let mut running = build().start();
        running.wait_for(when);
        running.wait_for("writing out/app.tar (oci)");
        running.signal(rustix::process::Signal::TERM);
        running.wait().exits(143).says("interrupted").no_panic();
        assert_eq!(fs::read_dir(env.path("out")).unwrap().count(), 0, "{when}");
    }
    env.building(["-o", "type=tar,dest=out/app.tar"])
        .arg(&context)
        .run()
        .success()
        .says("CACHED");
    assert_eq!(fs::read_dir(env.path("out")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(env.store().join("tmp")).unwrap().count(), 0);
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

#[test]
fn quiet_prints_the_id_alone() {
    let env = TestEnv::new();
    let out = rich(&env)
        .args(["-q", "-t", "app", "--iidfile", "id"])
        .run()
        .success();
    let id = fs::read_to_string(env.path("id")).unwrap();
    assert_eq!((out.out().as_ref(), out.err().as_ref()), (id.as_str(), ""));
    let again = rich(&env).args(["-q"]).run().success();
    assert_eq!(again.out(), id);
    // A failing build writes neither file.
    let context = env.context_of("FROM busybox:local\nRUN false\n", &[]);
    env.building(["--iidfile", "id2", "--metadata-file", "m2"])
        .arg(context)
        .run()
        .exits(1);
    assert!(!env.path("id2").exists() && !env.path("m2").exists());
}

#[test]
fn a_directory_that_was_made_anew() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN mkdir -p /w/sub /w/gone && cd /w && touch old gone/x sub/x && echo both > both\n\
                      RUN rm -rf /w && mkdir -p /w/sub && echo new > /w/new && echo other > /w/both && touch /w/sub/y\n";
    let image = env.image_of(dockerfile, &[]);
    // By name, as the specification wants it: not every reader knows the mark for a whole directory.
    let names: Vec<&str> = image.layers[2]
        .iter()
        .map(|entry| entry.path.as_str())
        .filter(|path| !path.is_empty())
        .collect();
    let expected = [
        "w",
        "w/.wh.gone",
        "w/.wh.old",
        "w/both",
        "w/new",
        "w/sub",
        "w/sub/.wh.x",
        "w/sub/y",
    ];
    assert_eq!(names, expected);
    let seen = image.tree();
    let below: Vec<&str> = seen
        .keys()
        .map(String::as_str)
        .filter(|path| path.starts_with("w/"))
        .collect();
    assert_eq!(below, ["w/both", "w/new", "w/sub", "w/sub/y"]);
    assert_eq!(image.tree()["w/both"].text(), "other\n");
}

/// A name of a file is removed and made anew in a later layer: its other names are still the old file.
#[test]
fn hard_links_of_two_layers_are_two_files() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local AS made\nRUN mkdir /d && echo old > /d/a && ln /d/a /d/b && ln /d/a /d/c\n\
                      RUN rm /d/a && echo new > /d/a && ln /d/a /d/e\n\
                      FROM scratch\nCOPY --from=made /d /d\n";
    let context = env.context_of(dockerfile, &[]);
    env.building(["-o", "dir", "-o", "type=tar,dest=files.tar"])
        .arg(&context)
        .run()
        .success();
    env.building(["--target", "made", "-o", "made", "-o", "type=tar,dest=made.tar"])
        .arg(&context)
        .run()
        .success();
    for (dir, tar) in [("dir", "files.tar"), ("made", "made.tar")] {
        let tree = by_path(entries_of(&env.path(tar)));
        assert_eq!(tree["d/b"].text(), "old\n", "{tar}");
        for (link, first) in [("d/c", "d/b"), ("d/e", "d/a")] {
            let Kind::Hardlink { to } = &tree[link].kind else {
                panic!("{tar}: {:?}", tree[link]);
            };
            assert_eq!(to, first, "{tar}");
        }
        let read = |name: &str| fs::read_to_string(env.path(dir).join("d").join(name)).unwrap();
        assert_eq!(
            [read("a"), read("b"), read("c"), read("e")],
            ["new\n", "old\n", "old\n", "new\n"]
        );
    }
}

#[test]
fn set_id_files_of_root_stay_out_of_reach() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nCOPY --chmod=4755 f /bin/f\nCOPY --chmod=2711 f /bin/g\nCOPY f /plain\n";
    let context = env.context_of(dockerfile, &[("f", "F")]);
    let build = |out: &Path| {
        let words = env
            .building(["-o"])
            .arg(format!("type=local,dest={}", out.display()))
            .arg(&context)
            .run()
            .success();
        let mode = |path: &str| std::fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o7777;
        ([mode(""), mode("bin/f"), mode("bin/g")], words)
    };
    let (modes, words) = build(&env.path("above/made"));
    assert_eq!(modes, [0o700, 0o4755, 0o2711]);
    words.never_says("set-id");
    for (mode, expected) in [(0o755, [0o755, 0o755, 0o711]), (0o700, [0o700, 0o4755, 0o2711])] {
        let there = env.path(format!("there-{mode:o}"));
        std::fs::create_dir(&there).unwrap();
        std::fs::set_permissions(&there, PermissionsExt::from_mode(mode)).unwrap();
        let (modes, words) = build(&there);
        assert_eq!(modes, expected);
        match mode {
            0o755 => words.says("these are set-id no more: bin/f, bin/g"),
            _ => words.never_says("set-id"),
        };
    }
    // Where there is none of them a directory is made as any other is.
    std::fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY f /plain\n").unwrap();
    let plain = env.path("plain");
    env.building(["-o"]).arg(&plain).arg(&context).run().success();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let umask = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .unwrap();
    let umask = u32::from_str_radix(umask.trim(), 8).unwrap();
    let mode = std::fs::metadata(&plain).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o777 & !umask);
}

#[test]
fn zeros_stay_holes() {
    const SIZE: u64 = 256 << 20;
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nCOPY big /\nADD big.tar /added/\n", &[]);
    let big = std::fs::File::create(context.join("big")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&big, b"end", SIZE).unwrap();
    let mut tar = tar::Builder::new(std::fs::File::create(context.join("big.tar")).unwrap());
    tar.sparse(false);
    let mut big = std::fs::File::open(context.join("big")).unwrap();
    tar.append_file("big", &mut big).unwrap();
    tar.finish().unwrap();
    let out = env.path("out");
    env.building(["-o"]).arg(&out).arg(&context).run().success();
    for path in ["big", "added/big"] {
        let meta = std::fs::metadata(out.join(path)).unwrap();
        assert_eq!(meta.len(), SIZE + 3);
        assert!(meta.blocks() * 512 < SIZE / 4, "{path}: {} blocks", meta.blocks());
    }
    let used = env
        .tool("du")
        .args(["-s", "--block-size=1"])
        .arg(env.store())
        .run()
        .success();
    let used: u64 = used.out().split_whitespace().next().unwrap().parse().unwrap();
    assert!(used < SIZE / 4, "the store takes {used}");
}

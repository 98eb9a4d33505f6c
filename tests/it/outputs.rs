//! Where results go: every type of `-o`, several at once, what is refused, and that nothing half-written stays.

mod files;
mod images;

use crate::harness::archive::{entries_of, sha256};
use crate::harness::{Entry, Invocation, Kind, OciImage, TestEnv};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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

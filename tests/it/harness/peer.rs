//! The other tools of the field, each with state of its own in the test's scratch directory.

use std::path::{Path, PathBuf};

use super::env::{TestEnv, is_root};
use super::invocation::Invocation;
use super::outcome::Outcome;

/// skopeo, with no policy, credentials or registries of the host.
#[track_caller]
pub(crate) fn skopeo(env: &TestEnv) -> Invocation {
    env.tool("skopeo").arg("--insecure-policy")
}

/// umoci.
pub(crate) fn umoci(env: &TestEnv) -> Invocation {
    env.tool("umoci")
}

/// buildah with a store of its own. Steps run by `--isolation chroot`, which works on every host.
pub(crate) fn buildah(env: &TestEnv) -> Invocation {
    storage(env, env.tool("buildah"), "buildah").env("BUILDAH_ISOLATION", "chroot")
}

/// podman with a store of its own.
pub(crate) fn podman(env: &TestEnv) -> Invocation {
    let podman = storage(env, env.tool("podman"), "podman");
    podman.args([
        "--cgroup-manager",
        "cgroupfs",
        "--events-backend",
        "none",
        "--runtime",
        "runc",
    ])
}

fn storage(env: &TestEnv, tool: Invocation, name: &str) -> Invocation {
    let (root, run) = (env.path(format!("{name}-root")), env.path(format!("{name}-run")));
    tool.arg("--root")
        .arg(root)
        .arg("--runroot")
        .arg(run)
        .args(["--storage-driver", "vfs"])
}

/// Runs a command in an image that podman has loaded.
#[track_caller]
pub(crate) fn podman_run(env: &TestEnv, image: &str, command: &[&str]) -> Outcome {
    let mut run = podman(env).args(["run", "--rm", "--network", "none"]);
    if is_root() {
        // podman's own defaults ask for more than a container's root may give.
        run = run.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
    }
    run.arg(image).args(command).run()
}

/// Unpacks an image of an OCI layout directory into a runtime bundle with umoci.
#[track_caller]
pub(crate) fn unpack(env: &TestEnv, layout: &Path, tag: &str) -> PathBuf {
    let bundle = env.path(format!("bundle-{tag}"));
    let mut umoci = umoci(env).arg("unpack");
    if !is_root() {
        umoci = umoci.arg("--rootless");
    }
    umoci
        .arg("--image")
        .arg(format!("{}:{tag}", layout.display()))
        .arg(&bundle)
        .run()
        .success();
    bundle
}

/// Runs a bundle with runc; `args` replace the command of its configuration unless empty.
#[track_caller]
pub(crate) fn runc(env: &TestEnv, bundle: &Path, args: &[&str]) -> Outcome {
    let path = bundle.join("config.json");
    let text = std::fs::read(&path).expect("a bundle has a config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&text).expect("config.json is JSON");
    config["process"]["terminal"] = false.into();
    if !args.is_empty() {
        config["process"]["args"] = serde_json::json!(args);
    }
    std::fs::write(&path, config.to_string()).expect("config.json can be written");
    // The tag of the bundle is in its name; a container needs a name that no other test has.
    let name = format!(
        "rbuild-it-{}-{}",
        std::process::id(),
        env.path("").file_name().map_or("", |n| n.to_str().unwrap_or(""))
    );
    env.tool("runc")
        .arg("--root")
        .arg(env.path("runc"))
        .args(["run", "-b"])
        .arg(bundle)
        .arg(name)
        .run()
}

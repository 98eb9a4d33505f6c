//! Bases from, and results to, a real registry on loopback: names, pins, platforms, policies, passwords, damage.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{OciImage, Registry, TestEnv, archive, registry, skip};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Pushes a small image with one file; for more flags put them into `args`.
#[track_caller]
fn push(env: &TestEnv, name: &str, contents: &str, args: &[&str]) {
    let context = env.context_of("FROM scratch\nCOPY file /file\n", &[("file", contents)]);
    env.rbuild(["-t", name, "--push"])
        .args(args)
        .arg(context)
        .run()
        .success()
        .no_panic();
}

/// Builds on a base of the registry and returns what `/file` of it holds.
#[track_caller]
fn file_of(env: &TestEnv, base: &str, args: &[&str]) -> String {
    let context = env.context_of(&format!("FROM {base}\nLABEL tested=yes\n"), &[]);
    env.image(args, context).tree()["file"].text()
}

#[track_caller]
fn fails(env: &TestEnv, base: &str, args: &[&str]) -> crate::harness::Outcome {
    let context = env.context_of(&format!("FROM {base}\n"), &[]);
    env.rbuild(args).arg(context).run().no_panic()
}

/// Nothing of a failed pull is left: no image, no blob, no snapshot.
#[track_caller]
fn holds_nothing(env: &TestEnv) {
    for dir in ["images", "tags", "snapshots", "blobs/sha256", "tmp"] {
        let left: Vec<_> = std::fs::read_dir(env.store().join(dir))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "left in {dir}: {left:?}");
    }
}

fn manifest(env: &TestEnv, registry: &Registry, path: &str) -> Value {
    serde_json::from_str(&registry.get_manifest(env, path, OCI_MANIFEST)).expect("a manifest is JSON")
}

#[test]
fn tags_pins_and_policies() {
    if !skip::unless_installed("tags_pins_and_policies", Registry::NEEDS) {
        return;
    }
    let maker = TestEnv::new();
    let mut registry = Registry::plain(&maker);
    let name = format!("{}/team/app", registry.address());
    push(
        &maker,
        &format!("{name}:1"),
        "first",
        &["--metadata-file", "meta.json"],
    );
    let meta: Value = serde_json::from_slice(&std::fs::read(maker.path("meta.json")).unwrap()).unwrap();
    let digest = meta["containerimage.digest"].as_str().unwrap().to_owned();
    registry.requests(&maker);

    // Another store: what is missing is asked for once, the manifest, the config and the layer.
    let env = TestEnv::new();
    assert_eq!(file_of(&env, &format!("{name}:1"), &[]), "first");
    let asked = registry.requests(&maker);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(asked[0], "GET /v2/team/app/manifests/1");
    assert!(
        asked[1].starts_with("GET /v2/team/app/blobs/sha256:"),
        "{asked:?}"
    );

    // It is there now: by tag and by digest nothing is asked, nor when it must not be.
    file_of(&env, &format!("{name}:1"), &[]);
    file_of(&env, &format!("{name}@{digest}"), &[]);
    file_of(&env, &format!("{name}:ignored@{digest}"), &["--pull=never"]);
    assert_eq!(registry.requests(&maker), [""; 0]);

    // Always: the manifest is asked for, and the image that the store has is used.
    file_of(&env, &format!("{name}:1"), &["--pull"]);
    let asked = registry.requests(&maker);
    assert!(
        asked
            .iter()
            .all(|line| !line.contains("/blobs/") || line.contains(&*config_of(&env, &name))),
        "{asked:?}"
    );
    assert_eq!(asked[0], "GET /v2/team/app/manifests/1");

    // The tag moves: only --pull sees it, the pin never does.
    push(&maker, &format!("{name}:1"), "second", &[]);
    registry.requests(&maker);
    assert_eq!(file_of(&env, &format!("{name}:1"), &[]), "first");
    assert_eq!(file_of(&env, &format!("{name}:1"), &["--pull=always"]), "second");
    assert_eq!(file_of(&env, &format!("{name}:1"), &["--pull=missing"]), "second");
    assert_eq!(
        file_of(&env, &format!("{name}:1@{digest}"), &["--pull=always"]),
        "first"
    );
    registry.requests(&maker);

    // Never, on a store that has nothing.
    let empty = TestEnv::new();
    fails(&empty, &format!("{name}:1"), &["--pull=never"])
        .exits(1)
        .says("--pull=never forbids");
    assert_eq!(registry.requests(&maker), [""; 0]);
    holds_nothing(&empty);
    // Things that are not there are named.
    fails(&empty, &format!("{name}:none"), &[])
        .exits(1)
        .says("team/app:none")
        .says("check the spelling");
    let wrong = format!("sha256:{}", "0".repeat(64));
    fails(&empty, &format!("{name}@{wrong}"), &[])
        .exits(1)
        .says(&wrong);
    fails(&empty, "127.0.0.1:1/x", &[])
        .exits(1)
        .says("nothing listens at 127.0.0.1:1");
    fails(&empty, &format!("{name}:1"), &["--pull=sometimes"])
        .exits(125)
        .says("--pull");
    holds_nothing(&empty);
}

/// The config digest of the image in the store with this name.
fn config_of(env: &TestEnv, name: &str) -> String {
    env.rbuild(["inspect", "--format", "{{.Id}}", &format!("{name}:1")])
        .run()
        .out()
        .into_owned()
}

#[test]
fn platforms_of_an_index() {
    if !skip::unless_installed("platforms_of_an_index", Registry::NEEDS) {
        return;
    }
    let env = TestEnv::new();
    let registry = Registry::plain(&env);
    let name = format!("{}/multi", registry.address());
    let mut manifests = Vec::new();
    for (platform, os, architecture, variant) in [
        ("linux/amd64", "linux", "amd64", None),
        ("linux/arm64", "linux", "arm64", None),
        ("linux/arm/v6", "linux", "arm", Some("v6")),
    ] {
        let tag = platform.replace('/', "-");
        push(
            &env,
            &format!("{name}:{tag}"),
            platform,
            &["--platform", platform],
        );
        let text = registry.get_manifest(&env, &format!("multi/manifests/{tag}"), OCI_MANIFEST);
        let mut of = json!({ "os": os, "architecture": architecture });
        if let Some(variant) = variant {
            of["variant"] = variant.into();
        }
        manifests.push(json!({
            "mediaType": OCI_MANIFEST, "size": text.len(), "platform": of,
            "digest": format!("sha256:{}", archive::sha256(text.as_bytes())),
        }));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
    registry.put(&env, "multi/manifests/all", OCI_INDEX, &index);

    let other = TestEnv::new();
    let all = format!("{name}:all");
    // In one build: this platform's, and others by name; v7 falls back to v6.
    let dockerfile = format!(
        "FROM --platform=linux/arm64 {all} AS arm64\nFROM --platform=linux/arm/v7 {all} AS arm\n\
         FROM {all}\nCOPY --from=arm64 /file /arm64\nCOPY --from=arm /file /arm\n"
    );
    let context = other.context_of(&dockerfile, &[]);
    let image = other.image(["--platform", "linux/amd64"], &context);
    let tree = image.tree();
    let held: Vec<String> = ["file", "arm64", "arm"]
        .iter()
        .map(|path| tree[*path].text())
        .collect();
    assert_eq!(held, ["linux/amd64", "linux/arm64", "linux/arm/v6"]);
    assert_eq!(image.config["architecture"], "amd64");

    // The platform of the whole build, and of its config.
    let context = other.context_of(&format!("FROM {all}\n"), &[]);
    let image = other.image(["--platform", "linux/arm64"], &context);
    assert_eq!(image.tree()["file"].text(), "linux/arm64");
    assert_eq!(image.config["architecture"], "arm64");

    let refused = other
        .rbuild(["--platform", "linux/s390x"])
        .arg(&context)
        .run()
        .exits(1)
        .no_panic();
    let refused = refused.says("linux/s390x").says("linux/arm64");
    assert!(refused.err().contains("--platform"), "{refused}");
}

#[test]
fn tls_and_passwords() {
    if !skip::unless_installed("tls_and_passwords", Registry::NEEDS_TLS) {
        return;
    }
    let env = TestEnv::new();
    let registry = Registry::tls(&env);
    let name = format!("{}/private/app:1", registry.address());
    let context = env.context_of("FROM scratch\nCOPY file /file\n", &[("file", "secret recipe")]);
    let auth = registry.auth_file();
    let push = || env.rbuild(["-t", &name, "--push"]).arg(&context);

    // Neither trusted nor known.
    let untrusted = push()
        .env("REGISTRY_AUTH_FILE", &auth)
        .run()
        .exits(125)
        .no_panic();
    untrusted.says("certs.d").never_says(registry::PASSWORD);
    let trusting = || push().env("SSL_CERT_FILE", registry.ca());
    trusting().run().exits(125).no_panic().says("rbuild login");
    let wrong = registry::base64(format!("{}:wrong horse", registry::USER).as_bytes());
    let json = json!({ "auths": { registry.address(): { "auth": wrong } } });
    let wrong = env.write("wrong.json", json.to_string());
    let refused = trusting()
        .arg("--authfile")
        .arg(&wrong)
        .run()
        .exits(125)
        .no_panic();
    refused.never_says("wrong horse").never_says(registry::PASSWORD);
    assert!(
        !registry.data().join("docker/registry/v2/repositories").exists(),
        "nothing was pushed"
    );

    // Each place where a password and an authority may be kept.
    trusting()
        .arg("--authfile")
        .arg(&auth)
        .run()
        .success()
        .never_says(registry::PASSWORD);
    let docker = env.path("docker");
    std::fs::create_dir(&docker).unwrap();
    std::fs::copy(&auth, docker.join("config.json")).unwrap();
    let runtime = env.path("run/containers");
    std::fs::create_dir(&runtime).unwrap();
    let certs = env
        .path("home/.config/containers/certs.d")
        .join(registry.address());
    std::fs::create_dir_all(&certs).unwrap();
    std::fs::copy(registry.ca(), certs.join("ca.crt")).unwrap();
    let other = TestEnv::new();
    let base = env.context_of(&format!("FROM {name}\nLABEL a=b\n"), &[]);
    let pull = |env_of: &TestEnv| {
        env_of
            .rbuild(["--pull=always", "-q", "-o"])
            .arg(format!("type=local,dest={}", env_of.path("out").display()))
            .arg(&base)
    };
    pull(&other)
        .env("HOME", env.path("home"))
        .run()
        .exits(1)
        .says("rbuild login")
        .no_panic();
    holds_nothing(&other);
    pull(&other)
        .env("HOME", env.path("home"))
        .env("DOCKER_CONFIG", &docker)
        .run()
        .success();
    assert_eq!(
        std::fs::read_to_string(other.path("out/file")).unwrap(),
        "secret recipe"
    );
    std::fs::copy(&auth, runtime.join("auth.json")).unwrap();
    // HOME and XDG_RUNTIME_DIR of the first environment.
    env.rbuild(["--pull=always", "-q"]).arg(&base).run().success();
    // The authority as a flag, or no verification of any registry.
    let cert_dir = format!("--cert-dir={}", registry.cert_dir().display());
    for flag in [cert_dir.as_str(), "--tls-verify=false"] {
        let nobody = push()
            .env("HOME", env.path("nowhere"))
            .arg("--authfile")
            .arg(&auth);
        nobody.arg(flag).run().success();
    }
    // Without verification, where that is asked for.
    let third = TestEnv::new();
    pull(&third)
        .args(["--insecure-registry", &registry.address(), "--authfile"])
        .arg(&auth)
        .run()
        .success()
        .never_says(registry::PASSWORD);
    // The password is nowhere in the stores.
    for store in [env.store(), other.store(), third.store()] {
        env.tool("grep")
            .args(["-rlF", registry::PASSWORD])
            .arg(store)
            .run()
            .exits(1);
    }
}

/// The file in which the registry keeps a blob.
fn kept(registry: &Registry, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").expect("a sha256");
    registry.data().join(format!(
        "docker/registry/v2/blobs/sha256/{}/{hex}/data",
        &hex[..2]
    ))
}

#[test]
fn damage_is_found_and_nothing_kept() {
    if !skip::unless_installed("damage_is_found_and_nothing_kept", Registry::NEEDS) {
        return;
    }
    let maker = TestEnv::new();
    let registry = Registry::plain(&maker);
    let name = format!("{}/app", registry.address());
    push(&maker, &format!("{name}:1"), &"x".repeat(5000), &[]);
    let good = manifest(&maker, &registry, "app/manifests/1");
    let layer = good["layers"][0]["digest"].as_str().unwrap().to_owned();
    let config = good["config"]["digest"].as_str().unwrap().to_owned();
    let env = TestEnv::new();

    let spoilt = |digest: &str, spoil: &dyn Fn(&Path, Vec<u8>)| {
        let path = kept(&registry, digest);
        let bytes = std::fs::read(&path).unwrap();
        spoil(&path, bytes.clone());
        let outcome = fails(&env, &format!("{name}:1"), &[]);
        std::fs::write(&path, bytes).unwrap();
        assert_ne!(outcome.code(), 0, "{outcome}");
        holds_nothing(&env);
        outcome
    };
    let flipped = |path: &Path, mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    spoilt(&layer, &flipped).says(&layer).says("damaged or forged");
    spoilt(&config, &flipped).says(&config);
    spoilt(&layer, &|path, bytes| {
        std::fs::write(path, &bytes[..bytes.len() - 7]).unwrap()
    })
    .says(&layer);
    spoilt(&layer, &|path, bytes| {
        std::fs::write(path, [&bytes[..], b"more"].concat()).unwrap()
    })
    .says(&layer);
    spoilt(&layer, &|path, _| std::fs::remove_file(path).unwrap()).says(&layer);

    // Manifests that lie: about sizes, about what the config lists, about what they are.
    let lies = |tag: &str, change: &dyn Fn(&mut Value)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        registry.put(&maker, &format!("app/manifests/{tag}"), OCI_MANIFEST, &manifest);
        let outcome = fails(&env, &format!("{name}:{tag}"), &[]);
        assert_ne!(outcome.code(), 0, "{outcome}");
        holds_nothing(&env);
        outcome
    };
    lies("small", &|manifest| manifest["layers"][0]["size"] = 10.into()).says(&layer);
    lies("large", &|manifest| {
        manifest["layers"][0]["size"] = 1_000_000.into()
    })
    .says(&layer);
    lies("config", &|manifest| manifest["config"]["size"] = 1.into()).says(&config);
    lies("twice", &|manifest| {
        let again = manifest["layers"][0].clone();
        manifest["layers"].as_array_mut().unwrap().push(again);
    })
    .says("2 layers");
    // A diff id that is not the layer's: everything arrives as announced, and is still not what the image says.
    let mut document: Value =
        serde_json::from_slice(&std::fs::read(kept(&registry, &config)).unwrap()).unwrap();
    document["rootfs"]["diff_ids"][0] = format!("sha256:{}", "1".repeat(64)).into();
    let forged = document.to_string();
    let digest = format!("sha256:{}", archive::sha256(forged.as_bytes()));
    upload(&maker, &registry, "app", &forged, &digest);
    let outcome = lies_with(&maker, &registry, &good, &digest, forged.len());
    fails(&env, &format!("{name}:{outcome}"), &[])
        .exits(125)
        .says(&"1".repeat(64));
    assert_eq!(
        std::fs::read_dir(env.store().join("images")).map_or(0, Iterator::count),
        0
    );

    // And what is sound still builds.
    assert_eq!(file_of(&env, &format!("{name}:1"), &[]).len(), 5000);

    // Its layers are known now: another blob behind their names is refused all the same, each time.
    let mut evil = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    evil.append_data(&mut header, "evil", &b"evil"[..]).unwrap();
    let evil = String::from_utf8(evil.into_inner().unwrap()).unwrap();
    let digest = format!("sha256:{}", archive::sha256(evil.as_bytes()));
    upload(&maker, &registry, "app", &evil, &digest);
    let mut manifest = good;
    manifest["layers"][0]["digest"] = digest.into();
    manifest["layers"][0]["size"] = evil.len().into();
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
    registry.put(&maker, "app/manifests/other", OCI_MANIFEST, &manifest);
    for _ in 0..2 {
        let pull = env.rbuild(["pull", &format!("{name}:other")]).run().no_panic();
        pull.exits(125).says("has the wrong content");
    }
    // A base whose layers are known is not fetched: what it says of blobs is nothing that anybody gets.
    assert_eq!(file_of(&env, &format!("{name}:other"), &[]).len(), 5000);
}

fn lies_with(env: &TestEnv, registry: &Registry, good: &Value, config: &str, size: usize) -> &'static str {
    let mut manifest = good.clone();
    manifest["config"]["digest"] = config.into();
    manifest["config"]["size"] = size.into();
    registry.put(env, "app/manifests/forged", OCI_MANIFEST, &manifest);
    "forged"
}

/// Uploads a blob.
fn upload(env: &TestEnv, registry: &Registry, repository: &str, text: &str, digest: &str) {
    let url = format!("http://{}/v2/{repository}/blobs/uploads/", registry.address());
    let head = env
        .tool("curl")
        .args(["-sS", "-D", "-", "-o", "/dev/null", "-X", "POST", &url])
        .run()
        .success();
    let head = head.out().into_owned();
    let location = head
        .lines()
        .find_map(|line| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("location"))
        })
        .map(|(_, to)| to.trim().to_owned())
        .expect("the registry says where");
    env.tool("curl")
        .args(["-sS", "--fail-with-body", "-X", "PUT", "--data-binary", "@-"])
        .args([
            "-H",
            "Content-Type: application/octet-stream",
            &format!("{location}&digest={digest}"),
        ])
        .stdin(text)
        .run()
        .success();
}

#[test]
fn forms_of_a_push() {
    if !skip::unless_installed("forms_of_a_push", &[Registry::NEEDS, &["skopeo"]].concat()) {
        return;
    }
    let env = TestEnv::new();
    let mut registry = Registry::plain(&env);
    let host = registry.address();
    push(&env, &format!("{host}/base:1"), "base", &[]);

    // Several names, one of them of the output alone; docker's media types; no compression.
    let context = env.context_of(
        &format!("FROM {host}/base:1\nCOPY more /more\n"),
        &[("more", "more")],
    );
    let other = TestEnv::new();
    let names = format!(
        "-otype=image,\"name={host}/second:x\",push=true,compression=uncompressed,oci-mediatypes=false"
    );
    other
        .rbuild(["-t", &format!("{host}/first:x"), &names])
        .arg(&context)
        .run()
        .success()
        .no_panic();
    let asked = registry.requests(&env);
    for repository in ["first", "second"] {
        let manifest: Value = serde_json::from_str(&registry.get_manifest(
            &env,
            &format!("{repository}/manifests/x"),
            "application/vnd.docker.distribution.manifest.v2+json",
        ))
        .unwrap();
        assert_eq!(
            manifest["mediaType"],
            "application/vnd.docker.distribution.manifest.v2+json"
        );
        assert_eq!(
            manifest["config"]["mediaType"],
            "application/vnd.docker.container.image.v1+json"
        );
        let types: Vec<&str> = manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["mediaType"].as_str().unwrap())
            .collect();
        // What came compressed stays as it came.
        assert_eq!(
            types,
            [
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "application/vnd.docker.image.rootfs.diff.tar"
            ]
        );
        // The base's layer was taken from where the registry has it.
        let mount = format!("POST /v2/{repository}/blobs/uploads/?mount=");
        assert!(
            asked
                .iter()
                .any(|line| line.starts_with(&mount) && line.ends_with("&from=base")),
            "{asked:?}"
        );
    }
    // The name comes last.
    let last = asked
        .iter()
        .rposition(|line| line.contains("/first/blobs/"))
        .unwrap();
    let named = asked
        .iter()
        .position(|line| line == "PUT /v2/first/manifests/x")
        .unwrap();
    assert!(last < named, "{asked:?}");

    // Both are in the store too, under their names, and skopeo reads what is in the registry.
    other.run(&format!("{host}/second:x"), ["x"]).exits(127);
    crate::harness::peer::skopeo(&env)
        .args([
            "copy",
            "--src-tls-verify=false",
            &format!("docker://{host}/first:x"),
        ])
        .arg(format!("oci:{}:x", env.path("copied").display()))
        .run()
        .success();
    let tree = OciImage::from_dir(&env.path("copied")).tree();
    assert_eq!(
        (tree["file"].text(), tree["more"].text()),
        ("base".to_owned(), "more".to_owned())
    );

    // Docker's media types are a base like OCI's, also for several builds at once on one store.
    let shared = TestEnv::new();
    let base = shared.context_of(
        &format!("FROM {host}/second:x\nCOPY --from={host}/first:x /more /again\n"),
        &[],
    );
    let builds: Vec<_> = (0..3).map(|_| shared.rbuild(["-q"]).arg(&base).start()).collect();
    let ids: Vec<String> = builds
        .into_iter()
        .map(|build| build.wait().success().out().into_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(
        file_of(&shared, &format!("{host}/second:x"), &["--pull=never"]),
        "base"
    );
    registry.requests(&env);

    // A second push of the same sends nothing but the manifest.
    registry.requests(&env);
    other
        .rbuild(["-t", &format!("{host}/first:x"), &names])
        .arg(&context)
        .run()
        .success();
    let asked = registry.requests(&env);
    assert!(
        asked
            .iter()
            .all(|line| line.starts_with("HEAD ") || line.contains("/manifests/")),
        "{asked:?}"
    );

    // Without a name there is nowhere to push to, and a registry that is gone is named.
    other.rbuild(["--push"]).arg(&context).run().exits(125).says("-t");
    let gone = other
        .rbuild(["--push", "-t", "127.0.0.1:1/x"])
        .arg(&context)
        .run();
    gone.exits(125).says("nothing listens at 127.0.0.1:1").no_panic();
}

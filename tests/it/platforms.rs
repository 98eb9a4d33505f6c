//! Images for several platforms: one graph, one index, and where it goes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::registry::Registry;
use crate::harness::{TestEnv, peer, skip};

const BOTH: &str = "--platform=linux/amd64,linux/arm64";

/// What is built on this machine is built once, what is made for a platform once for each. Nothing of another platform
/// runs.
const CROSS: &str = "FROM --platform=linux/amd64 busybox:local AS build\n\
    RUN date +%s%N > /once\n\
    ARG TARGETARCH\n\
    RUN echo for $TARGETARCH > /program\n\
    FROM scratch\n\
    COPY --from=build /once /program /\n\
    LABEL kind=cross\n";

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("it is JSON")
}

fn blob(layout: &Path, descriptor: &Value) -> Value {
    let digest = descriptor["digest"].as_str().expect("a descriptor has a digest");
    json(&fs::read(layout.join("blobs/sha256").join(&digest["sha256:".len()..])).expect("the blob is there"))
}

/// The platforms of an index, in its order.
fn platforms(index: &Value) -> Vec<String> {
    let entries = index["manifests"].as_array().expect("an index has entries");
    entries
        .iter()
        .map(|entry| {
            let part = |name: &str| entry["platform"][name].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", part("os"), part("architecture"))
        })
        .collect()
}

#[test]
fn one_graph_makes_one_index() {
    let env = TestEnv::new();
    let context = env.context_of(CROSS, &[]);
    let built = env
        .building([
            BOTH,
            "-t",
            "app:1",
            "--progress=plain",
            "-o",
            "type=oci,dest=layout/",
        ])
        .args(["--iidfile", "id", "--metadata-file", "metadata", "--annotation"])
        .args(["index,index-descriptor,manifest[linux/arm64]:a.b=c", "--load"])
        .arg(&context)
        .run()
        .success()
        .no_panic();
    let words = built.err();
    // A step keeps its number however often its title is said.
    let count = |title: &str| {
        let lines = words
            .lines()
            .filter(|line| line.starts_with('#') && line.contains(title));
        let numbers: BTreeSet<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
        numbers.len()
    };
    assert_eq!(count("[linux/amd64 build 2/3] RUN date"), 1, "{words}");
    assert_eq!(count("[linux/amd64 build 3/3] RUN echo for"), 1, "{words}");
    assert_eq!(count("[linux/amd64->arm64 build 3/3] RUN echo for"), 1, "{words}");
    assert_eq!(count("[linux/arm64 stage-1 2/2] COPY"), 1, "{words}");

    let layout = env.path("layout");
    let top = json(&fs::read(layout.join("index.json")).unwrap());
    let [entry] = top["manifests"].as_array().unwrap().as_slice() else {
        panic!("{top}")
    };
    assert_eq!(entry["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(entry["annotations"]["a.b"], "c");
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "1");
    let index = blob(&layout, entry);
    assert_eq!(platforms(&index), ["linux/amd64", "linux/arm64"]);
    assert_eq!(index["annotations"]["a.b"], "c");
    let manifests: Vec<Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| blob(&layout, entry))
        .collect();
    assert_eq!(manifests[0]["annotations"], Value::Null);
    assert_eq!(manifests[1]["annotations"]["a.b"], "c");
    let configs: Vec<Value> = manifests
        .iter()
        .map(|manifest| blob(&layout, &manifest["config"]))
        .collect();
    assert_eq!(configs[0]["architecture"], "amd64");
    assert_eq!(configs[1]["architecture"], "arm64");
    assert_eq!(configs[1]["config"]["Labels"]["kind"], "cross");

    let digest = entry["digest"].as_str().unwrap();
    assert_eq!(fs::read_to_string(env.path("id")).unwrap(), digest);
    let metadata = json(&fs::read(env.path("metadata")).unwrap());
    assert_eq!(metadata["containerimage.digest"], digest);
    assert_eq!(metadata["containerimage.config.digest"], Value::Null);
    let id = |at: usize| manifests[at]["config"]["digest"].clone();
    assert_eq!(metadata["rbuild.images"]["linux/amd64"], id(0));
    assert_eq!(metadata["rbuild.images"]["linux/arm64"], id(1));

    // The name in the store means both: what is saved is the same index, but for what annotates its entry.
    env.rbuild(["save", "--format=oci-dir", "-o", "saved", "app:1"])
        .run()
        .success();
    let saved = json(&fs::read(env.path("saved/index.json")).unwrap());
    assert_eq!(saved["manifests"][0]["digest"], digest);
    // Where one image is meant it is that for this machine.
    let inspected = env.rbuild(["inspect", "app:1"]).run().success();
    assert_eq!(json(inspected.out().as_bytes())[0]["Id"], id(0));
    // A prune takes neither, a removal both.
    env.rbuild(["prune", "--force"]).run().success();
    env.rbuild(["inspect", id(1).as_str().unwrap()]).run().success();
    env.rbuild(["rmi", "app:1"]).run().success();
    for at in [0, 1] {
        env.rbuild(["inspect", id(at).as_str().unwrap()]).run().exits(125);
    }
}

#[test]
fn files_of_each_platform_have_a_directory() {
    let env = TestEnv::new();
    let context = env.context_of(CROSS, &[]);
    let once = ["linux_amd64", "linux_arm64"];
    env.building([BOTH, "-o", "out", "-o", "type=tar,dest=out.tar"])
        .arg(&context)
        .run()
        .success()
        .no_panic();
    env.tool("tar")
        .args(["-xf", "out.tar", "--one-top-level=unpacked"])
        .run()
        .success();
    for dir in ["out", "unpacked"] {
        let read = |platform: &str, name: &str| {
            fs::read_to_string(env.path(dir).join(platform).join(name)).expect("the file is there")
        };
        assert_eq!(
            once.map(|platform| read(platform, "program")),
            ["for amd64\n", "for arm64\n"]
        );
        assert_eq!(read(once[0], "once"), read(once[1], "once"), "it ran once");
    }
    // One platform has one where that is asked for.
    env.building([
        "--platform=linux/arm64",
        "-o",
        "type=local,dest=one,platform-split=true",
    ])
    .arg(&context)
    .run()
    .success();
    assert!(env.path("one/linux_arm64/program").is_file());
    env.building([BOTH, "-o", "type=local,dest=no,platform-split=false"])
        .arg(&context)
        .run()
        .exits(125)
        .says("does not go with several platforms");
}

#[test]
fn an_archive_for_docker_has_the_image_of_this_machine_too() {
    let env = TestEnv::new();
    let context = env.context_of(CROSS, &[]);
    env.building([BOTH, "-t", "app:1", "-o", "type=docker,dest=docker.tar"])
        .arg(&context)
        .run()
        .success();
    env.tool("tar")
        .args(["-xf", "docker.tar", "--one-top-level=unpacked"])
        .run()
        .success();
    let list = json(&fs::read(env.path("unpacked/manifest.json")).unwrap());
    let [image] = list.as_array().unwrap().as_slice() else {
        panic!("{list}")
    };
    assert_eq!(image["RepoTags"][0], "docker.io/library/app:1");
    let top = json(&fs::read(env.path("unpacked/index.json")).unwrap());
    let index = blob(&env.path("unpacked"), &top["manifests"][0]);
    assert_eq!(
        index["mediaType"],
        "application/vnd.docker.distribution.manifest.list.v2+json"
    );
    assert_eq!(platforms(&index), ["linux/amd64", "linux/arm64"]);
}

#[test]
fn a_registry_gets_the_images_and_then_the_index() {
    if !skip::unless_installed(
        "a_registry_gets_the_images_and_then_the_index",
        &[Registry::NEEDS, &["skopeo"]].concat(),
    ) {
        return;
    }
    let env = TestEnv::new();
    let mut registry = Registry::plain(&env);
    let host = registry.address();
    let context = env.context_of(CROSS, &[]);
    env.building([BOTH, "--push", "-t", &format!("{host}/app:1")])
        .arg(&context)
        .run()
        .success()
        .no_panic();
    let asked = registry.requests(&env);
    let puts: Vec<&String> = asked
        .iter()
        .filter(|line| line.starts_with("PUT /v2/app/manifests/"))
        .collect();
    assert_eq!(puts.len(), 3, "{asked:?}");
    assert!(
        puts[0].contains("sha256:") && puts[1].contains("sha256:"),
        "{puts:?}"
    );
    assert!(puts[2].ends_with("/1"), "{puts:?}");
    for architecture in ["amd64", "arm64"] {
        let config = peer::skopeo(&env)
            .args([
                "--override-arch",
                architecture,
                "inspect",
                "--tls-verify=false",
                "--config",
            ])
            .arg(format!("docker://{host}/app:1"))
            .run()
            .success();
        assert_eq!(json(config.out().as_bytes())["architecture"], architecture);
    }
    peer::skopeo(&env)
        .args(["copy", "--all", "--src-tls-verify=false"])
        .arg(format!("docker://{host}/app:1"))
        .arg("oci:copied:1")
        .run()
        .success();
    // From the store the same bytes go to another name.
    env.rbuild(["push", &format!("{host}/app:1"), &format!("{host}/app:2")])
        .run()
        .success();
    let get = |tag: &str| {
        let types = "application/vnd.oci.image.index.v1+json";
        registry.get_manifest(&env, &format!("app/manifests/{tag}"), types)
    };
    assert_eq!(get("1"), get("2"));

    // Another machine builds upon each of them.
    let other = TestEnv::new();
    let upon = env.context_of(
        &format!("FROM {host}/app:1\nCOPY more /more\n"),
        &[("more", "more")],
    );
    other
        .rbuild([BOTH, "-o", "out"])
        .arg(&upon)
        .run()
        .success()
        .no_panic();
    for (platform, program) in [("linux_amd64", "for amd64\n"), ("linux_arm64", "for arm64\n")] {
        let dir = other.path("out").join(platform);
        assert_eq!(fs::read_to_string(dir.join("program")).unwrap(), program);
        assert!(dir.join("more").is_file());
    }
    // Both are known by the name from then on, at the latest when the registry has said once more what it means: nobody is
    // asked.
    let again = || {
        other
            .rbuild([BOTH, "-o", "again"])
            .arg(&upon)
            .run()
            .success()
            .says("2/2 steps cached");
    };
    again();
    drop(registry);
    again();
}

#[test]
fn a_list_is_put_together_by_hand() {
    if !skip::unless_installed(
        "a_list_is_put_together_by_hand",
        &[Registry::NEEDS, &["skopeo"]].concat(),
    ) {
        return;
    }
    let env = TestEnv::new();
    let context = env.context_of(CROSS, &[]);
    for architecture in ["amd64", "arm64"] {
        env.building([
            &format!("--platform=linux/{architecture}"),
            "-t",
            &format!("app:{architecture}"),
        ])
        .arg(&context)
        .run()
        .success();
    }
    let manifest = |words: &[&str]| env.rbuild(["manifest"]).args(words).run();
    manifest(&["create", "--annotation=a=b", "list:1"]).success();
    manifest(&["inspect", "list:1"]).exits(125).says("has no images");
    manifest(&["create", "list:1"])
        .exits(125)
        .says("is there already");
    manifest(&["add", "list:1", "app:amd64", "app:arm64"]).success();
    manifest(&[
        "annotate",
        "--variant=v9",
        "--annotation=c=d",
        "list:1",
        "app:arm64",
    ])
    .success();
    let index = json(manifest(&["inspect", "list:1"]).success().out().as_bytes());
    assert_eq!(platforms(&index), ["linux/amd64", "linux/arm64"]);
    assert_eq!(index["annotations"]["a"], "b");
    assert_eq!(index["manifests"][1]["platform"]["variant"], "v9");
    assert_eq!(index["manifests"][1]["annotations"]["c"], "d");
    manifest(&["exists", "list:1"]).success();
    manifest(&["exists", "app:amd64"]).exits(1);

    let registry = Registry::plain(&env);
    let host = registry.address();
    manifest(&["push", "--rm", "list:1", &format!("{host}/list:2")]).success();
    let types = "application/vnd.oci.image.index.v1+json";
    let pushed = registry.get_manifest(&env, "list/manifests/2", types);
    assert_eq!(
        json(pushed.as_bytes()),
        index,
        "what was printed is what was sent"
    );
    manifest(&["exists", "list:1"]).exits(1);
    // The images stay, and a list of them goes by itself.
    manifest(&["create", "list:1", "app:amd64", "app:arm64"]).success();
    manifest(&["remove", "list:1", "app:amd64"]).success();
    let index = json(manifest(&["inspect", "list:1"]).success().out().as_bytes());
    assert_eq!(platforms(&index), ["linux/arm64"]);
    manifest(&["rm", "list:1"]).success();
    env.rbuild(["inspect", "app:amd64", "app:arm64"]).run().success();
    manifest(&["rm", "app:amd64"])
        .exits(125)
        .says("is an image and no list");
}

#[test]
fn a_second_build_finds_every_step() {
    let env = TestEnv::new();
    let context = env.context_of(CROSS, &[]);
    let build = |platforms: &str| {
        env.building([platforms, "-t", "app:1", "--progress=plain"])
            .arg(&context)
            .run()
            .success()
            .no_panic()
    };
    build("--platform=linux/amd64");
    // The other platform is one more.
    let both = build(BOTH);
    both.says("3/5 steps cached");
    build(BOTH).says("5/5 steps cached");
    // A name that means one image means one again.
    build("--platform=linux/arm64");
    env.rbuild(["save", "--format=oci-dir", "-o", "saved", "app:1"])
        .run()
        .success();
    let saved = json(&fs::read(env.path("saved/index.json")).unwrap());
    assert_eq!(platforms(&saved), ["linux/arm64"]);
}

#[test]
fn platforms_that_are_none() {
    let env = TestEnv::new();
    let context = env.context_of(CROSS, &[]);
    env.building(["--platform=linux/amd64,linux/arm64/v8/x"])
        .arg(&context)
        .run()
        .exits(125)
        .says("--platform: `linux/arm64/v8/x` is not a platform");
    // The same one twice is one.
    let built = env
        .building(["--platform=linux/amd64", "--platform=amd64", "--progress=plain"])
        .arg(&context)
        .run()
        .success();
    assert!(!built.err().contains("linux/amd64 build"), "{built}");
}

/// The smallest program for arm64: it says so, and ends.
fn arm64_program() -> Vec<u8> {
    const SAID: &[u8] = b"this is arm64\n";
    let number = u32::try_from(SAID.len()).unwrap();
    let code = [
        0xd280_0020,                 // mov x0, #1
        0x1000_00e1,                 // adr x1, SAID
        0xd280_0002 | (number << 5), // mov x2, #length
        0xd280_0808,                 // mov x8, #64 (write)
        0xd400_0001,                 // svc #0
        0xd280_0000,                 // mov x0, #0
        0xd280_0ba8,                 // mov x8, #93 (exit)
        0xd400_0001,                 // svc #0
    ];
    let (base, start) = (0x40_0000_u64, 120_u64);
    let size = start + 4 * code.len() as u64 + SAID.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2, 0, 183, 0, 1, 0, 0, 0]); // ET_EXEC, EM_AARCH64
    file.extend((base + start).to_le_bytes());
    file.extend(64_u64.to_le_bytes()); // program headers
    file.extend(0_u64.to_le_bytes());
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]); // PT_LOAD, readable and executable
    for value in [0, base, base, size, size, 0x1_0000] {
        file.extend(value.to_le_bytes());
    }
    file.extend(code.iter().flat_map(|word| u32::to_le_bytes(*word)));
    file.extend(SAID);
    file
}

/// The shell is this machine's, so what it starts is found by the kernel alone.
const EMULATED: &str = "FROM --platform=linux/arm64 busybox:local\n\
    COPY --chmod=755 program /program\n\
    RUN /program > /said && sh -c '/program && /program' >> /said\n\
    RUN [\"/program\"]\n";

#[test]
fn programs_of_another_machine_are_emulated() {
    if !skip::unless_installed(
        "programs_of_another_machine_are_emulated",
        &["qemu-aarch64-static"],
    ) {
        return;
    }
    let env = TestEnv::new();
    let context = env.context_of(EMULATED, &[]);
    fs::write(context.join("program"), arm64_program()).unwrap();
    let built = env
        .building([
            "--platform=linux/arm64",
            "--progress=plain",
            "-o",
            "out",
            "-t",
            "app:1",
            "--load",
        ])
        .arg(&context)
        .run()
        .success()
        .no_panic();
    built.says("this is arm64");
    assert_eq!(
        fs::read_to_string(env.path("out/said")).unwrap(),
        "this is arm64\n".repeat(3)
    );
    // Nothing of it stays in the image or on the host.
    assert!(!env.path("out/usr/bin/qemu-aarch64-static").exists());
}

#[test]
fn a_machine_that_nothing_emulates_is_named() {
    let env = TestEnv::new();
    let mut program = arm64_program();
    // A machine of which qemu knows nothing: Elbrus.
    program[18] = 175;
    let context = env.context_of(
        "FROM scratch\nCOPY --chmod=755 program /\nRUN [\"/program\"]\n",
        &[],
    );
    fs::write(context.join("program"), program).unwrap();
    env.building([""; 0])
        .arg(&context)
        .run()
        .exits(1)
        .says("`/program` is a program for a machine of number 175, which this machine does not execute");
}

//! Stages and contexts: which are built, in what they may differ, what they may refer to.

use crate::harness::{Base, OciImage, TestEnv};

fn paths(image: &OciImage) -> Vec<String> {
    image.tree().into_keys().filter(|path| !path.is_empty()).collect()
}

#[test]
fn only_what_the_target_needs_is_built() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch AS Never
COPY missing /never
FROM scratch AS lib
COPY f /lib
FROM scratch AS app
COPY --from=lib /lib /app
FROM no-such-image:at-all AS dev
RUN false
FROM app AS last
";
    let context = env.context_of(dockerfile, &[("f", "F")]);
    let (image, words) = env.image_and_words(["--progress", "plain"], &context);
    assert_eq!(paths(&image), ["app"]);
    assert!(words.err().contains("[lib 2/2] COPY f /lib"), "{words}");
    assert!(
        words.err().contains("[app 2/2] COPY --from=lib /lib /app"),
        "{words}"
    );
    let words = words.never_says("[never").never_says("no-such-image");
    assert!(!words.err().contains("[last"), "{words}");
    for target in ["lib", "LIB", "1"] {
        assert_eq!(
            paths(&env.image(["--target", target], &context)),
            ["lib"],
            "{target}"
        );
    }
    env.building(["--target", "never"])
        .arg(&context)
        .run()
        .exits(1)
        .says("missing")
        .says("Dockerfile:2");
    let unknown = env.building(["--target", "lab"]).arg(&context).run().no_panic();
    assert_ne!(unknown.code(), 0);
    assert!(unknown.err().contains("did you mean `lib`"), "{unknown}");
    env.building(["--target", "9"])
        .arg(&context)
        .run()
        .says("no stage `9`")
        .no_panic();
}

#[test]
fn the_last_of_two_stages_of_one_name() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch AS x\nCOPY f /first\nFROM scratch AS x\nCOPY f /second\nFROM X\nCOPY --from=x / /from/\n";
    let image = env.image_of(dockerfile, &[("f", "")]);
    assert_eq!(paths(&image), ["from", "from/second", "second"]);
}

#[test]
fn what_a_stage_may_not_refer_to() {
    let env = TestEnv::new();
    let files = [("f", "")];
    for (dockerfile, words, line) in [
        (
            "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\n",
            "circular dependency",
            2,
        ),
        ("FROM scratch AS a\nCOPY --from=a / /\n", "circular dependency", 2),
        ("FROM scratch\nCOPY --from=0 / /\n", "circular dependency", 2),
        ("FROM scratch\nCOPY --from=3 / /\n", "no stage 3", 2),
        (
            "FROM scratch AS a\nRUN --mount=from=a,target=/x true\n",
            "circular dependency",
            2,
        ),
        ("FROM scratch AS 1st\n", "1st", 1),
        ("FROM scratch AS one\nFROM scratch AS\n", "FROM", 2),
        ("FROM scratch as a b\n", "FROM", 1),
        ("FROM --platform=bogus/x/y/z scratch\n", "bogus", 1),
    ] {
        env.refused(dockerfile, &files)
            .says(words)
            .says(&format!("Dockerfile:{line}"));
    }
}

#[test]
fn what_only_buildah_has_is_refused_with_a_hint() {
    let env = TestEnv::new();
    env.refused("FROM scratch AS a\nFROM --after=a scratch\n", &[])
        .says("--after")
        .says("Dockerfile:2:6")
        .says("stages wait for what they copy from");
    let template = "#define BASE scratch\nFROM BASE\n";
    let context = env.context(
        "template",
        &[("Containerfile.in", template), ("plain.in", "FROM scratch\n")],
    );
    let file = |name: &str| {
        env.rbuild(["-f"])
            .arg(context.join(name))
            .arg(&context)
            .run()
            .no_panic()
    };
    file("Containerfile.in").exits(1).says("`#define`").says("cpp");
    file("plain.in").exits(0);
    env.rbuild([&context]).run().exits(125).says("Containerfile.in");
    env.rbuild(["build", "--from", "x"])
        .arg(&context)
        .run()
        .exits(125)
        .says("--build-context");
}

#[test]
fn named_contexts() {
    let env = TestEnv::new();
    let dockerfile = r"FROM scratch AS stage
COPY f /stage
FROM elsewhere:1.0 AS from-directory
COPY --from=stage / /
COPY --from=more x /copied
FROM scratch
COPY --from=from-directory / /
COPY --from=alias / /alias/
";
    let context = env.context_of(dockerfile, &[("f", "F")]);
    let more = env.context("more", &[("x", "X"), ("y/z", "Z")]);
    let more = more.display();
    let flags = |contexts: &[String]| -> Vec<String> {
        contexts
            .iter()
            .flat_map(|context| ["--build-context".to_owned(), context.clone()])
            .collect()
    };
    let (directory, image) = (format!("more={more}"), format!("elsewhere:1.0={more}"));
    let built = |contexts: &[String]| paths(&env.image(flags(contexts), &context));
    assert_eq!(
        built(&[directory.clone(), image.clone(), "alias=target:stage".into()]),
        ["alias", "alias/stage", "copied", "stage", "x", "y", "y/z"]
    );
    // Over a stage of the same name too.
    assert_eq!(
        built(&[
            directory,
            image.clone(),
            format!("stage={more}"),
            "alias=target:from-directory".into()
        ]),
        [
            "alias",
            "alias/copied",
            "alias/x",
            "alias/y",
            "alias/y/z",
            "copied",
            "x",
            "y",
            "y/z"
        ]
    );
    let scratch = "elsewhere:1.0=docker-image://scratch".to_owned();
    assert_eq!(
        built(&[format!("more={more}"), scratch, "alias=target:stage".into()]),
        ["alias", "alias/stage", "copied", "stage"]
    );
    let refused = |contexts: &[String]| env.building(flags(contexts)).arg(&context).run().no_panic();
    refused(&[
        "more=target:from-directory".into(),
        image.clone(),
        "alias=target:stage".into(),
    ])
    .exits(1)
    .says("circular dependency");
    refused(&["more=/no/such/dir".into()])
        .exits(125)
        .says("--build-context more: `/no/such/dir`");
    refused(&[format!("more={more}"), image, "alias=target:nowhere".into()])
        .exits(1)
        .says("nowhere");
}

#[test]
fn a_named_context_takes_the_place_of_an_image() {
    let env = TestEnv::new();
    let more = env.context(
        "more",
        &[("x", "X"), ("hidden", "H"), (".dockerignore", "hidden\n")],
    );
    let dockerfile =
        "FROM docker.io/library/alpine:3 AS a\nFROM alpine\nCOPY --from=a / /a/\nCOPY --from=Alpine:3 x /b\n";
    let context = env.context_of(dockerfile, &[]);
    let contexts =
        ["alpine:3", "docker.io/library/alpine:latest"].map(|name| format!("{name}={}", more.display()));
    let image = env.image(
        ["--build-context", &contexts[0], "--build-context", &contexts[1]],
        &context,
    );
    assert_eq!(
        paths(&image),
        [".dockerignore", "a", "a/.dockerignore", "a/x", "b", "x"]
    );
    // Another tag is another image.
    let other = env.context_of("FROM alpine:3.1\n", &[]);
    let refused = env
        .building(["--build-context", &contexts[0], "--pull=never"])
        .arg(&other)
        .run()
        .no_panic();
    assert_ne!(refused.code(), 0, "{refused}");
}

#[test]
fn a_base_for_another_platform() {
    let env = TestEnv::new();
    let layout = env.path("arm");
    let arm = env.context_of("FROM scratch\nCOPY f /arm\n", &[("f", "")]);
    env.building(["--platform", "linux/arm64", "-o"])
        .arg(format!("type=oci,dest={},tar=false", layout.display()))
        .arg(&arm)
        .run()
        .success();
    let base = format!("base=oci-layout://{}", layout.display());
    let context = env.context_of("FROM --platform=linux/s390x base\nCOPY f /mine\n", &[("f", "")]);
    let (image, words) = env.image_and_words(["--build-context", &base], &context);
    assert_eq!(paths(&image), ["arm", "mine"]);
    assert_eq!(image.config["architecture"], "arm64", "it is used as it is");
    assert!(words.err().contains("InvalidBaseImagePlatform"), "{words}");
    let context = env.context_of("FROM base\nCOPY f /mine\n", &[("f", "")]);
    let (_, words) = env.image_and_words(["--build-context", &base, "--platform", "linux/arm64"], &context);
    words.never_says("InvalidBaseImagePlatform");
}

#[test]
fn an_index_of_two_platforms() {
    let env = TestEnv::new();
    let dir = env.path("both");
    std::fs::create_dir(&dir).unwrap();
    let mut manifests = Vec::new();
    for arch in ["amd64", "arm64"] {
        let context = env.context_of(&format!("FROM scratch\nCOPY f /{arch}\n"), &[("f", arch)]);
        let layout = env.path(arch);
        env.building(["--platform", &format!("linux/{arch}"), "-o"])
            .arg(format!("type=oci,dest={},tar=false", layout.display()))
            .arg(&context)
            .run()
            .success();
        let index = std::fs::read(layout.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let mut manifest = index["manifests"][0].clone();
        manifest["platform"] = serde_json::json!({"os": "linux", "architecture": arch});
        manifest.as_object_mut().unwrap().remove("annotations");
        manifests.push(manifest);
        env.tool("cp")
            .arg("-r")
            .arg(format!("{}/.", layout.display()))
            .arg(&dir)
            .run()
            .success();
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index =
        serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}).to_string();
    let digest = crate::harness::archive::sha256(index.as_bytes());
    std::fs::write(dir.join("blobs/sha256").join(&digest), &index).unwrap();
    let top = serde_json::json!({"schemaVersion": 2, "manifests": [{
        "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": index.len(),
        "annotations": {"org.opencontainers.image.ref.name": "1.0"}
    }]});
    std::fs::write(dir.join("index.json"), top.to_string()).unwrap();
    // The cross-compile idiom: tools of the machine, files of the target.
    let dockerfile = "FROM --platform=$BUILDPLATFORM base AS tools\nFROM base\nCOPY --from=tools / /tools/\n";
    let context = env.context_of(dockerfile, &[]);
    let build = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    for target in ["amd64", "arm64"] {
        let base = format!("base=oci-layout://{}:1.0", dir.display());
        let platform = format!("linux/{target}");
        let (image, words) =
            env.image_and_words(["--build-context", &base, "--platform", &platform], &context);
        let mut expected = vec![target.to_owned(), "tools".to_owned(), format!("tools/{build}")];
        expected.sort();
        assert_eq!(paths(&image), expected);
        assert_eq!(image.config["architecture"], target);
        words.never_says("InvalidBaseImagePlatform");
    }
}

#[test]
fn a_pinned_digest_is_checked() {
    let env = TestEnv::new();
    let layout = env.path("layout");
    let context = env.context_of("FROM scratch\nCOPY f /f\n", &[("f", "")]);
    env.building(["-o"])
        .arg(format!("type=oci,dest={},tar=false", layout.display()))
        .arg(&context)
        .run()
        .success();
    let digest = OciImage::from_dir(&layout).manifest_digest;
    let child = env.context_of("FROM base\n", &[]);
    let with = |digest: &str| format!("base=oci-layout://{}@{digest}", layout.display());
    assert_eq!(
        paths(&env.image(["--build-context", &with(&digest)], &child)),
        ["f"]
    );
    let wrong = format!("sha256:{}", "0".repeat(64));
    let refused = env
        .building(["--build-context", &with(&wrong)])
        .arg(&child)
        .run()
        .no_panic();
    assert_ne!(refused.code(), 0, "{refused}");
    refused
        .says(&format!("has no image `{wrong}`"))
        .never_says("archive");
}

#[test]
fn titles_count_all_steps() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch AS one\nCOPY f /a\nWORKDIR /w\nENV A=1\nONBUILD COPY f /t\nFROM one\nCOPY f /b\nFROM scratch\nCOPY --from=1 / /\n";
    let context = env.context_of(dockerfile, &[("f", "")]);
    let (_, words) = env.image_and_words(["--progress", "plain"], &context);
    for title in [
        "[one 2/3] COPY f /a",
        "[one 3/3] WORKDIR /w",
        "[stage-1 2/3] COPY f /t",
        "[stage-1 3/3] COPY f /b",
        "[stage-2 2/2] COPY --from=1 / /",
    ] {
        assert!(words.err().contains(title), "no {title:?} in\n{words}");
    }
    let single = env.context_of("FROM busybox:local\nRUN true\n", &[]);
    let (_, words) = env.image_and_words(["--progress", "plain"], &single);
    assert!(words.err().contains("[1/2] FROM busybox:local"), "{words}");
}

#[test]
fn a_stored_image_before_the_registry() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context_of("FROM busybox:local\nRUN echo one > /one\n", &[]);
    env.rbuild(["build", "-q", "-t", "first:1"])
        .arg(&context)
        .run()
        .success();
    let child = env.context_of(
        "FROM first:1\nCOPY --from=first:1 /one /two\nRUN cat /one /two > /three\n",
        &[],
    );
    assert_eq!(env.image([""; 0], &child).tree()["three"].text(), "one\none\n");
}

/// What needs a base that cannot be had is not told for each place that needs it.
#[test]
fn a_base_that_cannot_be_had_is_reported_once() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[(
            "Dockerfile",
            "FROM nowhere:local AS base\nFROM base AS next\nCOPY --from=base /x /x\nFROM next\n\
             RUN --mount=from=base,target=/b true\n",
        )],
    );
    let outcome = env.rbuild(["build", "--pull=never"]).arg(&context).run().exits(1);
    let outcome = outcome
        .says("`nowhere:local` is not in the store")
        .never_says("could not be made");
    assert_eq!(outcome.err().matches("error:").count(), 1, "{outcome}");
}

//! What the command line changes in the image that the Dockerfile describes, and keeps out of it.

use serde_json::{Value, json};
use std::path::Path;

use crate::harness::TestEnv;

const DOCKERFILE: &str = "FROM scratch AS base\nENV KEEP=1 DROP=2\nLABEL keep=1 drop=2 change=3\nFROM base\n\
                          ENV OWN=3\nCOPY Dockerfile /f\nCMD [\"c\"]\n";

#[test]
fn labels_and_variables() {
    let env = TestEnv::new();
    let flags = [
        ["--label", "change=last"],
        ["--label", "new=a=b"],
        ["--unsetlabel", "drop"],
        ["--unsetlabel", "not there"],
        ["--unsetenv", "DROP"],
        ["--unsetenv", "OWN"],
    ];
    let image = env.image(flags.concat(), env.context_of(DOCKERFILE, &[]));
    let config = &image.config["config"];
    assert_eq!(
        config["Labels"],
        json!({"keep": "1", "change": "last", "new": "a=b"})
    );
    let variables = config["Env"].as_array().unwrap();
    assert!(variables[0].as_str().unwrap().starts_with("PATH="));
    assert_eq!(variables[1..], [json!("KEEP=1")]);
    assert_eq!(
        image.config["history"].as_array().unwrap().len(),
        5,
        "what was done was done"
    );
}

#[test]
fn the_history_is_left_out() {
    let env = TestEnv::new();
    let context = env.context_of(DOCKERFILE, &[]);
    let image = env.image(["--omit-history"], &context);
    assert_eq!(image.config.get("history"), None);
    assert_eq!(image.layers.len(), 1);
    env.rbuild(["build", "--omit-history", "-t", "app"])
        .arg(&context)
        .run()
        .success();
    let said = env.rbuild(["history", "-q", "--no-trunc", "app"]).run().success();
    assert_eq!(
        said.out().lines().count(),
        1,
        "the layer is shown: {}",
        said.out()
    );
}

#[test]
fn annotations_go_where_their_scope_says() {
    let env = TestEnv::new();
    let context = env.context_of(DOCKERFILE, &[]);
    let flags = [
        "--annotation",
        "a.b=c:d",
        "--annotation",
        "manifest-descriptor:x=y",
    ];
    let image = env.image(flags, &context);
    assert_eq!(image.manifest["annotations"], json!({"a.b": "c:d"}));
    assert_eq!(image.index["manifests"][0]["annotations"]["x"], "y");
    // The config does not know of them, and an image that is kept does not lose them.
    let plain = env.image([""; 0], &context);
    assert_eq!(plain.config, image.config);
    assert_eq!(plain.manifest.get("annotations"), None);
    env.rbuild(["build", "-t", "app"])
        .args(flags)
        .arg(&context)
        .run()
        .success();
    let saved = env.saved("app");
    assert_eq!(saved.manifest["annotations"], json!({"a.b": "c:d"}));
    let entry = &saved.index["manifests"][0]["annotations"];
    assert_eq!(
        (&entry["x"], &entry["io.containerd.image.name"]),
        (&json!("y"), &json!("docker.io/library/app:latest"))
    );
    env.building(["--annotation", "index:a=b"])
        .arg(&context)
        .run()
        .exits(125)
        .says("has no index");
}

#[test]
fn redacted_arguments_are_nowhere() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nARG TOKEN=of-the-file NAME\nRUN test ${#TOKEN} = 11\n\
                      RUN [\"sh\", \"-c\", \"test $TOKEN\"]\nCOPY $NAME /d/\n";
    let context = env.context_of(dockerfile, &[("one", "x")]);
    let build = |flags: &[&str], token: &str| {
        let token = format!("TOKEN={token}");
        env.building(["--build-arg", "NAME=one", "--build-arg", &token])
            .args(flags)
            .arg(&context)
            .run()
    };
    let layout = env.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let flags = ["--redact-args", "-t", "app", "-o", "type=image", "-o", &output];
    build(&flags, "canary-4711").success();
    // Another value is another key, and `why` says so without telling it; a step that fails does not tell it either.
    build(&flags, "canary-4712").success();
    let why = env.rbuild(["why"]).run().success().never_says("canary-471");
    assert!(why.out().contains("TOKEN"), "{why}");
    build(&flags, "canary-47130").exits(1).never_says("canary-471");
    let canary = |dir: &Path| env.tool("grep").args(["-rlF", "canary-471"]).arg(dir).run();
    canary(&env.store()).exits(1);
    canary(&layout).exits(1);
    let inspected = env
        .rbuild(["inspect", "app"])
        .run()
        .success()
        .never_says("canary-471");
    let image: Value = serde_json::from_str(&inspected.out()).unwrap();
    let image = if image.is_array() { &image[0] } else { &image };
    let said: Vec<&str> = image["History"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["created_by"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(
        said[said.len() - 4..],
        [
            "ARG TOKEN=<redacted> NAME=<redacted>",
            "RUN |2 TOKEN=<redacted> NAME=<redacted> /bin/sh -c test ${#TOKEN} = 11 # buildkit",
            "RUN |2 TOKEN=<redacted> NAME=<redacted> sh -c test $TOKEN # buildkit",
            "COPY $NAME /d/ # buildkit",
        ]
    );
    // The search can find it: without the flag it is there.
    build(&["-t", "app"], "canary-4711").success();
    canary(&env.store()).success();
}

/// `--metadata-file`: every key, for an image that went out and for one that only is in the store.
#[test]
fn the_description_has_every_key() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nCOPY Dockerfile /f\nENV PASSWORD=x\nMAINTAINER me\n";
    let context = env.context_of(dockerfile, &[]);
    let describe = |flags: &[&str]| -> Value {
        env.building([
            "--metadata-file",
            "meta.json",
            "--iidfile",
            "id",
            "-t",
            "app",
            "-t",
            "other:2",
        ])
        .args(flags)
        .arg(&context)
        .run()
        .success();
        serde_json::from_slice(&std::fs::read(env.path("meta.json")).unwrap()).unwrap()
    };
    let kept = describe(&[]);
    let id = std::fs::read_to_string(env.path("id")).unwrap();
    assert_eq!(kept["containerimage.config.digest"], id.as_str());
    assert_eq!(
        kept["image.name"],
        "docker.io/library/app:latest,docker.io/library/other:2"
    );
    assert_eq!(kept.get("containerimage.digest"), None, "it has no manifest yet");
    let warnings: Vec<&Value> = kept["rbuild.warnings"].as_array().unwrap().iter().collect();
    let rules: Vec<&str> = warnings
        .iter()
        .map(|warning| warning["ruleName"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["SecretsUsedInArgOrEnv", "MaintainerDeprecated"]);
    assert_eq!(
        warnings[1]["location"]["ranges"][0]["start"]["line"], 4,
        "{}",
        warnings[1]
    );
    let written = describe(&[
        "-o",
        "type=oci,dest=app.tar",
        "--annotation",
        "manifest-descriptor:a=b",
    ]);
    let image = crate::harness::OciImage::from_archive(&env.path("app.tar"));
    assert_eq!(written["containerimage.config.digest"], id.as_str());
    assert_eq!(written["containerimage.digest"], image.manifest_digest.as_str());
    let descriptor = &written["containerimage.descriptor"];
    assert_eq!(descriptor["digest"], image.manifest_digest.as_str());
    assert_eq!(
        descriptor["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(descriptor["annotations"], json!({"a": "b"}));
}

/// The table itself is tested beside it; here is what a script sees.
#[test]
fn flags_of_other_builders() {
    let env = TestEnv::new();
    let context = env.context_of(DOCKERFILE, &[]);
    for verb in [&["build"][..], &[]] {
        let build = |flags: &[&str]| env.rbuild(verb).args(flags).arg(&context).run().no_panic();
        build(&["--rm", "--force-rm=false", "--provenance=false"])
            .success()
            .says("note: --rm has no effect: ")
            .says("note: --force-rm=false has no effect: ")
            .never_says("provenance");
        let quiet = build(&["-q", "--rm", "--compress"]).success();
        assert_eq!(quiet.err(), "");
        build(&["--rm", "--cap-add", "all"])
            .exits(125)
            .says("error: rbuild has no --cap-add\n")
            .says("help: ");
        build(&["--rm", "--tagg=x"])
            .exits(125)
            .says("'--tag'")
            .never_says("--rm");
        // All of them at once, and not that a context is missing.
        env.rbuild(verb)
            .args(["--destination", "x", "--context", "."])
            .run()
            .exits(125)
            .says("error: rbuild has no --context, --destination\n")
            .says("help: --destination: use -t NAME --push");
    }
    // They are offered nowhere.
    for words in [["build", "--help"], ["completions", "bash"], ["man", "build"]] {
        env.rbuild(words).run().success().never_says("compressed-caching");
    }
}

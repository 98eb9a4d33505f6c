//! Names, lists, inspect and history.

use super::{id, inspect, json, names, with_app};
use crate::harness::TestEnv;
use serde_json::Value;

#[test]
fn looking_makes_no_store() {
    let env = TestEnv::new();
    env.rbuild(["images"])
        .run()
        .success()
        .prints("REPOSITORY   TAG   IMAGE ID   CREATED   SIZE");
    env.rbuild(["images", "-q"]).run().success().prints("");
    env.rbuild(["df"]).run().success();
    env.rbuild(["store", "check"]).run().success();
    env.rbuild(["prune", "-f"]).run().success().prints("freed 0 B");
    env.rbuild(["doctor"]).run().success();
    for args in [
        &["inspect", "x"][..],
        &["rmi", "x"],
        &["history", "x"],
        &["save", "-o", "x.tar", "x"],
        &["push", "x"],
    ] {
        env.rbuild(args)
            .run()
            .exits(125)
            .says("there is no image `x`")
            .no_panic();
    }
    env.rbuild(["why"]).run().exits(125).says("no build is on record");
    assert!(!env.store().exists(), "a verb that only looks made a store");
    assert!(!env.path("x.tar").exists());
}

#[test]
fn an_image_has_one_size() {
    let env = with_app();
    let built = env.build_text(
        "sized",
        "FROM busybox:local\nRUN head -c 123456 /dev/zero > /zeros\n",
    );
    let row = json(
        env.rbuild(["images", "sized", "--format", "json"])
            .run()
            .success(),
    );
    built
        .success()
        .says(&format!("{},", row["Size"].as_str().unwrap()));
    assert_eq!(inspect(&env, "sized")["Size"], row["Bytes"]);
    let history = env.rbuild(["history", "sized"]).run().success();
    assert!(history.out().contains("123.5 kB"), "{history}");
}

#[test]
fn names_come_and_go() {
    let env = with_app();
    env.rbuild(["tag", "app", "reg.example:5000/team/app:1", "app:two"])
        .run()
        .success()
        .prints("");
    assert_eq!(
        names(&env),
        [
            "app:latest",
            "app:two",
            "reg.example:5000/team/app:1",
            "busybox:local"
        ],
        "newest first, then by name"
    );
    let listed = env.rbuild(["images", "app"]).run().success();
    assert_eq!(listed.out().lines().count(), 3, "{listed}");
    let listed = env
        .rbuild(["images", "app:two", "--format", "json"])
        .run()
        .success();
    let row = json(listed);
    assert_eq!(
        (row["Repository"].as_str(), row["Tag"].as_str()),
        (Some("app"), Some("two"))
    );
    let whole = id(&env, "app");
    env.rbuild(["images", "-q", "--no-trunc", "app"])
        .run()
        .success()
        .prints(&whole);
    let short = &whole["sha256:".len()..][..12];
    env.rbuild(["images", "-q", "app"]).run().success().prints(short);
    assert_eq!(id(&env, short), whole, "the beginning of an id is enough");

    // By id with several names only when forced; by name one at a time.
    env.rbuild(["rmi", short])
        .run()
        .exits(125)
        .says("app:two")
        .says("rmi -f");
    env.rbuild(["rmi", "app", "app:two"])
        .run()
        .success()
        .prints("untagged app:latest\nuntagged app:two");
    env.run("reg.example:5000/team/app:1", [""; 0])
        .success()
        .prints("hello\nmore");
    let gone = env.rbuild(["rmi", "reg.example:5000/team/app:1"]).run().success();
    assert!(gone.out().ends_with(&format!("deleted {whole}")), "{gone}");
    env.rbuild(["inspect", &whole]).run().exits(125);
    assert_eq!(names(&env), ["busybox:local"]);
    // What another image needs is not touched by the removal.
    env.run("busybox:local", ["echo", "still"])
        .success()
        .prints("still");
}

#[test]
fn wrong_names_are_told_with_what_is_near() {
    let env = with_app();
    env.rbuild(["inspect", "ap"])
        .run()
        .exits(125)
        .says("did you mean `app")
        .no_panic();
    env.rbuild(["history", "busybox"])
        .run()
        .exits(125)
        .says("did you mean `busybox:local`?");
    env.rbuild(["tag", "app", "Not/Valid"])
        .run()
        .exits(125)
        .no_panic();
    env.rbuild(["tag", "app", "../../../etc/passwd"])
        .run()
        .exits(125)
        .no_panic();
    env.rbuild(["tag", "app", &format!("x@{}", id(&env, "app"))])
        .run()
        .exits(125)
        .says("digest");
    // All are tried, whatever is wrong with one of them.
    let partly = env
        .rbuild(["inspect", "nope", "app", "neither"])
        .run()
        .exits(125)
        .says("`nope`")
        .says("`neither`");
    assert_eq!(json(partly).as_array().map(Vec::len), Some(1));
    env.rbuild(["rmi", "nope", "app"]).run().exits(125).says("`nope`");
    assert_eq!(names(&env), ["busybox:local"]);
    env.rbuild(["rmi", "-f", "nope"]).run().success();
}

#[test]
fn inspect_is_shaped_as_dockers() {
    let env = with_app();
    let image = inspect(&env, "app");
    assert_eq!(image["RepoTags"], serde_json::json!(["app:latest"]));
    assert_eq!(image["Os"], "linux");
    assert_eq!(image["Config"]["Cmd"], serde_json::json!(["cat", "/greeting"]));
    assert_eq!(image["Config"]["Labels"]["a"], "b");
    assert_eq!(image["RootFS"]["Type"], "layers");
    assert_eq!(image["RootFS"]["Layers"].as_array().map(Vec::len), Some(3));
    assert!(
        image["Size"].as_u64().is_some_and(|size| size > 1_000_000),
        "{image:#}"
    );
    let saved = env.saved("app");
    assert_eq!(image["Id"], saved.config_digest.as_str());
    assert_eq!(image["RootFS"]["Layers"], saved.config["rootfs"]["diff_ids"]);
}

#[test]
fn history_has_a_line_for_each_instruction() {
    let env = with_app();
    let table = env.rbuild(["history", "app"]).run().success();
    let lines: Vec<String> = table.out().lines().map(str::to_owned).collect();
    assert!(
        lines[0].starts_with("IMAGE") && lines[0].contains("CREATED BY"),
        "{table}"
    );
    assert!(
        lines[1].contains("CMD") && !lines[1].starts_with("<missing>"),
        "{table}"
    );
    assert!(
        lines[2].starts_with("<missing>") && lines[2].contains("LABEL"),
        "{table}"
    );
    assert!(lines[3].contains("RUN") && lines[4].contains("COPY"), "{table}");
    let values: Vec<Value> = env
        .rbuild(["history", "--format", "json", "--no-trunc", "app"])
        .run()
        .success()
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(values[0]["ID"], id(&env, "app").as_str());
    assert_eq!(values[3]["Bytes"], 6, "COPY brought `hello\\n`");
    assert_eq!(values[1]["Bytes"], 0, "LABEL brings no file");
}

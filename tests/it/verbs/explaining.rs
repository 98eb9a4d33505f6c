//! Why, doctor, `--call`, debug, completions: what rbuild says about files, hosts, builds and itself.

use super::{id, json, with_app};
use crate::harness::{Base, TestEnv, env};
use std::fs;
use std::path::Path;

#[test]
fn why_names_what_changed() {
    let env = with_app();
    let context = env.path("app");
    let first = env.rbuild(["why"]).run().success();
    assert!(
        first.out().starts_with("build 1 of ") && first.out().contains("no earlier build"),
        "{first}"
    );
    env.write("app/greeting", "changed\n");
    env.build("app", &context).success();
    let why = env.rbuild(["why"]).arg(&context).run().success();
    let out = why.out();
    assert!(
        out.starts_with("build 2 of ") && out.contains(&format!("image {}", id(&env, "app"))),
        "{why}"
    );
    assert!(
        out.contains("COPY greeting /greeting (line 2)") && out.contains("`greeting` changed: "),
        "{why}"
    );
    assert!(
        out.contains("because of it [3/3] RUN echo more >> /greeting (line 3) ran too"),
        "{why}"
    );
    // One step, by its line, its place, a part of its title.
    for word in [":3", "3/3", "echo more"] {
        let one = env.rbuild(["why", word]).run().success();
        assert!(
            one.out().contains("RUN echo more")
                && one
                    .out()
                    .contains("because of [2/3] COPY greeting /greeting (line 2)")
                && !one.out().contains("greeting` changed"),
            "{one}"
        );
    }
    env.rbuild(["why", "no such step"])
        .run()
        .exits(125)
        .says("--all")
        .no_panic();
    env.rbuild(["why", "."])
        .run()
        .exits(125)
        .says("no build of")
        .no_panic();
    let record = json(env.rbuild(["why", "--json"]).run().success());
    assert_eq!(record["number"], 2);
    // A failing step is told with its log.
    env.write("app/Dockerfile", "FROM busybox:local\nRUN echo words; false\n");
    env.build("app", &context).exits(1);
    let failed = env.rbuild(["why"]).run().success();
    assert!(
        failed
            .out()
            .contains("RUN echo words; false (line 2): failed after "),
        "{failed}"
    );
    let log = failed
        .out()
        .lines()
        .find_map(|line| line.trim().strip_prefix("its output is in ").map(str::to_owned));
    let log = log.unwrap_or_else(|| panic!("no log\n{failed}"));
    assert_eq!(fs::read_to_string(Path::new(&log)).unwrap(), "words\n");
}

#[test]
fn doctor_tells_what_works() {
    let env = TestEnv::new();
    let report = json(env.rbuild(["doctor", "--json"]).run().success());
    assert_eq!(report["works"], true);
    let tier = if env::is_root() { "Root" } else { "A" };
    assert_eq!(report["tier"], tier);
    for check in report["checks"].as_array().expect("doctor checks things") {
        assert!(
            check["ok"] == true || check["fix"].is_string(),
            "no way out of {check}"
        );
    }
    let left: Vec<_> = fs::read_dir(env.path("."))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().contains("doctor")),
        "{left:?}"
    );
    // A place that cannot hold a store is found before a build finds it.
    env.write("taken/thesis.tex", "x");
    let bad = env
        .rbuild(["doctor"])
        .env("RBUILD_ROOT", env.path("taken"))
        .run()
        .exits(1)
        .no_panic();
    assert!(
        bad.out().contains("mend it: export RBUILD_ROOT=") && bad.out().contains("do not work"),
        "{bad}"
    );
}

#[test]
fn checks_without_a_build() {
    let env = TestEnv::new();
    let good = env.context("good", &[("Dockerfile", "FROM scratch\nCOPY a /a\n"), ("a", "")]);
    env.rbuild(["--check"])
        .arg(&good)
        .run()
        .success()
        .prints("no warnings");
    let text = "FROM scratch as Base\nMAINTAINER me\n";
    let bad = env.context("bad", &[("Dockerfile", text)]);
    let found = env.rbuild(["--check"]).arg(&bad).run().success();
    for rule in [
        "FromAsCasing",
        "StageNameCasing",
        "MaintainerDeprecated",
        "Dockerfile:2:1",
        "3 warnings",
    ] {
        assert!(found.out().contains(rule), "no {rule} in\n{found}");
    }
    let value = json(env.rbuild(["--call=check,format=json"]).arg(&bad).run().success());
    assert_eq!(value["warnings"].as_array().map(Vec::len), Some(3));
    assert_eq!(value["warnings"][2]["ruleName"], "MaintainerDeprecated");
    assert_eq!(value["warnings"][2]["location"]["ranges"][0]["start"]["line"], 2);
    env.write("bad/Dockerfile", format!("# check=error=true\n{text}"));
    env.rbuild(["--check"]).arg(&bad).run().exits(1);
    env.write("bad/Dockerfile", format!("# check=skip=all\n{text}"));
    env.rbuild(["--check"])
        .arg(&bad)
        .run()
        .success()
        .prints("no warnings");
    env.write("bad/Dockerfile", "FORM scratch\n");
    env.rbuild(["--check"]).arg(&bad).run().exits(1).says("FROM");
    assert!(!env.store().exists(), "checking needs no store");
}

#[test]
fn a_check_knows_the_ignore_file_and_the_base() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context(
        "context",
        &[
            (
                "Dockerfile",
                "FROM busybox:local\nENV X=$PATH:/x Y=$NOPE\nCOPY hidden /\n",
            ),
            (".dockerignore", "hidden\n"),
            ("hidden", ""),
        ],
    );
    let found = env.rbuild(["--check"]).arg(&context).run().success();
    assert!(found.out().contains("CopyIgnoredFile"), "{found}");
    assert!(found.out().contains("NOPE"), "{found}");
    assert!(
        !found.out().contains("$PATH`") && !found.out().contains("`PATH`"),
        "the base sets PATH\n{found}"
    );
}

#[test]
fn outline_and_targets() {
    let env = TestEnv::new();
    let text = "ARG MAJOR=3 NOBODY=1\nARG VERSION=${MAJOR}.1\n# build compiles it\nFROM scratch AS build\n\
                ARG VERSION\n# MODE how to compile\nARG MODE=slow\nARG MODE=fast-$VERSION\nENV WHICH=token\n\
                RUN --mount=type=secret,id=$WHICH,required --mount=type=cache,target=/cache x\n\
                FROM scratch AS unused\nARG NEVER\nFROM scratch\nCOPY --from=build / /\n";
    let context = env.context("context", &[("Dockerfile", text)]);
    let targets = json(
        env.rbuild(["--call=targets,format=json"])
            .arg(&context)
            .run()
            .success(),
    );
    let list = targets["targets"].as_array().expect("there are stages");
    assert_eq!(list.len(), 3);
    assert_eq!(
        (list[0]["name"].as_str(), list[0]["description"].as_str()),
        (Some("build"), Some("compiles it"))
    );
    assert_eq!(list[2]["default"], true);
    let table = env.rbuild(["--call=targets"]).arg(&context).run().success();
    assert!(table.out().contains("2 (default)"), "{table}");
    let outline = json(
        env.rbuild(["--call=outline,format=json"])
            .arg(&context)
            .run()
            .success(),
    );
    let args: Vec<(&str, Option<&str>)> = outline["args"]
        .as_array()
        .expect("there are arguments")
        .iter()
        .map(|arg| (arg["name"].as_str().unwrap_or_default(), arg["value"].as_str()))
        .collect();
    assert_eq!(
        args,
        [
            ("MAJOR", Some("3")),
            ("VERSION", Some("3.1")),
            ("MODE", Some("fast-3.1"))
        ],
        "NEVER is of a stage that is not needed, and NOBODY is used by none"
    );
    assert_eq!(outline["args"][2]["description"], "how to compile");
    assert_eq!(
        (
            outline["secrets"][0]["name"].as_str(),
            outline["secrets"][0]["required"].as_bool()
        ),
        (Some("token"), Some(true))
    );
    assert_eq!(outline["cacheMounts"][0]["id"], "/cache");
    // Only an argument tells which stage it is.
    let by_argument = "ARG S=a\n# B-a is no description\nFROM scratch AS b-a\nRUN --mount=type=secret,id=deep x\nFROM b-$S\n";
    let context_by_argument = env.context_of(by_argument, &[]);
    let outline = env
        .rbuild(["--call=outline"])
        .arg(&context_by_argument)
        .run()
        .success();
    assert!(outline.out().contains("deep"), "{outline}");
    let targets = env
        .rbuild(["--call=targets"])
        .arg(&context_by_argument)
        .run()
        .success();
    assert!(!targets.out().contains("description"), "names have a case");
    let given = env
        .rbuild(["--call=outline", "--build-arg", "MODE=slow"])
        .arg(&context)
        .run()
        .success();
    assert!(
        given.out().contains("slow") && given.out().contains("token"),
        "{given}"
    );
    env.rbuild(["--call=outline", "--target", "biuld"])
        .arg(&context)
        .run()
        .exits(125)
        .says("did you mean `build`?");
}

#[test]
fn debug_shows_how_a_dockerfile_is_read() {
    let env = TestEnv::new();
    let text = "FROM nowhere.example/base AS build\nWORKDIR /src\nCOPY a .\nFROM scratch AS unused\nCOPY a /\nFROM scratch\nCOPY --from=build /src /\n";
    let context = env.context(
        "context",
        &[
            ("Dockerfile", text),
            (".dockerignore", "*.log\n!keep.log\n"),
            ("a", ""),
        ],
    );
    let parsed = json(
        env.rbuild(["debug", "parse"])
            .arg(context.join("Dockerfile"))
            .run()
            .success(),
    );
    assert_eq!(parsed["version"], 1);
    assert_eq!(parsed["dockerfile"]["stages"].as_array().map(Vec::len), Some(3));
    let wrong = env
        .rbuild(["debug", "parse", "-"])
        .stdin("FROM scratch\nCOPPY a b\n")
        .run()
        .exits(1);
    let wrong = json(wrong);
    assert_eq!(wrong["diagnostics"][0]["severity"], "error");
    assert_eq!(wrong["diagnostics"][0]["span"]["line"], 2);

    // No registry is asked for the base.
    let dag = json(env.rbuild(["debug", "dag"]).arg(&context).run().success());
    let kinds: Vec<&str> = dag["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "copy").count(), 2, "{dag:#}");
    assert!(kinds.contains(&"image") && kinds.contains(&"workdir"));
    let pruned: Vec<bool> = dag["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["pruned"].as_bool().unwrap())
        .collect();
    assert_eq!(pruned, [false, true, false]);
    let nodes = dag["nodes"].as_array().unwrap().len() as u64;
    for edge in dag["edges"].as_array().unwrap() {
        let (from, to) = (edge["from"].as_u64().unwrap(), edge["to"].as_u64().unwrap());
        assert!(from < to && to < nodes, "inputs come first: {edge}");
    }
    let again = json(env.rbuild(["debug", "dag"]).arg(&context).run().success());
    assert_eq!(dag, again);

    let paths = json(
        env.rbuild(["debug", "ignore", "--context"])
            .arg(&context)
            .args(["a", "x.log", "keep.log", "sub/x.log"])
            .run()
            .success(),
    );
    let excluded: Vec<bool> = paths["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path["excluded"].as_bool().unwrap())
        .collect();
    assert_eq!(excluded, [false, true, false, false]);
    assert_eq!(
        (
            paths["paths"][2]["pattern"].as_str(),
            paths["paths"][2]["line"].as_u64()
        ),
        (Some("!keep.log"), Some(2))
    );
    assert!(!env.store().exists(), "debugging needs no store");
}

#[test]
fn completions_and_manual_know_every_verb() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = env.rbuild(["completions", shell]).run().success();
        for verb in ["images", "prune", "why"] {
            assert!(script.out().contains(verb), "{shell}: no {verb}");
        }
    }
    let syntax = env.rbuild(["completions", "bash"]).run().success();
    env.tool("bash")
        .args(["-n", "/dev/stdin"])
        .stdin(syntax.stdout)
        .run()
        .success();
    let page = env.rbuild(["man"]).run().success();
    assert!(page.out().contains(".TH rbuild 1"), "{page}");
    let page = env.rbuild(["man", "save"]).run().success();
    assert!(page.out().contains("uncompressed"), "{page}");
    env.rbuild(["man", "svae"])
        .run()
        .exits(125)
        .says("did you mean `save`?");
}

#[test]
fn a_mistyped_verb_is_told() {
    let env = TestEnv::new();
    env.rbuild(["imagse"])
        .run()
        .exits(125)
        .says("did you mean `rbuild images`?")
        .no_panic();
    env.rbuild(["images", "--formt", "json"])
        .run()
        .exits(125)
        .says("--format")
        .no_panic();
}

#[test]
fn readers_may_go_away() {
    let env = with_app();
    for args in [
        &["man"][..],
        &["completions", "bash"],
        &["inspect", "app"],
        &["debug", "parse", "app/Dockerfile"],
    ] {
        let words = args.join(" ");
        let script = format!("\"$0\" {words} | head -c 1 > /dev/null");
        env.tool("sh")
            .args(["-c", &script])
            .arg(env::program_under_test())
            .run()
            .success()
            .no_panic();
    }
    let script = "\"$0\" images > /dev/full";
    let full = env
        .tool("sh")
        .args(["-c", script])
        .arg(env::program_under_test())
        .run();
    full.exits(125).says("standard output").no_panic();
}

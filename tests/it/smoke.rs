//! Whether the parts are connected: one small path through each command. The details are other modules' work.

use crate::harness::{Base, TestEnv, base};

#[test]
fn version_and_help() {
    let env = TestEnv::new();
    let version = env.rbuild(["--version"]).run().success();
    assert_eq!(version.out(), format!("rbuild {}", env!("CARGO_PKG_VERSION")));
    let help = env.rbuild(["--help"]).run().success();
    for verb in [
        "build", "run", "images", "load", "save", "pull", "push", "why", "doctor",
    ] {
        assert!(
            help.out().lines().any(|line| line.trim_start().starts_with(verb)),
            "no `{verb}` in\n{help}"
        );
    }
    assert!(!env.store().exists(), "asking for help makes no store");
}

/// A variable of the environment is no flag that was typed.
#[test]
fn the_usage_is_that_of_the_verb() {
    let env = TestEnv::new();
    for (words, usage) in [
        (
            &["build", "--build-arg", "app"][..],
            "Usage: rbuild build [OPTIONS] <CONTEXT>",
        ),
        (
            &["build", "--no-cahce", "."],
            "Usage: rbuild build [OPTIONS] <CONTEXT>",
        ),
        (&["tag"], "Usage: rbuild tag [OPTIONS] <SOURCE>"),
        (&["debug", "dag"], "Usage: rbuild debug dag [OPTIONS] <CONTEXT>"),
    ] {
        let run = env.rbuild(words).env("DOCKER_DEFAULT_PLATFORM", "linux/amd64");
        run.run().exits(125).says(usage).never_says("--root <DIR>");
    }
}

#[test]
fn wrong_usage_is_125_with_a_suggestion() {
    let env = TestEnv::new();
    env.rbuild(["--tga", "x", "."])
        .run()
        .exits(125)
        .says("--tag")
        .no_panic();
    env.rbuild(["imagse"]).run().exits(125).no_panic();
    env.rbuild([""; 0]).run().exits(125).no_panic();
    env.rbuild(["run", "no-such-image:local", "true"])
        .run()
        .exits(125)
        .no_panic();
}

#[test]
fn the_two_command_lines_of_the_readme() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context(
        "app",
        &[(
            "Dockerfile",
            "FROM busybox:local\nRUN echo built > /made\nCMD [\"cat\", \"/made\"]\n",
        )],
    );
    env.rbuild(["-f", "Dockerfile", "-t", "app", "."])
        .cwd(&context)
        .run()
        .success()
        .no_panic();
    env.rbuild(["run", "app"])
        .cwd(&context)
        .run()
        .success()
        .prints("built");
}

#[test]
fn from_scratch() {
    let env = TestEnv::new();
    let context = env.context(
        "scratch",
        &[(
            "Dockerfile",
            "FROM scratch\nCOPY act /act\nENTRYPOINT [\"/act\"]\n",
        )],
    );
    std::fs::copy(base::program("act"), context.join("act")).expect("a program can be copied");
    env.build("act", &context).success().no_panic();
    env.run("act", ["exit", "7"]).exits(7);
    let paths: Vec<String> = env
        .saved("act")
        .tree()
        .into_keys()
        .filter(|path| !path.is_empty())
        .collect();
    assert_eq!(paths, ["act"]);
}

#[test]
fn exit_codes_of_run() {
    let env = TestEnv::with(&[Base::Busybox]);
    env.run("busybox:local", ["true"]).exits(0);
    env.run("busybox:local", ["sh", "-c", "exit 42"]).exits(42);
    env.run("busybox:local", ["/etc/passwd"]).exits(126);
    env.run("busybox:local", ["no-such-program"]).exits(127);
    env.run("busybox:local", [""])
        .exits(127)
        .says("the command's name is empty");
}

#[test]
fn a_failing_step_shows_its_line_and_its_output() {
    let env = TestEnv::with(&[Base::Busybox]);
    let dockerfile = "FROM busybox:local\nRUN echo about to fail; exit 3\nRUN echo never\n";
    let failed = env
        .build_text("failing", dockerfile)
        .exits(1)
        .says("about to fail")
        .says("Dockerfile:2")
        .no_panic();
    assert!(
        failed.err().contains('3'),
        "the step's own exit code is named\n{failed}"
    );
    env.rbuild(["-q", "-t", "failing"])
        .arg(env.path("context-failing"))
        .run()
        .exits(1)
        .says("about to fail");
    env.rbuild(["run", "failing"]).run().exits(125);
}

#[test]
fn all_errors_of_a_dockerfile_at_once() {
    let env = TestEnv::new();
    let dockerfile = "FORM busybox\nFROM scratch AS build\nCOPY --form=build a b\nCOPY --from=biuld /a /b\n";
    let failed = env.build_text("wrong", dockerfile).exits(1).no_panic();
    for expected in ["Dockerfile:1", "FROM", "Dockerfile:3", "--from"] {
        assert!(failed.err().contains(expected), "no {expected:?} in\n{failed}");
    }
}

#[test]
fn a_base_of_130_layers() {
    let env = TestEnv::with(&[Base::Deep]);
    let dockerfile = "FROM deep:local\nRUN test \"$(cat /deep/latest)\" = 129 && ls /deep | wc -l > /count && ls /deep/cleared > /left\n";
    env.build_text("deeper", dockerfile).success().no_panic();
    // 129 files, less every tenth that the next layer took away, and `latest` and `cleared`.
    env.run("deeper", ["cat", "/count", "/left"])
        .success()
        .prints("119\nafter");
    let image = env.saved("deeper");
    assert_eq!(image.layers.len(), 131);
    let names: Vec<&str> = image.layers[130]
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(
        names.iter().filter(|name| !name.is_empty()).collect::<Vec<_>>(),
        [&"count", &"left"]
    );
}

#[test]
fn a_mistyped_verb_file_or_image_is_named() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context("context", &[("Dockerfile", "FROM scratch\n")]);
    let meant = "did you mean `rbuild build`?";
    env.rbuild(["biuld"])
        .arg(&context)
        .run()
        .exits(125)
        .says("there is no verb `biuld`")
        .says(meant);
    env.rbuild(["biuld", "-t", "x", "."]).run().exits(125).says(meant);
    env.rbuild(["-f"])
        .arg(context.join("Dockerfle"))
        .arg(&context)
        .run()
        .exits(125)
        .says(&format!(
            "did you mean `{}`?",
            context.join("Dockerfile").display()
        ));
    for word in ["check", "chekc"] {
        env.rbuild([word])
            .arg(&context)
            .run()
            .exits(125)
            .says("did you mean `rbuild --check`?");
    }
    env.rbuild(["-t", "name", "biuld"])
        .arg(&context)
        .run()
        .exits(125)
        .says(meant);
    // A flag of another program has a word for what to do; nothing that is far is offered.
    for (words, meant) in [
        (&["--memry", "3g", "."][..], "'--memory'"),
        (&["run", "--memry", "3g", "img"], "'--memory'"),
        (&["--tga", "x", "."], "'--tag'"),
        (&["--platfrom", "x", "."], "'--platform'"),
    ] {
        env.rbuild(words).run().exits(125).says(meant);
    }
    env.rbuild(["--resource", "memory=3g", "."])
        .run()
        .exits(125)
        .says("help: use --memory");
    env.rbuild(["--xyzzy", "."])
        .run()
        .exits(125)
        .never_says("similar");
    // Behind a verb there is none to be meant.
    let flag = env.rbuild(["run", "--fooo", "img"]).run().exits(125);
    assert!(!flag.err().contains("no verb"), "{flag}");
    env.rbuild(["."])
        .arg(&context)
        .run()
        .exits(125)
        .says("a build has one context");
    env.rbuild(["run", "--pull=never", "busibox"])
        .run()
        .exits(125)
        .says("did you mean `busybox:local`")
        .no_panic();
}

/// What hands of docker's and podman's users type.
#[test]
fn verbs_of_other_programs() {
    let env = TestEnv::with(&[Base::Busybox]);
    let run = |words: &[&str]| env.rbuild(words).run().no_panic();
    let prints = |words: &[&str], text: &str| {
        let outcome = run(words).success();
        assert!(outcome.out().contains(text), "{outcome}");
    };
    for words in [&["image", "ls"][..], &["image", "list"], &["images"]] {
        prints(words, "busybox");
    }
    prints(&["version"], "rbuild");
    prints(&["system", "df"], "images");
    for words in [&["ps", "-aq"][..], &["container", "ls"]] {
        run(words).success();
    }
    for (words, text) in [
        (
            &["run", "--memory-swappiness", "1", "busybox:local"][..],
            "docs/limits.md",
        ),
        (&["compose", "up"], "Kubernetes"),
    ] {
        run(words).exits(125).says("rbuild has no").says(text);
    }
    run(&[
        "container",
        "run",
        "--rm=true",
        "--tty=false",
        "busybox:local",
        "echo",
        "hi",
    ])
    .success()
    .prints("hi");
    // A context may have such a name.
    env.context("info", &[("Dockerfile", "FROM busybox:local\n")]);
    prints(&["-q", "info"], "sha256:");
    run(&["info"]).success().says("sha256:");
    run(&["bud", "-o", "type=cacheonly", "-t", "nowhere", "info"]).success();
    run(&["inspect", "nowhere"]).exits(125);
    let archive = run(&["build", "-o", "type=docker", "info"]).success();
    assert!(archive.stdout.len() > 1_000_000);
}

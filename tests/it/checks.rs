//! What builds and `--check` find in a Dockerfile, and which frontend it asks for.

use crate::harness::{Base, Registry, TestEnv, skip};

const WILDCARD: &str = "no file matches `*.nothing`";

#[test]
fn a_build_tells_of_wildcards_that_match_nothing() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch AS a\nCOPY kept *.nothing none* /a/\nFROM scratch\nCOPY --from=a /a/*.x /b/\nCOPY k* /c/\n";
    let files = [("kept", "k")];
    let context = env.context_of(dockerfile, &files);
    // Also when all is cached, and whatever shows progress.
    for progress in ["plain", "plain", "tty", "rawjson"] {
        let (_, words) = env.image_and_words(["--progress", progress], &context);
        for said in [
            WILDCARD,
            "Dockerfile:2:11",
            "no file matches `/a/*.x`",
            "Dockerfile:4:15",
            "docs/rules.md#wildcard",
        ] {
            assert!(words.err().contains(said), "{progress}: {said}: {words}");
        }
        words.never_says("`k*`").never_says("`none*`");
    }
    let quiet = format!("# check=skip=WildcardMatchedNothing\n{dockerfile}");
    env.image_and_words([""; 0], env.context_of(&quiet, &files))
        .1
        .never_says("no file matches");
    let inline = dockerfile.replace("COPY kept", "# check=skip=WildcardMatchedNothing\nCOPY kept");
    let (_, words) = env.image_and_words([""; 0], env.context_of(&inline, &files));
    assert!(words.err().contains("no file matches `/a/*.x`"), "{words}");
    words.never_says(WILDCARD);
    env.refused(&format!("# check=error=true\n{dockerfile}"), &files)
        .exits(1)
        .says(WILDCARD)
        .says("Dockerfile:3");
}

#[test]
fn check_looks_at_the_context_and_at_bases_in_the_store() {
    let env = TestEnv::with(&[Base::Busybox]);
    let dockerfile = "FROM busybox:local\nCOPY *.nothing k* /a/\nCOPY --chown=nosuchuser kept /b/\n\
                      COPY --chown=root kept /b/\nRUN adduser -D nosuchuser\nCOPY --chown=nosuchuser kept /b/\n";
    let context = env.context_of(dockerfile, &[("kept", "k")]);
    let found = env.rbuild(["--check"]).arg(&context).run().success();
    for said in [
        "no file of the context matches `*.nothing`",
        "Dockerfile:2:6",
        "the image does not know `nosuchuser`",
        "Dockerfile:3:14",
        "2 warnings",
    ] {
        assert!(found.out().contains(said), "{said}\n{found}");
    }
}

#[test]
fn settings_without_a_credential_are_no_secret() {
    let env = TestEnv::new();
    for (text, count) in [
        ("registry=https://h/\n//h/:_authToken=${NPM_TOKEN}\n", 0),
        ("//h/:_authToken=npm_abc\n", 1),
    ] {
        let context = env.context_of("FROM scratch\nCOPY .npmrc /\n", &[(".npmrc", text)]);
        let checked = env.rbuild(["--check"]).arg(&context).run().success();
        assert_eq!(checked.out().matches("SecretInLayer").count(), count, "{checked}");
        let (_, built) = env.image_and_words([""; 0], &context);
        assert_eq!(built.err().matches("SecretInLayer").count(), count, "{built}");
        built.never_says("npm_abc");
    }
}

#[test]
fn stages_that_are_not_built_are_checked() {
    let env = TestEnv::with(&[Base::Busybox]);
    let files = [("kept", "k")];
    let other = if cfg!(target_arch = "x86_64") {
        "arm64"
    } else {
        "amd64"
    };
    env.rbuild(["-q", "-t", "foreign", "--platform", &format!("linux/{other}")])
        .arg(env.context_of("FROM scratch\nCOPY kept /\n", &files))
        .run()
        .success();
    let dockerfile = "FROM busybox:local AS unbuilt\nCOPY *.nothing /a/\nCOPY --chown=nosuchuser kept /b/\nENV A=$NOT_SET\nCMD x\n\
                      FROM foreign AS other\nFROM scratch\nCOPY kept /\n";
    let context = env.context_of(dockerfile, &files);
    let of_text = ["JSONArgsRecommended", "UndefinedVar"];
    let of_files = [
        "WildcardMatchedNothing",
        "ChownUnknownName",
        "InvalidBaseImagePlatform",
    ];
    let checked = env.rbuild(["--check"]).arg(&context).run().success();
    // A build reads files and images for what it builds; what the text alone says it tells of every stage.
    let (_, built) = env.image_and_words([""; 0], &context);
    for rule in of_text {
        assert!(
            checked.out().contains(rule) && built.err().contains(rule),
            "{rule}: {checked}{built}"
        );
    }
    for rule in of_files {
        assert!(
            checked.out().contains(rule) && !built.err().contains(rule),
            "{rule}: {checked}{built}"
        );
    }
}

/// Builds with these arguments a file that asks for this frontend.
fn with_frontend(env: &TestEnv, syntax: &str, args: &[&str]) -> crate::harness::Outcome {
    let context = env.context_of(&format!("{syntax}FROM scratch\nCOPY f /\n"), &[("f", "")]);
    env.building(args).arg(context).run().no_panic()
}

#[test]
fn frontends_that_are_not_built_in() {
    let env = TestEnv::new();
    let foreign = "# syntax=example.org/other:1\n";
    let own = "# syntax=docker/dockerfile:1-labs\n";
    with_frontend(&env, foreign, &[])
        .success()
        .says("`example.org/other:1` is not used")
        .says("Dockerfile:1:10");
    with_frontend(&env, foreign, &["--strict-syntax"])
        .exits(1)
        .says("error: the frontend")
        .says("Dockerfile:1:10");
    with_frontend(&env, own, &["--strict-syntax"])
        .success()
        .never_says("frontend");
    // The argument goes before the directive, and is never unused.
    let argument = [
        "--build-arg",
        "BUILDKIT_SYNTAX=docker/dockerfile:1",
        "--strict-syntax",
    ];
    with_frontend(&env, foreign, &argument)
        .success()
        .never_says("frontend")
        .never_says("nothing uses");
    let argument = ["--build-arg", "BUILDKIT_SYNTAX=example.org/x"];
    with_frontend(&env, own, &argument)
        .success()
        .says("BUILDKIT_SYNTAX: the frontend `example.org/x` is not used");
    let argument = [argument[0], argument[1], "--strict-syntax"];
    with_frontend(&env, own, &argument)
        .exits(125)
        .says("example.org/x");
    with_frontend(&env, "// syntax=example.org/js\n", &[])
        .exits(1)
        .says("written for the frontend `example.org/js`");
}

/// Each of these needs more stack, memory or time than there is, unless care is taken. There is no clock here.
#[test]
fn files_that_ask_for_too_much() {
    let env = TestEnv::new();
    let dag = |dockerfile: &str| {
        let context = env.context_of(dockerfile, &[]);
        env.rbuild(["debug", "dag"]).arg(context).run().no_panic()
    };
    let mut chain = "FROM scratch AS s0\n".to_owned();
    let mut copies = chain.clone();
    let mut growing = chain.clone();
    let mut triggers = chain.clone();
    let mut arguments = chain.clone();
    for n in 1..5_000 {
        let below = n - 1;
        triggers += &format!("FROM scratch AS t{n}\nONBUILD COPY --from=s{below} / /\nFROM t{n} AS s{n}\n");
        arguments += &format!("FROM scratch AS s{n}\nARG S=s{below}\nCOPY --from=$S / /\n");
        chain += &format!("FROM s{below} AS s{n}\n");
        copies += &format!("FROM scratch AS s{n}\nCOPY --from=s{below} / /\n");
        growing += &format!("FROM s{below} AS s{n}\nENV A{n}=1\n");
    }
    dag(&chain).success();
    dag(&copies).success();
    dag(&arguments).success();
    dag(&triggers)
        .exits(1)
        .says("stages need each other through too many");
    dag(&arguments.replace("ARG S=", "ARG S=${NONE}"))
        .exits(1)
        .says("stages need each other through too many");
    dag(&growing).exits(1).says("inherit too much from each other");
    let variables: String = (0..10_000).map(|n| format!("ENV A{n}=$A{}\n", n / 2)).collect();
    dag(&format!("FROM scratch\n{variables}RUN x\n")).success();
    dag(&format!("FROM scratch\n{variables}{}", "RUN x\n".repeat(1000)))
        .exits(1)
        .says("Dockerfile:");
    dag(&format!("FROM scratch\n{}", "WORKDIR a\n".repeat(10_000)))
        .exits(1)
        .says("longer than a path can be");
    dag(&format!("FROM scratch\nEXPOSE {}\n", "1-65535 ".repeat(10_000)))
        .exits(1)
        .says("more ports");
    let errors = dag(&format!("FROM scratch\n{}", "RNU x\n".repeat(10_000))).exits(1);
    assert!(
        errors.err().contains("... and 9900 more") && errors.err().contains("10000 errors in"),
        "{}",
        errors.err().len()
    );
    let context = env.context_of(&format!("FROM scratch\n{}", "CMD a\n".repeat(10_000)), &[]);
    let found = env.rbuild(["--check"]).arg(context).run().success();
    assert!(
        found.out().contains("... and 19899 more") && found.out().ends_with("19999 warnings"),
        "{}",
        found.out().len()
    );
}

#[test]
fn a_file_that_is_no_text_has_its_error_in_json() {
    let env = TestEnv::new();
    let context = env.context("context", &[]);
    env.write("context/Dockerfile", b"FROM scratch\nLABEL a=\xff\n");
    let checked = env
        .rbuild(["--call=check,format=json"])
        .arg(&context)
        .run()
        .exits(1);
    let found: serde_json::Value = serde_json::from_slice(checked.out().as_bytes()).unwrap();
    let message = found["buildError"]["message"].as_str().unwrap();
    assert!(
        message.contains("line 2, column 9: byte 0xff is not UTF-8"),
        "{checked}"
    );
    assert_eq!(found["warnings"], serde_json::json!([]));
    let told = env
        .rbuild(["--check"])
        .arg(&context)
        .run()
        .exits(1)
        .says("not UTF-8");
    assert_eq!(told.out(), "");
}

#[test]
fn the_json_of_a_file_that_does_not_parse_has_its_error() {
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nCOPPY a b\nENV A=1 B\n", &[]);
    let ran = env.building(["--call=check,format=json"]).arg(&context).run();
    let found: serde_json::Value = serde_json::from_str(&ran.out()).expect("JSON on standard output");
    assert_eq!(found["buildError"]["message"], "unknown instruction `COPPY`");
    assert_eq!(found["buildError"]["location"]["ranges"][0]["start"]["line"], 2);
    let count = |name: &str| found[name].as_array().map(Vec::len);
    assert_eq!(count("errors"), Some(2), "all errors are told");
    assert_eq!(count("warnings"), Some(0), "an error is no warning");
    ran.exits(1).says("COPPY").no_panic();
}

/// What `--check` says of a file, and what it exits with.
#[track_caller]
fn check(env: &TestEnv, dockerfile: &str, args: &[&str]) -> crate::harness::Outcome {
    let context = env.context_of(dockerfile, &[]);
    env.rbuild(["--check"]).args(args).arg(context).run().no_panic()
}

#[test]
fn check_tells_what_a_build_would_say_before_its_first_step() {
    let env = TestEnv::new();
    let checked = check(
        &env,
        "FROM scratch AS made\nARG PORT=99999\nEXPOSE $PORT\nFROM scratch AS unneeded\nSTOPSIGNAL ${S:?named}\n\
         FROM scratch\nCOPY --from=made / /\nADD --checksum=sha256:$C https://example.org/x /x\n",
        &[],
    );
    checked
        .exits(1)
        .says("`99999` is no port")
        .says("Dockerfile:3:8")
        .says("Dockerfile:8:")
        .says("`S` is not set: named")
        .says("3 errors in Dockerfile");
    let found = check(
        &env,
        "FROM scratch\nARG PORT=x\nEXPOSE $PORT\n",
        &["--call=check,format=json"],
    );
    let json: serde_json::Value = serde_json::from_str(&found.out()).expect("JSON on standard output");
    assert_eq!(json["buildError"]["message"], "`x` is no port");
    assert_eq!(json["buildError"]["location"]["ranges"][0]["start"]["line"], 3);
    found.exits(1);
    // What this host or this command line lacks is no fault of the file.
    let of_host = "FROM scratch\nRUN --security=insecure a\nRUN --network=host a\nRUN --device=a/b=c a\n";
    check(&env, of_host, &["--strict-syntax"]).success();
    let mended = check(
        &env,
        "# check=error=true\nFROM scratch AS A\nARG B=8080\nEXPOSE $B\n",
        &[],
    );
    assert!(mended.out().ends_with("\n1 error"), "{mended}");
    mended.exits(1);
}

#[test]
fn findings_above_what_does_not_parse_are_told() {
    let env = TestEnv::new();
    let found = check(&env, "FROM scratch AS Upper\nBADCMD\nWORKDIR relative\n", &[]);
    found
        .exits(1)
        .says("the stage name `Upper` is not in lower case")
        .says("StageNameCasing")
        .says("unknown instruction `BADCMD`");
    // A build tells of them where they may be the reason.
    let built = env.refused("FROM scratch AS Upper\nARG SRC_DIR\nEXPOSE ${SRCDIR}x\n", &[]);
    let built = built.says("did you mean `SRC_DIR`?").says("`x` is no port");
    assert!(!built.err().contains("Upper"), "{built}");
}

#[test]
fn a_build_tells_warnings_beside_what_does_not_parse() {
    let env = TestEnv::new();
    env.refused("FROM scratch as a\nCMD a b\nRNU x\nLABEL a b\n", &[])
        .says("JSONArgsRecommended")
        .says("unknown instruction `RNU`")
        .never_says("LegacyKeyValueFormat");
}

#[test]
fn a_mount_option_without_effect_is_told_once() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context_of(
        "FROM busybox:local\nARG I=b\nRUN --mount=type=tmpfs,target=/a,id=a --mount=type=tmpfs,target=/b,id=$I true\n",
        &[],
    );
    let checked = env.rbuild(["--check"]).arg(&context).run().success();
    let built = env.rbuild(["--progress=plain"]).arg(&context).run().success();
    for said in [checked.out(), built.err()] {
        assert_eq!(
            said.matches("the mount option `id` has no effect").count(),
            2,
            "{said}"
        );
        assert_eq!(said.matches("warning: ").count(), 2, "{said}");
    }
}

#[test]
fn what_a_base_sets_is_known_to_the_checks() {
    let undefined = "the variable `HOMME` is not set";
    let env = TestEnv::new();
    // A stage whose name an argument holds, and triggers.
    let known = "ARG FROM=made\nFROM scratch AS made\nENV HOMME=/a\nONBUILD ARG MORE=b\n\
                 FROM $FROM\nWORKDIR $HOMME/$MORE\nFROM made\nWORKDIR $HOMME/$MORE\n";
    let found = check(&env, known, &[]).success();
    assert_eq!(found.out(), "no warnings", "{found}");
    let found = check(&env, "ARG FROM=scratch\nFROM $FROM\nWORKDIR /$HOMME\n", &[]).success();
    assert!(found.out().contains(undefined), "{found}");
    // Where nobody can be asked, what is not checked is told, and nothing is guessed.
    let far = "FROM registry.invalid/base\nRUN --mount=target=. x\nWORKDIR $HOMME\nUSER ${WHO:?}\nVOLUME $V\n\
               EXPOSE $PORT/udp\nSTOPSIGNAL $S\nENV $K=v\nCOPY --chown=$A:$B $C /d\nCOPY <<E /e\n${F:?}\nE\n";
    for args in [&["--pull=never"][..], &[]] {
        let found = check(&env, far, args)
            .success()
            .says("registry.invalid/base")
            .says("what depends on that image was not checked");
        assert_eq!(found.out(), "no warnings", "{found}");
    }
    env.rbuild(["debug", "dag"])
        .arg(env.context_of(&far.replace("COPY <<E /e\n${F:?}\nE\n", ""), &[]))
        .run()
        .success();
    // Nobody is asked when it makes no difference.
    let found = check(&env, "FROM registry.invalid/base\nARG A=b\nWORKDIR $A\n", &[]).success();
    assert_eq!(found.err(), "", "{found}");
    check(
        &env,
        "FROM scratch AS maker\nFROM scratch\nCOPY --from=makr /a /\n",
        &["--pull=never"],
    )
    .success()
    .says("did you mean stage `maker`?");
}

#[test]
fn bases_of_a_registry_are_known_to_the_first_build() {
    if !skip::unless_installed(
        "bases_of_a_registry_are_known_to_the_first_build",
        Registry::NEEDS,
    ) {
        return;
    }
    let maker = TestEnv::new();
    let registry = Registry::plain(&maker);
    let base = format!("{}/base", registry.address());
    let made = maker.context_of(
        "FROM scratch\nENV KNOWN=/a\nSHELL [\"/a\"]\nONBUILD ENV LATER=b\n",
        &[],
    );
    maker
        .rbuild(["-t", base.as_str(), "--push"])
        .arg(made)
        .run()
        .success();
    let dockerfile = format!("FROM {base}\nWORKDIR $KNOWN/$LATER\nWORKDIR /x/$KNOWNN\nCMD run\n");
    // In a store that never had the image, by both.
    for args in [&["--check"][..], &[]] {
        let env = TestEnv::new();
        let found = env
            .rbuild(args)
            .arg(env.context_of(&dockerfile, &[]))
            .run()
            .success();
        let said = found.out() + found.err();
        for expected in ["the variable `KNOWNN` is not set", "did you mean `KNOWN`?"] {
            assert!(said.contains(expected), "{found}");
        }
        assert_eq!(said.matches("warning: ").count(), 1, "{found}");
    }
}

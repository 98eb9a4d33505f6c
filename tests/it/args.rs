//! ARG and ENV: who sees which value, and what of it is left behind.

use serde_json::json;

use crate::harness::{Base, OciImage, TestEnv};

/// The labels of an image, whose values instructions expanded.
fn labels(image: &OciImage) -> serde_json::Value {
    image.config["config"]["Labels"].clone()
}

#[test]
fn the_nearest_value_wins() {
    let env = TestEnv::new();
    let dockerfile = r#"ARG GLOBAL=global
ARG BOTH=global
ARG DERIVED=${GLOBAL}-derived
FROM scratch AS base
ENV FROMBASE=env
FROM base
LABEL undeclared="<$GLOBAL>"
ARG GLOBAL
ARG BOTH=here
ARG DERIVED
ARG FROMBASE=arg
ARG GIVEN=default
ARG EMPTY=
ARG UNSET
ARG LATER=1 OTHER=${LATER:-none}
LABEL global=$GLOBAL both=$BOTH derived=$DERIVED frombase=$FROMBASE given=$GIVEN empty="<$EMPTY>" unset="<${UNSET-none}>" other=$OTHER
ENV BOTH=env
LABEL hidden=$BOTH
ARG BOTH=again
LABEL still=$BOTH
ARG QUOTED="a b" Q2='$GLOBAL' Q3="$GLOBAL"
LABEL quoted="$QUOTED $Q2 $Q3"
"#;
    let context = env.context_of(dockerfile, &[]);
    let image = env.image(["--build-arg", "GIVEN=given"], &context);
    assert_eq!(
        labels(&image),
        json!({
            "undeclared": "<>", "global": "global", "both": "here", "derived": "global-derived", "frombase": "env",
            "given": "given", "empty": "<>", "unset": "<none>", "other": "1", "hidden": "env", "still": "env",
            "quoted": "a b $GLOBAL global"
        })
    );
    let given = [
        "--build-arg",
        "GLOBAL=cli",
        "--build-arg",
        "EMPTY=full",
        "--build-arg",
        "BOTH=cli",
    ];
    let labels = labels(&env.image(given, &context));
    assert_eq!(labels["global"], "cli");
    assert_eq!(labels["derived"], "cli-derived");
    assert_eq!(labels["empty"], "<full>");
    assert_eq!(labels["both"], "cli");
    assert_eq!(labels["still"], "env");
}

#[test]
fn from_lines_see_global_args_only() {
    let env = TestEnv::new();
    let dockerfile = "ARG BASE=one\nARG N=two\nFROM scratch AS one\nLABEL is=one\nFROM scratch AS two\nARG BASE=stage\nLABEL is=two\nFROM ${N:+$BASE}\n";
    let context = env.context_of(dockerfile, &[]);
    assert_eq!(labels(&env.image([""; 0], &context))["is"], "one");
    assert_eq!(
        labels(&env.image(["--build-arg", "BASE=two"], &context))["is"],
        "two"
    );
    env.refused("FROM scratch\nARG B=scratch\nFROM $B\n", &[])
        .says("Dockerfile:3")
        .says("empty");
    env.refused("ARG B\nFROM $B\n", &[]).says("--build-arg");
}

#[test]
fn what_is_declared_again_keeps_its_value() {
    let env = TestEnv::new();
    let dockerfile = "ARG G=global\nFROM scratch AS base\nARG A=one G=own\nARG A G\nLABEL a=$A g=$G\n\
                      FROM base\nARG A\nLABEL child=$A\n";
    let context = env.context_of(dockerfile, &[]);
    assert_eq!(
        labels(&env.image([""; 0], &context)),
        json!({ "a": "one", "g": "global", "child": "one" })
    );
    assert_eq!(
        labels(&env.image(["--build-arg", "A=given"], &context)),
        json!({ "a": "given", "g": "global", "child": "given" })
    );
}

#[test]
fn from_of_a_copy_sees_the_nearest_argument() {
    let env = TestEnv::new();
    let stages = "ARG S=one\nFROM scratch AS one\nCOPY 1 /f\nFROM scratch AS two\nCOPY 2 /f\n";
    let files = [("1", "one"), ("2", "two")];
    let taken = |steps: &str, args: &[&str]| {
        let context = env.context_of(&format!("{stages}{steps}"), &files);
        env.image(args.iter(), &context).tree()["f"].text()
    };
    assert_eq!(taken("FROM scratch\nCOPY --from=$S / /\n", &[]), "one");
    assert_eq!(taken("FROM scratch\nARG S=two\nCOPY --from=$S / /\n", &[]), "two");
    assert_eq!(taken("FROM scratch\nCOPY --from=$S / /\nARG S=two\n", &[]), "one");
    assert_eq!(taken("FROM scratch\nARG S\nCOPY --from=$S / /\n", &[]), "one");
    let inherited = "FROM scratch AS base\nARG S=two\nFROM base\nCOPY --from=${S} / /\n";
    assert_eq!(taken(inherited, &[]), "two");
    let given = ["--build-arg", "S=two"];
    assert_eq!(taken("FROM scratch\nCOPY --from=$S / /\n", &given), "two");
    assert_eq!(
        taken("FROM scratch\nARG S=one\nCOPY --from=$S / /\n", &given),
        "two"
    );
    // An ENV is none, which is said.
    let hidden = format!("{stages}FROM scratch\nENV S=two\nCOPY --from=$S / /\n");
    let context = env.context_of(&hidden, &files);
    env.building([""; 0])
        .arg(&context)
        .run()
        .success()
        .says("`--from` sees the ARG `S`, not the ENV")
        .says("it is `one`");
    env.refused(
        "FROM scratch AS one\nFROM scratch\nENV T=one\nCOPY --from=$T / /\n",
        &[],
    )
    .says("it sees ARGs only, and `T` is an ENV");
    env.refused(
        "FROM scratch AS one\nFROM scratch\nARG M\nRUN --mount=from=$M,target=/m true\n",
        &[],
    )
    .says("`from` is empty after expansion");
}

#[test]
fn run_sees_declared_args_and_the_image_does_not() {
    let env = TestEnv::new();
    let dockerfile = r#"ARG G=global
FROM busybox:local AS one
ENV E=env
ARG A=arg
ARG E=arg
ARG NOVALUE
RUN env | grep -E '^(A|E|G|NOVALUE|LATE|http_proxy)=' | sort > /one; echo "$A" >> /one
ARG LATE=late
FROM one
RUN env | grep -E '^(A|E|G|NOVALUE|LATE)=' | sort > /two
"#;
    let image = env.image_of(dockerfile, &[]);
    let tree = image.tree();
    assert_eq!(tree["one"].text(), "A=arg\nE=env\narg\n");
    assert_eq!(
        tree["two"].text(),
        "A=arg\nE=env\nLATE=late\n",
        "a stage from a stage inherits its args"
    );
    let env_of_image = image.config["config"]["Env"].to_string();
    assert!(
        !env_of_image.contains("A=arg") && env_of_image.contains("E=env"),
        "{env_of_image}"
    );
    let history: Vec<&str> = image.config["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["created_by"].as_str())
        .collect();
    assert!(
        history
            .iter()
            .any(|line| line.starts_with("RUN |1 A=arg /bin/sh -c env ")),
        "{history:?}"
    );
    assert!(
        history
            .iter()
            .any(|line| line.starts_with("RUN |2 A=arg LATE=late /bin/sh -c env ")),
        "{history:?}"
    );
    assert!(history.contains(&"ARG NOVALUE"), "{history:?}");
}

#[test]
fn from_the_callers_environment() {
    let env = TestEnv::new();
    let context = env.context_of(
        "FROM scratch\nARG A=default\nARG B=default\nLABEL a=$A b=$B\n",
        &[],
    );
    let dest = env.path("out.tar");
    env.building(["--build-arg", "A", "--build-arg", "B", "-o"])
        .arg(format!("type=oci,dest={}", dest.display()))
        .arg(&context)
        .env("A", "environment")
        .run()
        .success();
    assert_eq!(
        labels(&OciImage::from_archive(&dest)),
        json!({"a": "environment", "b": "default"})
    );
}

#[test]
fn what_nothing_uses_is_told() {
    let env = TestEnv::new();
    let context = env.context_of("ARG G\nFROM scratch AS unused\nARG U\nFROM scratch\nARG A\n", &[]);
    let args = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .flat_map(|name| ["--build-arg".to_owned(), format!("{name}=1")])
            .collect()
    };
    let (_, words) = env.image_and_words(args(&["A", "TYPO", "G"]), &context);
    let told: Vec<String> = words
        .err()
        .lines()
        .filter(|line| line.contains("nothing uses"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        told,
        ["warning: build arguments that nothing uses: TYPO"],
        "{words}"
    );
    let known = [
        "A",
        "HTTP_PROXY",
        "https_proxy",
        "no_proxy",
        "BUILDKIT_SYNTAX",
        "BUILDKIT_INLINE_CACHE",
        "SOURCE_DATE_EPOCH",
    ];
    let (_, words) = env.image_and_words(args(&known), &context);
    words.never_says("nothing uses");
}

#[test]
fn proxies_need_no_arg_and_leave_no_trace() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN test ${#HTTP_PROXY} = 22 && echo \"$no_proxy\" > /np\n";
    let context = env.context_of(dockerfile, &[]);
    let args = [
        "--build-arg",
        "HTTP_PROXY=http://user:hunter9@pr",
        "--build-arg",
        "no_proxy=first",
    ];
    let image = env.image(args, &context);
    assert_eq!(image.tree()["np"].text(), "first\n");
    assert!(!image.contains("hunter9"), "neither history nor configuration");
    let other = [
        "--build-arg",
        "HTTP_PROXY=http://user:hunter9@pr",
        "--build-arg",
        "no_proxy=second",
    ];
    let image = env.image(other, &context);
    assert_eq!(
        image.tree()["np"].text(),
        "first\n",
        "a proxy is not part of the key"
    );
    // Given in one case, it is seen in both.
    let both = "FROM busybox:local\nRUN test \"$https_proxy $HTTPS_PROXY\" = 'a a' && test \"$ftp_proxy $FTP_PROXY\" = 'b c'\n";
    let args = ["https_proxy=a", "ftp_proxy=b", "FTP_PROXY=c"].map(|arg| format!("--build-arg={arg}"));
    env.building(args).arg(env.context_of(both, &[])).run().success();
    // Declared, it is an ARG like any other.
    let context = env.context_of(&dockerfile.replace("RUN", "ARG no_proxy\nRUN"), &[]);
    let image = env.image(other, &context);
    assert_eq!(image.tree()["np"].text(), "second\n");
    assert!(image.config["history"].to_string().contains("no_proxy=second"));
}

#[test]
fn steps_have_the_host_name_and_the_caches_that_the_build_gives() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN --mount=type=cache,target=/c \
        hostname > /name; cat /etc/hostname >> /name; grep -c localhost.*build-7 /etc/hosts >> /name; \
        ls /c >> /name; touch /c/$(hostname)\n";
    let context = env.context_of(dockerfile, &[]);
    let seen = |args: &[&str]| {
        let args = args.iter().flat_map(|arg| ["--build-arg", arg]);
        env.image(args, &context).tree()["name"].text()
    };
    let (own, other) = (
        "BUILDKIT_SANDBOX_HOSTNAME=build-7",
        "BUILDKIT_CACHE_MOUNT_NS=other",
    );
    assert_eq!(seen(&[]), "rbuild\nrbuild\n0\n");
    assert_eq!(seen(&[own]), "build-7\nbuild-7\n1\nrbuild\n", "part of the key");
    assert_eq!(
        seen(&["BUILDKIT_SANDBOX_HOSTNAME="]),
        "rbuild\nrbuild\n0\n",
        "empty is none"
    );
    assert_eq!(
        seen(&[own, other]),
        "build-7\nbuild-7\n1\nrbuild\n",
        "which cache is no part of the key"
    );
    let fresh = seen(&["BUILDKIT_SANDBOX_HOSTNAME=new", other]);
    assert_eq!(fresh, "new\nnew\n0\n", "the cache of another namespace is empty");
    for (wrong, why) in [
        ("BUILDKIT_SANDBOX_HOSTNAME=a b", "`a b` is not a host name"),
        ("BUILDKIT_MULTI_PLATFORM=1", "BUILDKIT_MULTI_PLATFORM: an index"),
    ] {
        let refused = env.building(["--build-arg", wrong]).arg(&context).run();
        refused.exits(125).says(why).no_panic();
    }
}

#[test]
fn platform_args() {
    let env = TestEnv::new();
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let dockerfile = r#"FROM scratch
LABEL before="<$TARGETARCH$BUILDARCH>"
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH TARGETSTAGE
LABEL t="$TARGETPLATFORM $TARGETOS $TARGETARCH <$TARGETVARIANT>" b="$BUILDPLATFORM $BUILDOS $BUILDARCH" s=$TARGETSTAGE
FROM scratch AS second
ARG TARGETARCH=mine TARGETSTAGE
LABEL a=$TARGETARCH s=$TARGETSTAGE
"#;
    let context = env.context_of(dockerfile, &[]);
    let native = labels(&env.image(["--target", "0"], &context));
    assert_eq!(native["before"], "<>");
    assert_eq!(native["t"], format!("linux/{machine} linux {machine} <>"));
    assert_eq!(native["b"], format!("linux/{machine} linux {machine}"));
    assert_eq!(native["s"], "0");
    let cross = env.image(["--target", "0", "--platform", "linux/arm/v7"], &context);
    assert_eq!(labels(&cross)["t"], "linux/arm/v7 linux arm <v7>");
    assert_eq!(labels(&cross)["b"], format!("linux/{machine} linux {machine}"));
    assert_eq!(cross.config["architecture"], "arm");
    assert_eq!(cross.config["variant"], "v7");
    let second = labels(&env.image(["--build-arg", "TARGETARCH=given"], &context));
    assert_eq!(second["a"], "given");
    assert_eq!(second["s"], "second");
    let unnamed = env.context_of("FROM scratch\nARG TARGETSTAGE\nLABEL s=$TARGETSTAGE\n", &[]);
    assert_eq!(labels(&env.image::<&str>([], &unnamed))["s"], "default");
}

#[test]
fn a_default_that_is_not_used_is_not_expanded() {
    let env = TestEnv::new();
    let dockerfile = "ARG A=${A:?no-A}\nFROM scratch\nARG B\nARG C=${B:?no-B}\nLABEL c=$C\n";
    let context = env.context_of(dockerfile, &[]);
    let given = |args: &[&str]| {
        let args = args.iter().flat_map(|arg| ["--build-arg", arg]);
        env.building(args).arg(&context).run()
    };
    given(&[]).exits(1).says("no-A").says("Dockerfile:1:7");
    given(&["A=1"]).exits(1).says("no-B").says("Dockerfile:4:7");
    given(&["A=1", "B=2"]).success();
    given(&["A=1", "C=3"]).success();
}

#[test]
fn an_argument_counts_from_where_it_is_seen() {
    let env = TestEnv::new();
    let uuid = "cat /proc/sys/kernel/random/uuid";
    let dockerfile = format!(
        "FROM busybox:local\nRUN {uuid} > /before\nARG X=0\nCOPY Dockerfile /copied\nRUN {uuid} > /after\n"
    );
    let context = env.context_of(&dockerfile, &[]);
    let built = |x: &str| {
        let tree = env.image(["--build-arg", &format!("X={x}")], &context).tree();
        (tree["before"].text(), tree["after"].text())
    };
    let (one, two, again) = (built("1"), built("2"), built("1"));
    assert_eq!(one.0, two.0, "above its line nothing changes");
    assert_ne!(one.1, two.1, "the first RUN after it does");
    assert_eq!(one, again, "both values stay in the cache");
}

#[test]
fn values_of_secrets_are_in_no_message() {
    let env = TestEnv::new();
    // Each of these has something to be said at the value or beside it.
    let files = [
        "ARG API_TOKEN=hunter2\nENV DB_PASSWORD=hunter3\n",
        "ENV API_TOKEN hunter2\nLABEL a b\n",
        "ENV API_TOKEN: hunter2\n",
        "ENV A=1 API_TOKEN hunter2\n",
        "ENV \"API_TOKEN=hunter2\"\n",
        "ENV API_TOKEN=\"hunter2\n",
        "ENV A=1 \\\n  API_TOKEN=hunter2 $NONE\n",
        "ENV A=1\n  API_TOKEN=hunter2\n",
        "ENVV API_TOKEN=hunter2\n",
        "ONBUILD ENV API_TOKEN hunter2\n",
    ];
    let used = [
        "COPY $API_TOKEN /\n",
        "COPY $API_TOKEN/* /\n",
        "COPY --chmod=$API_TOKEN Dockerfile /\n",
        "COPY --chown=$API_TOKEN Dockerfile /\n",
        "COPY Dockerfile Dockerfile /$API_TOKEN\n",
        "ADD http://127.0.0.1:1/$API_TOKEN?t=$API_TOKEN /\n",
        "EXPOSE $API_TOKEN\n",
        "STOPSIGNAL $API_TOKEN\n",
        "RUN --mount=type=bind,source=$API_TOKEN,target=/x true\n",
        "RUN --mount=type=secret,id=$API_TOKEN,required true\n",
    ];
    let used = used.map(|step| format!("FROM scratch\nARG API_TOKEN=hunter2\n{step}"));
    let files = files.map(|file| format!("FROM scratch\n{file}"));
    // What an instruction leaves to those behind it, and what a base is called.
    let later = [
        "FROM busybox:local\nENV API_TOKEN=hunter2\nUSER $API_TOKEN\nENV A=b\nRUN true\n",
        "FROM busybox:local AS a\nENV API_TOKEN=hunter2\nUSER $API_TOKEN\nFROM a\nRUN true\n",
        "FROM busybox:local\nENV API_TOKEN=hunter2\nWORKDIR /$API_TOKEN\nUSER $API_TOKEN\nRUN true\n",
        "FROM busybox:local\nENV API_TOKEN=hunter2\nWORKDIR /$API_TOKEN\nRUN false\n",
        "FROM busybox:local\nENV API_TOKEN=hunter2\nRUN --mount=target=/$API_TOKEN false\n",
        "ARG API_TOKEN=hunter2\nFROM bad::$API_TOKEN\n",
        "ARG API_TOKEN=hunter2\nFROM 127.0.0.1:1/$API_TOKEN\n",
        "ARG API_TOKEN=hunter2\nFROM --platform=$API_TOKEN busybox:local\n",
        "ARG API_TOKEN=hunter2\nFROM scratch\nCOPY --from=127.0.0.1:1/$API_TOKEN /a /a\n",
    ];
    for file in files.into_iter().chain(used).chain(later.map(str::to_owned)) {
        let context = env.context_of(&file, &[]);
        for args in [
            &["--progress=plain"][..],
            &["--progress=rawjson"],
            &["--check"],
            &["--call=outline"],
            &["--call=check,format=json"],
        ] {
            let outcome = env.building(args.iter()).arg(&context).run().no_panic();
            let said = format!("{}{}", outcome.out(), outcome.err());
            assert!(!said.contains("hunter"), "{file}\n{args:?}\n{said}");
        }
        for words in [["why", "--all"], ["debug", "dag"]] {
            let told = env.rbuild(words).arg(&context).run().no_panic();
            assert!(
                !told.out().contains("hunter") && !told.err().contains("hunter"),
                "{file}\n{told}"
            );
        }
    }
}

#[test]
fn a_directory_to_work_in_that_is_a_file_is_refused() {
    let env = TestEnv::new();
    env.refused("FROM scratch\nCOPY f /f\nWORKDIR /f\n", &[("f", "")])
        .says("`/f` is no directory in the image");
}

#[test]
fn what_is_declared_without_a_value_keeps_the_one_it_had() {
    let env = TestEnv::new();
    let said = |steps: &str, args: &[&str]| {
        let context = env.context_of(&format!("{steps}RUN echo \"$N ${{M-unset}}\" > /said\n"), &[]);
        env.image(args.iter(), &context).tree()["said"].text()
    };
    let same = "FROM busybox:local\nARG N=value\nARG N M\n";
    assert_eq!(said(same, &[]), "value unset\n");
    let child = "FROM busybox:local AS parent\nARG N=value\nFROM parent\nARG N\nARG M=1\nARG M\n";
    assert_eq!(said(child, &[]), "value 1\n");
    assert_eq!(said(child, &["--build-arg", "N=given"]), "given 1\n");
    assert_eq!(said("FROM busybox:local\nARG N=value\nARG N=\n", &[]), " unset\n");
}

#[test]
fn a_place_named_by_a_secret_is_explained_without_it() {
    let env = TestEnv::with(&[Base::Busybox]);
    let dockerfile = |value: &str| {
        format!(
            "FROM busybox:local\nENV API_TOKEN={value}\nWORKDIR /$API_TOKEN\nCOPY f /$API_TOKEN/\n\
             RUN --mount=target=/in/$API_TOKEN true\n"
        )
    };
    for (value, content) in [("hunter2", "1"), ("hunter3", "2")] {
        let context = env.context("app", &[("Dockerfile", &dockerfile(value)), ("f", content)]);
        let built = env.build("app", &context).success();
        assert!(!built.err().contains("hunter"), "{built}");
    }
    let why = env.rbuild(["why"]).run().success();
    for field in ["path", "destination", "directory"] {
        assert!(
            why.out().contains(&format!("`{field}` changed from")),
            "{field}: {why}"
        );
    }
    let everything = env.rbuild(["why", "--all", "--json"]).run().success();
    assert!(
        !why.out().contains("hunter") && !everything.out().contains("hunter"),
        "{everything}"
    );
}

#[test]
fn a_changed_secret_is_explained_without_its_value() {
    let env = TestEnv::with(&[Base::Busybox]);
    for value in ["hunter2", "hunter3"] {
        let context = env.context(
            "app",
            &[(
                "Dockerfile",
                &format!("FROM busybox:local\nENV API_TOKEN={value}\nRUN true\n"),
            )],
        );
        env.build("app", &context).success();
    }
    let why = env.rbuild(["why"]).run().success();
    assert!(
        why.out().contains("`env API_TOKEN` changed") && !why.out().contains("hunter"),
        "{why}"
    );
}

/// A file may say how late its times are; the command line has the last word, and may say nothing.
#[test]
fn the_file_may_give_the_epoch() {
    let env = TestEnv::new();
    let dockerfile = "ARG DAY=86400\nARG SOURCE_DATE_EPOCH=$DAY\nFROM scratch\nCOPY f /f\n";
    let context = env.context_of(dockerfile, &[("f", "F")]);
    let created = |args: &[&str]| env.image(args, &context).config["created"].clone();
    assert_eq!(created(&[]), "1970-01-02T00:00:00Z");
    assert_eq!(created(&["--build-arg", "DAY=172800"]), "1970-01-03T00:00:00Z");
    assert_eq!(
        created(&["--build-arg", "SOURCE_DATE_EPOCH=0"]),
        "1970-01-01T00:00:00Z"
    );
    assert_eq!(created(&["--timestamp", "259200"]), "1970-01-04T00:00:00Z");
    let reset = created(&["--build-arg", "SOURCE_DATE_EPOCH="]);
    assert!(!reset.to_string().contains("1970"), "{reset}");
    env.refused("ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\n", &[])
        .says("`soon` is not a number of seconds");
}

/// A step that declares the epoch sees the one that the image gets, wherever it was given.
#[test]
fn steps_see_the_epoch_that_the_image_gets() {
    let env = TestEnv::new();
    let context = env.context_of(
        "FROM busybox:local\nRUN echo \"undeclared: $SOURCE_DATE_EPOCH\" > /before\n\
         ARG SOURCE_DATE_EPOCH\nRUN echo \"$SOURCE_DATE_EPOCH\" > /seen\n",
        &[],
    );
    let seen = |flags: &[&str], variable: Option<&str>| {
        let mut build = env.building(flags).args(["-o", "type=oci,dest=seen.tar"]);
        if let Some(value) = variable {
            build = build.env("SOURCE_DATE_EPOCH", value);
        }
        build.arg(&context).run().success();
        let image = OciImage::from_archive(&env.path("seen.tar"));
        let tree = image.tree();
        assert_eq!(tree["before"].text(), "undeclared: \n");
        tree["seen"].text()
    };
    assert_eq!(seen(&[], Some("1000")), "1000\n");
    assert_eq!(seen(&["--source-date-epoch", "2000"], None), "2000\n");
    assert_eq!(seen(&["--timestamp", "3000"], Some("1000")), "3000\n");
    let both = [
        "--build-arg",
        "SOURCE_DATE_EPOCH=4000",
        "--source-date-epoch",
        "5000",
    ];
    assert_eq!(seen(&both, None), "5000\n");
    assert_eq!(seen(&["--source-date-epoch", ""], Some("1000")), "\n");
}

#[test]
fn an_argument_takes_the_place_of_the_check_directive() {
    let env = TestEnv::new();
    let build = |directive: &str, value: &str| {
        let text = format!("{directive}FROM scratch as base\ncopy f /\n");
        let argument = format!("--build-arg=BUILDKIT_DOCKERFILE_CHECK={value}");
        env.building([argument])
            .arg(env.context_of(&text, &[("f", "")]))
            .run()
    };
    let told = build("# check=skip=all\n", "skip=ConsistentInstructionCasing");
    told.success()
        .says("FromAsCasing")
        .never_says("ConsistentInstructionCasing")
        .never_says("nothing uses");
    build("# check=error=true\n", "skip=all")
        .success()
        .never_says("FromAsCasing");
    build("", "error=true").exits(1).says("FromAsCasing");
    build("", "skip=FromAsCasin").exits(125).says("FromAsCasin");
}

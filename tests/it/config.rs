//! The image's configuration and history: what each instruction leaves there.

use serde_json::{Value, json};

use crate::harness::{Kind, OciImage, TestEnv};

/// `created_by` of each entry that rbuild made, with a `+` where it has a layer.
fn history(image: &OciImage) -> Vec<String> {
    let entries = image.config["history"].as_array().unwrap();
    entries
        .iter()
        .filter(|entry| entry["comment"] == "rbuild.dockerfile.v0")
        .map(|entry| {
            let layer = if entry["empty_layer"] == true { ' ' } else { '+' };
            format!("{layer} {}", entry["created_by"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn every_metadata_instruction() {
    let env = TestEnv::new();
    let dockerfile = r#"FROM scratch
MAINTAINER some one
ARG V=1.2
ENV A=1 B="two words" C=$A
ENV A=9 D=$A$C E='$A' F=a\ b
ENV LEGACY some  text
LABEL version=$V "multi word"="x y" l='1'
LABEL l=2 \
      other=3
EXPOSE 80 443/TCP 53/udp 8000-8002
EXPOSE 80/tcp ${V%%.*}00/sctp
VOLUME /data
VOLUME ["/a b", "/c"]
VOLUME /d /e
USER app:staff
WORKDIR /work
WORKDIR rel/../other/
STOPSIGNAL SIGUSR1
SHELL ["/bin/ash", "-eo", "pipefail", "-c"]
HEALTHCHECK --interval=5m --timeout=3s --start-period=1s --start-interval=500ms --retries=4 CMD curl -f "http://localhost/"
ENTRYPOINT ["/entry", "with space"]
CMD echo $A && true
ONBUILD RUN echo "later" \
    && true
ONBUILD COPY . /x
"#;
    let passwd =
        "FROM scratch\nCOPY <<EOF /etc/passwd\napp:x:5:6::/:/\nEOF\nCOPY <<EOF /etc/group\nstaff:x:7:\nEOF\n";
    let dockerfile = dockerfile.replacen("FROM scratch\n", passwd, 1);
    let image = env.image_of(&dockerfile, &[]);
    let config = &image.config["config"];
    assert_eq!(image.config["author"], "some one");
    assert_eq!(
        config["Env"],
        json!([
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "A=9",
            "B=two words",
            "C=",
            "D=1",
            "E=$A",
            "F=a b",
            "LEGACY=some  text"
        ])
    );
    assert_eq!(
        config["Labels"],
        json!({"version": "1.2", "multi word": "x y", "l": "2", "other": "3"})
    );
    assert_eq!(
        config["ExposedPorts"],
        json!({"80/tcp": {}, "443/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {}, "100/sctp": {}})
    );
    assert_eq!(
        config["Volumes"],
        json!({"/data": {}, "/a b": {}, "/c": {}, "/d": {}, "/e": {}})
    );
    assert_eq!(config["User"], "app:staff");
    assert_eq!(config["WorkingDir"], "/work/other");
    assert_eq!(config["StopSignal"], "SIGUSR1");
    assert_eq!(config["Shell"], json!(["/bin/ash", "-eo", "pipefail", "-c"]));
    assert_eq!(
        config["Healthcheck"],
        json!({
            "Test": ["CMD-SHELL", "curl -f \"http://localhost/\""],
            "Interval": 300_000_000_000_i64,
            "Timeout": 3_000_000_000_i64,
            "StartPeriod": 1_000_000_000_i64,
            "StartInterval": 500_000_000_i64,
            "Retries": 4
        })
    );
    assert_eq!(config["Entrypoint"], json!(["/entry", "with space"]));
    assert_eq!(
        config["Cmd"],
        json!(["/bin/ash", "-eo", "pipefail", "-c", "echo $A && true"])
    );
    assert_eq!(
        config["OnBuild"],
        json!(["RUN echo \"later\"     && true", "COPY . /x"])
    );
    let tree = image.tree();
    assert_eq!(
        (tree["work"].uid, tree["work"].gid),
        (5, 7),
        "a WORKDIR that is made belongs to the USER"
    );
    assert_eq!((tree["work/other"].uid, tree["work/other"].mode), (5, 0o755));
    assert_eq!(
        history(&image)[2..],
        [
            "  MAINTAINER some one",
            "  ARG V=1.2",
            "  ENV A=1 B=two words C=",
            "  ENV A=9 D=1 E=$A F=a b",
            "  ENV LEGACY=some  text",
            "  LABEL version=1.2 multi word=x y l=1",
            "  LABEL l=2 other=3",
            "  EXPOSE [443/tcp 53/udp 80/tcp 8000/tcp 8001/tcp 8002/tcp]",
            "  EXPOSE [100/sctp 80/tcp]",
            "  VOLUME [/data]",
            "  VOLUME [/a b /c]",
            "  VOLUME [/d /e]",
            "  USER app:staff",
            "+ WORKDIR /work",
            "+ WORKDIR /work/other",
            "  STOPSIGNAL SIGUSR1",
            "  SHELL [/bin/ash -eo pipefail -c]",
            "  HEALTHCHECK [\"CMD-SHELL\" \"curl -f \\\"http://localhost/\\\"\"]",
            "  ENTRYPOINT [\"/entry\" \"with space\"]",
            "  CMD [\"/bin/ash\" \"-eo\" \"pipefail\" \"-c\" \"echo $A && true\"]",
            "  ONBUILD RUN echo \"later\"     && true",
            "  ONBUILD COPY . /x",
        ]
    );
}

#[test]
fn scratch_alone() {
    let env = TestEnv::new();
    let image = env.image_of("FROM scratch\nLABEL a=b\nWORKDIR /\n", &[]);
    // The schema of manifests wants a layer, and the history says whose it is.
    assert_eq!(image.layers.len(), 1);
    assert!(image.tree().is_empty());
    assert_eq!(image.config["config"]["WorkingDir"], "/");
    assert_eq!(history(&image), ["  LABEL a=b", "+ WORKDIR /"]);
    assert_eq!(image.config["os"], "linux");
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    assert_eq!(image.config["architecture"], machine);
    let bare = env.image_of("FROM scratch\n", &[]);
    assert_eq!(bare.layers, image.layers);
}

#[test]
fn command_and_entrypoint_across_stages() {
    let env = TestEnv::new();
    let matrix: [(&str, Value, Value); 9] = [
        ("", json!(["e"]), json!(["c"])),
        ("ENTRYPOINT [\"x\"]\n", json!(["x"]), Value::Null),
        ("ENTRYPOINT x y\n", json!(["/bin/sh", "-c", "x y"]), Value::Null),
        ("CMD [\"n\"]\nENTRYPOINT [\"x\"]\n", json!(["x"]), json!(["n"])),
        ("ENTRYPOINT [\"x\"]\nCMD [\"n\"]\n", json!(["x"]), json!(["n"])),
        (
            "CMD one\nCMD two\n",
            json!(["e"]),
            json!(["/bin/sh", "-c", "two"]),
        ),
        ("CMD []\n", json!(["e"]), Value::Null),
        ("ENTRYPOINT []\n", Value::Null, Value::Null),
        (
            "SHELL [\"/s\"]\nCMD a\nSHELL [\"/t\", \"-c\"]\n",
            json!(["e"]),
            json!(["/s", "a"]),
        ),
    ];
    for (child, entrypoint, cmd) in matrix {
        let dockerfile = format!("FROM scratch AS base\nENTRYPOINT [\"e\"]\nCMD [\"c\"]\nFROM base\n{child}");
        let config = &env.image_of(&dockerfile, &[]).config["config"];
        let said = |value: &Value| {
            if *value == json!([]) {
                Value::Null
            } else {
                value.clone()
            }
        };
        assert_eq!(said(&config["Entrypoint"]), entrypoint, "{child}");
        assert_eq!(said(&config["Cmd"]), cmd, "{child}");
    }
}

#[test]
fn healthchecks() {
    let env = TestEnv::new();
    for (line, test) in [
        ("HEALTHCHECK NONE", json!(["NONE"])),
        ("HEALTHCHECK CMD [\"a\", \"b c\"]", json!(["CMD", "a", "b c"])),
        (
            "HEALTHCHECK CMD one\nHEALTHCHECK --retries=2 CMD two",
            json!(["CMD-SHELL", "two"]),
        ),
    ] {
        let image = env.image_of(&format!("FROM scratch\n{line}\n"), &[]);
        assert_eq!(image.config["config"]["Healthcheck"]["Test"], test, "{line}");
    }
    for line in [
        "HEALTHCHECK --interval=1us CMD a",
        "HEALTHCHECK --retries=x CMD a",
        "HEALTHCHECK a",
        "HEALTHCHECK CMD",
    ] {
        env.refused(&format!("FROM scratch\n{line}\n"), &[])
            .says("Dockerfile:2");
    }
}

#[test]
fn wrong_values_name_their_line() {
    let env = TestEnv::new();
    for (line, words) in [
        ("STOPSIGNAL SIGTREM", "SIGTREM"),
        ("STOPSIGNAL 999", "999"),
        ("EXPOSE eighty", "eighty"),
        ("EXPOSE 70000", "70000"),
        ("EXPOSE 80/http", "80/http"),
        ("ENV novalue", "novalue"),
        ("LABEL =x", "=x"),
        ("VOLUME [\"\"]", "VOLUME"),
        ("SHELL /bin/sh -c", "SHELL"),
        ("ONBUILD FROM scratch", "FROM"),
        ("ONBUILD ONBUILD RUN x", "ONBUILD"),
        ("ONBUILD MAINTAINER x", "MAINTAINER"),
        ("ONBUILD COPY --form=x a b", "--from"),
        ("ENV A=${A?is needed}", "is needed"),
    ] {
        env.refused(&format!("FROM scratch\n{line}\n"), &[])
            .says(words)
            .says("Dockerfile:2");
    }
}

#[test]
fn a_stage_on_nothing_works_in_the_root_directory() {
    let env = TestEnv::new();
    let image = env.image_of("FROM scratch\nCOPY a /a\n", &[("a", "A")]);
    assert_eq!(image.config["config"]["WorkingDir"], "/");
}

#[test]
fn a_colon_is_no_user() {
    let env = TestEnv::new();
    env.refused("FROM scratch\nUSER :\n", &[])
        .says("`:` names neither a user nor a group");
    env.refused("FROM scratch\nARG NONE\nUSER $NONE:$NONE\n", &[])
        .says("names neither");
}

#[test]
fn words_that_expand_to_nothing() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nARG NOTHING\nWORKDIR /w\nUSER 5\nWORKDIR $NOTHING\nUSER $NOTHING\n\
                      COPY ${NOTHING} /all/\n";
    let context = env.context_of(dockerfile, &[("file", "")]);
    let checked = env.rbuild(["--check"]).arg(&context).run().success();
    for what in [
        "WORKDIR is empty",
        "USER is empty",
        "the source `${NOTHING}` is empty",
    ] {
        assert!(checked.out().contains(what), "{what}: {checked}");
    }
    let image = env.image(&[] as &[&str], context);
    assert_eq!(image.config["config"]["WorkingDir"], "/w");
    assert!(
        image.config["config"]["User"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    );
    assert!(image.tree().contains_key("all/file"));
}

#[test]
fn a_child_inherits_and_overrides() {
    let env = TestEnv::new();
    let parent = r#"FROM scratch AS parent
ENV A=1 PATH=/only
LABEL keep=1 change=1
USER 5
WORKDIR /w
EXPOSE 1
VOLUME /v
STOPSIGNAL 9
SHELL ["/s", "-c"]
HEALTHCHECK CMD x
CMD c
ARG X=parent
FROM parent AS child
ENV A=2
LABEL change=2 x=$X
EXPOSE 2
WORKDIR sub
"#;
    let image = env.image(
        ["--label", "change=3", "--label", "new=4"],
        env.context_of(parent, &[]),
    );
    let config = &image.config["config"];
    assert_eq!(config["Env"], json!(["PATH=/only", "A=2"]));
    assert_eq!(
        config["Labels"],
        json!({"keep": "1", "change": "3", "x": "parent", "new": "4"})
    );
    assert_eq!(config["User"], "5");
    assert_eq!(config["WorkingDir"], "/w/sub");
    assert_eq!(config["ExposedPorts"], json!({"1/tcp": {}, "2/tcp": {}}));
    assert_eq!(config["Volumes"], json!({"/v": {}}));
    assert_eq!(config["StopSignal"], "9");
    assert_eq!(config["Shell"], json!(["/s", "-c"]));
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD-SHELL", "x"]));
    assert_eq!(config["Cmd"], json!(["/s", "-c", "c"]));
    assert_eq!(image.tree()["w/sub"].uid, 5);
    // One entry for each instruction of both stages.
    assert_eq!(history(&image).len(), 15);
}

/// Through a stored image, and back: what a base has that we do not know of stays.
#[test]
fn what_a_base_has_is_kept() {
    let env = TestEnv::new();
    let base = env.path("base.tar");
    let context = env.context_of("FROM scratch\nCOPY Dockerfile /one\nLABEL a=1\nCMD [\"c\"]\nONBUILD LABEL b=2\nONBUILD COPY Dockerfile /three\n", &[]);
    env.building(["--source-date-epoch", "1000000000", "-o"])
        .arg(format!("type=oci,dest={},tar=false", base.display()))
        .arg(&context)
        .run()
        .success();
    let config = foreign(&base, |config| {
        config["os.version"] = json!("10.1");
        config["variant"] = json!("v9");
        config["com.example.unknown"] = json!({"deep": [1, 2]});
        config["config"]["ArgsEscaped"] = json!(true);
        config["config"]["X-Unknown"] = json!("kept");
        config["history"][0]["author"] = json!("somebody");
    });
    let child = env.context_of("FROM base\nCOPY Dockerfile /two\n", &[]);
    let flag = format!("base=oci-layout://{}", base.display());
    let image = env.image(["--build-context", &flag], &child);
    for field in [
        "os.version",
        "variant",
        "com.example.unknown",
        "architecture",
        "os",
    ] {
        assert_eq!(image.config[field], config[field], "{field}");
    }
    assert_eq!(image.config["config"]["X-Unknown"], "kept");
    assert_eq!(image.config["config"]["ArgsEscaped"], true);
    assert_eq!(image.config["config"]["Labels"], json!({"a": "1", "b": "2"}));
    assert_eq!(
        image.config["config"].get("OnBuild").cloned().unwrap_or_default(),
        Value::Null
    );
    let old = config["history"].as_array().unwrap();
    let new = image.config["history"].as_array().unwrap();
    assert_eq!(
        new[..old.len()],
        old[..],
        "the base's history is in front, untouched"
    );
    assert_eq!(
        history(&image)[old.len()..],
        [
            "  LABEL b=2",
            "+ COPY Dockerfile /three # buildkit",
            "+ COPY Dockerfile /two # buildkit"
        ]
    );
    assert_eq!(
        image.config["rootfs"]["diff_ids"][0],
        config["rootfs"]["diff_ids"][0]
    );
}

/// Rewrites the configuration of a layout's image as another tool would have written it.
fn foreign(layout: &std::path::Path, change: impl Fn(&mut Value)) -> Value {
    let read =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(layout.join(name)).unwrap()).unwrap() };
    let store = |value: &Value| -> (String, usize) {
        let bytes = serde_json::to_vec_pretty(value).unwrap();
        let hex = crate::harness::archive::sha256(&bytes);
        std::fs::write(layout.join("blobs/sha256").join(&hex), &bytes).unwrap();
        (format!("sha256:{hex}"), bytes.len())
    };
    let blob = |descriptor: &Value| {
        read(&format!(
            "blobs/{}",
            descriptor["digest"].as_str().unwrap().replace(':', "/")
        ))
    };
    let mut index = read("index.json");
    let mut manifest = blob(&index["manifests"][0]);
    let mut config = blob(&manifest["config"]);
    change(&mut config);
    let (digest, size) = store(&config);
    manifest["config"]["digest"] = json!(digest);
    manifest["config"]["size"] = json!(size);
    let (digest, size) = store(&manifest);
    index["manifests"][0]["digest"] = json!(digest);
    index["manifests"][0]["size"] = json!(size);
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    config
}

#[test]
fn triggers_run_in_the_child() {
    let env = TestEnv::new();
    let dockerfile = r#"FROM busybox:local AS helper
RUN echo helper > /made
FROM busybox:local AS parent
ARG WHO=parent
ONBUILD ARG WHO=child
ONBUILD RUN echo "$WHO" > /who
ONBUILD COPY --from=helper /made /copied
ONBUILD COPY <<EOF /heredoc
$WHO
EOF
ONBUILD RUN <<EOF
echo one > /multi
echo two >> /multi
EOF
ONBUILD COPY f /f
FROM parent AS child
RUN cat /who /copied /heredoc /multi /f > /all
FROM child AS grandchild
"#;
    let context = env.context_of(dockerfile, &[("f", "F\n")]);
    let image = env.image(["--build-arg", "WHO=given"], &context);
    assert_eq!(image.tree()["all"].text(), "given\nhelper\ngiven\none\ntwo\nF\n");
    assert_eq!(
        image.config["config"].get("OnBuild").cloned().unwrap_or_default(),
        Value::Null
    );
    let said = history(&image);
    assert_eq!(
        said[1..7]
            .iter()
            .filter(|line| line.starts_with("  ONBUILD"))
            .count(),
        6
    );
    assert_eq!(
        said[7..],
        [
            "  ARG WHO=given",
            "+ RUN |1 WHO=given /bin/sh -c echo \"$WHO\" > /who # buildkit",
            "+ COPY /made /copied # buildkit",
            "+ COPY <<EOF /heredoc # buildkit",
            "+ RUN |1 WHO=given /bin/sh -c echo one > /multi\necho two >> /multi\n # buildkit",
            "+ COPY f /f # buildkit",
            "+ RUN |1 WHO=given /bin/sh -c cat /who /copied /heredoc /multi /f > /all # buildkit",
        ]
    );
    // The parent keeps them, and does not run them.
    let parent = env.image(["--target", "parent"], &context);
    assert_eq!(parent.config["config"]["OnBuild"].as_array().unwrap().len(), 6);
    assert!(!parent.tree().contains_key("who"));
    // A trigger that fails in the child points at the FROM that pulled it in.
    let broken = "FROM scratch AS parent\nONBUILD COPY missing /\nFROM scratch AS other\n\nFROM parent\n";
    env.refused(broken, &[]).says("missing").says("Dockerfile:5");
}

#[test]
fn workdir_and_user() {
    let env = TestEnv::new();
    let dockerfile = r"FROM busybox:local
ENV D=/env/dir
WORKDIR $D
RUN pwd > /pwd1
WORKDIR ../up/./x//
RUN pwd >> /pwd1 && touch made
USER app
WORKDIR /home/mine/deep
RUN pwd > here && touch ours
WORKDIR /tmp
RUN test -w . && stat -c %a . > /tmp/mode
USER 4000:4001
WORKDIR numbers
WORKDIR /link/below
USER 4002
WORKDIR /tmp/alone
USER root
RUN ln -s /env /l
WORKDIR /l/through
";
    let image = env.image_of(dockerfile, &[]);
    let tree = image.tree();
    let at = |path: &str| (tree[path].mode, tree[path].uid, tree[path].gid);
    assert_eq!(tree["pwd1"].text(), "/env/dir\n/env/up/x\n");
    assert_eq!(at("env/up/x"), (0o755, 0, 0));
    assert_eq!(at("home/mine"), (0o755, 1000, 1000));
    assert_eq!(at("home/mine/deep"), (0o755, 1000, 1000));
    assert_eq!(tree["home/mine/deep/here"].text(), "/home/mine/deep\n");
    assert_eq!(
        tree["tmp/mode"].text(),
        "1777\n",
        "a directory that is there stays as it is"
    );
    assert_eq!(at("tmp/numbers"), (0o755, 4000, 4001));
    assert_eq!(at("tmp/alone"), (0o755, 4002, 4002), "as of --chown");
    assert_eq!(at("link"), (0o755, 4000, 4001));
    assert_eq!(
        tree["l"].kind,
        Kind::Symlink {
            to: "/env".to_owned()
        }
    );
    assert_eq!(at("env/through"), (0o755, 0, 0));
    assert_eq!(image.config["config"]["WorkingDir"], "/l/through");
    // An existing directory still makes an (empty) layer, as each WORKDIR does.
    let said = history(&image);
    let layers = |lines: &[String]| lines.iter().filter(|line| line.starts_with('+')).count();
    let tmp = said.iter().position(|line| line == "+ WORKDIR /tmp").unwrap();
    let base = image.layers.len() - layers(&said);
    assert!(image.layers[base + layers(&said[..tmp])].is_empty());
    env.refused("FROM scratch\nCOPY Dockerfile /f\nWORKDIR /f\n", &[])
        .says("/f")
        .says("Dockerfile:3");
    env.refused("FROM scratch\nUSER nobody-there\nWORKDIR /w\n", &[])
        .says("nobody-there")
        .says("Dockerfile:3");
}

#[test]
fn users_of_run() {
    let env = TestEnv::new();
    let rows = [
        ("app", "1000 1000"),
        ("app:daemon", "1000 1"),
        ("1000", "1000 1000"),
        ("1000:0", "1000 0"),
        ("4321", "4321 0"),
        ("4321:4322", "4321 4322"),
        ("0", "0 0"),
        ("root:app", "0 1000"),
    ];
    let mut dockerfile = "FROM busybox:local\nRUN chmod 777 /\n".to_owned();
    for (at, (user, _)) in rows.iter().enumerate() {
        dockerfile.push_str(&format!("USER {user}\nRUN echo $(id -u) $(id -g) > /id{at}\n"));
    }
    let image = env.image_of(&dockerfile, &[]);
    for (at, (user, ids)) in rows.iter().enumerate() {
        let entry = &image.tree()[&format!("id{at}")];
        assert_eq!(entry.text().trim_end(), *ids, "USER {user}");
        assert_eq!(format!("{} {}", entry.uid, entry.gid), *ids, "USER {user}");
    }
    env.refused("FROM busybox:local\nUSER ghost\nRUN true\n", &[])
        .says("ghost")
        .says("Dockerfile:3");
    env.refused("FROM busybox:local\nUSER app:ghosts\nRUN true\n", &[])
        .says("ghosts")
        .says("Dockerfile:3");
}

#[test]
fn changes_in_a_volume_are_kept() {
    let env = TestEnv::new();
    let image = env.image_of(
        "FROM busybox:local\nVOLUME /v\nRUN mkdir -p /v && echo x > /v/f\nCOPY Dockerfile /v/\n",
        &[],
    );
    assert_eq!(image.tree()["v/f"].text(), "x\n");
    assert!(image.tree().contains_key("v/Dockerfile"));
}

#[test]
fn created_is_the_epoch_or_the_time_of_the_last_layer() {
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nCOPY Dockerfile /a\nENV X=1\n", &[]);
    let image = env.image(["--build-arg", "SOURCE_DATE_EPOCH=1234567890"], &context);
    assert_eq!(image.config["created"], "2009-02-13T23:31:30Z");
    for entry in image.config["history"].as_array().unwrap() {
        assert_eq!(entry["created"], "2009-02-13T23:31:30Z");
    }
    assert!(
        image.tree()["a"].mtime <= 1_234_567_890,
        "times later than the epoch are clamped"
    );
    let one = env.image([""; 0], &context);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let two = env.image([""; 0], &context);
    assert_eq!(
        one.config_digest, two.config_digest,
        "out of the cache comes the same image"
    );
    assert_ne!(one.config["created"], "2009-02-13T23:31:30Z");
}

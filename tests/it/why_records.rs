//! What a build's record says about its steps: enough for `rbuild why`, and right whatever was built in between.

use crate::harness::TestEnv;
use crate::harness::steps::{build, building};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The latest record: which steps there are, and why each ran.
fn latest(env: &TestEnv) -> Value {
    let builds = env.store().join("builds");
    let number = fs::read_to_string(builds.join("last")).expect("a build was recorded");
    let record =
        fs::read(builds.join(format!("{}.json", number.trim()))).expect("the last build was recorded");
    serde_json::from_slice(&record).expect("a record is JSON")
}

/// Outcome and reason of the step whose name ends so.
#[track_caller]
fn step(env: &TestEnv, ending: &str) -> (String, String) {
    let record = latest(env);
    let steps = record["steps"].as_array().expect("a record has steps");
    let found = steps
        .iter()
        .find(|step| step["name"].as_str().is_some_and(|name| name.ends_with(ending)));
    let found = found.unwrap_or_else(|| panic!("no step ends with {ending:?} in {record:#}"));
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("miss"))
}

#[track_caller]
fn assert_step(env: &TestEnv, ending: &str, outcome: &str, miss: &str) {
    assert_eq!(
        step(env, ending),
        (outcome.to_owned(), miss.to_owned()),
        "{:#}",
        latest(env)
    );
}

fn write(context: &Path, file: &str, text: &str) {
    fs::write(context.join(file), text).expect("a file can be written");
}

const FIRST: &str = "no earlier build had this step";

#[test]
fn old_and_new_of_what_changed() {
    let env = TestEnv::new();
    let text = |flags: &str| {
        format!(
            "FROM busybox:local\nARG MODE\nENV LEVEL=1\nCOPY src /src\nRUN {flags} echo build > /out\nRUN echo done\n"
        )
    };
    let context = env.context(
        "context",
        &[("Dockerfile", &text("")), ("src/a", "1"), ("src/b", "2")],
    );
    build(&env, &context, &[]);
    assert_step(&env, "COPY src /src", "ran", FIRST);

    // Files: what changed, what came, what went, by name.
    write(&context, "src/a", "one");
    write(&context, "src/new", "new");
    fs::remove_file(context.join("src/b")).unwrap();
    build(&env, &context, &[]);
    let sha = |text: &str| crate::harness::archive::sha256(text.as_bytes())[..12].to_owned();
    let expected = format!(
        "3 files differ: `src/a` changed, `src/new` is new, `src/b` is gone\n  changed src/a: {} -> {}\n  new     src/new\n  gone    src/b",
        sha("1"),
        sha("one")
    );
    assert_step(&env, "COPY src /src", "ran", &expected);
    let (outcome, miss) = step(&env, "echo build > /out");
    assert!(
        outcome == "ran" && miss.starts_with("what it builds on has other content: `base` was "),
        "{miss}"
    );

    // Metadata of a file.
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(context.join("src/a"), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o644);
    build(&env, &context, &[]);
    mode(0o755);
    build(&env, &context, &[]);
    assert_step(&env, "COPY src /src", "ran", "`src/a` changed: 0644 -> 0755");

    // A field, with both values.
    build(&env, &context, &["--build-arg", "MODE=fast"]);
    assert_step(&env, "echo build > /out", "ran", "`env MODE` is new: `fast`");
    build(&env, &context, &["--build-arg", "MODE=slow"]);
    assert_step(
        &env,
        "echo build > /out",
        "ran",
        "`env MODE` changed from `fast` to `slow`",
    );
    write(&context, "Dockerfile", &text("--network=none"));
    build(&env, &context, &["--build-arg", "MODE=slow"]);
    assert_step(
        &env,
        "echo build > /out",
        "ran",
        "`network` changed from `default` to `none`",
    );
    write(&context, "Dockerfile", &text("").replace("LEVEL=1", "LEVEL=2"));
    build(&env, &context, &["--build-arg", "MODE=slow"]);
    assert_step(
        &env,
        "echo build > /out",
        "ran",
        "`env LEVEL` changed from `1` to `2`\n`network` changed from `none` to `default`",
    );
    // What it made was what was there: the step after it did not run.
    assert_step(
        &env,
        "RUN echo done",
        "ran",
        "`env LEVEL` changed from `1` to `2`",
    );
    build(&env, &context, &["--no-cache", "--build-arg", "MODE=slow"]);
    assert_step(&env, "COPY src /src", "ran", "the cache was turned off for it");
}

#[test]
fn steps_are_known_again_when_lines_move() {
    let env = TestEnv::new();
    let context = env.context("context", &[]);
    let of = |lines: &[&str]| {
        write(
            &context,
            "Dockerfile",
            &format!("FROM busybox:local AS app\n{}\n", lines.join("\n")),
        )
    };
    of(&["RUN echo one > /1", "RUN echo two > /2", "RUN echo three > /3"]);
    build(&env, &context, &[]);
    // A line is put in between, and another one is edited.
    of(&[
        "RUN echo one > /1",
        "RUN echo new > /new",
        "RUN echo two > /2",
        "RUN echo three more > /3",
    ]);
    build(&env, &context, &[]);
    assert_step(&env, "RUN echo one > /1", "cached", "");
    assert_step(&env, "RUN echo new > /new", "ran", FIRST);
    let (_, miss) = step(&env, "RUN echo two > /2");
    assert!(miss.starts_with("what it builds on has other content"), "{miss}");
    let (_, miss) = step(&env, "RUN echo three more > /3");
    assert!(
        miss.contains("`command` changed from `echo three > /3` to `echo three more > /3`"),
        "{miss}"
    );
    // A stage is put in front: its steps are new, the others are those of before.
    let text = fs::read_to_string(context.join("Dockerfile")).unwrap();
    write(
        &context,
        "Dockerfile",
        &format!("FROM busybox:local AS tools\nRUN echo tool > /t\n{text}COPY --from=tools /t /t\n"),
    );
    build(&env, &context, &[]);
    assert_step(&env, "RUN echo three more > /3", "cached", "");
    assert_step(&env, "RUN echo tool > /t", "ran", FIRST);
    assert_step(&env, "COPY --from=tools /t /t", "ran", FIRST);
}

#[test]
fn a_failed_build_is_recorded_and_forgets_nothing() {
    let env = TestEnv::new();
    let context = env.context("context", &[]);
    let of = |middle: &str| {
        let text = format!("FROM busybox:local\nRUN echo first > /1\nRUN {middle}\nRUN cat /2 > /3\n");
        write(&context, "Dockerfile", &text);
    };
    of("echo second > /2");
    build(&env, &context, &[]);

    of("echo broken > /2; exit 7");
    building(&env, &context).run().exits(1);
    let changed = |from: &str, to: &str| format!("`command` changed from `{from}` to `{to}`");
    assert_step(
        &env,
        "exit 7",
        "failed",
        &changed("echo second > /2", "echo broken > /2; exit 7"),
    );
    assert_step(&env, "RUN echo first > /1", "cached", "");
    assert_step(&env, "RUN cat /2 > /3", "cancelled", "");
    let record = latest(&env);
    assert!(
        record["error"]
            .as_str()
            .is_some_and(|error| error.contains("exit code 7")),
        "{record:#}"
    );
    let failed = &record["steps"][2];
    assert!(failed["millis"].as_u64() > Some(0), "{record:#}");
    assert_eq!(failed["key"].as_str().map(str::len), Some(64), "{record:#}");
    let log = env
        .store()
        .join("logs")
        .join(record["number"].to_string())
        .join(failed["log"].as_str().unwrap());
    assert!(log.is_file());

    // Nothing changed: it runs because it failed.
    building(&env, &context).run().exits(1);
    assert_step(
        &env,
        "exit 7",
        "failed",
        "nothing changed since it failed in the last build",
    );

    // It is compared with the failed one; the step that was never reached with its last result.
    of("echo mended > /2");
    build(&env, &context, &[]);
    assert_step(
        &env,
        "RUN echo mended > /2",
        "ran",
        &changed("echo broken > /2; exit 7", "echo mended > /2"),
    );
    let (outcome, miss) = step(&env, "RUN cat /2 > /3");
    assert!(
        outcome == "ran" && miss.starts_with("what it builds on has other content"),
        "{miss}"
    );

    // A Dockerfile that cannot be understood is no build, and an error that has no key is one.
    write(&context, "Dockerfile", "FORM x\n");
    let before = latest(&env);
    building(&env, &context).run().exits(1);
    assert_eq!(latest(&env), before);
    of("echo mended > /2\nCOPY missing /m");
    building(&env, &context).run().exits(1);
    assert_step(&env, "COPY missing /m", "failed", "");
    of("echo mended > /2\nCOPY missing /m\nRUN true");
    write(&context, "missing", "there");
    build(&env, &context, &[]);
    assert_step(&env, "COPY missing /m", "ran", FIRST);
}

/// The base of a comparison is the build before, even if that one ran nothing.
#[test]
fn a_build_that_ran_nothing_is_the_next_base_if_it_was_another() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM busybox:local\nCOPY f /f\n"), ("f", "A")],
    );
    let build_with = |text: &str| {
        write(&context, "f", text);
        build(&env, &context, &[])
    };
    build_with("A");
    build_with("B");
    let number = latest(&env)["number"].clone();
    // The same again: the record of the build that ran something stays the last one.
    assert_eq!(build_with("B").hits, "h");
    assert_eq!(latest(&env)["number"], number);
    // When that was is said above what the other one did.
    let why = env.rbuild(["why"]).arg(&context).run().success();
    let lines: Vec<String> = why.out().lines().map(str::to_owned).collect();
    assert!(
        lines[0].starts_with("last built ") && lines[0].ends_with(" ms: every step came from the cache"),
        "{why}"
    );
    assert!(lines[1].starts_with("image sha256:"), "{why}");
    assert!(lines[3].starts_with("before that build 2 of "), "{why}");
    assert!(
        lines.iter().any(|line| line.contains("COPY f /f (line 2): ran")),
        "{why}"
    );
    let whole: Value = serde_json::from_str(&env.rbuild(["why", "--json"]).run().success().out()).unwrap();
    assert_eq!(whole["again"]["image"], whole["image"]);
    // Back to A: nothing runs, but what was built is another thing than before.
    assert_eq!(build_with("A").hits, "h");
    assert_step(&env, "COPY f /f", "cached", "");
    build_with("C");
    let sha = |text: &str| crate::harness::archive::sha256(text.as_bytes())[..12].to_owned();
    let expected = |from: &str| format!("`f` changed: {} -> {}", sha(from), sha("C"));
    assert_step(&env, "COPY f /f", "ran", &expected("A"));

    // The last build is the last, even if another one was recorded since.
    let other = env.context(
        "elsewhere",
        &[
            ("Dockerfile", "FROM busybox:local\nCOPY f /f\n"),
            ("f", "elsewhere"),
        ],
    );
    build(&env, &other, &[]);
    let why = |path: &Path| {
        let outcome = env.rbuild(["why"]).run().success();
        assert!(outcome.out().contains(path.to_str().unwrap()), "{outcome}");
    };
    why(&other);
    // Times are in seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    build_with("C");
    why(&context);

    // Builds of other things do not come in between: another target, Dockerfile or context.
    let other = env.context(
        "other",
        &[("Dockerfile", "FROM busybox:local\nCOPY f /f\n"), ("f", "other")],
    );
    build(&env, &other, &[]);
    assert_step(&env, "COPY f /f", "ran", FIRST);
    fs::copy(context.join("Dockerfile"), context.join("Second")).unwrap();
    write(&context, "f", "second");
    let second = context.join("Second");
    build(&env, &context, &["-f", second.to_str().unwrap()]);
    assert_step(&env, "COPY f /f", "ran", FIRST);
    write(&context, "f", "D");
    build(&env, &context, &[]);
    let (_, miss) = step(&env, "COPY f /f");
    assert!(miss.contains(&format!("{} -> {}", sha("C"), sha("D"))), "{miss}");
}

#[test]
fn a_base_that_moved_and_a_result_that_is_gone() {
    let env = TestEnv::new();
    let base = env.context("base", &[("Dockerfile", "FROM scratch\nCOPY v /v\n"), ("v", "1")]);
    let context = env.context("context", &[("Dockerfile", "FROM base\nCOPY f /f\n"), ("f", "f")]);
    let archive = env.path("base.tar");
    let spec = format!("type=oci,dest={}", archive.display());
    let named = format!("base=oci-layout://{}", archive.display());
    let build_base = || build(&env, &base, &["-o", &spec]);
    let first = build_base();
    build(&env, &context, &["--build-context", &named]);
    write(&base, "v", "2");
    let second = build_base();
    build(&env, &context, &["--build-context", &named]);
    let short = |id: &str| id[..19].to_owned();
    let expected = format!(
        "`image` changed from `{}` to `{}`",
        short(&first.image),
        short(&second.image)
    );
    assert_step(&env, "FROM base", "ran", &expected);
    let (outcome, miss) = step(&env, "COPY f /f");
    assert!(
        outcome == "ran" && miss.starts_with("what it builds on has other content"),
        "{miss}"
    );

    // The record of the step is gone.
    let record = latest(&env);
    let key = record["steps"][1]["key"].as_str().unwrap();
    fs::remove_file(env.store().join("records").join(&key[..2]).join(key)).unwrap();
    build(&env, &context, &["--build-context", &named]);
    assert_step(
        &env,
        "COPY f /f",
        "ran",
        "nothing changed, but its earlier result is no longer in the store",
    );

    // The record is gone, and something changed: no guess is made.
    let record = latest(&env);
    let key = record["steps"][1]["key"].as_str().unwrap();
    fs::remove_file(env.store().join("records").join(&key[..2]).join(key)).unwrap();
    write(&context, "f", "changed");
    build(&env, &context, &["--build-context", &named]);
    assert_step(
        &env,
        "COPY f /f",
        "ran",
        "an earlier build had this step, but what changed since is not known any more",
    );
}

/// No secret, however it was given.
#[test]
fn no_record_holds_a_secret() {
    let env = TestEnv::new();
    let text = "FROM busybox:local\nRUN --mount=type=secret,id=s,env=TOKEN test -n \"$TOKEN\" && test -s /run/secrets/s; exit 3\n";
    let text = text.replace("env=TOKEN", "env=TOKEN,target=/run/secrets/s");
    let context = env.context("context", &[("Dockerfile", &text)]);
    let canary = "canary-5f3c1a";
    let secret = env.write("secret", canary);
    let spec = format!("id=s,src={}", secret.display());
    building(&env, &context).args(["--secret", &spec]).run().exits(1);
    assert_eq!(step(&env, "exit 3").0, "failed");
    for file in crate::crash::files(&env.store()) {
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(
            !bytes
                .windows(canary.len())
                .any(|window| window == canary.as_bytes()),
            "{}",
            file.display()
        );
    }
}

#[test]
fn a_link_whose_target_is_no_text_is_named_only_when_it_changed() {
    use std::ffi::OsStr;
    use std::os::unix::{ffi::OsStrExt, fs::symlink};
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM scratch\nCOPY d /\n"), ("d/a", "1")],
    );
    let link = context.join("d/l");
    symlink(OsStr::from_bytes(b"caf\xe9 x"), &link).unwrap();
    build(&env, &context, &[]);
    write(&context, "d/a", "2");
    build(&env, &context, &[]);
    let (_, miss) = step(&env, "COPY d /");
    assert!(
        miss.starts_with("`d/a` changed: ") && miss.lines().count() == 1,
        "{miss}"
    );
    fs::remove_file(&link).unwrap();
    symlink(OsStr::from_bytes(b"caf\xe8 x"), &link).unwrap();
    build(&env, &context, &[]);
    assert_step(
        &env,
        "COPY d /",
        "ran",
        r"`d/l` changed: caf\xe9\x20x -> caf\xe8\x20x",
    );
}

//! `type=local`: a directory.

use super::*;
use crate::harness::env::is_root;
use crate::harness::skip;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

/// Each file of the cache, with what it is.
fn contents(cache: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["ac", "cas"] {
        for name in names(&cache.join(folder)) {
            files.insert(
                format!("{folder}/{name}"),
                fs::read(cache.join(folder).join(&name)).unwrap(),
            );
        }
    }
    assert_eq!(names(&cache.join("tmp")), [""; 0], "nothing is left of writing");
    files
}

/// Another store, path, umask, file times, epoch or none: the second machine runs nothing, and has the same image.
#[test]
fn a_second_machine_runs_no_step() {
    for epoch in [None, Some("1700000000")] {
        let (one, two) = (TestEnv::new(), TestEnv::new());
        let cache = one.path("cache");
        let dated = |invocation: crate::harness::invocation::Invocation| match epoch {
            Some(epoch) => invocation.env("SOURCE_DATE_EPOCH", epoch),
            None => invocation,
        };
        let here = checkout(&one, "checkout");
        let sent = finish(
            &one,
            dated(building(&one, &here)).args(["--cache-to", &to(&cache)]),
        );
        assert_eq!(sent.hits, "mmmmmmm");

        let there = checkout(&two, "elsewhere/with a longer name");
        let late = fs::File::open(there.join("src/a")).unwrap();
        late.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000))
            .unwrap();
        fs::set_permissions(there.join("Dockerfile"), fs::Permissions::from_mode(0o600)).unwrap();
        let came = finish(
            &two,
            dated(building(&two, &there)).args(["--cache-from", &from(&cache)]),
        );
        assert_eq!(
            (came.hits.as_str(), warnings(&came)),
            ("hhhhhhh", 0),
            "{}",
            came.outcome
        );
        assert_eq!(came.image, sent.image);

        // What came is here: the next build asks nobody, and what it would send is what it was given.
        let moved = one.path("moved");
        fs::rename(&cache, &moved).unwrap();
        let warm = looking(&two, &there, &cache);
        assert_eq!(warm.hits, "hhhhhhh");
        two.rbuild(["store", "check"]).run().success();
        if epoch.is_some() {
            let again = two.path("again");
            finish(
                &two,
                dated(building(&two, &there)).args(["--cache-to", &to(&again)]),
            );
            let (first, second) = (contents(&moved), contents(&again));
            assert!(
                first.keys().eq(second.keys()),
                "{:?}\n{:?}",
                first.keys(),
                second.keys()
            );
        }
    }
}

/// Root's results are another user's, and the other way round.
#[test]
fn whoever_builds() {
    const TEST: &str = "shared_cache::directory::whoever_builds";
    let has_user = fs::read_to_string("/etc/passwd")
        .unwrap()
        .contains("\nrbuild-test:");
    if !is_root() || !has_user {
        return skip::because_of_host(TEST, "there are not two users to build as");
    }
    let (one, two) = (TestEnv::new(), TestEnv::new());
    let cache = one.path("cache");
    let program = two.path("rbuild");
    fs::copy(crate::harness::env::program_under_test(), &program).unwrap();
    let base = two.path("base.tar");
    fs::copy(crate::harness::base::Base::Busybox.archive(), &base).unwrap();
    let theirs = checkout(&two, "theirs");
    for env in [&one, &two] {
        fs::set_permissions(env.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    }
    two.tool("chown")
        .args(["-R", "rbuild-test:"])
        .arg(two.path(""))
        .run()
        .success();
    let sent = sending(&one, &checkout(&one, "ours"), &cache);
    let as_user = |words: &[&str]| {
        let user = two.tool("runuser").args(["-u", "rbuild-test", "--"]);
        user.arg(&program).args(words)
    };
    as_user(&["load", "-i"]).arg(&base).run().success();
    let looking = as_user(&["build", "--progress", "plain", "--cache-from", &from(&cache)]);
    let came = finish(&two, looking.arg(&theirs));
    assert_eq!(
        (came.hits.as_str(), warnings(&came)),
        ("hhhhhhh", 0),
        "{}",
        came.outcome
    );
    assert_eq!(came.image, sent.image);
}

/// What the change does not reach is not run, and what only the changed line reaches is all that runs.
#[test]
fn a_changed_line_runs_what_it_reaches() {
    let (one, two) = (TestEnv::new(), TestEnv::new());
    let cache = one.path("cache");
    sending(&one, &checkout(&one, "checkout"), &cache);
    let before = contents(&cache);
    let there = checkout(&two, "checkout");
    fs::write(there.join("other"), "changed\n").unwrap();
    let invocation = building(&two, &there).args(["--cache-from", &from(&cache), "--cache-to", &to(&cache)]);
    let built = finish(&two, invocation);
    assert_eq!(
        (built.hits.as_str(), warnings(&built)),
        ("hhhhhmm", 0),
        "{}",
        built.outcome
    );
    // Two results more; nothing that was there was written again or changed.
    let after = contents(&cache);
    let records =
        |files: &BTreeMap<String, Vec<u8>>| files.keys().filter(|name| name.starts_with("ac/")).count();
    assert_eq!(records(&after), records(&before) + 2);
    for (name, bytes) in &before {
        assert_eq!(after.get(name), Some(bytes), "{name}");
    }
}

/// `min` is the image's own stage; and what was found here is sent too, once.
#[test]
fn modes_and_what_was_here_before() {
    let env = TestEnv::new();
    let context = checkout(&env, "checkout");
    finish(&env, building(&env, &context));
    let (min, max) = (env.path("min"), env.path("max"));
    let both = |built: Built| {
        assert_eq!(built.hits, "hhhhhhh");
    };
    let with_min = format!("{},mode=min", to(&min));
    both(finish(
        &env,
        building(&env, &context).args(["--cache-to", &with_min]),
    ));
    assert_eq!(names(&min.join("ac")).len(), 3);
    both(sending(&env, &context, &max));
    assert_eq!(names(&max.join("ac")).len(), 7);
    let times = |cache: &Path| -> Vec<_> {
        let files = contents(cache).into_keys();
        files
            .map(|name| fs::metadata(cache.join(name)).unwrap().modified().unwrap())
            .collect()
    };
    let before = times(&max);
    both(sending(&env, &context, &max));
    assert_eq!(times(&max), before, "what is there is not sent again");
    let nothing = env.path("nothing");
    let read_only = format!("{},read-only=true", to(&nothing));
    both(finish(
        &env,
        building(&env, &context).args(["--cache-to", &read_only]),
    ));
    assert!(!nothing.exists());
    // The other stage is not there: its steps run, and what is copied out of it is something else.
    let other = TestEnv::new();
    let built = looking(&other, &checkout(&other, "checkout"), &min);
    assert_eq!(built.hits, "mmmmmmm", "{}", built.outcome);
}

/// A cache that cannot be written is a warning, or an error for those who want that. A failed build has sent what it made.
#[test]
fn what_cannot_be_sent() {
    let env = TestEnv::new();
    let context = checkout(&env, "checkout");
    let file = env.write("file", "");
    let built = sending(&env, &context, &file.join("cache"));
    assert_eq!(
        (built.hits.as_str(), warnings(&built)),
        ("mmmmmmm", 1),
        "{}",
        built.outcome
    );
    let strict = format!("{},ignore-error=false", to(&file.join("cache")));
    let failed = building(&env, &context).args(["--cache-to", &strict]).run();
    failed.exits(125).says("sending results to").no_panic();

    let cache = env.path("cache");
    let text = format!("FROM busybox:local\nRUN {NONCE} > /n\nRUN false\n");
    let context = env.context("fails", &[("Dockerfile", &text)]);
    building(&env, &context)
        .args(["--cache-to", &to(&cache)])
        .run()
        .exits(1)
        .no_panic();
    assert_eq!(names(&cache.join("ac")).len(), 1);
    let other = TestEnv::new();
    let context = other.context("fails", &[("Dockerfile", &text)]);
    let failed = building(&other, &context)
        .args(["--cache-from", &from(&cache)])
        .run()
        .exits(1);
    assert!(failed.err().contains("CACHED"), "{failed}");
}

/// Many at once write one directory, some of them the same; all that they wrote is sound.
#[test]
fn parallel_writers() {
    let shared = TestEnv::new();
    let cache = shared.path("cache");
    let machines: Vec<TestEnv> = (0..6).map(|_| TestEnv::new()).collect();
    let running: Vec<_> = machines
        .iter()
        .enumerate()
        .map(|(at, env)| {
            let context = checkout(env, "checkout");
            fs::write(context.join("src/a"), format!("{}\n", at / 2)).unwrap();
            let invocation =
                building(env, &context).args(["--cache-to", &to(&cache), "--cache-from", &from(&cache)]);
            invocation.start()
        })
        .collect();
    for running in running {
        let outcome = running.wait().success().no_panic();
        assert!(!outcome.err().contains("warning"), "{outcome}");
    }
    contents(&cache);
    for at in 0..3 {
        let env = TestEnv::new();
        let context = checkout(&env, "checkout");
        fs::write(context.join("src/a"), format!("{at}\n")).unwrap();
        let built = looking(&env, &context, &cache);
        assert_eq!(warnings(&built), 0, "{}", built.outcome);
        assert!(built.hits.starts_with("hhhh"), "{}", built.outcome);
    }
}

/// Neither a secret nor what a command printed is in any file of the cache; nor is a build argument.
#[test]
fn secrets_logs_and_arguments_stay_here() {
    const CANARY: &str = "canary-7d1f";
    let env = TestEnv::new();
    let text = "FROM busybox:local\nARG HIDDEN\n\
                RUN --mount=type=secret,id=s,env=S --mount=type=secret,id=s echo \"$S\" && cat /run/secrets/s && echo \"$HIDDEN\" && echo made > /f\n";
    let context = env.context("context", &[("Dockerfile", text)]);
    let secret = env.write("secret", CANARY);
    let cache = env.path("cache");
    let invocation = building(&env, &context)
        .args([
            "--cache-to",
            &to(&cache),
            "--secret",
            &format!("id=s,src={}", secret.display()),
        ])
        .args(["--build-arg", &format!("HIDDEN={CANARY}-argument")]);
    let built = finish(&env, invocation);
    assert!(
        built.outcome.err().contains(CANARY),
        "the command prints it: {}",
        built.outcome
    );
    let files = contents(&cache);
    let mut held: Vec<(String, Vec<u8>)> = files.into_iter().collect();
    for (name, bytes) in held.clone() {
        let Ok(record) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
            continue;
        };
        for layer in record["layers"].as_array().unwrap() {
            let hex = layer["inline"].as_str().unwrap();
            let digits = (0..hex.len()).step_by(2);
            let bytes = digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
            held.push((format!("a list of files in {name}"), bytes.collect()));
        }
    }
    assert_eq!(held.len(), 3);
    let mut unpacked = 0;
    for (name, bytes) in held {
        let mut plain = Vec::new();
        if flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .is_ok()
        {
            unpacked += 1;
        }
        for bytes in [&bytes, &plain] {
            let found = bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes());
            assert!(!found, "{name}");
        }
    }
    assert_eq!(unpacked, 2);
}

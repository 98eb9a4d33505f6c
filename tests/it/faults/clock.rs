//! Clocks that jump between builds. The clock of the machine is not ours to set, so the times of the store's own files
//! are moved instead: whether those are early or the clock is late is the same.

use super::figure;
use crate::concurrency::{at_the_gate, open_gate};
use crate::crash::files;
use crate::harness::TestEnv;
use crate::harness::steps::{building, finish};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

const DAY: i64 = 86_400;

/// Moves the times of the store's files, but for those of images.
fn move_times(store: &Path, by: i64) {
    for path in files(store) {
        let of_image = path.components().any(|part| part.as_os_str() == "fs");
        let Ok(file) = File::options().append(true).open(&path) else {
            continue;
        };
        if of_image {
            continue;
        }
        let (now, distance) = (SystemTime::now(), Duration::from_secs(by.unsigned_abs()));
        let then = if by < 0 { now - distance } else { now + distance };
        file.set_modified(then).unwrap();
    }
}

/// What hits hits, what changed is noticed, nothing is said of damage, and what can go goes.
#[test]
fn a_clock_that_jumped() {
    let env = TestEnv::new();
    let text = "FROM busybox:local\nCOPY f /f\nRUN cat /f /f > /ff\n";
    let context = env.context("context", &[("Dockerfile", text), ("f", "one")]);
    let make = |name: &str| {
        let spec = format!("type=oci,dest={}", env.path(name).display());
        let invocation = building(&env, &context).env("SOURCE_DATE_EPOCH", "1700000000");
        finish(
            &env,
            invocation.args(["-t", "app", "-o", &spec, "-o", "type=image"]),
        )
    };
    make("right.tar");
    let right = fs::read(env.path("right.tar")).unwrap();
    for by in [DAY, -DAY, 3650 * DAY, -3650 * DAY] {
        move_times(&env.store(), by);
        let built = make("next.tar");
        assert_eq!(built.hits, "hh", "{by}: {}", built.outcome);
        assert!(fs::read(env.path("next.tar")).unwrap() == right, "{by}");
        for verb in ["images", "history app", "df -v", "why context", "store check"] {
            env.rbuild(verb.split(' ')).run().success().no_panic();
        }
        fs::write(context.join("f"), "two").unwrap();
        assert_eq!(make("other.tar").hits, "mm", "{by}: a change is noticed");
        fs::write(context.join("f"), "one").unwrap();
        assert_eq!(make("next.tar").hits, "hh", "{by}");
        // What nobody can say the age of stays while an age is asked for, and goes when it is not.
        move_times(&env.store(), by);
        let pruned = |more: &[&str]| {
            let outcome = env
                .rbuild(["prune", "--all", "--force"])
                .args(more)
                .run()
                .success();
            outcome.out().contains("build cache:")
        };
        assert_eq!(pruned(&["--until", "1h"]), by < 0, "{by}");
        assert!(by < 0 || pruned(&[]), "{by}: what nothing uses does not go");
        assert_eq!(make("next.tar").hits, "mm", "{by}: it was removed");
        assert!(fs::read(env.path("next.tar")).unwrap() == right, "{by}");
    }
    figure("clock: 4 jumps between builds, of a day and of ten years");
}

/// What a build uses is held by locks, whatever the times of the files say.
#[test]
fn a_clock_that_jumps_while_a_build_runs() {
    for by in [DAY, -DAY] {
        let env = TestEnv::new();
        let running = at_the_gate(&env, "app");
        move_times(&env.store(), by);
        let prune = ["prune", "--all", "--force", "--cache-mounts"];
        env.rbuild(prune).run().success().no_panic();
        env.rbuild(["store", "sweep"]).run().success().no_panic();
        open_gate(&env);
        running.wait().success().no_panic();
        env.rbuild(["store", "check"]).run().success();
    }
    figure("clock: 2 jumps within a build, beside a collection");
}

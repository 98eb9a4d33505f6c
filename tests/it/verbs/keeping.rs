//! Prune, df, store check and sweep.

use super::{json, names, with_app};
use crate::harness::{Base, Terminal, TestEnv};
use std::fs;

#[test]
fn pruning_frees_what_nothing_needs() {
    let env = with_app();
    let context = env.path("app");
    env.write("app/greeting", "other\n");
    env.build("app", &context).success();
    // The first image has lost its name; its steps are in the cache.
    let dangling = names(&env).iter().filter(|name| *name == "<none>:<none>").count();
    assert_eq!(dangling, 1);
    env.rbuild(["prune"]).run().exits(125).says("-f");
    assert_eq!(names(&env).len(), 3);
    let dry = env.rbuild(["prune", "--dry-run", "-a"]).run().success();
    assert!(dry.out().contains("would free"), "{dry}");
    env.rbuild(["prune", "-f", "--until", "1h"]).run().success();
    assert_eq!(names(&env).len(), 3, "nothing is that old");
    let pruned = env.rbuild(["prune", "-f"]).run().success();
    assert!(pruned.out().contains("images: 1 removed"), "{pruned}");
    assert_eq!(names(&env), ["app:latest", "busybox:local"]);
    env.build("app", &context).success().says("CACHED");
    env.rbuild(["prune", "-a", "-f"]).run().success();
    env.run("app", [""; 0]).success().prints("other\nmore");
    // The cache was emptied.
    env.build("app", &context).success().never_says("CACHED");
    env.rbuild(["store", "check"])
        .run()
        .success()
        .prints("the store is whole");
    env.rbuild(["prune", "--until", "yesterday"])
        .run()
        .exits(125)
        .says("24h");
    env.rbuild(["prune", "--keep-storage", "lots"]).run().exits(125);
}

#[test]
fn prune_asks_on_a_terminal() {
    let env = with_app();
    env.write("app/greeting", "other\n");
    env.build("app", env.path("app")).success();
    for (answer, left) in [("n", 3), ("", 3), ("y", 2)] {
        let mut terminal = Terminal::start(env.rbuild(["prune"]), 24, 80);
        terminal.wait_for("[y/N]");
        terminal.types(&format!("{answer}\n"));
        assert_eq!(terminal.wait().code(), Some(0));
        assert_eq!(names(&env).len(), left, "after the answer {answer:?}");
    }
}

#[test]
fn files_of_other_ids_are_measured_and_removed() {
    let env = TestEnv::with(&[Base::Busybox]);
    let dockerfile = "FROM busybox:local\nRUN mkdir -m 700 /secret && head -c 3000000 /dev/zero > /secret/f && chown -R 1000:1000 /secret\n";
    env.build_text("owned", dockerfile).success();
    let bytes = |env: &TestEnv| {
        let usage = json(env.rbuild(["df", "--format", "json"]).run().success());
        let kinds = usage["usage"].as_array().expect("df lists kinds").clone();
        kinds
            .iter()
            .map(|kind| kind["bytes"].as_u64().expect("bytes"))
            .sum::<u64>()
    };
    let before = bytes(&env);
    assert!(before > 5_000_000, "{before}");
    env.rbuild(["rmi", "owned"]).run().success();
    env.rbuild(["prune", "-a", "-f"]).run().success();
    let after = bytes(&env);
    assert!(after + 2_900_000 < before, "{before} before, {after} after");
    let table = env.rbuild(["df", "-v"]).run().success();
    assert!(
        table.out().contains("busybox:local") && table.out().contains("RECLAIMABLE"),
        "{table}"
    );
}

#[test]
fn a_damaged_store_is_found_and_mended() {
    let env = with_app();
    let blobs = env.store().join("blobs/sha256");
    let largest = fs::read_dir(&blobs)
        .unwrap()
        .flatten()
        .max_by_key(|entry| entry.metadata().unwrap().len())
        .expect("the base has blobs")
        .path();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[100] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let name = largest.file_name().unwrap().to_str().unwrap();
    let found = env
        .rbuild(["store", "check"])
        .run()
        .exits(1)
        .says("--repair")
        .no_panic();
    assert!(found.out().contains(name), "{found}");
    assert!(largest.exists(), "looking mends nothing");
    env.rbuild(["store", "check", "--repair"]).run().no_panic();
    assert!(!largest.exists());
    env.load(Base::Busybox);
    env.rbuild(["store", "check"])
        .run()
        .success()
        .prints("the store is whole");
}

#[test]
fn sweeping_takes_what_the_dead_left() {
    let env = with_app();
    let left = env.store().join("tmp/left");
    fs::create_dir_all(left.join("deep")).unwrap();
    env.rbuild(["store", "sweep"]).run().success().prints("removed 1");
    assert!(!left.exists());
}

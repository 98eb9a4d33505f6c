//! Damaged files, lost files, full disks, and places that cannot hold a store.

use super::{assert_whole, files};
use crate::faults::script;
use crate::harness::steps::building;
use crate::harness::{Outcome, TestEnv};
use std::fs;
use std::path::{Path, PathBuf};

/// Each file of the store, but those of images themselves, is emptied, cut and overwritten in turn. The next build gives the
/// right image, or says what is wrong; then a repair and one more build give it.
#[test]
fn a_damaged_file_is_never_a_wrong_image() {
    let env = TestEnv::new();
    let text = "FROM busybox:local AS one\nCOPY f /f\nRUN tr a-z A-Z < /f > /F\nFROM one\nRUN rm /f; mkdir -m 700 /d; echo d > /d/d\n";
    let context = env.context("context", &[("Dockerfile", text), ("f", "text\n")]);
    let out = |name: &str| env.path(name);
    let attempt = |name: &str| -> Outcome {
        let spec = format!("type=oci,dest={}", out(name).display());
        building(&env, &context)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .args(["-t", "app", "-o", &spec, "-o", "type=image"])
            .run()
            .no_panic()
    };
    attempt("right.tar").success();
    let right = fs::read(out("right.tar")).unwrap();
    let is_right = |name: &str| fs::read(out(name)).is_ok_and(|bytes| bytes == right);
    let (mut survived, mut refused) = (0, 0);
    let parts = |path: &Path| -> String {
        let relative = path.strip_prefix(env.store()).unwrap();
        let part = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        match part.as_str() {
            "snapshots" => format!("snapshots/{}", relative.file_name().unwrap().to_string_lossy()),
            _ => part,
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    for damage in 0..3 {
        for path in files(&env.store()) {
            let part = parts(&path);
            let of_image = path.components().any(|part| part.as_os_str() == "fs");
            if of_image || ["logs", "locks", "tmp", "cache-mounts", "stubs"].contains(&part.as_str()) {
                continue;
            }
            let Ok(bytes) = fs::read(&path) else { continue };
            seen.insert(part.clone());
            let damaged = match damage {
                0 => Vec::new(),
                1 => bytes[..bytes.len() / 2].to_vec(),
                _ => b"\x00\xffgarbage {\n".repeat(bytes.len() / 10 + 1),
            };
            // A blob is a hard link of nothing, but be sure that nobody else's file is written.
            fs::remove_file(&path).unwrap();
            fs::write(&path, damaged).unwrap();
            let shown = path.strip_prefix(env.store()).unwrap().display().to_string();
            let _ = fs::remove_file(out("next.tar"));
            let first = attempt("next.tar");
            if first.code() == 0 {
                assert!(
                    is_right("next.tar"),
                    "another image with damaged {shown}\n{first}"
                );
                survived += 1;
            } else {
                // A base that cannot be read is an error at its FROM.
                assert!([1, 125].contains(&first.code()), "{shown}\n{first}");
                assert!(
                    first.err().contains("store check --repair") || first.err().contains("version"),
                    "no way out is named for {shown}\n{first}"
                );
                refused += 1;
            }
            if part == "version" {
                fs::write(&path, &bytes).unwrap();
            }
            env.rbuild(["store", "check", "--repair"]).run().no_panic();
            let _ = fs::remove_file(out("next.tar"));
            let again = attempt("next.tar").success();
            assert!(
                is_right("next.tar"),
                "another image after the repair of {shown}\n{again}"
            );
        }
    }
    for part in [
        "builds",
        "content",
        "images",
        "records",
        "snapshots/listing",
        "snapshots/meta.json",
        "tags",
    ] {
        assert!(seen.contains(part), "{part} was not damaged: {seen:?}");
    }
    assert!(survived > refused, "{survived} survived, {refused} refused");
}

/// A power loss may leave a file its size and not its bytes.
#[test]
fn a_blob_of_zeros_is_loaded_again() {
    let env = TestEnv::with(&[crate::harness::Base::Busybox]);
    let save = |name: &str| {
        env.rbuild(["save", "-o", name, "busybox:local"]).run().success();
        fs::read(env.path(name)).unwrap()
    };
    let right = save("right.tar");
    for blob in files(&env.store().join("blobs")) {
        let size = fs::metadata(&blob).unwrap().len();
        fs::File::create(blob).unwrap().set_len(size).unwrap();
    }
    env.tool("sh")
        .args(["-c", "rm -r store/snapshots/*"])
        .run()
        .success();
    env.load(crate::harness::Base::Busybox);
    assert!(save("again.tar") == right);
    assert_whole(&env);
}

#[test]
fn a_directory_that_is_missing_is_made_by_a_repair() {
    let env = TestEnv::with(&[crate::harness::Base::Busybox]);
    env.tool("rm")
        .args(["-r", "store/content", "store/locks"])
        .run()
        .success();
    env.rbuild(["store", "check"])
        .run()
        .exits(1)
        .says("store check --repair");
    env.rbuild(["store", "check", "--repair"]).run().no_panic();
    assert!(env.store().join("locks/leases").is_dir());
    env.rbuild(["store", "check", "--repair"]).run();
    assert_whole(&env);
}

/// After another boot nothing is believed unseen: a snapshot whose files were lost is made again.
#[test]
fn files_lost_in_a_power_cut_are_noticed_after_the_next_boot() {
    let env = TestEnv::new();
    let text = "FROM busybox:local\nCOPY f /f\nRUN cat /f /f > /ff\n";
    let context = env.context("context", &[("Dockerfile", text), ("f", "text\n")]);
    let out = |name: &str| format!("type=oci,dest={}", env.path(name).display());
    let make = |name: &str| {
        let invocation = building(&env, &context)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .args(["-o", &out(name)]);
        crate::harness::steps::finish(&env, invocation)
    };
    make("right.tar");
    let metas: Vec<PathBuf> = files(&env.store().join("snapshots"))
        .into_iter()
        .filter(|path| path.ends_with("meta.json"))
        .collect();
    assert_eq!(metas.len(), 3);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for meta in &metas {
        let text = fs::read_to_string(meta).unwrap();
        assert!(text.contains(boot.trim()), "{text}");
        fs::write(
            meta,
            text.replace(boot.trim(), "11111111-2222-3333-4444-555555555555"),
        )
        .unwrap();
    }
    // Whole: everything is verified, and used.
    assert_eq!(make("next.tar").hits, "hh");
    // Emptied by a power loss, as the file system saw fit.
    let lost = files(&env.store().join("snapshots"))
        .into_iter()
        .find(|path| path.ends_with("fs/ff"))
        .unwrap();
    for meta in &metas {
        let text = fs::read_to_string(meta).unwrap();
        let text = text.replace(boot.trim(), "11111111-2222-3333-4444-555555555555");
        fs::write(meta, text.replace("\"confirmed\":true", "\"confirmed\":false")).unwrap();
    }
    fs::write(lost, "").unwrap();
    let built = make("next.tar");
    assert_eq!(built.hits, "hm", "{}", built.outcome);
    assert!(fs::read(env.path("next.tar")).unwrap() == fs::read(env.path("right.tar")).unwrap());
    assert_eq!(make("next.tar").hits, "hh");
    assert_whole(&env);
}

/// Runs a script where file systems can be mounted without anybody seeing it. `None`: this host does not let us.
fn with_mounts(env: &TestEnv, test: &str, text: &str) -> Option<Outcome> {
    let script = script(env, test, text)?
        .env("M", env.path("mnt"))
        .env("RBUILD_ROOT", env.path("mnt/store"));
    Some(script.run())
}

const BUILD: &str = "\"$R\" build --progress plain --build-context \"$BASE\" context";

#[test]
fn a_full_disk_is_told_and_the_store_stays_whole() {
    let env = TestEnv::new();
    let text = "FROM busybox:local\nCOPY big /big\nRUN head -c 4000000 /dev/zero > /r || exit 9\nRUN head -c 4000000 /dev/zero > /s\n";
    let context = env.context("context", &[("Dockerfile", text)]);
    fs::write(context.join("big"), vec![7; 3_000_000]).unwrap();
    fs::create_dir(env.path("mnt")).unwrap();
    // Full at the base, while the base is unpacked, at the copy, in the command.
    for size in ["200k", "1m", "3m", "6m", "9m"] {
        let script = format!(
            "mount -t tmpfs -o size={size},mode=700 none $M; {BUILD}; echo build $?; \
             echo left $(ls $M/store/tmp | wc -l); \"$R\" store check; echo check $?; \
             mount -o remount,size=100m $M; {BUILD} 2>&1; echo again $?; \"$R\" store check; echo check $?"
        );
        let Some(outcome) = with_mounts(&env, "a_full_disk", &script) else {
            return;
        };
        let outcome = outcome.no_panic();
        let told: Vec<String> = outcome.out().lines().map(str::to_owned).collect();
        let line = |text: String| assert!(told.contains(&text), "no {text:?} with {size}\n{outcome}");
        line("build 125".to_owned());
        line("left 0".to_owned());
        line("again 0".to_owned());
        assert_eq!(
            told.iter().filter(|line| *line == "check 0").count(),
            2,
            "{size}\n{outcome}"
        );
        let err = outcome.err().to_lowercase();
        assert!(
            err.contains("no space left") || err.contains("is full"),
            "{outcome}"
        );
        outcome.says("rbuild prune");
    }
}

#[test]
fn a_command_that_fails_on_a_full_disk_is_explained() {
    let env = TestEnv::new();
    // What it says itself is lost.
    let text = "FROM busybox:local\nRUN head -c 100000000 /dev/zero > /r 2> /dev/null\n";
    env.context("context", &[("Dockerfile", text)]);
    fs::create_dir(env.path("mnt")).unwrap();
    let script = format!("mount -t tmpfs -o size=20m,mode=700 none $M; {BUILD}; echo build $?");
    if let Some(outcome) = with_mounts(&env, "a_command_on_a_full_disk", &script) {
        outcome
            .no_panic()
            .says("the disk of the store is full")
            .says("rbuild prune")
            .says("exit code 1");
    }
}

#[test]
fn places_that_cannot_hold_a_store_are_refused_with_the_reason() {
    let env = TestEnv::new();
    env.context("context", &[("Dockerfile", "FROM busybox:local\nRUN true\n")]);
    fs::create_dir(env.path("mnt")).unwrap();
    let script = format!(
        "mount -t tmpfs none $M; {BUILD}; echo first $?; mount -o remount,ro $M; {BUILD}; echo read-only $?"
    );
    if let Some(outcome) = with_mounts(&env, "read_only_store", &script) {
        let outcome = outcome.no_panic().says("mounted read-only");
        for line in ["first 0", "read-only 125"] {
            assert!(
                outcome.out().lines().any(|out| out == line),
                "no {line:?}\n{outcome}"
            );
        }
    }
    // What only looks at it is content with that.
    let mut script = format!("mount -t tmpfs none $M; {BUILD} -t app; mount -o remount,ro $M\n");
    for verb in [
        "images",
        "history app",
        "inspect app",
        "why context",
        "df",
        "store check",
    ] {
        script += &format!("\"$R\" {verb} > out && test -s out; echo {verb} $?\n");
    }
    for verb in ["tag app b", "rmi app", "prune -f", "store check --repair"] {
        script += &format!("\"$R\" {verb}; echo {verb} $?\n");
    }
    if let Some(outcome) = with_mounts(&env, "read_only_store", &script) {
        for verb in [
            "images",
            "history app",
            "inspect app",
            "why context",
            "df",
            "store check",
        ] {
            assert!(
                outcome.out().lines().any(|out| out == format!("{verb} 0")),
                "{verb}\n{outcome}"
            );
        }
        for verb in ["tag app b", "rmi app", "prune -f", "store check --repair"] {
            assert!(
                outcome.out().lines().any(|out| out == format!("{verb} 125")),
                "{verb}\n{outcome}"
            );
        }
        assert_eq!(outcome.err().matches("mounted read-only").count(), 4, "{outcome}");
    }
    // Only root can mount one.
    if crate::harness::env::is_root() {
        let script = format!("mount -t ramfs none $M; {BUILD}; echo no-xattr $?; ls $M/store");
        if let Some(outcome) = with_mounts(&env, "no_xattr", &script) {
            let outcome = outcome
                .no_panic()
                .says("has no user extended attributes")
                .says("RBUILD_ROOT");
            assert!(outcome.out().contains("no-xattr 125"), "{outcome}");
        }
    }
    let file = env.write("file", "not a store");
    let thesis = env.write("thesis/thesis.tex", "dear to me");
    for (root, says) in [
        (file.as_path(), "file"),
        (&env.path("thesis"), "is not empty and is not a store"),
    ] {
        let refused = building(&env, &env.path("context"))
            .env("RBUILD_ROOT", root)
            .run();
        refused.exits(125).says(says).no_panic();
    }
    assert_eq!(fs::read_to_string(thesis).unwrap(), "dear to me");
    assert_eq!(fs::read_dir(env.path("thesis")).unwrap().count(), 1);

    let newer = env.path("newer");
    building(&env, &env.path("context"))
        .env("RBUILD_ROOT", &newer)
        .run()
        .success();
    fs::write(newer.join("version"), "9\n").unwrap();
    let refused = building(&env, &env.path("context"))
        .env("RBUILD_ROOT", &newer)
        .run();
    refused.exits(125).says("layout version `9`").no_panic();
}

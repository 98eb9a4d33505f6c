//! Commands whose root is a directory, without namespaces and mounts: what they have, what they leave, and what they cannot
//! reach.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rbuild_sandbox::{Confinement, Mount, MountFlags, MountKind, Network, Root, SandboxSpec};
use serde_json::json;

use crate::support::{Place, Who, run_of};

/// Only root can change its root.
fn place() -> Option<Place> {
    let is_root = rustix::process::geteuid().is_root();
    is_root.then(|| Place::confined(Who::Root, Confinement::Chroot))
}

fn root_of(spec: &SandboxSpec) -> PathBuf {
    match &spec.root {
        Root::Directory(root) => root.clone(),
        other => panic!("no directory: {other:?}"),
    }
}

/// All below a directory with what stat says that does not differ between two looks.
fn listing(root: &Path) -> Vec<(PathBuf, u32, u64, i64, i64)> {
    let mut found = Vec::new();
    let mut next = vec![root.to_owned()];
    while let Some(path) = next.pop() {
        let stat = fs::symlink_metadata(&path).unwrap();
        found.push((
            path.clone(),
            stat.mode(),
            stat.ino(),
            stat.mtime(),
            stat.mtime_nsec(),
        ));
        if stat.is_dir() {
            next.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found.sort();
    found
}

fn mount(target: &str, kind: MountKind) -> Mount {
    Mount {
        target: target.into(),
        kind,
    }
}

fn bind(source: &Path, lent: bool) -> MountKind {
    MountKind::Bind {
        source: source.to_owned(),
        source_root: None,
        recursive: false,
        lent,
        flags: MountFlags::default(),
    }
}

#[test]
fn the_root_is_as_it_was_but_for_what_the_command_did() {
    let Some(place) = place() else { return };
    let mut spec = place.shell(
        "echo mine > /tmp/new; cat /etc/hosts; echo x > /etc/hosts; rm /etc/resolv.conf; echo > /dev/null; \
         echo junk > /dev/junk; touch /proc/junk; ls /dev; cat /proc/sys/kernel/ostype; echo y > /mem/y; cat /proc/cpuinfo > /dev/null",
    );
    let root = root_of(&spec);
    fs::create_dir(root.join("mem")).unwrap();
    fs::write(root.join("dev/of-the-image"), "kept").unwrap();
    fs::write(root.join("etc/resolv.conf"), "of the image").unwrap();
    let content = |text: &str| MountKind::ReadOnlyFile { content: text.into() };
    let tmpfs = MountKind::Tmpfs {
        size: None,
        mode: 0o1777,
        flags: MountFlags::default(),
    };
    spec.mounts = vec![
        mount("/etc/hosts", content("127.0.0.1 box\n")),
        mount("/etc/resolv.conf", content("nameserver 1.1.1.1\n")),
        mount("/mem", tmpfs),
        mount("/dev/pipes/script", content("#!/bin/sh\n")),
    ];
    let before = listing(&root);
    let outcome = place.run(&spec).succeeded();
    assert!(outcome.stdout.starts_with("127.0.0.1 box\n"), "{outcome:?}");
    for name in ["null", "urandom", "shm", "pipes", "Linux"] {
        assert!(outcome.stdout.contains(name), "{name}: {outcome:?}");
    }
    let tmp = root.join("tmp");
    let without_tmp = |listing: Vec<(PathBuf, u32, u64, i64, i64)>| -> Vec<_> {
        listing
            .into_iter()
            .filter(|one| !one.0.starts_with(&tmp))
            .collect()
    };
    // The command has changed a directory, whose time says so.
    let but_etc = |mut listing: Vec<(PathBuf, u32, u64, i64, i64)>| {
        for one in listing.iter_mut().filter(|one| one.0 == root.join("etc")) {
            (one.3, one.4) = (0, 0);
        }
        listing
    };
    assert_eq!(but_etc(without_tmp(listing(&root))), but_etc(without_tmp(before)));
    assert_eq!(fs::read_to_string(tmp.join("new")).unwrap(), "mine\n");
    assert_eq!(
        fs::read_to_string(root.join("etc/resolv.conf")).unwrap(),
        "of the image"
    );
}

#[test]
fn a_cache_is_lent_and_comes_back_wherever_the_command_put_it() {
    let Some(place) = place() else { return };
    let cache = place.make_directory("cache");
    fs::write(cache.join("old"), "o").unwrap();
    for (script, at_home) in [
        ("cat /work/dir/old; echo n > /work/dir/new", true),
        ("mv /work/dir /tmp/moved; echo n > /tmp/moved/new", true),
        ("rm -rf /work; mkdir -p /work/dir; echo lost > /work/dir/x", false),
    ] {
        let mut spec = place.shell(script);
        spec.mounts = vec![mount("/work/dir", bind(&cache, true))];
        let root = root_of(&spec);
        fs::write(root.join("work/dir/of-the-image"), "").unwrap();
        place.run(&spec).succeeded();
        assert_eq!(cache.join("new").exists(), at_home, "{script}");
        assert!(!root.join("tmp/moved").exists(), "{script}");
        assert_eq!(root.join("work/dir/of-the-image").exists(), at_home, "{script}");
        let _ = fs::remove_file(cache.join("new"));
    }
}

#[test]
fn what_cannot_be_had_is_refused_and_nothing_is_left() {
    let Some(place) = place() else { return };
    let cache = place.make_directory("cache");
    fs::write(cache.join("old"), "o").unwrap();
    type Ask = fn(&mut SandboxSpec);
    let secret: Ask = |spec| {
        let kind = MountKind::SecretFile {
            bytes: "s3cret".into(),
            mode: 0o400,
            uid: 0,
            gid: 0,
        };
        spec.mounts.push(mount("/tmp/secret", kind));
    };
    let asks: [(Ask, &str); 5] = [
        (|spec| spec.network = Network::None, "network namespace"),
        (|spec| spec.read_only = true, "read-only root"),
        (|spec| spec.seccomp = false, "privileged"),
        (secret, "env=NAME"),
        (
            |spec| spec.mounts.push(mount("/tmp", bind(Path::new("/etc"), false))),
            "cannot be copied",
        ),
    ];
    for (ask, words) in asks {
        let mut spec = place.shell("echo ran");
        spec.mounts.push(mount("/work/dir", bind(&cache, true)));
        ask(&mut spec);
        let root = root_of(&spec);
        let before = listing(&root);
        let outcome = place.run(&spec);
        assert!(
            outcome.code.is_none() && outcome.message.contains(words),
            "{outcome:?}"
        );
        assert_eq!(listing(&root), before, "{words}");
        assert!(cache.join("old").exists(), "{words}");
    }
}

#[test]
fn nothing_of_the_host_is_reached() {
    let Some(place) = place() else { return };
    let secret = place.make_file("outside/secret", "s3cret");
    let victim = std::process::Command::new("sleep").arg("1000").spawn();
    let mut victim = victim.unwrap();
    let script = format!(
        "cat {0} /../..{0} 2>&1; kill -9 {1} 2>&1; kill -0 1 2>&1; chroot / true 2>&1; mknod /tmp/disk b 8 0 2>&1; env; ls /proc/self 2>&1; \
         grep -q s3cret /dev/shm/* 2>&1; echo done",
        secret.display(),
        victim.id()
    );
    let mut spec = place.shell(&script);
    for applet in ["chroot", "mknod", "grep"] {
        std::os::unix::fs::symlink("busybox", root_of(&spec).join("bin").join(applet)).unwrap();
    }
    spec.env.push("ONLY=this".into());
    let outcome = place.run(&spec).succeeded();
    let text = &outcome.stdout;
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!(text.matches("Operation not permitted").count(), 4, "{text}");
    assert!(
        text.contains("ONLY=this") && !text.contains("CONFINEMENT"),
        "{text}"
    );
    assert!(text.ends_with("done\n"), "{text}");
    assert!(
        victim.try_wait().unwrap().is_none(),
        "a process of the host was killed"
    );
    victim.kill().unwrap();
    victim.wait().unwrap();
}

#[test]
fn users_are_who_they_are_and_files_are_whose_they_are() {
    let Some(place) = place() else { return };
    let mut spec = place.shell("id; touch /tmp/mine; cat /etc/shadow 2>&1; cat /proc/self/status 2>&1");
    fs::write(root_of(&spec).join("etc/shadow"), "s3cret").unwrap();
    fs::set_permissions(
        root_of(&spec).join("etc/shadow"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    (spec.user.uid, spec.user.gid, spec.user.groups) = (1000, 1001, vec![7]);
    let outcome = place.run(&spec);
    assert!(
        outcome.stdout.contains("uid=1000 gid=1001 groups=7,1001"),
        "{outcome:?}"
    );
    assert!(!outcome.stdout.contains("s3cret"), "{outcome:?}");
    let stat = fs::metadata(root_of(&spec).join("tmp/mine")).unwrap();
    assert_eq!((stat.uid(), stat.gid()), (1000, 1001));
    let spec = place.shell(
        "touch /tmp/x && chown 5:6 /tmp/x && chmod 4755 /tmp/x && mkfifo /tmp/p && stat -c '%u:%g %a' /tmp/x",
    );
    assert_eq!(place.run(&spec).succeeded().stdout, "5:6 4755\n");
}

#[test]
fn all_that_it_started_is_dead_when_it_has_ended() {
    let Some(place) = place() else { return };
    let token = format!("7{}", std::process::id());
    let count = || {
        let wanted = format!("sleep\0{token}\0");
        let lines = fs::read_dir("/proc").unwrap();
        lines
            .filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok())
            .filter(|line| *line == wanted.as_bytes())
            .count()
    };
    let spec = place.shell(&format!(
        "trap '' HUP TERM; (setsid sh -c 'sleep {token} & sleep {token}' & ) ; sleep {token} & sleep 0.1; echo done"
    ));
    std::os::unix::fs::symlink("busybox", root_of(&spec).join("bin/setsid")).unwrap();
    assert_eq!(place.run(&spec).succeeded().stdout, "done\n");
    assert_eq!(count(), 0);
    // One that nobody waits for any more, and one whose program is killed.
    let long = || place.shell(&format!("sleep {token} & sleep {token}"));
    let task =
        json!({ "DropThenRun": [run_of(&long(), json!({})), run_of(&place.spec(&["true"]), json!({}))] });
    assert_eq!(place.task(&task)[0]["code"], 0);
    assert_eq!(count(), 0);
    let mut driver = place.start(&json!({ "Announce": run_of(&long(), json!({})) }));
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(driver.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    driver.kill().unwrap();
    driver.wait().unwrap();
    for _ in 0..500 {
        if count() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("a command outlived its program");
}

#[test]
fn a_terminal_is_had_from_the_host() {
    let Some(place) = place() else { return };
    let spec = place.shell("[ -t 0 ] && [ -t 1 ] && stty size; cat");
    let outcome = place
        .run_with(&spec, json!({ "pty": [30, 101], "stdin": "typed\n\u{4}" }))
        .succeeded();
    assert!(outcome.stdout.contains("30 101"), "{outcome:?}");
}

#[test]
fn many_run_at_once() {
    let Some(place) = place() else { return };
    let runs: Vec<_> = (0..8)
        .map(|number| run_of(&place.shell(&format!("sleep 0.1; exit {number}")), json!({})))
        .collect();
    let answer = place.task(&json!({ "AtOnce": runs }));
    for number in 0..8 {
        assert_eq!(answer[number]["code"], number);
    }
}

//! What is in a cache key and what is not: each attribute is changed alone, and the steps that ran are compared.

use crate::harness::steps::{Built, build, building, finish, hits};
use crate::harness::{TestEnv, env::is_root};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// Something that no step writes twice.
const NONCE: &str = "RUN cat /proc/sys/kernel/random/uuid > /nonce";

/// Sets the time of last change in nanoseconds since 1970, of the link itself.
fn set_mtime(path: &Path, nanos: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec {
        tv_sec: nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time can be set");
}

fn mtime(path: &Path) -> i64 {
    let meta = fs::symlink_metadata(path).expect("the file is there");
    meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
}

/// A year ago: far outside of the clock's granularity, so that the stat memo is in play.
const LONG_AGO: i64 = 1_600_000_000_000_000_000;

/// `dir` with files of all kinds, old enough to be remembered.
fn tree(env: &TestEnv, context: &str) -> std::path::PathBuf {
    let dir = env.context(
        context,
        &[
            ("dir/a", "one"),
            ("dir/b", "two"),
            ("dir/sub/c", "three"),
            ("other", "x"),
        ],
    );
    symlink("a", dir.join("dir/link")).expect("a link can be made");
    fs::set_permissions(dir.join("dir/a"), fs::Permissions::from_mode(0o644)).unwrap();
    for path in [
        "dir/a",
        "dir/b",
        "dir/sub/c",
        "dir/link",
        "dir/sub",
        "dir",
        "other",
    ] {
        set_mtime(&dir.join(path), LONG_AGO);
    }
    dir
}

#[test]
fn every_attribute_of_a_copied_file() {
    let env = TestEnv::new();
    let context = tree(&env, "context");
    env.write(
        "context/Dockerfile",
        format!("FROM busybox:local\nCOPY dir /dir\n{NONCE}\n"),
    );
    let first = build(&env, &context, &[]);
    assert_eq!(first.hits, "mm");

    type Change = (&'static str, &'static str, Box<dyn Fn(&Path)>, Box<dyn Fn(&Path)>);
    let write = |file: &'static str, text: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| fs::write(dir.join(file), text).unwrap())
    };
    let mode = |file: &'static str, mode: u32| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| fs::set_permissions(dir.join(file), fs::Permissions::from_mode(mode)).unwrap())
    };
    let rename = |from: &'static str, to: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| fs::rename(dir.join(from), dir.join(to)).unwrap())
    };
    let relink = |target: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| {
            fs::remove_file(dir.join("dir/link")).unwrap();
            symlink(target, dir.join("dir/link")).unwrap();
        })
    };
    let touch = |path: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| set_mtime(&dir.join(path), LONG_AGO + 86_400_000_000_000))
    };
    let nothing = || -> Box<dyn Fn(&Path)> { Box::new(|_| {}) };
    let changes: Vec<Change> = vec![
        (
            "content of another size",
            "m",
            write("dir/a", "longer"),
            write("dir/a", "one"),
        ),
        (
            "content of the same size",
            "m",
            write("dir/a", "eno"),
            write("dir/a", "one"),
        ),
        (
            "content of the same size, time put back",
            "m",
            Box::new(|dir: &Path| {
                let file = dir.join("dir/b");
                let before = mtime(&file);
                fs::write(&file, "owt").unwrap();
                set_mtime(&file, before);
            }),
            write("dir/b", "two"),
        ),
        ("mode of a file", "m", mode("dir/a", 0o755), mode("dir/a", 0o644)),
        ("set-id bit", "m", mode("dir/a", 0o4644), mode("dir/a", 0o644)),
        (
            "mode of a directory",
            "m",
            mode("dir/sub", 0o700),
            mode("dir/sub", 0o755),
        ),
        (
            "name of a file",
            "m",
            rename("dir/a", "dir/A"),
            rename("dir/A", "dir/a"),
        ),
        (
            "name of a directory",
            "m",
            rename("dir/sub", "dir/bus"),
            rename("dir/bus", "dir/sub"),
        ),
        ("two names swapped", "m", Box::new(swap), Box::new(swap)),
        ("target of a link", "m", relink("b"), relink("a")),
        (
            "a link in place of an equal file",
            "m",
            Box::new(|dir: &Path| {
                fs::remove_file(dir.join("dir/b")).unwrap();
                fs::write(dir.join("dir/sub/two"), "two").unwrap();
                symlink("sub/two", dir.join("dir/b")).unwrap();
            }),
            Box::new(|dir: &Path| {
                fs::remove_file(dir.join("dir/b")).unwrap();
                fs::remove_file(dir.join("dir/sub/two")).unwrap();
                fs::write(dir.join("dir/b"), "two").unwrap();
            }),
        ),
        (
            "an empty directory more",
            "m",
            Box::new(|dir: &Path| fs::create_dir(dir.join("dir/empty")).unwrap()),
            Box::new(|dir: &Path| fs::remove_dir(dir.join("dir/empty")).unwrap()),
        ),
        (
            "an empty file more",
            "m",
            write("dir/empty", ""),
            Box::new(|dir: &Path| fs::remove_file(dir.join("dir/empty")).unwrap()),
        ),
        (
            "a file less",
            "m",
            Box::new(|dir: &Path| fs::remove_file(dir.join("dir/sub/c")).unwrap()),
            write("dir/sub/c", "three"),
        ),
        ("time of a file", "h", touch("dir/a"), nothing()),
        ("time of a directory", "h", touch("dir/sub"), nothing()),
        ("time of a link", "h", touch("dir/link"), nothing()),
        (
            "a file that is not copied",
            "h",
            write("other", "changed"),
            nothing(),
        ),
        (
            "the same content written anew, another inode",
            "h",
            Box::new(|dir: &Path| {
                fs::remove_file(dir.join("dir/a")).unwrap();
                fs::write(dir.join("dir/a"), "one").unwrap();
            }),
            nothing(),
        ),
        (
            "owner",
            "h",
            Box::new(|dir: &Path| {
                if is_root() {
                    std::os::unix::fs::chown(dir.join("dir/a"), Some(4711), Some(4712)).unwrap();
                }
            }),
            nothing(),
        ),
    ];
    for (what, expected, change, undo) in changes {
        change(&context);
        let changed = build(&env, &context, &[]);
        assert_eq!(changed.hits, expected.repeat(2), "{what}\n{}", changed.outcome);
        assert_eq!(
            changed.image == first.image,
            expected == "h",
            "{what}\n{}",
            changed.outcome
        );
        undo(&context);
        let again = build(&env, &context, &[]);
        assert_eq!(again.hits, "hh", "{what}, undone\n{}", again.outcome);
        assert_eq!(again.image, first.image, "{what}, undone\n{}", again.outcome);
    }
}

fn swap(dir: &Path) {
    let [a, b, c] = ["dir/a", "dir/b", "dir/swap"].map(|name| dir.join(name));
    fs::rename(&a, &c).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&c, &b).unwrap();
    // The modes were equal, so names and contents alone are swapped.
    for file in [&a, &b] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// A file that is changed within the same tick of the clock in which it was hashed.
#[test]
fn a_change_right_after_the_build_is_seen() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM busybox:local\nCOPY file /file\n")],
    );
    let file = context.join("file");
    let mut images = std::collections::BTreeSet::new();
    for round in 0..8 {
        // The same size, and the same time by the caller's hand: only ctime, or reading it, can tell.
        fs::write(&file, format!("{round:04}")).unwrap();
        set_mtime(&file, LONG_AGO);
        images.insert(build(&env, &context, &[]).image);
    }
    assert_eq!(images.len(), 8);
}

/// What a build learned of the context, the next one uses; and a damaged memo costs time, not truth.
#[test]
fn the_stat_memo_knows_old_files_and_is_not_believed_when_damaged() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM scratch\nCOPY file /file\n"), ("file", "one")],
    );
    let file = context.join("file");
    set_mtime(&file, LONG_AGO);
    let memos = || -> Vec<Vec<u8>> {
        let memos = fs::read_dir(env.store().join("memo")).unwrap();
        memos
            .map(|memo| fs::read(memo.unwrap().path()).unwrap())
            .collect()
    };
    // ctime cannot be set: the file is remembered once it is older than the racy window.
    let first = loop {
        let built = build(&env, &context, &[]);
        if !memos().is_empty() {
            break built;
        }
    };
    let [memo] = memos().try_into().expect("one context has one memo");
    let hash = crate::harness::archive::sha256(b"one");
    let raw: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&hash[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    assert!(
        memo.windows(32).any(|window| window == raw),
        "the memo knows the file"
    );

    let path = fs::read_dir(env.store().join("memo"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for damage in [
        b"".as_slice(),
        b"rbmemo01",
        b"garbage that is no memo at all",
        &memo[..memo.len() - 1],
    ] {
        fs::write(&path, damage).unwrap();
        let built = build(&env, &context, &[]);
        assert_eq!((built.hits.as_str(), &built.image), ("h", &first.image));
    }
    // A memo that lies about the content, with a wrong checksum.
    let mut lie = memo.clone();
    let at = lie.windows(32).position(|window| window == raw).unwrap();
    lie[at] ^= 1;
    fs::write(&path, &lie).unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "h");
}

/// One RUN and the lines around it; the RUN writes a nonce.
fn run_dockerfile(before: &str, flags: &str, command: &str, after: &str) -> String {
    format!(
        "FROM busybox:local AS other\nRUN mkdir /o && echo o > /o/o\n\
         FROM busybox:local\nCOPY src /src\n{before}\nRUN {flags} {command}\n{after}\n"
    )
}

#[test]
fn every_field_of_a_run() {
    let env = TestEnv::new();
    let context = env.context("context", &[("src/f", "f"), ("src/g", "g"), ("unused/u", "u")]);
    let secret = env.write("secret", "one");
    let secret_flag = format!("id=s,src={}", secret.display());
    let with_secret = ["--secret", secret_flag.as_str()];
    let nonce = "cat /proc/sys/kernel/random/uuid > /nonce";
    let file = |text: String| fs::write(context.join("Dockerfile"), text).unwrap();
    // (what, before, flags, command, after, arguments, whether it runs again)
    type Case<'c> = (&'c str, &'c str, &'c str, &'c str, &'c str, &'c [&'c str], bool);
    let groups: Vec<Vec<Case<'_>>> = vec![
        vec![
            ("base", "", "", nonce, "", &[], true),
            ("nothing", "", "", nonce, "", &[], false),
            (
                "command",
                "",
                "",
                "cat  /proc/sys/kernel/random/uuid > /nonce",
                "",
                &[],
                true,
            ),
            ("env", "ENV A=1", "", nonce, "", &[], true),
            ("value of env", "ENV A=2", "", nonce, "", &[], true),
            ("empty env is not no env", "ENV A=", "", nonce, "", &[], true),
            ("env after it", "", "", nonce, "ENV A=1", &[], false),
            ("label", "LABEL a=b", "", nonce, "", &[], false),
            (
                "label in front of env",
                "LABEL a=b\nENV A=1",
                "",
                nonce,
                "",
                &[],
                false,
            ),
            (
                "cmd, entrypoint, expose, stopsignal",
                "CMD a\nENTRYPOINT b\nEXPOSE 80\nSTOPSIGNAL 9",
                "",
                nonce,
                "",
                &[],
                false,
            ),
            ("comment and blank line", "# hello\n\n", "", nonce, "", &[], false),
            ("directory", "WORKDIR /src", "", nonce, "", &[], true),
            ("user", "USER 1:1", "", "id", "", &[], true),
            ("group", "USER 1:2", "", "id", "", &[], true),
            (
                "shell",
                "SHELL [\"/bin/sh\", \"-e\", \"-c\"]",
                "",
                nonce,
                "",
                &[],
                true,
            ),
            (
                "exec form",
                "",
                "",
                "[\"/bin/sh\", \"-c\", \"true\"]",
                "",
                &[],
                true,
            ),
            ("the shell form of the same", "", "", "true", "", &[], false),
            ("network", "", "--network=none", nonce, "", &[], true),
        ],
        vec![
            (
                "undeclared arg",
                "",
                "",
                nonce,
                "",
                &["--build-arg", "A=9"],
                false,
            ),
            (
                "declared arg",
                "ARG A",
                "",
                nonce,
                "",
                &["--build-arg", "A=8"],
                true,
            ),
            (
                "another value",
                "ARG A",
                "",
                nonce,
                "",
                &["--build-arg", "A=7"],
                true,
            ),
            (
                "the default of the same value",
                "ARG A=7",
                "",
                nonce,
                "",
                &[],
                false,
            ),
            ("declared, never set", "ARG A", "", nonce, "", &[], false),
            (
                "declared after it",
                "",
                "",
                nonce,
                "ARG A",
                &["--build-arg", "A=6"],
                false,
            ),
            (
                "proxies",
                "",
                "",
                nonce,
                "",
                &["--build-arg", "HTTP_PROXY=http://a", "--build-arg", "no_proxy=b"],
                false,
            ),
            (
                "a proxy that is declared",
                "ARG HTTP_PROXY",
                "",
                nonce,
                "",
                &["--build-arg", "HTTP_PROXY=http://a"],
                true,
            ),
            (
                "address of a host",
                "",
                "",
                nonce,
                "",
                &["--add-host", "h:10.0.0.1"],
                true,
            ),
            (
                "another address",
                "",
                "",
                nonce,
                "",
                &["--add-host", "h:10.0.0.2"],
                false,
            ),
            (
                "another name",
                "",
                "",
                nonce,
                "",
                &["--add-host", "i:10.0.0.2"],
                true,
            ),
        ],
        vec![
            ("tmpfs", "", "--mount=type=tmpfs,target=/t", nonce, "", &[], true),
            (
                "target of a tmpfs",
                "",
                "--mount=type=tmpfs,target=/u",
                nonce,
                "",
                &[],
                true,
            ),
            ("cache", "", "--mount=type=cache,target=/t", nonce, "", &[], true),
            (
                "id of a cache",
                "",
                "--mount=type=cache,target=/t,id=x",
                nonce,
                "",
                &[],
                false,
            ),
            (
                "sharing of a cache",
                "",
                "--mount=type=cache,target=/t,sharing=locked",
                nonce,
                "",
                &[],
                false,
            ),
            (
                "read-only cache",
                "",
                "--mount=type=cache,target=/t,ro",
                nonce,
                "",
                &[],
                true,
            ),
            (
                "secret",
                "",
                "--mount=type=secret,id=s",
                nonce,
                "",
                &with_secret,
                true,
            ),
            (
                "a secret that is not given",
                "",
                "--mount=type=secret,id=s",
                nonce,
                "",
                &[],
                false,
            ),
            (
                "target of a secret",
                "",
                "--mount=type=secret,id=s,target=/x",
                nonce,
                "",
                &[],
                true,
            ),
            (
                "bind",
                "",
                "--mount=type=bind,source=src,target=/m",
                nonce,
                "",
                &[],
                true,
            ),
            (
                "writable bind",
                "",
                "--mount=type=bind,source=src,target=/m,rw",
                nonce,
                "",
                &[],
                true,
            ),
            (
                "bind of one file",
                "",
                "--mount=type=bind,source=src/f,target=/m",
                nonce,
                "",
                &[],
                true,
            ),
            (
                "bind of a stage",
                "",
                "--mount=type=bind,from=other,source=/o,target=/m",
                nonce,
                "",
                &[],
                true,
            ),
        ],
    ];
    for group in groups {
        for (what, before, flags, command, after, arguments, runs) in group {
            file(run_dockerfile(before, flags, command, after));
            let built = build(&env, &context, arguments);
            let last = built.hits.trim_end_matches(' ').chars().last();
            assert_eq!(
                last,
                Some(if runs { 'm' } else { 'h' }),
                "{what}\n{}",
                built.outcome
            );
        }
    }

    // What is bound counts, what is not does not, and the value of a secret never does.
    file(
        run_dockerfile("", "--mount=type=bind,source=src/f,target=/m", nonce, "")
            .replace("COPY src /src\n", ""),
    );
    assert!(build(&env, &context, &[]).hits.ends_with('m'));
    fs::write(context.join("src/g"), "changed").unwrap();
    assert!(build(&env, &context, &[]).hits.ends_with('h'));
    fs::write(context.join("src/f"), "changed").unwrap();
    assert!(build(&env, &context, &[]).hits.ends_with('m'));
    file(run_dockerfile("", "--mount=type=secret,id=s", nonce, ""));
    let one = build(&env, &context, &with_secret);
    fs::write(&secret, "another value").unwrap();
    let two = build(&env, &context, &with_secret);
    assert!(
        two.hits.ends_with('h') && one.image == two.image,
        "{}",
        two.outcome
    );
}

#[test]
fn what_a_cache_mount_holds_is_no_part_of_the_key() {
    let env = TestEnv::new();
    let context = env.context("context", &[]);
    let dockerfile = |command: &str| {
        let text = format!("FROM busybox:local\nRUN --mount=type=cache,target=/c {command}\n");
        fs::write(context.join("Dockerfile"), text).unwrap();
    };
    dockerfile("cp /c/n /n 2>/dev/null; cat /proc/sys/kernel/random/uuid > /c/n");
    let first = build(&env, &context, &[]);
    dockerfile("echo more >> /c/n; cat /c/n > /n");
    assert_eq!(build(&env, &context, &[]).hits, "m");
    dockerfile("cp /c/n /n 2>/dev/null; cat /proc/sys/kernel/random/uuid > /c/n");
    let again = build(&env, &context, &[]);
    assert_eq!((again.hits.as_str(), again.image), ("h", first.image));
}

#[test]
fn a_failed_step_is_not_cached_and_what_came_before_is() {
    let env = TestEnv::new();
    let context = env.context("context", &[("ok", "")]);
    let text = format!(
        "FROM busybox:local\n{NONCE}\nRUN --mount=type=cache,target=/c --mount=type=bind,source=ok,target=/ok \
         echo try >> /c/tries; grep -q yes /ok && cp /c/tries /tries\nRUN echo last\n"
    );
    fs::write(context.join("Dockerfile"), text).unwrap();
    let failed = building(&env, &context).run().exits(1).no_panic();
    assert!(hits(&failed).starts_with("mf"), "{failed}");
    let failed = building(&env, &context).run().exits(1).no_panic();
    assert!(hits(&failed).starts_with("hf"), "{failed}");
    fs::write(context.join("ok"), "yes").unwrap();
    let out = env.path("out");
    let spec = format!("type=local,dest={}", out.display());
    assert_eq!(build(&env, &context, &["-o", &spec]).hits, "hmm");
    // The cache mount kept what the failed attempts wrote.
    assert_eq!(fs::read_to_string(out.join("tries")).unwrap(), "try\ntry\ntry\n");
}

/// Steps that come after a miss are looked up all the same: kaniko stops at the first.
#[test]
fn results_are_found_by_content() {
    let env = TestEnv::new();
    let context = env.context("context", &[("narrow", "n"), ("wide/a", "a"), ("note", "1")]);
    let dockerfile = |first: &str| {
        let text = format!(
            "FROM busybox:local AS build\nCOPY note /note\nRUN {first}\nRUN mkdir /out && echo same > /out/f\n\
             FROM busybox:local\nCOPY narrow /narrow\n{NONCE}\nCOPY --from=build /out /out\nCOPY . /all\n{NONCE}\n"
        );
        fs::write(context.join("Dockerfile"), text).unwrap();
    };
    dockerfile("rm /note && echo result > /result");
    let first = build(&env, &context, &[]);
    assert_eq!(first.hits, "mmmmmmmm");

    // The command is another, its result is the same: what comes after it is found (early cutoff). The Dockerfile is
    // part of `COPY .`.
    // The last stage is shown before the one that it copies from: narrow, nonce, three of `build`, then the rest.
    dockerfile("rm /note;  echo result > /result # the same");
    assert_eq!(build(&env, &context, &[]).hits, "hhhmhhmm");

    // The stage runs anew on another input (content is that of all layers, also of what a later one hides), and what is
    // copied from it is what it was.
    fs::write(context.join("note"), "2").unwrap();
    fs::write(
        context.join(".dockerignore"),
        "Dockerfile\n.dockerignore\nnote2\n",
    )
    .unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "hhmmmhmm");

    // Only what the wide copy takes has changed.
    fs::write(context.join("wide/a"), "b").unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "hhhhhhmm");
    fs::write(context.join("narrow"), "N").unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "mmhhhmmm");
}

#[test]
fn no_cache_runs_again_and_its_result_is_kept() {
    let env = TestEnv::new();
    let text = format!(
        "FROM busybox:local AS one\n{NONCE}\nFROM busybox:local AS two\nCOPY --from=one /nonce /one\n{NONCE}\n"
    );
    let context = env.context("context", &[("Dockerfile", &text)]);
    let first = build(&env, &context, &[]);
    assert_eq!(build(&env, &context, &[]).image, first.image);

    let forced = build(&env, &context, &["--no-cache"]);
    assert_eq!(forced.hits, "mmm");
    assert_ne!(forced.image, first.image);
    let after = build(&env, &context, &[]);
    assert_eq!((after.hits.as_str(), &after.image), ("hhh", &forced.image));

    let filtered = build(&env, &context, &["--no-cache-filter", "two"]);
    assert_eq!(filtered.hits, "hmm");
    assert_ne!(filtered.image, forced.image);
    // The stage before runs, and so do those who copy from it, because it made something else.
    assert_eq!(build(&env, &context, &["--no-cache-filter", "one"]).hits, "mmm");
    building(&env, &context)
        .args(["--no-cache-filter", "tow"])
        .run()
        .exits(125)
        .says("two")
        .no_panic();
}

/// The same sources elsewhere: another folder, other times, another umask, locale, time zone, home, another store.
fn elsewhere(env: &TestEnv, name: &str, umask: &str, variables: &[(&str, &str)]) -> (Built, Vec<String>) {
    let dir = env.context(name, &[]);
    let make = format!(
        "umask {umask} && mkdir -p src/deep && echo 'int main;' > src/main.c && echo x > src/deep/x && ln -s main.c src/l && \
         chmod 755 src src/deep && chmod 644 src/main.c src/deep/x"
    );
    env.tool("sh").args(["-c", &make]).cwd(&dir).run().success();
    let text = "FROM busybox:local AS build\nENV A=b\nWORKDIR /w\nCOPY src ./src/\nRUN ls -R src > list && mkdir -m 700 d && \
                echo $A > d/f && ln list hard && touch -d @1 old\nFROM scratch\nCOPY --from=build /w /w\nCOPY src/main.c /new/dir/\n\
                COPY <<EOF /etc/conf\nhello\nEOF\nCMD [\"x\"]\n";
    fs::write(dir.join("Dockerfile"), text).unwrap();
    let store = env.path(format!("store-{name}"));
    let mut invocation = building(env, &dir)
        .env("RBUILD_ROOT", &store)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("HOME", env.path(name));
    for (variable, value) in variables {
        invocation = invocation.env(variable, value);
    }
    // The umask of the program itself.
    let command = invocation.into_command();
    let mut line = format!("umask {umask}; exec");
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        line.push_str(&format!(" '{}'", word.to_string_lossy()));
    }
    let mut shell = env.tool("sh").cwd("/").env_remove("LC_ALL");
    for (variable, value) in command.get_envs() {
        if let Some(value) = value {
            shell = shell.env(&variable.to_string_lossy(), value);
        }
    }
    let out = env.path(format!("{name}.tar"));
    let line = format!("{line} -o type=oci,dest={} \"$@\"", out.display());
    let built = finish(env, shell.args(["-c", &line, "sh"]));
    let record = fs::read(store.join("builds/1.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let keys = record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["key"].to_string())
        .collect();
    (built, keys)
}

#[test]
fn keys_and_images_are_the_same_everywhere() {
    let env = TestEnv::new();
    let (one, one_keys) = elsewhere(&env, "one", "022", &[("TZ", "UTC"), ("LC_ALL", "C")]);
    let (two, two_keys) = elsewhere(
        &env,
        "two-with-a-longer-name",
        "077",
        &[
            ("TZ", "Asia/Kathmandu"),
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("RAYON_NUM_THREADS", "1"),
        ],
    );
    assert_eq!(one.hits, "mmmmmm");
    assert!(
        one_keys.len() > 6 && one_keys.iter().all(|key| key.len() == 66),
        "{one_keys:?}"
    );
    assert_eq!(one_keys, two_keys);
    assert_eq!(one.image, two.image);
    let bytes = |name: &str| fs::read(env.path(format!("{name}.tar"))).unwrap();
    assert!(
        bytes("one") == bytes("two-with-a-longer-name"),
        "the archives differ"
    );
}

/// As root and as any other user, on any machine: nothing but the files decides.
#[test]
fn an_image_of_files_alone_has_this_digest() {
    let env = TestEnv::new();
    let text = "FROM scratch AS one\nCOPY --chmod=640 --chown=7:8 file /a/b/file\nFROM scratch\nCOPY --from=one /a /a\n\
                COPY <<EOF /text\nhello\nEOF\nWORKDIR /w\nENV A=b\nLABEL l=m\n";
    let context = env.context("context", &[("Dockerfile", text), ("file", "content\n")]);
    let invocation = building(&env, &context)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .args(["--platform", "linux/amd64"]);
    let built = finish(&env, invocation);
    assert_eq!(
        built.image,
        "sha256:e90117f3a3632312a676fa350933791fcdac4512717d806d1030119e850fb396"
    );
}

/// A result of this program is not believed because somebody says so: an image that claims to be made by the same
/// instructions is not a cache entry.
#[test]
fn a_foreign_image_is_no_cache() {
    let env = TestEnv::new();
    let text = format!("FROM busybox:local\n{NONCE}\n");
    let context = env.context("context", &[("Dockerfile", &text)]);
    let layout = env.path("app.tar");
    let spec = format!("type=oci,dest={}", layout.display());
    let invocation = building(&env, &context)
        .env("RBUILD_ROOT", env.path("theirs"))
        .args(["-o", &spec]);
    let theirs = finish(&env, invocation);
    // It is taken as a base, so that it is in our store with its history.
    let child = env.context("child", &[("Dockerfile", "FROM app\nRUN true\n")]);
    let base = format!("app=oci-layout://{}", layout.display());
    building(&env, &child)
        .args(["--build-context", &base])
        .run()
        .success();
    let ours = build(&env, &context, &[]);
    assert_eq!(ours.hits, "m");
    assert_ne!(ours.image, theirs.image);
}

/// Records of another version of this program are misses, never wrong answers.
#[test]
fn a_record_of_another_version_is_a_miss() {
    let env = TestEnv::new();
    let text = format!("FROM busybox:local\n{NONCE}\n");
    let context = env.context("context", &[("Dockerfile", &text)]);
    let first = build(&env, &context, &[]);
    let mut changed = 0;
    for record in crate::crash::files(&env.store().join("records")) {
        let text = fs::read_to_string(&record).unwrap();
        if text.starts_with("rbuild-record-1 ") {
            fs::write(&record, text.replacen("rbuild-record-1", "rbuild-record-0", 1)).unwrap();
            changed += 1;
        }
    }
    assert_eq!(changed, 1);
    let second = build(&env, &context, &[]);
    assert_eq!(second.hits, "m");
    assert_ne!(second.image, first.image);
    assert_eq!(build(&env, &context, &[]).image, second.image);
}

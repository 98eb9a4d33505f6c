//! Times of files: one that was set is content, any other says only when a file was made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::archive::sha256;
use crate::harness::steps::build;
use crate::harness::{OciImage, TestEnv};

const IN_2001: u64 = 978_307_200;
const IN_2005: u64 = 1_104_537_600;
const EPOCH: u64 = 1_600_000_000;

fn times<const N: usize>(image: &OciImage, paths: [&str; N]) -> [u64; N] {
    let tree = image.tree();
    paths.map(|path| tree[path].mtime)
}

/// Sets the times of all below a directory.
fn age(env: &TestEnv, dir: &Path, date: &str) {
    let command = format!("find . -mindepth 1 -exec touch -h -d '{date}' {{}} +");
    env.tool("sh").args(["-c", &command]).cwd(dir).run().success();
}

#[test]
fn two_steps_that_set_times_are_two() {
    let env = TestEnv::new();
    let image = env.image_of(
        "FROM busybox:local AS one\nRUN echo x > /f && touch -d '2001-01-01 00:00:00' /f\n\
         FROM busybox:local AS two\nRUN printf 'x\\n' > /f && touch -d '2005-01-01 00:00:00' /f\n\
         FROM scratch\nCOPY --from=one /f /one\nCOPY --from=two /f /two\n",
        &[],
    );
    assert_eq!(times(&image, ["one", "two"]), [IN_2001, IN_2005]);
}

#[test]
fn an_edited_date_is_another_result() {
    let env = TestEnv::new();
    let text = |date: &str| {
        format!(
            "FROM busybox:local AS made\nRUN mkdir /d && echo x > /d/f && ln -s f /d/l && touch -d '{date}' /d/f && touch -h -d '{date}' /d/l && touch -d '{date}' /d\n\
             FROM busybox:local\nCOPY --from=made /d/f /file\nCOPY --from=made --parents /d/l /\nRUN stat -c %Y /file > /seen\n"
        )
    };
    for (date, secs) in [
        ("2001-01-01 00:00:00", IN_2001),
        ("2005-01-01 00:00:00", IN_2005),
        ("2001-01-01 00:00:00", IN_2001),
    ] {
        for flags in [&[][..], &["--no-cache"]] {
            let image = env.image(flags, env.context_of(&text(date), &[]));
            assert_eq!(times(&image, ["file", "d", "d/l"]), [secs; 3], "{flags:?}");
            assert_eq!(image.tree()["seen"].text(), format!("{secs}\n"), "{flags:?}");
        }
    }
}

/// What a later step asks about times is answered as it would be on an empty store.
#[test]
fn a_step_that_compares_times() {
    let env = TestEnv::new();
    let text = |a: &str, b: &str| {
        format!(
            "FROM busybox:local\nRUN cd / && echo a > a && echo b > b && touch -d '{a}-06-01 00:00:00' a && touch -d '{b}-06-01 00:00:00' b\n\
             RUN if [ /a -nt /b ]; then echo a; else echo b; fi > /newer\n"
        )
    };
    let newer = |a, b| env.image_of(&text(a, b), &[]).tree()["newer"].text();
    assert_eq!(newer("2001", "2005"), "b\n");
    assert_eq!(newer("2005", "2001"), "a\n");
}

#[test]
fn an_archive_says_when() {
    let env = TestEnv::new();
    let dir = env.context_of(
        "FROM scratch AS files\nCOPY d /d\nFROM scratch AS one\nADD one.tar /\nFROM scratch AS two\nADD two.tar /\n\
         FROM scratch\nCOPY --from=files /d /files/\nCOPY --from=one /d /one/\nCOPY --from=two /d /two/\n",
        &[("d/f", "x"), ("d/g", "y")],
    );
    let chmod = "chmod 755 d && chmod 644 d/*";
    env.tool("sh").args(["-c", chmod]).cwd(&dir).run().success();
    for (archive, date) in [("one.tar", "2001-01-01 UTC"), ("two.tar", "2005-01-01 UTC")] {
        let tar = format!("tar --owner=0 --group=0 --mtime='{date}' -cf {archive} d");
        env.tool("sh").args(["-c", &tar]).cwd(&dir).run().success();
    }
    age(&env, &dir.join("d"), "2010-01-01 UTC");
    let image = env.image([""; 0], &dir);
    assert_eq!(
        times(&image, ["files/f", "one/f", "one/g", "two/f"]),
        [1_262_304_000, IN_2001, IN_2001, IN_2005]
    );
}

/// Nothing that is made without a time of its own is older than what every tool accepts, and a step sees it so.
#[test]
fn what_has_no_time_can_be_packaged() {
    let env = TestEnv::new();
    let dir = env.context_of(
        "FROM busybox:local AS files\nCOPY <<EOF /a/b/text\nhello\nEOF\nCOPY f /c/d/\nWORKDIR /w/x\nADD t.tar /t/u/\n\
         RUN --mount=type=bind,target=/ctx stat -c '%Y %n' / /a /a/b /a/b/text /c/d /w /w/x /t/u /t/u/deep > /seen\n\
         FROM scratch\nCOPY --from=files /seen /seen\nCOPY --from=files --parents /a/b/text /c/d/f /w/x /\n",
        &[("f", "x"), ("deep/g", "y")],
    );
    let tar = "tar -cf t.tar deep/g && rm -r deep";
    env.tool("sh").args(["-c", tar]).cwd(&dir).run().success();
    // The second of January 1980, so that it is 1980 in every time zone.
    let accepted = |secs: u64| secs >= 315_619_200;
    let image = env.image([""; 0], &dir);
    for (path, entry) in image.tree() {
        assert!(accepted(entry.mtime), "{path}: {}", entry.mtime);
    }
    for line in image.tree()["seen"].text().lines() {
        let secs: u64 = line.split(' ').next().unwrap().parse().unwrap();
        assert!(accepted(secs), "{line}");
    }
    // The same on another store, without any epoch: there is nothing of the day in it.
    let text = "FROM scratch\nCOPY <<EOF /a/b/text\nhello\nEOF\nWORKDIR /w/x\n";
    let bytes = |env: &TestEnv| env.image_of(text, &[]).config["rootfs"].clone();
    assert_eq!(bytes(&env), bytes(&TestEnv::new()));
}

#[test]
fn the_epoch_is_the_time_of_all_that_has_none() {
    let env = TestEnv::new();
    let dir = env.context_of(
        "FROM busybox:local AS made\nRUN echo x > /made && touch -d '2001-01-01 00:00:00' /set && touch -d '2030-01-01 00:00:00' /late\n\
         FROM scratch\nCOPY --from=made /made /set /late /from/\nCOPY f /copied\nCOPY <<EOF /text\nEOF\nWORKDIR /w\n",
        &[("f", "x")],
    );
    age(&env, &dir, "2010-01-01 UTC");
    let paths = [
        "from",
        "from/made",
        "from/set",
        "from/late",
        "copied",
        "text",
        "w",
    ];
    for flags in [&[][..], &["--squash"], &["--squash-all"]] {
        for epoch in [EPOCH, 0, 1_900_000_000] {
            let text = epoch.to_string();
            let flags = [flags, &["--source-date-epoch", &text]].concat();
            let image = env.image(&flags, &dir);
            let made = [epoch; 7];
            let mut expected = made;
            expected[2] = IN_2001.min(epoch);
            expected[3] = 1_893_456_000.min(epoch);
            assert_eq!(times(&image, paths), expected, "{flags:?}");
        }
    }
    let out = env.path("out");
    env.building(["--source-date-epoch", "1600000000", "-o"])
        .arg(&out)
        .arg(&dir)
        .run()
        .success();
    let time = |path: &str| {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::symlink_metadata(out.join(path)).unwrap();
        (u64::try_from(meta.mtime()).unwrap(), meta.mtime_nsec())
    };
    assert_eq!(time("copied"), (EPOCH, 0));
    assert_eq!(time("from/set"), (IN_2001, 0));
    assert_eq!(time("w"), (EPOCH, 0));
}

/// Builds that make what is equal but for times, in ways of their own.
const VARIANTS: [&str; 4] = [
    "FROM busybox:local AS a\nRUN mkdir /d && echo x > /d/f\nFROM busybox:local\nCOPY --from=a /d /d\nCOPY c /c\nWORKDIR /w\nRUN cp -a /c /copy && mv /d/f /g\n",
    "FROM busybox:local AS a\nRUN mkdir /d && echo x > /d/f && touch -d '2001-01-01 00:00:00' /d/f\nFROM busybox:local\nCOPY --from=a /d /d\nCOPY c /c\nRUN mkdir /w\nRUN cp -a /c /copy && mv /d/f /g\n",
    "FROM busybox:local AS a\nCOPY <<EOF /d/f\nx\nEOF\nFROM busybox:local\nCOPY --from=a /d /d\nADD c.tar /\nWORKDIR /w\nRUN cp -a /c /copy && mv /d/f /g\n",
    "FROM busybox:local AS a\nRUN mkdir -p /d && echo x > /d/f\nFROM busybox:local\nCOPY --link --from=a /d /d\nRUN --mount=type=bind,target=/ctx cp -a /ctx/c /c\nRUN mkdir /w\nRUN cp -a /c /copy && mv /d/f /g\n",
];

fn variant(env: &TestEnv, name: &str, text: &str, checked_out: &str) -> PathBuf {
    let dir = env.context(name, &[("Dockerfile", text), ("c/f", "x"), ("c/sub/g", "y")]);
    let tar = "chmod 755 c c/sub && chmod 644 c/f c/sub/g && tar --owner=0 --group=0 --mtime='2005-01-01 UTC' -cf c.tar c";
    env.tool("sh").args(["-c", tar]).cwd(&dir).run().success();
    age(env, &dir, checked_out);
    dir
}

/// The bytes of an archive, with the epoch.
fn bytes(env: &TestEnv, dir: &Path, flags: &[&str]) -> String {
    let epoch = EPOCH.to_string();
    env.building(["--source-date-epoch", &epoch, "-o", "type=oci,dest=image.tar"])
        .args(flags)
        .arg(dir)
        .run()
        .success()
        .no_panic();
    sha256(&fs::read(env.path("image.tar")).unwrap())
}

/// With an epoch no order of builds can be seen in an image, nor when its context was checked out.
#[test]
fn the_same_bytes_in_every_order_of_builds() {
    let expected: Vec<String> = VARIANTS
        .iter()
        .map(|text| {
            let env = TestEnv::new();
            let dir = variant(&env, "context", text, "2002-02-02 UTC");
            bytes(&env, &dir, &[])
        })
        .collect();
    assert_ne!(expected[0], expected[1], "a set time is content");
    assert_ne!(expected[0], expected[2], "the archive's times are content");
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let env = TestEnv::new();
        for round in 0..2 {
            for (place, of) in order.into_iter().enumerate() {
                let name = format!("context-{round}-{of}");
                // Older than the epoch and younger than the epoch, whole seconds and not.
                let date =
                    ["2003-03-03 03:03:03 UTC", "2021-02-02 02:02:02.123456789 UTC"][(round + place) % 2];
                let dir = variant(&env, &name, VARIANTS[of], date);
                let flags: &[&str] = if round == 1 && place == 2 {
                    &["--no-cache"]
                } else {
                    &[]
                };
                assert_eq!(
                    bytes(&env, &dir, flags),
                    expected[of],
                    "{order:?}: {of}, round {round}"
                );
            }
        }
    }
}

/// A step that runs again and makes the same ends the work there, however the times travel on.
#[test]
fn times_of_the_day_end_early() {
    let env = TestEnv::new();
    // The second step begins long enough after the first that what it finds is not of its own time.
    let text = |comment: &str| {
        format!(
            "FROM busybox:local AS build\n\
             RUN mkdir -p /out/sub && cd /out && for f in moved copied packed linked modes sub/deep sub/packed; do echo $f > $f; done; sleep 3 # {comment}\n\
             RUN cd /out && mv moved sub/moved && cp -p copied copy && cp -a sub sub2 && gzip packed sub/packed && ln linked linked2 && chmod 600 modes && tar c copied | tar x -C sub\n\
             FROM busybox:local\nCOPY --from=build /out /out\nRUN cat /proc/sys/kernel/random/uuid > /nonce\n"
        )
    };
    let context = env.context_of(&text("one"), &[]);
    let first = build(&env, &context, &[]);
    assert_eq!(first.hits, "mmmm");
    fs::write(context.join("Dockerfile"), text("two")).unwrap();
    let second = build(&env, &context, &[]);
    assert_eq!((second.hits.as_str(), &second.image), ("mhhh", &first.image));
    // Not only because the first step's files are still those of the first time: here they never were.
    let moved = text("three").replace("copied packed", "more copied packed");
    fs::write(context.join("Dockerfile"), &moved).unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "mmmm");
    let narrow = |text: &str| {
        text.replace(
            "COPY --from=build /out /out",
            "COPY --from=build /out/sub /out/sub2 /out/",
        )
    };
    fs::write(context.join("Dockerfile"), narrow(&text("four"))).unwrap();
    let third = build(&env, &context, &[]);
    let moved = narrow(&moved.replace("three", "five").replace("more", "again"));
    fs::write(context.join("Dockerfile"), moved).unwrap();
    let fourth = build(&env, &context, &[]);
    assert_eq!((fourth.hits.as_str(), &fourth.image), ("mmhh", &third.image));
}

#[test]
fn why_names_the_time() {
    let env = TestEnv::new();
    let text = |date: &str| {
        format!(
            "FROM busybox:local AS made\nRUN echo x > /f && touch -d '{date}-01-01 00:00:00' /f\nFROM scratch\nCOPY --from=made /f /f\n"
        )
    };
    let context = env.context_of(&text("2001"), &[]);
    build(&env, &context, &[]);
    fs::write(context.join("Dockerfile"), text("2005")).unwrap();
    let outcome = build(&env, &context, &[]).outcome;
    outcome.says("not cached: `f` changed");
    let why = env.rbuild(["why"]).arg(&context).run().success();
    let expected = "`f` changed: time:2001-01-01T00:00:00Z -> time:2005-01-01T00:00:00Z";
    assert!(why.out().contains(expected), "{why}");
}

/// A further name, another mode, or a new file beside it leave a time what it was.
#[test]
fn what_keeps_its_time_keeps_what_it_is_worth() {
    let env = TestEnv::new();
    let dir = env.context_of(
        "FROM busybox:local AS made\nRUN mkdir /d && touch -d '2001-01-01 00:00:00' /d/set /d/linked && echo x > /d/made && touch -d '2001-01-01 00:00:00' /d\n\
         RUN chmod 600 /d/set /d/made && ln /d/linked /d/more\n\
         RUN touch /d/new && chmod 700 /d\n\
         FROM scratch\nCOPY --from=made /d /d\nCOPY --from=made --parents /d/new /p/\n",
        &[],
    );
    let image = env.image(["--source-date-epoch", "1600000000"], &dir);
    let tree: BTreeMap<_, _> = image.tree();
    assert_eq!(tree["d/set"].mode, 0o600);
    assert_eq!(
        times(&image, ["d/set", "d/linked", "d/more", "d/made", "d/new", "p/d"]),
        [IN_2001, IN_2001, IN_2001, EPOCH, EPOCH, EPOCH]
    );
}

//! `--squash` and `--squash-all`: fewer layers, the same files.

use serde_json::Value;

use crate::harness::archive::{Entry, flattened};
use crate::harness::{Base, Kind, OciImage, TestEnv};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Every way in which a later layer changes an earlier one, or the base: removing, making anew, links whose first name
/// goes, a directory that becomes a file and the other way round, metadata instructions in between.
const DOCKERFILE: &str = r#"FROM busybox:local
RUN mkdir -p /d/sub && echo old > /d/a && ln /d/a /d/b && ln /d/a /d/c && echo x > /d/sub/x
RUN echo forbidden-canary > /secret-name && mkdir /gone && echo forbidden-canary > /gone/f
ENV A=1
RUN rm /d/a && echo new > /d/a && ln /d/a /d/e && rm -r /secret-name /gone
RUN rm -r /usr /bin/vi && mkdir -p /usr/new && chmod 4711 /usr/new && chown 7:8 /usr/new
LABEL l=2
RUN rm -r /d/sub && echo file > /d/sub && rm /bin/ed && mkdir /bin/ed && touch -d @1 /bin/ed/g
WORKDIR /work
CMD ["c"]
"#;

fn build(env: &TestEnv, flags: &[&str], context: &PathBuf) -> OciImage {
    env.image(["--source-date-epoch", "1700000000"].iter().chain(flags), context)
}

/// What a container sees: a hard link is the file that it was made of, whatever became of that name later.
fn files(image: &OciImage) -> BTreeMap<String, Entry> {
    let layers: Vec<Vec<Entry>> = image
        .layers
        .iter()
        .map(|layer| {
            let entries = layer.iter().map(|entry| match &entry.kind {
                Kind::Hardlink { to } => Entry {
                    path: entry.path.clone(),
                    ..layer.iter().find(|file| file.path == *to).unwrap().clone()
                },
                _ => entry.clone(),
            });
            entries.collect()
        })
        .collect();
    flattened(&layers)
}

/// What is in one and not in the other, or not the same.
fn differences(one: &OciImage, other: &OciImage) -> Vec<Entry> {
    let (one, other) = (files(one), files(other));
    let only = |a: &BTreeMap<String, Entry>, b: &BTreeMap<String, Entry>| -> Vec<Entry> {
        a.values()
            .filter(|entry| b.get(&entry.path) != Some(entry))
            .cloned()
            .collect()
    };
    [only(&one, &other), only(&other, &one)].concat()
}

fn history(image: &OciImage) -> &Vec<Value> {
    image.config["history"].as_array().unwrap()
}

/// The entries but for whether they have a layer.
fn said(image: &OciImage) -> Vec<Value> {
    let mut entries = history(image).clone();
    for entry in &mut entries {
        entry.as_object_mut().unwrap().remove("empty_layer");
    }
    entries
}

fn with_layers(image: &OciImage) -> Vec<&str> {
    let entries = history(image).iter();
    entries
        .filter(|entry| entry["empty_layer"] != true)
        .map(|entry| entry["created_by"].as_str().unwrap())
        .collect()
}

fn config_but_layers(image: &OciImage) -> Value {
    let mut config = image.config.clone();
    for field in ["history", "rootfs"] {
        config.as_object_mut().unwrap().remove(field);
    }
    config
}

#[test]
fn the_same_files_in_fewer_layers() {
    let env = TestEnv::new();
    let context = env.context_of(DOCKERFILE, &[]);
    let plain = build(&env, &[], &context);
    let new = build(&env, &["--squash"], &context);
    let all = build(&env, &["--squash-all"], &context);
    let base = plain.layers.len() - 6;
    assert_eq!((new.layers.len(), all.layers.len()), (base + 1, 1));
    for squashed in [&new, &all] {
        assert_eq!(differences(squashed, &plain), []);
        assert_eq!(said(squashed), said(&plain));
        assert_eq!(config_but_layers(squashed), config_but_layers(&plain));
        assert_eq!(with_layers(squashed).len(), squashed.layers.len());
        assert_eq!(with_layers(squashed).last(), Some(&"WORKDIR /work"));
        let layer = squashed.layers.last().unwrap();
        let has = |path: &str| layer.iter().any(|entry| entry.path == path);
        for gone in ["secret-name", ".wh.secret-name", "gone", ".wh.gone", "gone/f"] {
            assert!(!has(gone), "{gone} leaves no trace");
        }
        let canary = b"forbidden-canary";
        let last = squashed.layer_tars.last().unwrap();
        assert!(!last.windows(canary.len()).any(|window| window == canary));
    }
    assert_eq!(
        new.layers[..base],
        plain.layers[..base],
        "the base's layers are the base's"
    );
    // What the base has is hidden by name, even where the kernel marked a whole directory.
    let whiteouts = |layer: &[Entry]| -> Vec<String> {
        let entries = layer.iter().filter(|entry| entry.path.contains(".wh."));
        entries.map(|entry| entry.path.clone()).collect()
    };
    assert_eq!(
        whiteouts(&new.layers[base]),
        ["bin/.wh.vi", "usr/.wh.bin", "usr/.wh.sbin"]
    );
    assert!(whiteouts(&all.layers[0]).is_empty());
    let tree = new.tree();
    assert_eq!(
        (tree["d/a"].text(), tree["d/b"].text()),
        ("new\n".into(), "old\n".into())
    );
    let link = |path: &str| match &tree[path].kind {
        Kind::Hardlink { to } => to.clone(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!((link("d/c"), link("d/e")), ("d/b".to_owned(), "d/a".to_owned()));
}

#[test]
fn squashed_again_it_is_the_same_and_no_work() {
    let env = TestEnv::new();
    let context = env.context_of(DOCKERFILE, &[]);
    let flags = [&["--squash"], &["--squash-all"]];
    let first = flags.map(|flags| build(&env, flags, &context));
    // The tar's identity is kept by the store: no second build writes it again.
    let known: Vec<_> = kept(&env);
    assert_eq!(known.len(), 2, "{known:?}");
    for (flags, first) in flags.iter().zip(&first) {
        let again = build(&env, *flags, &context);
        assert_eq!(again.manifest_digest, first.manifest_digest);
    }
    assert_eq!(kept(&env), known, "nothing was written again");
    // In another store, by other processes, at another time: the same bytes.
    let other = TestEnv::new();
    let context = other.context_of(DOCKERFILE, &[]);
    for (flags, first) in flags.iter().zip(&first) {
        assert_eq!(build(&other, *flags, &context).layers, first.layers);
    }
}

/// The squashed tars that a store knows, and when it came to know them.
fn kept(env: &TestEnv) -> Vec<(String, std::time::SystemTime)> {
    let entries = std::fs::read_dir(env.store().join("diffids")).unwrap();
    let mut kept: Vec<_> = entries
        .map(Result::unwrap)
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                entry.metadata().unwrap(),
            )
        })
        .filter(|(name, _)| name.contains('+'))
        .map(|(name, meta)| (name, meta.modified().unwrap()))
        .collect();
    kept.sort();
    kept
}

#[test]
fn little_to_squash_changes_nothing() {
    let env = TestEnv::new();
    for (dockerfile, flag) in [
        ("FROM scratch\nLABEL a=b\n", "--squash"),
        ("FROM scratch\nLABEL a=b\n", "--squash-all"),
        ("FROM scratch\nCOPY Dockerfile /\n", "--squash-all"),
        ("FROM busybox:local\nLABEL a=b\n", "--squash"),
        ("FROM busybox:local\nCOPY Dockerfile /\n", "--squash"),
    ] {
        let context = env.context_of(dockerfile, &[]);
        let (plain, squashed) = (build(&env, &[], &context), build(&env, &[flag], &context));
        assert_eq!(squashed.config, plain.config, "{flag} {dockerfile}");
    }
    env.building(["--squash", "--squash-all", "."])
        .run()
        .exits(125)
        .says("--squash-all");
}

/// A squashed image in the store is one like any other: to run, to build upon, to keep and to save.
#[test]
fn a_squashed_image_is_an_image() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context_of(DOCKERFILE, &[]);
    env.rbuild(["build", "--squash-all", "-t", "flat"])
        .arg(&context)
        .run()
        .success();
    env.run("flat", ["sh", "-c", "cat /d/a /d/b; ls /usr"])
        .success()
        .prints("new\nold\nnew");
    env.rbuild(["prune", "-a", "-f"]).run().success();
    let saved = env.saved("flat");
    assert_eq!(saved.layers.len(), 1);
    let child = env.build_text("child", "FROM flat\nRUN cat /d/b > /seen\n");
    child.success();
    let child = env.saved("child");
    assert_eq!(child.layers.len(), 2);
    assert_eq!(child.layers[0], saved.layers[0]);
    assert_eq!(child.tree()["seen"].text(), "old\n");
}

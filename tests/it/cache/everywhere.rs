//! The same key and the same image on every machine, and no other key taken for it.

use crate::harness::TestEnv;
use crate::harness::steps::{Built, build, building, finish};
use std::fs;

use super::NONCE;

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
        "sha256:1fb1a4a9053b43daadbf84fb503ed3892d195e6b3e4d6e6319eac9a7e54e70b7"
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

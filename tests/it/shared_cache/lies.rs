//! What a cache says is believed only as far as it proves itself.

use super::*;
use std::fs;

/// The record of the step that `kind` names, if there is one only.
fn record(cache: &Path, kind: &str) -> (PathBuf, serde_json::Value) {
    let mut found = Vec::new();
    for name in names(&cache.join("ac")) {
        let path = cache.join("ac").join(name);
        let document: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if document["kind"].as_str().unwrap().starts_with(kind) {
            found.push((path, document));
        }
    }
    assert_eq!(found.len(), 1, "one record of `{kind}`");
    found.remove(0)
}

fn piece(cache: &Path, record: &serde_json::Value, which: &str) -> PathBuf {
    let layer = record["layers"].as_array().unwrap().last().unwrap();
    let digest = layer[which]["digest"].as_str().unwrap();
    cache.join("cas").join(digest.strip_prefix("sha256:").unwrap())
}

/// Each is one warning, and the step runs as if nothing were there. Sent again, the cache is whole again.
#[test]
fn what_is_not_true_is_a_miss_with_one_warning() {
    // So many files that their list does not stand in the record.
    let text = format!(
        "FROM busybox:local\nCOPY d /d\nRUN mkdir /n && for at in $(seq 99); do {NONCE} > /n/$at; done\n"
    );
    let machine = |text: &str| {
        let env = TestEnv::new();
        let context = env.context("context", &[("Dockerfile", text)]);
        for at in 0..99 {
            env.write(format!("context/d/{at}"), at.to_string());
        }
        (env, context)
    };
    let (one, context) = machine(&text);
    let good = one.path("cache");
    let sent = sending(&one, &context, &good);
    type Lie = fn(&Path);
    let lies: [(&str, Lie); 11] = [
        ("a record that is cut off", |cache| {
            let (path, _) = record(cache, "exec");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("the record of another key", |cache| {
            let (path, _) = record(cache, "exec");
            fs::copy(record(cache, "copy").0, path).unwrap();
        }),
        ("a record of another version", |cache| {
            let (path, mut document) = record(cache, "exec");
            document["version"] = 99.into();
            fs::write(path, document.to_string()).unwrap();
        }),
        ("a record that names another content than its layers", |cache| {
            let (path, mut document) = record(cache, "exec");
            document["content"] = record(cache, "copy").1["content"].clone();
            fs::write(path, document.to_string()).unwrap();
        }),
        (
            "a record that names another content than its list of files makes",
            |cache| {
                let (path, mut document) = record(cache, "exec");
                let other = serde_json::Value::from("0".repeat(64));
                document["content"] = other.clone();
                document["layers"].as_array_mut().unwrap().last_mut().unwrap()["content"] = other;
                fs::write(path, document.to_string()).unwrap();
            },
        ),
        (
            "a list of files within the record that is no such list",
            |cache| {
                let (path, mut document) = record(cache, "exec");
                document["layers"].as_array_mut().unwrap().last_mut().unwrap()["inline"] = "00ff".into();
                fs::write(path, document.to_string()).unwrap();
            },
        ),
        ("a list of files that is not there", |cache| {
            fs::remove_file(piece(cache, &record(cache, "exec").1, "listing")).unwrap();
        }),
        ("a list of files that is another's", |cache| {
            let other = fs::read(piece(cache, &record(cache, "copy").1, "listing")).unwrap();
            fs::write(piece(cache, &record(cache, "exec").1, "listing"), other).unwrap();
        }),
        ("a layer that is not there", |cache| {
            fs::remove_file(piece(cache, &record(cache, "exec").1, "tar")).unwrap();
        }),
        ("a layer that is cut off", |cache| {
            let path = piece(cache, &record(cache, "exec").1, "tar");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
        }),
        ("a layer that is another's", |cache| {
            let other = fs::read(piece(cache, &record(cache, "copy").1, "tar")).unwrap();
            fs::write(piece(cache, &record(cache, "exec").1, "tar"), other).unwrap();
        }),
    ];
    for (at, (what, lie)) in lies.into_iter().enumerate() {
        let cache = one.path(format!("cache-{at}"));
        one.tool("cp").arg("-r").arg(&good).arg(&cache).run().success();
        lie(&cache);
        let (two, context) = machine(&text);
        let invocation =
            building(&two, &context).args(["--cache-from", &from(&cache), "--cache-to", &to(&cache)]);
        let built = finish(&two, invocation);
        assert_eq!(
            (built.hits.as_str(), warnings(&built)),
            ("hm", 1),
            "{what}: {}",
            built.outcome
        );
        assert_ne!(built.image, sent.image, "{what}");
        two.rbuild(["store", "check"]).run().success();
        let (three, context) = machine(&text);
        let mended = looking(&three, &context, &cache);
        assert_eq!(
            (mended.hits.as_str(), warnings(&mended)),
            ("hh", 0),
            "{what}: {}",
            mended.outcome
        );
        assert_eq!(mended.image, built.image, "{what}");
    }
}

//! `ADD` of URLs: names, times, validators, checksums, credentials, and servers that misbehave.

use super::server::{Request, Server, answer, holds};
use crate::harness::{TestEnv, archive};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const HEADERS: &[&str] = &["ETag: \"1\"", "Last-Modified: Thu, 29 Feb 2024 12:00:00 GMT"];

/// Serves `/f.txt` with validators.
fn file(body: &'static str) -> Server {
    Server::start(move |request| match request {
        request if !request.path().starts_with("/f.txt") => answer("404 Not Found", &[], b""),
        request if request.header("if-none-match") == Some("\"1\"") => answer("304 Not Modified", &[], b""),
        _ => answer("200 OK", HEADERS, body.as_bytes()),
    })
}

fn context(env: &TestEnv, dockerfile: &str) -> PathBuf {
    env.context_of(dockerfile, &[])
}

#[test]
fn a_url_is_fetched_once_and_asked_for_again() {
    let env = TestEnv::new();
    let server = file("hello\n");
    let url = server.url("/f.txt");
    let context = context(
        &env,
        &format!("FROM scratch\nADD {url} /data/\nADD --chmod=0644 {url} /renamed\n"),
    );
    env.rbuild(["-t", "url", "--progress=plain"])
        .arg(&context)
        .run()
        .success()
        .no_panic()
        .says("f.txt 6 B / 6 B");
    let tree = env.saved("url").tree();
    let file = &tree["data/f.txt"];
    assert_eq!(
        (file.mode & 0o7777, file.mtime, file.uid, file.gid),
        (0o600, 1_709_208_000, 0, 0)
    );
    assert_eq!(tree["renamed"].mode & 0o7777, 0o644);
    env.build("url", &context)
        .success()
        .says("CACHED")
        .never_says("DONE 1");
    let conditional = |request: &Request| {
        request.header("if-none-match") == Some("\"1\"") && request.header("if-modified-since").is_some()
    };
    // What the key was made from is what is copied: a second answer could be another.
    let requests: Vec<bool> = server.requests().iter().map(conditional).collect();
    assert_eq!(requests, [false, true], "one request for each build");
}

#[test]
fn a_checksum_decides_without_the_network() {
    let env = TestEnv::new();
    let server = file("hello\n");
    let sum = archive::sha256(b"hello\n");
    let url = server.url("/f.txt");
    let text = |sum: &str| format!("FROM scratch\nADD --checksum=sha256:{sum} {url} /f\n");
    let right = context(&env, &text(&sum));
    env.build("sum", &right).success();
    let asked = server.requests().len();
    env.build("sum", &right).success().says("CACHED");
    assert_eq!(server.requests().len(), asked, "a hit needs no question");
    env.refused(&text(&"0".repeat(64)), &[])
        .says("the checksum says")
        .says("Dockerfile:2");
}

/// A newer date of the same content is a newer date in the image, whether the server sends the content again or not.
#[test]
fn a_newer_date_is_another_result() {
    const ETAG: &str = "ETag: \"1\"";
    let env = TestEnv::new();
    let day = Arc::new(AtomicU32::new(1));
    let server = {
        let day = Arc::clone(&day);
        Server::start(move |request| {
            let modified = format!(
                "Last-Modified: Thu, {:02} Feb 2024 12:00:00 GMT",
                day.load(Ordering::SeqCst)
            );
            if request.header("if-none-match").is_some() {
                return answer("304 Not Modified", &[ETAG, &modified], b"");
            }
            let etag = if request.path() == "/etag" {
                ETAG
            } else {
                "X-None: 1"
            };
            answer("200 OK", &[etag, &modified], b"same")
        })
    };
    let (again, unchanged) = (server.url("/again"), server.url("/etag"));
    let sum = archive::sha256(b"same");
    let context = context(
        &env,
        &format!(
            "FROM scratch\nADD {again} /again\nADD {unchanged} /unchanged\nADD --checksum=sha256:{sum} {again} /checked\n"
        ),
    );
    let build = |env: &TestEnv| {
        let image = env.image(["--source-date-epoch", "1800000000"], &context);
        let tree = image.tree();
        ["again", "unchanged", "checked"].map(|path| tree[path].mtime)
    };
    for today in [1, 2, 1] {
        day.store(today, Ordering::SeqCst);
        let date = 1_706_788_800 + u64::from(today - 1) * 86_400;
        // With a checksum the server is not asked, so its time is none of the step's.
        let expected = [date, date, 1_800_000_000];
        assert_eq!(build(&env), expected, "{today}");
        assert_eq!(build(&TestEnv::new()), expected, "{today} on an empty store");
    }
}

#[test]
fn names() {
    let env = TestEnv::new();
    let server = Server::start(|_| answer("200 OK", &[], b"x"));
    let (plain, bare) = (server.url("/a%20b.txt?token=x#y"), server.url("/dir/"));
    let context = context(
        &env,
        &format!("FROM scratch\nADD {plain} /d/\nADD {bare} /named\nADD {plain} {plain} /many/\n"),
    );
    let tree = env.image([""; 0], &context).tree();
    assert_eq!(tree["d/a b.txt"].text(), "x");
    // A server that gives no time.
    let undated = 318_211_200;
    assert_eq!((tree["d/a b.txt"].mtime, tree["named"].mtime), (undated, undated));
    assert!(tree.contains_key("named") && tree.contains_key("many/a b.txt"));
    env.refused(&format!("FROM scratch\nADD {bare} /d/\n"), &[])
        .says("the URL names no file")
        .says("Dockerfile:2");
}

#[test]
fn archives_are_unpacked_when_asked_to() {
    let env = TestEnv::new();
    env.write("t/dir/f", "F");
    let packed = env
        .tool("tar")
        .args(["-C", "t", "--owner=7", "--group=8", "-cz", "dir"])
        .run();
    let tar = packed.stdout.clone();
    let sum = archive::sha256(&tar);
    packed.success();
    let server = Server::start(move |_| answer("200 OK", &[], &tar));
    let url = server.url("/t.tgz");
    let dockerfile = format!(
        "FROM scratch\nADD {url} /as-it-is/\nADD --unpack {url} /unpacked\n\
         ADD --unpack=true --chown=3:4 --checksum=sha256:{sum} {url} /owned/\n"
    );
    let tree = env.image([""; 0], context(&env, &dockerfile)).tree();
    assert!(tree.contains_key("as-it-is/t.tgz") && !tree.contains_key("as-it-is/dir"));
    assert_eq!(
        (tree["unpacked/dir/f"].text(), tree["unpacked/dir/f"].uid),
        ("F".to_owned(), 7)
    );
    assert_eq!((tree["owned/dir/f"].uid, tree["owned/dir/f"].gid), (3, 4));
}

#[test]
fn what_goes_wrong_is_said_with_the_url() {
    let env = TestEnv::new();
    let server = Server::start(|request| match request.path() {
        "/short" => b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nonly this".to_vec(),
        "/circle" => answer("302 Found", &["Location: /circle"], b""),
        "/private" => answer("401 Unauthorized", &[], b""),
        _ => answer("404 Not Found", &[], b""),
    });
    let fails = |path: &str| {
        let context = context(&env, &format!("FROM scratch\nADD {} /f\n", server.url(path)));
        let outcome = env.building(["--retry", "0"]).arg(context).run();
        outcome
            .exits(1)
            .no_panic()
            .never_says("registry")
            .says("Dockerfile:2")
    };
    fails("/nope?token=canary")
        .says("/nope: 404")
        .says("HTTP_AUTH_TOKEN_127.0.0.1");
    fails("/short").says("/short");
    fails("/circle").says("redirects to");
    fails("/private").says("401").says("HTTP_AUTH_TOKEN_127.0.0.1");
    env.refused("FROM scratch\nADD http://127.0.0.1:1/f /f\n", &[])
        .says("nothing listens at 127.0.0.1:1")
        .never_says("registry");
    assert!(holds(&env.store().join("blobs"), "only this").is_none());
}

#[test]
fn a_location_is_resolved_against_what_was_asked() {
    let env = TestEnv::new();
    let server = Server::start(|request| match request.path() {
        "/a/b/beside" => answer("302 Found", &["Location: file"], b""),
        "/a/b/up" => answer("302 Found", &["Location: ../../other/./file"], b""),
        "/a/b/top" => answer("302 Found", &["Location: ../../../../file?x=1"], b""),
        "/a/b/file" => answer("200 OK", &[], b"beside"),
        "/other/file" => answer("200 OK", &[], b"up"),
        "/file?x=1" => answer("200 OK", &[], b"top"),
        _ => answer("404 Not Found", &[], b""),
    });
    let url = |name: &str| server.url(&format!("/a/b/{name}"));
    let dockerfile = format!(
        "FROM scratch\nADD {} {} {} /d/\n",
        url("beside"),
        url("up"),
        url("top")
    );
    let tree = env.image([""; 0], context(&env, &dockerfile)).tree();
    for name in ["beside", "up", "top"] {
        assert_eq!(tree[&format!("d/{name}")].text(), name);
    }
}

/// A server that gives `/f` to whoever sends `expected`, and one that must never see it.
fn guarded(expected: &'static str) -> (Server, Server) {
    let other = Server::start(|_| answer("200 OK", &[], b"other"));
    let there = format!("Location: {}", other.url("/o"));
    let server = Server::start(move |request| match request.path() {
        _ if request.header("authorization") != Some(expected) => answer("401 Unauthorized", &[], b""),
        "/away" => answer("302 Found", &[&there], b""),
        "/moved" => answer("302 Found", &["Location: /f"], b""),
        _ => answer("200 OK", HEADERS, b"private"),
    });
    (server, other)
}

#[test]
fn secrets_for_a_host() {
    let env = TestEnv::new();
    let (server, other) = guarded("Bearer canary-4711");
    let (file, moved, away) = (server.url("/f"), server.url("/moved"), server.url("/away"));
    let dockerfile = context(
        &env,
        &format!("FROM scratch\nADD {file} /f\nADD {moved} /m\nADD {away} /o\n"),
    );
    let build = |id: &str, value: &str| {
        env.rbuild(["-t", "x", "--progress=plain", "--secret"])
            .arg(format!("id={id},env=TOKEN"))
            .env("TOKEN", value)
            .arg(&dockerfile)
            .run()
            .no_panic()
            .never_says("canary-4711")
    };
    build("HTTP_AUTH_TOKEN_127.0.0.1", "canary-4711\n").success();
    let image = env.saved("x");
    assert_eq!(image.tree()["m"].text(), "private");
    assert_eq!(image.tree()["o"].text(), "other");
    for request in other.requests() {
        assert_eq!(request.header("authorization"), None, "another host");
    }
    // Nothing is left of it, neither in the image nor anywhere in the store.
    assert!(!image.config.to_string().contains("canary-4711"));
    assert_eq!(holds(&env.store(), "canary-4711"), None);
    // The file is in the store, but who may not read it any more does not get it.
    let wrong = build("HTTP_AUTH_TOKEN_127.0.0.1", "wrong");
    assert_eq!(wrong.code(), 1);
    wrong.says("does not let these credentials");
    build(&format!("HTTP_AUTH_HEADER_{}", server.host), "Bearer canary-4711").success();
    let split = build("HTTP_AUTH_TOKEN_127.0.0.1", "a\nX-Other: b");
    split.says("no HTTP header can carry").never_says("X-Other");
}

#[test]
fn user_and_password_in_the_url() {
    let env = TestEnv::new();
    // me:canary-4711
    let (server, _) = guarded("Basic bWU6Y2FuYXJ5LTQ3MTE=");
    let url = format!("http://me:canary-4711@{}/f", server.host);
    let dockerfile = context(&env, &format!("FROM scratch\nARG URL\nADD {url} /f\n"));
    let done = env
        .rbuild(["-t", "x", "--progress=plain", "--metadata-file"])
        .arg(env.path("metadata"))
        .arg(&dockerfile)
        .run()
        .success()
        .never_says("canary-4711");
    drop(done);
    let image = env.saved("x");
    assert_eq!(image.tree()["f"].text(), "private");
    assert!(!image.config.to_string().contains("canary-4711"));
    let history = image.config["history"].to_string();
    assert!(history.contains(&server.url("/f")), "{history}");
    env.rbuild(["why", "--all"])
        .arg(&dockerfile)
        .run()
        .never_says("canary-4711");
    env.rbuild(["debug", "dag"])
        .arg(&dockerfile)
        .run()
        .success()
        .never_says("canary-4711");
    assert_eq!(holds(&env.store(), "canary-4711"), None);
    // What is drawn of the Dockerfile is the user's own line; messages of ours have no password.
    let gone = env
        .rbuild([format!("http://me:canary-4711@{}/no", "127.0.0.1:1")])
        .run();
    gone.says("127.0.0.1:1").never_says("canary-4711");
}

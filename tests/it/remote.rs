//! ADD of URLs and git repositories, and contexts from there (FEATURES 1.5, 1.6), against servers on loopback.

use crate::harness::{TestEnv, archive, registry::free_port, skip};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// Serves `/f.txt` with a validator; remembers the heads of requests.
fn serve(body: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, body, &seen);
        }
    });
    (address, heads)
}

fn answer(mut stream: TcpStream, body: &str, seen: &Mutex<Vec<String>>) {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
    let unchanged = head.to_ascii_lowercase().contains("if-none-match: \"1\"");
    let reply = if !head.starts_with("GET /f.txt") {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
    } else if unchanged {
        "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned()
    } else {
        format!(
            "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nLast-Modified: Thu, 29 Feb 2024 12:00:00 GMT\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    };
    seen.lock().expect("no panic").push(head);
    let _ = stream.write_all(reply.as_bytes());
}

#[test]
fn a_url_is_fetched_once_and_asked_for_again() {
    let env = TestEnv::new();
    let (address, heads) = serve("hello\n");
    let context = env.context(
        "url",
        &[(
            "Dockerfile",
            &format!("FROM scratch\nADD {address}/f.txt /data/\nADD --chmod=0644 {address}/f.txt /renamed\n"),
        )],
    );
    env.build("url", &context).success().no_panic();
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
    let heads = heads.lock().expect("no panic");
    assert!(heads[0].contains("GET /f.txt") && !heads[0].to_ascii_lowercase().contains("if-none-match"));
    assert!(
        heads
            .iter()
            .skip(1)
            .all(|head| head.to_ascii_lowercase().contains("if-none-match")),
        "{heads:?}"
    );
}

#[test]
fn a_checksum_decides_without_the_network() {
    let env = TestEnv::new();
    let (address, heads) = serve("hello\n");
    let sum = archive::sha256(b"hello\n");
    let text = |sum: &str| format!("FROM scratch\nADD --checksum=sha256:{sum} {address}/f.txt /f\n");
    let context = env.context("sum", &[("Dockerfile", &text(&sum))]);
    env.build("sum", &context).success();
    let asked = heads.lock().expect("no panic").len();
    env.build("sum", &context).success().says("CACHED");
    assert_eq!(
        heads.lock().expect("no panic").len(),
        asked,
        "a hit needs no question"
    );
    let wrong = env.context("wrong", &[("Dockerfile", &text(&"0".repeat(64)))]);
    let outcome = env.build("wrong", &wrong);
    assert_ne!(outcome.code(), 0);
    outcome.says("the checksum says").no_panic();
}

#[test]
fn what_is_not_there_is_said_with_the_url() {
    let env = TestEnv::new();
    let (address, _) = serve("");
    let context = env.context(
        "gone",
        &[(
            "Dockerfile",
            &format!("FROM scratch\nADD {address}/nope?token=canary /f\n"),
        )],
    );
    let outcome = env.build("gone", &context);
    assert_ne!(outcome.code(), 0);
    outcome.says("/nope: 404").no_panic();
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn git(dir: &Path, args: &[&str]) {
    let done = Command::new("git")
        .current_dir(dir)
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("git runs");
    assert!(done.success(), "git {args:?}");
}

/// A repository with a tag `v1` and something newer on `main`, served by `git daemon`.
fn repository(env: &TestEnv) -> (String, Daemon) {
    env.write("repo/Dockerfile", "FROM scratch\nCOPY sub /s\n");
    env.write("repo/sub/run.sh", "old\n");
    let repo = env.path("repo");
    git(&repo, &["init", "-q"]);
    std::os::unix::fs::symlink("/etc", repo.join("out")).expect("a link");
    git(&repo, &["update-index", "--add", "--chmod=+x", "sub/run.sh"]);
    git(&repo, &["add", "Dockerfile", "out"]);
    git(&repo, &["commit", "-qm", "one"]);
    git(&repo, &["tag", "v1"]);
    env.write("repo/sub/run.sh", "new\n");
    git(&repo, &["commit", "-qam", "two"]);
    git(
        env.path("").as_path(),
        &["clone", "-q", "--bare", "repo", "r.git"],
    );
    let port = free_port();
    let child = Command::new("git")
        .args(["daemon", "--export-all", "--listen=127.0.0.1", "--reuseaddr"])
        .arg(format!("--port={port}"))
        .arg(format!("--base-path={}", env.path("").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("git daemon starts");
    let daemon = Daemon(child);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    (format!("git://127.0.0.1:{port}/r.git"), daemon)
}

#[test]
fn a_repository_as_source_and_as_context() {
    if !skip::unless_installed("a_repository_as_source_and_as_context", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    let (url, _daemon) = repository(&env);
    let context = env.context(
        "add",
        &[(
            "Dockerfile",
            &format!("FROM scratch\nADD {url}#v1:sub /old\nADD {url} /new\n"),
        )],
    );
    env.build("git", &context).success().no_panic();
    let tree = env.saved("git").tree();
    assert_eq!(tree["old/run.sh"].mode & 0o7777, 0o755);
    assert!(!tree.contains_key("new/.git"));
    assert_eq!(tree["new/Dockerfile"].mode & 0o7777, 0o644);
    env.build("git", &context).success().says("CACHED");
    env.rbuild(["-t", "context", &url]).run().success().no_panic();
    assert!(env.saved("context").tree().contains_key("s/run.sh"));
    // A directory of the repository that leads out of it is none (CVE-2026-33748).
    let outside = env.rbuild(["-t", "out", &format!("{url}#main:out")]).run();
    assert_ne!(outside.code(), 0);
    outside.no_panic();
}

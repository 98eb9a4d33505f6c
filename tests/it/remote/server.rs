//! An HTTP server on loopback, whose answers a closure makes, and git repositories behind it.

use crate::harness::{TestEnv, registry::free_port};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// The head of a request.
#[derive(Clone)]
pub(super) struct Request(String);

impl Request {
    pub(super) fn path(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A server; it answers until the test's process ends.
pub(super) struct Server {
    /// `127.0.0.1:PORT`.
    pub(super) host: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
                let request = Request(head);
                let answer = answer(&request);
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let _ = stream.write_all(&answer);
            }
        });
        Server { host, requests }
    }

    /// `http://127.0.0.1:PORT/PATH`.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A whole answer.
pub(super) fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if !status.starts_with("304") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// The file in a directory that holds these bytes, if there is one.
pub(super) fn holds(dir: &Path, needle: &str) -> Option<PathBuf> {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_file()
                && std::fs::read(&path).is_ok_and(|bytes| {
                    bytes
                        .windows(needle.len())
                        .any(|window| window == needle.as_bytes())
                })
            {
                return Some(path);
            }
        }
    }
    None
}

/// git in a directory, as nobody in particular and always at the same time.
pub(super) fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "t"), ("GIT_AUTHOR_EMAIL", "t@t")])
        .envs([("GIT_COMMITTER_NAME", "t"), ("GIT_COMMITTER_EMAIL", "t@t")])
        .envs([
            ("GIT_AUTHOR_DATE", "@1000000000 +0000"),
            ("GIT_COMMITTER_DATE", "@1000000000 +0000"),
        ])
        .stderr(Stdio::inherit())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {args:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository in the scratch directory with a Dockerfile, an executable, a link out of it, a tag `v1`, an annotated
/// tag `v1-signed`, and something newer on `main`; `flags` are those of `git init`.
pub(crate) fn repository(env: &TestEnv, name: &str, flags: &[&str]) -> PathBuf {
    env.write(format!("{name}/Dockerfile"), "FROM scratch\nCOPY sub /s\n");
    env.write(format!("{name}/sub/run.sh"), "old\n");
    let repo = env.path(name);
    git(&repo, &[&["init", "-q", "-b", "main"], flags].concat());
    std::os::unix::fs::symlink("/etc", repo.join("out")).expect("a link");
    std::fs::set_permissions(repo.join("sub/run.sh"), PermissionsExt::from_mode(0o755)).expect("a mode");
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-qm", "one"]);
    git(&repo, &["tag", "v1"]);
    git(&repo, &["tag", "-am", "signed", "v1-signed"]);
    env.write(format!("{name}/sub/run.sh"), "new\n");
    git(&repo, &["commit", "-qam", "two"]);
    repo
}

/// `git daemon` over the scratch directory; every repository in it can be read.
pub(crate) struct GitDaemon {
    child: Child,
    /// `git://127.0.0.1:PORT`.
    pub(crate) url: String,
}

impl GitDaemon {
    pub(crate) fn start(env: &TestEnv) -> GitDaemon {
        let port = free_port();
        // Not by way of `git`, which would start it as a child of its own.
        let core = git(&env.path(""), &["--exec-path"]);
        let child = Command::new(PathBuf::from(core).join("git-daemon"))
            .args(["--export-all", "--listen=127.0.0.1"])
            .arg("--reuseaddr")
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", env.path("").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon starts");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        GitDaemon {
            child,
            url: format!("git://127.0.0.1:{port}"),
        }
    }
}

impl Drop for GitDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

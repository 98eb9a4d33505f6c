//! Contexts that are no directories: git repositories, and archives or Dockerfiles at URLs.

use super::server::{GitDaemon, Server, answer, git, repository};
use crate::harness::{TestEnv, skip};
use std::path::Path;

/// A tar of a directory, through a compressor where one is named.
pub(super) fn packed(env: &TestEnv, dir: &Path, compressor: &str) -> Vec<u8> {
    let script = match compressor {
        "" => "tar -C \"$0\" -c .".to_owned(),
        program => format!("tar -C \"$0\" -c . | {program} -c"),
    };
    let done = env.tool("sh").args(["-c", &script]).arg(dir).run();
    let bytes = done.stdout.clone();
    done.success();
    bytes
}

fn source(env: &TestEnv) -> std::path::PathBuf {
    env.context(
        "source",
        &[
            ("Dockerfile", "FROM scratch\nCOPY . /in/\n"),
            ("other.Dockerfile", "FROM scratch\nCOPY f /other\n"),
            ("f", "F"),
            ("hidden", "H"),
            (".dockerignore", "hidden\n"),
            ("sub/g", "G"),
        ],
    )
}

#[test]
fn standard_input() {
    let env = TestEnv::new();
    let source = source(&env);
    for compressor in ["", "gzip", "bzip2", "xz", "zstd"] {
        let name = format!("tar{compressor}");
        env.rbuild(["-t", &name, "-"])
            .stdin(packed(&env, &source, compressor))
            .run()
            .success()
            .no_panic();
        let tree = env.saved(&name).tree();
        assert_eq!(tree["in/sub/g"].text(), "G", "{name}");
        assert!(!tree.contains_key("in/hidden"), "its own ignore file: {name}");
    }
    // `-f` names a file of the archive first, else one outside.
    let tar = packed(&env, &source, "");
    env.rbuild(["-t", "other", "-f", "other.Dockerfile", "-"])
        .stdin(tar.clone())
        .run()
        .success();
    assert_eq!(env.saved("other").tree()["other"].text(), "F");
    let outside = env.write("outside", "FROM scratch\nCOPY f /outside\n");
    env.rbuild(["-t", "outside", "-f"])
        .arg(&outside)
        .arg("-")
        .stdin(tar.clone())
        .run()
        .success();
    assert_eq!(env.saved("outside").tree()["outside"].text(), "F");
    // A Dockerfile alone has an empty context.
    env.rbuild(["-t", "bare", "-"])
        .stdin("FROM scratch\nCOPY <<x /x\ntext\nx\n")
        .run()
        .success();
    assert_eq!(env.saved("bare").tree()["x"].text(), "text\n");
    env.rbuild(["-"])
        .stdin("FROM scratch\nCOPY f /f\n")
        .run()
        .exits(1)
        .says("`f` is not there");
    // `-f -` with a directory.
    env.rbuild(["-t", "piped", "-f", "-"])
        .arg(&source)
        .stdin("FROM scratch\nCOPY f /piped\n")
        .run()
        .success();
    assert_eq!(env.saved("piped").tree()["piped"].text(), "F");
    env.rbuild(["-f", "-", "-"])
        .stdin("")
        .run()
        .exits(125)
        .says("both");
    env.rbuild(["-"]).stdin("").run().exits(125).says("empty");
    let mut cut = packed(&env, &source, "gzip");
    cut.truncate(cut.len() / 2);
    env.rbuild(["-"])
        .stdin(cut)
        .run()
        .exits(125)
        .says("standard input")
        .no_panic();
}

#[test]
fn archives_and_dockerfiles_by_url() {
    let env = TestEnv::new();
    let dir = source(&env);
    let (plain, gzip) = (packed(&env, &dir, ""), packed(&env, &dir, "gzip"));
    let server = Server::start(move |request| match request.path() {
        "/c.tar" => answer("200 OK", &[], &plain),
        // A server that takes the compression of the file for one of the transfer.
        "/c.tgz" => answer(
            "200 OK",
            &["Content-Encoding: gzip", "Content-Type: application/x-tar"],
            &gzip,
        ),
        "/moved" => answer("302 Found", &["Location: /c.tar"], b""),
        "/Dockerfile" => answer("200 OK", &[], b"FROM scratch\nCOPY <<x /x\ntext\nx\n"),
        "/short" => b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nFROM".to_vec(),
        "/cut" => answer("200 OK", &[], &gzip[..gzip.len() / 2]),
        "/secret" if request.header("authorization") == Some("Bearer canary") => {
            answer("200 OK", &[], &plain)
        }
        "/secret" => answer("403 Forbidden", &[], b""),
        _ => answer("404 Not Found", &[], b""),
    });
    for path in ["/c.tar", "/c.tgz", "/moved"] {
        env.rbuild(["-t", "x", &server.url(path)])
            .run()
            .success()
            .no_panic();
        let tree = env.saved("x").tree();
        assert_eq!(tree["in/sub/g"].text(), "G", "{path}");
        assert!(!tree.contains_key("in/hidden"), "{path}");
    }
    env.rbuild(["-t", "d", &server.url("/Dockerfile")])
        .run()
        .success();
    assert_eq!(env.saved("d").tree()["x"].text(), "text\n");
    env.rbuild(["--retry=0", &server.url("/short")])
        .run()
        .exits(125)
        .says("/short");
    env.rbuild([server.url("/cut")])
        .run()
        .exits(125)
        .says("/cut")
        .no_panic();
    env.rbuild([server.url("/nope")])
        .run()
        .exits(125)
        .says("404")
        .never_says("registry");
    env.rbuild([server.url("/secret")])
        .run()
        .exits(125)
        .says("HTTP_AUTH_TOKEN_127.0.0.1");
    let named = format!("ctx={}", server.url("/secret"));
    let context = env.context_of("FROM scratch\nCOPY --from=ctx sub/g hidden* /\n", &[]);
    env.rbuild([
        "-t",
        "named",
        "--build-context",
        &named,
        "--secret",
        "id=HTTP_AUTH_TOKEN_127.0.0.1,env=T",
    ])
    .env("T", "canary")
    .arg(&context)
    .run()
    .success()
    .never_says("canary");
    let tree = env.saved("named").tree();
    assert!(tree.contains_key("g") && !tree.contains_key("hidden"));
    let bare = format!("ctx={}", server.url("/Dockerfile"));
    env.rbuild(["--build-context", &bare])
        .arg(&context)
        .run()
        .exits(125)
        .says("no archive");
}

#[test]
fn repositories() {
    if !skip::unless_installed("repositories", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    let repo = repository(&env, "r", &[]);
    env.write("r/.dockerignore", "sub/*.md\n");
    env.write("r/sub/x.md", "");
    env.write("r/sub/Dockerfile", "FROM scratch\nCOPY . /all\n");
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-qm", "three"]);
    let daemon = GitDaemon::start(&env);
    let url = format!("{}/r", daemon.url);
    let built = |args: &[&str]| {
        env.rbuild(["-t", "x"]).args(args).run().success().no_panic();
        env.saved("x").tree()
    };
    let head = built(&[&url]);
    assert_eq!(head["s/run.sh"].text(), "new\n");
    assert!(!head.contains_key("s/x.md"), "the repository's ignore file");
    assert_eq!(built(&[&format!("{url}#v1")])["s/run.sh"].text(), "old\n");
    let sub = built(&[&format!("{url}#main:sub")]);
    assert!(sub.contains_key("all/run.sh") && sub.contains_key("all/x.md"));
    let all = env.write("all", "FROM scratch\nCOPY . /all\n");
    let all = all.to_str().unwrap();
    assert!(!built(&["-f", all, &url]).contains_key("all/.git"));
    let kept = built(&["-f", all, "--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", &url]);
    assert!(kept.contains_key("all/.git/HEAD"));
    assert!(built(&["-f", all, &format!("{url}?keep-git-dir=true")]).contains_key("all/.git/HEAD"));
    // A directory of the repository that leads out of it is none (CVE-2026-33748).
    for outside in ["out", "../..", "sub/run.sh", "nope"] {
        let refused = env.rbuild([format!("{url}#main:{outside}")]).run().no_panic();
        assert_eq!(refused.code(), 125, "{refused}");
    }
    let named = format!("code={url}#v1:sub");
    let context = env.context_of("FROM scratch\nCOPY --from=code / /code\n", &[]);
    env.rbuild(["-t", "named", "--build-context", &named])
        .arg(&context)
        .run()
        .success();
    assert_eq!(env.saved("named").tree()["code/run.sh"].text(), "old\n");
}

//! `ADD` of git repositories: references, checksums, what of a repository comes, and who may read it.

use super::server::{GitDaemon, Server, answer, git, holds, repository};
use crate::harness::{TestEnv, skip};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn add(env: &TestEnv, lines: &str) -> std::collections::BTreeMap<String, crate::harness::Entry> {
    env.image_of(&format!("FROM scratch\n{lines}\n"), &[]).tree()
}

#[test]
fn references() {
    if !skip::unless_installed("references", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    let repo = repository(&env, "r", &[]);
    let daemon = GitDaemon::start(&env);
    let url = format!("{}/r", daemon.url);
    let first = git(&repo, &["rev-parse", "v1"]);
    let last = git(&repo, &["rev-parse", "main"]);
    // A commit that no branch has any more.
    git(&repo, &["checkout", "-q", "--detach"]);
    env.write("r/sub/run.sh", "lost\n");
    git(&repo, &["commit", "-qam", "lost"]);
    let lost = git(&repo, &["rev-parse", "HEAD"]);
    git(&repo, &["checkout", "-q", "main"]);
    let tree = add(
        &env,
        &format!(
            "ADD {url} /head\nADD {url}#v1:sub /tag\nADD {url}#v1-signed:sub /annotated\nADD {url}#refs/heads/main:sub /full\n\
             ADD {url}#{first}:sub /commit\nADD {url}#{lost}:sub /lost\nADD {url}?branch=main&subdir=sub /branch\n\
             ADD {url}?tag=v1&checksum={short}&subdir=/sub/ /checked\nADD {url}?commit={first}&subdir=sub /by-commit\n\
             ADD --checksum={last} {url}#main:sub /pinned\nADD --chown=3:4 --chmod=700 --exclude=sub {url} /owned",
            short = &first[..9]
        ),
    );
    for (path, text) in [
        ("head/sub/run.sh", "new\n"),
        ("tag/run.sh", "old\n"),
        ("annotated/run.sh", "old\n"),
        ("full/run.sh", "new\n"),
        ("commit/run.sh", "old\n"),
        ("lost/run.sh", "lost\n"),
        ("branch/run.sh", "new\n"),
        ("checked/run.sh", "old\n"),
        ("by-commit/run.sh", "old\n"),
        ("pinned/run.sh", "new\n"),
    ] {
        assert_eq!(tree[path].text(), text, "{path}");
    }
    // git knows one bit of a mode, and no owner.
    let mode = |path: &str| (tree[path].mode & 0o7777, tree[path].uid);
    assert_eq!(mode("head/sub/run.sh"), (0o755, 0));
    assert_eq!(mode("head/Dockerfile"), (0o644, 0));
    assert_eq!(mode("head/sub"), (0o755, 0));
    assert!(!tree.contains_key("head/.git"));
    assert_eq!(
        (mode("owned/Dockerfile"), tree["owned/Dockerfile"].gid),
        ((0o700, 3), 4)
    );
    assert!(!tree.contains_key("owned/sub"));

    let refused = |line: &str| {
        env.refused(&format!("FROM scratch\n{line}\n"), &[])
            .says("Dockerfile:2")
    };
    refused(&format!("ADD {url}#nope /x")).says("no branch or tag `nope`");
    refused(&format!("ADD {url}#{} /x", &first[..9])).says("all of its digits");
    refused(&format!("ADD {url}?tag=v1&checksum={} /x", "0".repeat(40)))
        .says("does not begin with the checksum");
    refused(&format!("ADD --checksum={last} {url}#{first} /x")).says("does not begin with the checksum");
    refused(&format!("ADD {url}#--upload-pack=touch%20x /x")).says("no git reference");
    refused(&format!("ADD {url}?branch=-x /x")).says("Dockerfile:2");
    refused(&format!("ADD {url}?tga=v1 /x")).says("did you mean `tag`?");
    refused(&format!("ADD {url}?tag=v1#main /x")).says("exclude each other");
    // A directory of the repository that leads out of it is none (CVE-2026-33748).
    refused(&format!("ADD {url}#main:out /x")).says("out");
    refused(&format!("ADD {url}#main:../../../etc /x")).says("leads out of the repository");
}

#[test]
fn a_commit_decides_without_the_network() {
    if !skip::unless_installed("a_commit_decides_without_the_network", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    let repo = repository(&env, "r", &[]);
    let commit = git(&repo, &["rev-parse", "main"]);
    let daemon = GitDaemon::start(&env);
    let (url, port) = (format!("{}/r", daemon.url), daemon.url.clone());
    let context = env.context_of(
        &format!("FROM scratch\nADD {url}#{commit} /a\nADD --checksum={commit} {url}#main /b\n"),
        &[],
    );
    env.build("x", &context).success();
    drop(daemon);
    assert!(std::net::TcpStream::connect(port.trim_start_matches("git://")).is_err());
    env.build("x", &context)
        .success()
        .says("CACHED")
        .never_says("DONE 1");
}

#[test]
fn what_comes_with_a_repository() {
    if !skip::unless_installed("what_comes_with_a_repository", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    let daemon = GitDaemon::start(&env);
    repository(&env, "inner", &[]);
    let outer = repository(&env, "outer", &[]);
    let inner = format!("{}/inner", daemon.url);
    git(&outer, &["submodule", "--quiet", "add", &inner, "deep/inner"]);
    git(&outer, &["commit", "-qm", "three"]);
    repository(&env, "other", &["--object-format=sha256"]);
    let url = |name: &str| format!("{}/{name}", daemon.url);
    let tree = add(
        &env,
        &format!(
            "ADD {outer} /with\nADD {outer}?submodules=false /without\nADD --keep-git-dir {outer} /kept\n\
             ADD {outer}?keep-git-dir=1&submodules=0 /asked\nADD {other}#v1 /sha256",
            outer = url("outer"),
            other = url("other"),
        ),
    );
    assert_eq!(tree["with/deep/inner/sub/run.sh"].text(), "new\n");
    assert!(!tree.contains_key("without/deep/inner/sub"));
    let leftovers: Vec<&String> = tree
        .keys()
        .filter(|path| path.starts_with("with") && path.ends_with("/.git"))
        .collect();
    assert_eq!(
        leftovers, [""; 0],
        "neither the repository nor those of submodules"
    );
    assert!(tree.contains_key("kept/.git/HEAD") && tree.contains_key("asked/.git/HEAD"));
    let config = tree["kept/.git/config"].text();
    assert!(config.contains(&url("outer")), "where it came from: {config}");
    assert!(!tree.keys().any(|path| path.starts_with("kept/.git/hooks/")));
    assert_eq!(tree["sha256/sub/run.sh"].text(), "old\n");
}

/// A bare repository as files, for git's "dumb" protocol over our server.
fn served(env: &TestEnv, expected: &'static str) -> (Server, Server) {
    repository(env, "work", &[]);
    git(&env.path(""), &["clone", "-q", "--bare", "work", "r.git"]);
    git(&env.path("r.git"), &["update-server-info"]);
    let dir = env.path("");
    let files = move |path: &str| match std::fs::read(dir.join(path.trim_start_matches('/'))) {
        Ok(bytes) => answer("200 OK", &[], &bytes),
        Err(_) => answer("404 Not Found", &[], b""),
    };
    let other_files = files.clone();
    let other = Server::start(move |request| other_files(request.path().split('?').next().unwrap_or("")));
    let away = other.url("");
    let server = Server::start(move |request| {
        let path = request.path();
        if let Some(rest) = path.strip_prefix("/away") {
            answer("302 Found", &[&format!("Location: {away}{rest}")], b"")
        } else if request.header("authorization") == Some(expected) {
            files(path.split('?').next().unwrap_or(""))
        } else {
            answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], b"")
        }
    });
    (server, other)
}

#[test]
fn who_may_read_a_repository() {
    if !skip::unless_installed("who_may_read_a_repository", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    // x-access-token:canary-4711
    let (server, other) = served(&env, "Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTQ3MTE=");
    let url = server.url("/r.git");
    // Everybody can see the arguments of a program.
    let path = crate::harness::env::PATH;
    let git = format!("#!/bin/sh\necho \"$*\" >> \"$HOME/arguments\"\nPATH={path} exec git \"$@\"\n");
    let git = env.write("bin/git", git);
    std::fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{path}", env.path("bin").display());
    let build = |url: &str, id: &str, value: &str| {
        let context = env.context_of(&format!("FROM scratch\nADD {url}#v1:sub /d\n"), &[]);
        env.rbuild(["-t", "x", "--no-cache", "--progress=plain", "--secret"])
            .arg(format!("id={id},env=TOKEN"))
            .env("PATH", &path)
            .env("TOKEN", value)
            .arg(&context)
            .run()
            .no_panic()
            .never_says("canary-4711")
    };
    for id in ["GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN.127.0.0.1"] {
        build(&url, id, "canary-4711\n").success();
        assert_eq!(env.saved("x").tree()["d/run.sh"].text(), "old\n");
    }
    build(
        &url,
        "GIT_AUTH_HEADER",
        "Basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTQ3MTE=",
    )
    .success();
    build(&url, "unrelated", "canary-4711")
        .exits(1)
        .says("GIT_AUTH_TOKEN.127.0.0.1");
    build(&url, "GIT_AUTH_TOKEN", "wrong")
        .exits(1)
        .says("does not let these credentials");
    // In the URL, as a context too; neither there nor in the record is a password.
    let with_login = url.replace("http://", "http://x-access-token:canary-4711@");
    let context = env.rbuild(["-t", "c", "--progress=plain", &with_login]).run();
    context.success().never_says("canary-4711");
    build(&with_login, "unrelated", "x").success();
    build(&with_login.replace("4711", "4712"), "unrelated", "x")
        .exits(1)
        .never_says("canary-4712");
    let history = env.rbuild(["history", "--no-trunc", "x"]).run();
    history.success().never_says("canary-4711");
    let arguments = std::fs::read_to_string(env.path("home/arguments")).unwrap();
    assert!(
        arguments.contains("ls-remote") && !arguments.contains("canary-4711"),
        "{arguments}"
    );
    assert!(!arguments.contains("eC1hY2Nlc3"), "{arguments}");
    for left in ["canary-4711", "eC1hY2Nlc3"] {
        assert_eq!(holds(&env.store(), left), None);
    }
    // Nobody else is told: credentials do not go where the server sends us.
    build(&server.url("/away/r.git"), "GIT_AUTH_TOKEN", "canary-4711")
        .exits(1)
        .says("the repository has moved");
    assert!(
        other
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
    build(&server.url("/away/r.git"), "unrelated", "x").success();
}

#[test]
fn by_ssh() {
    if !skip::unless_installed("by_ssh", &["git", "ssh-keygen"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env, "r.git", &[]);
    // Says what it was called with, and is the server at once.
    let fake = env.write(
        "bin/ssh",
        "#!/bin/sh\necho \"agent=$SSH_AUTH_SOCK $*\" >> \"$HOME/called\"\nfor last; do :; done\nexec sh -c \"$last\"\n",
    );
    std::fs::set_permissions(&fake, PermissionsExt::from_mode(0o755)).unwrap();
    let key = env.write("key", "no key, but a file");
    let repo = env.path("r.git");
    let url = format!("git@example.test:{}", repo.display());
    let called = || {
        let path = env.path("home/called");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        text
    };
    let path = format!("{}:{}", env.path("bin").display(), crate::harness::env::PATH);
    let build = |url: &str, args: &[&str]| {
        let context = env.context_of(&format!("FROM scratch\nADD {url}#v1:sub /d\n"), &[]);
        env.rbuild(["-t", "x", "--no-cache", "--progress=plain"])
            .args(args)
            .arg(&context)
            .env("PATH", &path)
            .env("SSH_AUTH_SOCK", "/callers/agent")
            .run()
            .no_panic()
    };
    build(&url, &[]).success();
    assert_eq!(env.saved("x").tree()["d/run.sh"].text(), "old\n");
    let words = called();
    assert!(
        words.contains("BatchMode=yes") && words.contains("git@example.test"),
        "{words}"
    );
    assert!(words.contains("agent=/callers/agent"), "{words}");
    build(
        &format!("ssh://me@example.test:2222{}", repo.display()),
        &["--ssh", &format!("default={}", key.display())],
    )
    .success();
    let words = called();
    let named = format!("-i {}", key.display());
    assert!(
        words.contains(&named) && words.contains("IdentitiesOnly=yes"),
        "{words}"
    );
    assert!(
        words.contains("-p 2222") && words.contains("me@example.test"),
        "{words}"
    );
    // What the caller has set up for git goes before.
    let own = env.write("own", std::fs::read(Path::new(&fake)).unwrap());
    std::fs::set_permissions(&own, PermissionsExt::from_mode(0o755)).unwrap();
    env.rbuild(["-t", "c", &url])
        .env("GIT_SSH_COMMAND", format!("{} -o Mine=yes", own.display()))
        .run()
        .success();
    assert!(called().contains("Mine=yes"));
}

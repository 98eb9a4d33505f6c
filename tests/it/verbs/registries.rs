//! Pull, push, login and logout.

use super::{id, inspect, names, with_app};
use crate::harness::{Invocation, Registry, Terminal, TestEnv, registry, skip};
use std::fs;

#[test]
fn push_and_pull() {
    if !skip::unless_installed("push_and_pull", Registry::NEEDS) {
        return;
    }
    let env = with_app();
    let server = Registry::plain(&env);
    let name = format!("{}/team/app:1", server.address());
    let pushed = env.rbuild(["push", "app", &name]).run().success().says("pushed");
    let pinned = pushed.out().into_owned();
    let (repository, digest) = pinned.split_once('@').expect("a name with a digest");
    assert_eq!(repository, format!("{}/team/app", server.address()));
    // Again, and as docker's: the same image, other media types.
    env.rbuild(["push", "-q", "app", &name])
        .run()
        .success()
        .prints(&pinned)
        .never_says("pushing");
    let docker = env
        .rbuild([
            "push",
            "-q",
            "--format",
            "docker",
            "app",
            &format!("{repository}:docker"),
        ])
        .run()
        .success();
    assert_ne!(docker.out(), pinned);

    let other = TestEnv::new();
    let pulled = other
        .rbuild(["pull", &name])
        .run()
        .success()
        .says("pulled")
        .says(digest);
    assert_eq!(pulled.out(), id(&env, "app"));
    assert_eq!(
        names(&other),
        std::slice::from_ref(&name),
        "the digest is no row of its own"
    );
    assert_eq!(inspect(&other, &name)["RepoDigests"], serde_json::json!([pinned]));
    other.run(&pinned, [""; 0]).success().prints("hello\nmore");
    other
        .rbuild(["pull", "-q", &format!("{repository}:docker")])
        .run()
        .success()
        .prints(&id(&env, "app"));
    // The last tag of a repository takes the digests with it.
    other
        .rbuild(["rmi", &name, &format!("{repository}:docker")])
        .run()
        .success();
    assert_eq!(names(&other), [""; 0]);
    other.rbuild(["pull", &pinned]).run().success();
    assert_eq!(names(&other), [format!("{repository}:<none>")]);
    // A name elsewhere does not: the image was asked for by its digest, and stays until that goes.
    other.rbuild(["tag", &pinned, "mine:1"]).run().success();
    other
        .rbuild(["rmi", "mine:1"])
        .run()
        .success()
        .prints("untagged mine:1");
    assert_eq!(names(&other), [format!("{repository}:<none>")]);
    other.rbuild(["rmi", &pinned]).run().success();
    assert_eq!(names(&other), [""; 0]);
    other.rbuild(["pull", &pinned]).run().success();

    other
        .rbuild(["pull", &format!("{}/nope", server.address())])
        .run()
        .exits(125)
        .says("404")
        .no_panic();
    let nobody = format!("127.0.0.1:{}/x", registry::free_port());
    other
        .rbuild(["pull", &nobody])
        .run()
        .exits(125)
        .says("help:")
        .no_panic();
    other
        .rbuild(["push", &pinned, &nobody])
        .run()
        .exits(125)
        .no_panic();
    other
        .rbuild(["push", &pinned])
        .run()
        .exits(125)
        .says("push to a tag");
}

#[test]
fn login_keeps_what_the_registry_takes() {
    if !skip::unless_installed("login_keeps_what_the_registry_takes", Registry::NEEDS_TLS) {
        return;
    }
    let env = with_app();
    let server = Registry::tls(&env);
    let host = server.address();
    let trusting = |invocation: Invocation| invocation.env("SSL_CERT_FILE", server.ca());
    let name = format!("{host}/app:1");
    let auth = env.path("home/.docker/config.json");
    trusting(env.rbuild(["push", "app", &name]))
        .run()
        .exits(125)
        .says("rbuild login")
        .no_panic();
    let login = |password: &str| {
        trusting(env.rbuild(["login", "-u", registry::USER, "--password-stdin", &host]))
            .stdin(format!("{password}\n"))
            .run()
    };
    login("wrong").exits(125).says("password").no_panic();
    assert!(!auth.exists(), "wrong credentials are not kept");
    login(registry::PASSWORD)
        .success()
        .says(&auth.display().to_string())
        .never_says(registry::PASSWORD);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&auth).unwrap().permissions().mode() & 0o777, 0o600);
    trusting(env.rbuild(["push", "app", &name])).run().success();
    trusting(env.rbuild(["pull", &name])).run().success();
    env.rbuild(["logout", &host]).run().success().says("removed");
    assert!(!fs::read_to_string(&auth).unwrap().contains(&host));
    trusting(env.rbuild(["pull", &name]))
        .run()
        .exits(125)
        .says("rbuild login");
    env.rbuild(["logout", &host])
        .run()
        .success()
        .says("no credentials");
    // A file of the user's choice.
    let chosen = env.path("auth.json");
    trusting(
        env.rbuild(["login", "-u", registry::USER, "--password-stdin", "--authfile"])
            .arg(&chosen)
            .arg(&host),
    )
    .stdin(registry::PASSWORD)
    .run()
    .success();
    trusting(env.rbuild(["pull", "--authfile"]).arg(&chosen).arg(&name))
        .run()
        .success();
    trusting(env.rbuild(["pull", &name])).run().exits(125);
    env.rbuild(["login", &host])
        .run()
        .exits(125)
        .says("-u")
        .no_panic();
    env.rbuild(["login", "-u", "x", &host])
        .run()
        .exits(125)
        .says("--password-stdin");
    env.rbuild(["login", "-u", "x", "host/with/path"])
        .run()
        .exits(125)
        .no_panic();
}

#[test]
fn a_password_is_typed_unseen() {
    if !skip::unless_installed("a_password_is_typed_unseen", Registry::NEEDS_TLS) {
        return;
    }
    let env = TestEnv::new();
    let server = Registry::tls(&env);
    let login = env
        .rbuild(["login", &server.address()])
        .env("SSL_CERT_FILE", server.ca());
    let mut terminal = Terminal::start(login, 24, 80);
    terminal.wait_for("user name: ");
    terminal.types(&format!("{}\n", registry::USER));
    terminal.wait_for("password: ");
    terminal.types(&format!("{}\n", registry::PASSWORD));
    terminal.wait_for("logged in");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(
        !terminal.seen().contains(registry::PASSWORD),
        "{}",
        terminal.seen()
    );
    use rustix::termios::LocalModes;
    assert!(
        terminal.settings().local_modes.contains(LocalModes::ECHO),
        "the terminal echoes again"
    );
}

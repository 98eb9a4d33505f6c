//! Builds and runs every folder of `examples/Dockerfiles/` as its README says.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::harness::env::with_host_proxies;
use crate::harness::{Base, Kind, TestEnv, skip};

#[test]
fn quick_start() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.copy_of("examples/Dockerfiles/quick-start");
    env.build("hello", &context).success().no_panic();
    let expected = "I run as app, and this image was built by uid 0 on a kernel called Linux";
    env.run("hello", [""; 0])
        .success()
        .prints(&format!("hello, world: {expected}"));
    env.run("hello", ["you"])
        .success()
        .prints(&format!("hello, you: {expected}"));
    // Nothing has changed: every step comes from the cache, and the image is the same.
    let before = env.saved("hello").config_digest;
    env.build("hello", &context).success().says("CACHED");
    assert_eq!(env.saved("hello").config_digest, before);
}

#[test]
fn heavy_debian_python_web() {
    if !skip::unless_installed("debian_python_web", &["mmdebstrap"]) {
        return;
    }
    let env = TestEnv::with(&[Base::Debian]);
    let context = env.copy_of("examples/Dockerfiles/debian-python-web");
    with_host_proxies(env.rbuild(["-t", "web"]).arg(&context))
        .run()
        .success()
        .no_panic();

    let mut server = env
        .rbuild(["run", "--rm", "--network", "host", "-e", "PORT=0", "web"])
        .start();
    let line = server.wait_for("listening on http://127.0.0.1:");
    let port = line
        .rsplit(':')
        .next()
        .and_then(|port| port.trim().parse().ok())
        .expect("a port is printed");
    assert!(get(port, "/").contains("built without a daemon"));
    let who = get(port, "/whoami");
    assert!(who.contains(r#""uid": 900, "gid": 900"#), "{who}");
    assert!(who.contains(r#""cwd": "/srv/public""#), "{who}");
    server.signal(Signal::TERM);
    server.wait().exits(0);

    let image = env.saved("web");
    let tree = image.tree();
    assert_eq!(
        (
            tree["srv/server.py"].uid,
            tree["srv/server.py"].gid,
            tree["srv/server.py"].mode
        ),
        (900, 900, 0o555)
    );
    // apt works as another user, `_apt`, and leaves that user's folder: with one id alone it would not be its own.
    let apt_user = tree["etc/passwd"].text();
    let apt_user: u64 = apt_user
        .lines()
        .find_map(|line| line.strip_prefix("_apt:x:")?.split(':').next()?.parse().ok())
        .expect("apt has a user");
    assert_eq!(tree["var/cache/apt/archives/partial"].uid, apt_user);
    assert_eq!(image.config["config"]["User"], "web");
    assert_eq!(
        image.config["config"]["Healthcheck"]["Interval"],
        30_000_000_000_i64
    );
}

#[test]
fn heavy_static_c() {
    if !skip::unless_installed("static_c", &["mmdebstrap"]) {
        return;
    }
    let env = TestEnv::with(&[Base::Debian]);
    let context = env.copy_of("examples/Dockerfiles/static-c");
    with_host_proxies(env.rbuild(["-t", "greet"]).arg(&context))
        .run()
        .success()
        .no_panic();
    let out = env.run("greet", ["one", "two"]).success();
    assert_eq!(
        out.out(),
        "hello from scratch: uid 65534, pid 1, 2 arguments\none\ntwo"
    );

    let image = env.saved("greet");
    let size: usize = image.layer_tars.iter().map(Vec::len).sum();
    assert!(size < 2_000_000, "{size} bytes");
    let paths: Vec<String> = image.tree().into_keys().filter(|path| !path.is_empty()).collect();
    assert_eq!(paths, ["greet"], "nothing of the first stage is in the image");
}

#[test]
fn busybox_language() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.copy_of("examples/Dockerfiles/busybox-language");
    // The secret is required, and the step says which.
    env.rbuild(["-t", "language"])
        .arg(&context)
        .run()
        .exits(1)
        .says("token")
        .no_panic();

    let secret = "s3cret-that-must-not-be-kept";
    let build = || {
        env.rbuild(["--secret", "id=token,env=TOKEN", "-t", "language"])
            .arg(&context)
            .env("TOKEN", secret)
    };
    build().run().success().never_says(secret).no_panic();
    let out = env
        .rbuild(["run", "--rm", "-h", "box", "language"])
        .run()
        .success();
    let expected = "hello from box\n\
                    # settings of the child image\ncolour = green\nname = child\n\
                    greeting = hello\nversion = 1.0\n\
                    line 1\nline 2\nline 3\n\
                    the sum is 15\n\
                    one two three four five six ";
    assert_eq!(out.out(), expected, "{out}");

    let image = env.saved("language");
    let tree = image.tree();
    assert_eq!(
        tree["work/secret"].text(),
        format!("a secret of {} bytes was here\n", secret.len())
    );
    assert_eq!(tree["work/words"].text(), "apple\nfig\npear\n");
    assert_eq!(tree["unpacked/note"].text(), "unpacked by ADD\n");
    assert_eq!(
        (tree["usr/local/bin/show"].mode, tree["usr/local/bin/show"].uid),
        (0o755, 1000)
    );
    for absent in ["run/secrets", "var/cache/counter", "mnt/data", "mnt/scratch"] {
        assert!(
            !tree.contains_key(absent),
            "the mount point {absent} is in the image"
        );
    }
    assert!(!image.contains(secret));
    assert!(
        image.config["config"]
            .get("OnBuild")
            .is_none_or(serde_json::Value::is_null),
        "triggers are used up"
    );
    env.tool("grep")
        .args(["-rl", secret])
        .arg(env.store())
        .run()
        .exits(1);

    // The counter lives in the cache mount, from build to build.
    for (flag, runs) in [("--build-arg=VERSION=2", 2), ("--no-cache", 1)] {
        build()
            .arg(flag)
            .run()
            .success()
            .says(&format!("this step has run {runs} time(s)"));
    }
}

#[test]
fn big_context() {
    let env = TestEnv::with(&[Base::Busybox]);
    let example = env.copy_of("examples/Dockerfiles/big-context");
    let context = env.path("context");
    env.tool(example.join("generate")).arg(&context).run().success();
    let id = || {
        env.rbuild(["-q", "-t", "big"])
            .arg(&context)
            .run()
            .success()
            .out()
            .into_owned()
    };
    let first = id();
    env.run("big", [""; 0]).success().prints("20002");
    assert_eq!(id(), first, "nothing has changed");

    // What .dockerignore leaves out changes nothing.
    env.write("context/tree/d000/noise.log", "louder");
    env.write("context/tree/node_modules/more", "more");
    assert_eq!(id(), first);

    // One file of 20,000: a size that stays the same and a time that is put back must not hide it.
    let changed = context.join("tree/d050/f10042.txt");
    let times = std::fs::metadata(&changed)
        .and_then(|data| data.modified())
        .expect("the file is there");
    let mut bytes = std::fs::read(&changed).expect("the file can be read");
    bytes[100] ^= 1;
    std::fs::write(&changed, &bytes).expect("the file can be written");
    std::fs::File::options()
        .write(true)
        .open(&changed)
        .and_then(|file| file.set_modified(times))
        .expect("times can be set");
    let second = id();
    assert_ne!(second, first);
    let Kind::File { contents, .. } = env.saved("big").tree()["srv/tree/d050/f10042.txt"].kind.clone() else {
        panic!("it is a file");
    };
    assert_eq!(contents.0.as_deref(), Some(&bytes[..]));

    // One file less.
    std::fs::remove_file(changed).expect("the file can be removed");
    assert_ne!(id(), second);
    env.run("big", [""; 0]).success().prints("20001");
}

/// The body that a server on loopback answers with.
#[track_caller]
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts connections");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("the server reads the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    assert!(answer.contains(" 200 "), "{answer}");
    answer
}

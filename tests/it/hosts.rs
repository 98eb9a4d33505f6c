//! The same Dockerfiles on hosts that allow less: each gives the image that a host with everything gives, cold and cached,
//! and finds what another has in the cache.

use std::path::{Path, PathBuf};

use crate::harness::base::program;
use crate::harness::container::{Container, Engine, unless_possible};
use crate::harness::env::{is_root, program_under_test};
use crate::harness::{Base, Invocation, Outcome, TestEnv, skip};

const EPOCH: &str = "1700000000";

/// What differs most easily: owners, set-id bits, capabilities, links, moved and replaced directories, times, copies.
const DOCKERFILES: [(&str, &str); 7] = [
    (
        "owners",
        "FROM busybox:local\n\
         RUN mkdir -p /app/sub && echo a > /app/a && ln /app/a /app/b && ln -s a /app/l && echo s > /app/sub/s && chmod 4755 /app/sub/s\n\
         RUN chown -R 5:6 /app\n\
         RUN chmod 2750 /app/sub && chown 7 /app/a && mkfifo /app/p\n\
         COPY --chown=9:8 f /app/sub/copy\n\
         RUN echo more >> /app/b; touch /app/new\n\
         USER app\n\
         RUN id > /tmp/id && ! touch /app/sub/no\n",
    ),
    (
        "directories",
        "FROM busybox:local\n\
         RUN mkdir -p /d/e/f && echo 1 > /d/e/f/1 && echo 2 > /d/2 && mkdir /gone && echo g > /gone/g\n\
         RUN mv /d /moved\n\
         RUN rm -r /gone && mkdir /gone && echo h > /gone/h\n\
         RUN rm -r /moved/e/f && echo file > /moved/e/f && rm /moved/2 && mkdir /moved/2\n\
         RUN rm -rf /gone /moved/e && mkdir /moved/e && touch /moved/e/x && rm /moved/e/x\n\
         RUN mkdir /moved/3; rm -r /moved/3; rm /bin/yes && ln -s busybox /bin/yes\n",
    ),
    (
        "links",
        "FROM busybox:local\n\
         RUN mkdir /h && echo x > /h/a && ln /h/a /h/b && ln /h/b /h/c\n\
         RUN mv /h /i\n\
         RUN ln /i/a /top; rm /i/c\n\
         RUN echo y >> /i/a\n\
         RUN mv /i/b /i/z && chmod 600 /top\n",
    ),
    (
        "times",
        "FROM busybox:local\n\
         RUN echo a > /a; touch -d @1500000000 /b; cp -p /b /c; mkdir -p /t/u; touch -d @1500000000 /t/u /t\n\
         RUN cp -a /t /t2; mv /a /a2; touch /t/u/x; touch -d @1400000000 /b\n\
         WORKDIR /w/x\n\
         RUN pwd > where; cat /proc/sys/kernel/ostype >> where; echo > /dev/null\n",
    ),
    (
        "mounts",
        "FROM busybox:local AS other\n\
         RUN mkdir -p /o/p && echo o > /o/p/q && rm /bin/yes\n\
         FROM busybox:local\n\
         RUN --mount=type=bind,from=other,source=/o,target=/mnt,rw cp /mnt/p/q /q && echo lost > /mnt/lost\n\
         RUN --mount=type=cache,target=/c echo kept >> /c/x && cat /c/x > /first\n\
         RUN --mount=type=cache,target=/c cat /c/x > /second\n\
         RUN --mount=type=tmpfs,target=/t echo lost > /t/x\n\
         RUN --mount=type=secret,id=s,env=S echo ${#S} > /length\n\
         RUN --mount=type=bind,source=f,target=/run/f cat /run/f > /g; cat /etc/hosts | head -1 > /hosts\n\
         COPY --from=other /o /o\n\
         RUN <<EOF\n\
         #!/bin/sh\n\
         echo script > /script\n\
         EOF\n",
    ),
    (
        "capabilities",
        "FROM busybox:local\n\
         COPY setcap f /\n\
         RUN cp /f /capable && /setcap /capable\n\
         RUN cp -a /capable /copied; mv /capable /moved; chmod 755 /moved\n",
    ),
    (
        "nothing",
        "FROM scratch\nCOPY f /a/b/c\nADD --chown=4:5 f /d\nFROM busybox:local\nRUN true\nRUN touch /x && rm /x\nCOPY --from=0 /a /a\n",
    ),
];

/// Makes a command line of the program with these arguments.
type Program<'e> = dyn Fn(&[&str]) -> Invocation + 'e;

/// Somewhere to build, and a store there.
struct Host<'e> {
    name: &'static str,
    tier: &'static str,
    rbuild: Box<Program<'e>>,
}

fn context(env: &TestEnv) -> PathBuf {
    let setcap = program("setcap");
    let context = env.context("context", &[("f", "content\n")]);
    std::fs::copy(setcap, context.join("setcap")).unwrap();
    for (name, text) in DOCKERFILES {
        env.write(Path::new("files").join(name), text);
    }
    env.write("secret", "12345");
    context
}

impl Host<'_> {
    /// All images, and how many steps of how many were cached.
    #[track_caller]
    fn build_all(&self, env: &TestEnv) -> Vec<(String, String)> {
        let build = |name: &str| {
            let outcome = self.build(env, name).success();
            (name.to_owned(), outcome.out().trim().to_owned())
        };
        DOCKERFILES.iter().map(|(name, _)| build(name)).collect()
    }

    fn build(&self, env: &TestEnv, name: &str) -> Outcome {
        let path = |name: &str| env.path(name).display().to_string();
        let (file, secret) = (
            path(&format!("files/{name}")),
            format!("id=s,src={}", path("secret")),
        );
        let (context, base) = (path("context"), Base::Busybox.as_context());
        let args = [
            "build",
            "-q",
            "--build-context",
            &base,
            "--secret",
            &secret,
            "-f",
            &file,
            &context,
        ];
        (self.rbuild)(&args)
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .run()
            .no_panic()
    }

    #[track_caller]
    fn is_of_its_tier(&self) {
        let outcome = (self.rbuild)(&["doctor", "--json"]).run().success();
        let report: serde_json::Value = serde_json::from_slice(&outcome.stdout).expect("doctor prints JSON");
        assert_eq!(report["tier"], self.tier, "{}: {report}", self.name);
        assert_eq!(report["works"], true, "{}: {report}", self.name);
    }
}

/// The program here, with what else it is told.
fn here<'e>(
    env: &'e TestEnv,
    store: &str,
    more: &'static [&'static str],
) -> impl Fn(&[&str]) -> Invocation + 'e {
    let store = env.path(store);
    move |args| {
        let more = if args[0] == "build" { more } else { &[] };
        env.rbuild([&args[..1], more, &args[1..]].concat())
            .env("RBUILD_ROOT", &store)
    }
}

/// The program with its store on an overlay.
fn on_overlay(env: &TestEnv) -> impl Fn(&[&str]) -> Invocation + '_ {
    for dir in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir_all(env.path("over").join(dir)).unwrap();
    }
    move |args| {
        let script = "cd \"$1\" && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged && shift && exec \"$@\"";
        env.tool("unshare")
            .args(["-m", "sh", "-c", script, "sh"])
            .arg(env.path("over"))
            .arg(program_under_test())
            .args(args)
            .env("RBUILD_ROOT", env.path("over/merged/store"))
    }
}

fn hosts<'e>(env: &'e TestEnv, containers: &'e [Container<'e>; 2]) -> Vec<Host<'e>> {
    let host = |name, tier, rbuild| Host { name, tier, rbuild };
    let [docker, podman] = containers;
    let store = |name: &str| env.path(format!("store-{name}"));
    let (docker_store, podman_store) = (store("docker"), store("podman"));
    vec![
        host("a store on an overlay", "C", Box::new(on_overlay(env))),
        host(
            "a directory as the root",
            "Root",
            Box::new(here(env, "store-chroot", &["--sandbox", "chroot"])),
        ),
        host(
            "docker's default container",
            "D1",
            Box::new(move |args| docker.rbuild(&docker_store, args)),
        ),
        host(
            "docker's default container, and a store on its root",
            "D1",
            Box::new(move |args| docker.rbuild(&docker.own_store(), args)),
        ),
        host(
            "podman's default container",
            "C",
            Box::new(move |args| podman.rbuild(&podman_store, args)),
        ),
        host(
            "podman's default container, and a store on its root",
            "C",
            Box::new(move |args| podman.rbuild(&podman.own_store(), args)),
        ),
    ]
}

#[test]
fn the_same_images_on_every_host() {
    const TEST: &str = "hosts::the_same_images_on_every_host";
    if !unless_possible(TEST) {
        return;
    }
    let env = TestEnv::new();
    context(&env);
    let all = here(&env, "store", &[]);
    let best = Host {
        name: "a host with everything",
        tier: "Root",
        rbuild: Box::new(all),
    };
    let expected = best.build_all(&env);
    let containers = [
        Container::new(&env, Engine::Docker),
        Container::new(&env, Engine::Podman),
    ];
    for host in hosts(&env, &containers) {
        host.is_of_its_tier();
        assert_eq!(host.build_all(&env), expected, "{}: cold", host.name);
        assert_eq!(host.build_all(&env), expected, "{}: cached", host.name);
    }
}

#[test]
fn what_one_host_made_is_cached_on_another() {
    const TEST: &str = "hosts::what_one_host_made_is_cached_on_another";
    if !unless_possible(TEST) {
        return;
    }
    let env = TestEnv::new();
    context(&env);
    let docker = Container::new(&env, Engine::Docker);
    for (first, store) in [("here", "store-a"), ("docker", "store-b")] {
        let here = here(&env, store, &[]);
        let there = |args: &[&str]| docker.rbuild(&env.path(store), args);
        let file = env.path("files/owners").display().to_string();
        let (context, base) = (
            env.path("context").display().to_string(),
            Base::Busybox.as_context(),
        );
        let args = [
            "build",
            "--progress",
            "plain",
            "--build-context",
            &base,
            "-f",
            &file,
            &context,
        ];
        let build = |there_first: bool| match there_first {
            true => there(&args).run().success(),
            false => here(&args).env("SOURCE_DATE_EPOCH", EPOCH).run().success(),
        };
        build(first == "docker");
        let cached = build(first != "docker");
        cached.says("6/6 steps cached");
    }
}

#[test]
fn a_step_without_namespaces_sees_nothing_of_the_job() {
    const TEST: &str = "hosts::a_step_without_namespaces_sees_nothing_of_the_job";
    if !unless_possible(TEST) {
        return;
    }
    let env = TestEnv::new();
    let docker = Container::new(&env, Engine::Docker);
    let dockerfile = "FROM busybox:local\nRUN env; ls -a / /root /store 2>&1; cat /proc/1/environ /proc/self/environ 2>&1; \
        kill -9 1 2>&1; kill -9 -1; ls /proc; echo survived\n";
    let context = env.context_of(dockerfile, &[]);
    let base = Base::Busybox.as_context();
    let context = context.display().to_string();
    let args = ["build", "--progress", "plain", "--build-context", &base, &context];
    docker
        .rbuild(&docker.own_store(), &args)
        .run()
        .no_panic()
        .success()
        .says("steps run without namespaces")
        .says("survived")
        .never_says("of-the-job");
}

#[test]
fn what_a_directory_cannot_have_is_refused_by_name() {
    if !is_root() {
        return skip::because_of_host(
            "hosts::what_a_directory_cannot_have_is_refused_by_name",
            "only root can change its root",
        );
    }
    let env = TestEnv::with(&[Base::Busybox]);
    env.write("secret", "12345");
    let secret = format!("id=s,src={}", env.path("secret").display());
    for (step, words) in [
        ("RUN --network=none true", "network namespace"),
        ("RUN --mount=type=secret,id=s cat /run/secrets/s", "env=NAME"),
    ] {
        let context = env.context_of(&format!("FROM busybox:local\n{step}\n"), &[]);
        env.rbuild(["build", "--sandbox", "chroot", "--secret", &secret])
            .arg(context)
            .run()
            .no_panic()
            .exits(125)
            .says(words);
    }
    for kind in ["single-id", "supervisor"] {
        let context = env.context_of("FROM busybox:local\nRUN true\n", &[]);
        env.rbuild(["build", "--sandbox", kind])
            .arg(context)
            .run()
            .exits(125)
            .says("is not there yet");
    }
}

#[test]
fn a_container_runs_in_a_directory() {
    if !is_root() {
        return skip::because_of_host(
            "hosts::a_container_runs_in_a_directory",
            "only root can change its root",
        );
    }
    let env = TestEnv::with(&[Base::Busybox]);
    env.rbuild([
        "run",
        "--sandbox",
        "chroot",
        "busybox:local",
        "sh",
        "-c",
        "id -u; echo x > /x; cat /x; exit 7",
    ])
    .run()
    .exits(7)
    .prints("0\nx");
}

//! Keys of RUN: every field that counts, and every one that does not.

use crate::harness::TestEnv;
use crate::harness::steps::build;
use std::fs;

/// A RUN, the lines around it, and whether it runs again after the case before it.
struct Case {
    what: &'static str,
    runs: bool,
    before: &'static str,
    flags: &'static str,
    command: &'static str,
    after: &'static str,
    arguments: Vec<String>,
}

const WRITES_A_NONCE: &str = "cat /proc/sys/kernel/random/uuid > /nonce";

fn case(what: &'static str, runs: bool) -> Case {
    let (before, flags, command, after, arguments) = ("", "", WRITES_A_NONCE, "", Vec::new());
    Case {
        what,
        runs,
        before,
        flags,
        command,
        after,
        arguments,
    }
}

/// A change that must run the step again.
fn runs(what: &'static str) -> Case {
    case(what, true)
}

/// A change of nothing that the step sees: also back to how it was once.
fn hits(what: &'static str) -> Case {
    case(what, false)
}

impl Case {
    fn before(self, before: &'static str) -> Case {
        Case { before, ..self }
    }

    fn flags(self, flags: &'static str) -> Case {
        Case { flags, ..self }
    }

    fn command(self, command: &'static str) -> Case {
        Case { command, ..self }
    }

    fn after(self, after: &'static str) -> Case {
        Case { after, ..self }
    }

    fn arg(mut self, flag: &str, value: impl Into<String>) -> Case {
        self.arguments.extend([flag.to_owned(), value.into()]);
        self
    }

    fn dockerfile(&self) -> String {
        let Case {
            before,
            flags,
            command,
            after,
            ..
        } = self;
        format!(
            "FROM busybox:local AS other\nRUN mkdir /o && echo o > /o/o\n\
             FROM busybox:local\nCOPY src /src\n{before}\nRUN {flags} {command}\n{after}\n"
        )
    }
}

#[test]
fn every_field_of_a_run() {
    let env = TestEnv::new();
    let context = env.context("context", &[("src/f", "f"), ("src/g", "g"), ("unused/u", "u")]);
    let secret = env.write("secret", "one");
    let secret = format!("id=s,src={}", secret.display());
    let cases = [
        runs("the first time"),
        hits("nothing"),
        runs("command").command("cat  /proc/sys/kernel/random/uuid > /nonce"),
        runs("env").before("ENV A=1"),
        runs("value of env").before("ENV A=2"),
        runs("empty env is not no env").before("ENV A="),
        hits("env after it").after("ENV A=1"),
        hits("label").before("LABEL a=b"),
        hits("label in front of env").before("LABEL a=b\nENV A=1"),
        hits("metadata").before("CMD a\nENTRYPOINT b\nEXPOSE 80\nSTOPSIGNAL 9\nVOLUME /v\nHEALTHCHECK NONE"),
        hits("comment and blank line").before("# hello\n\n"),
        runs("directory").before("WORKDIR /src"),
        runs("user").before("USER 1:1").command("id"),
        runs("group").before("USER 1:2").command("id"),
        runs("shell").before("SHELL [\"/bin/sh\", \"-e\", \"-c\"]"),
        runs("exec form").command("[\"/bin/sh\", \"-c\", \"true\"]"),
        hits("the shell form of the same").command("true"),
        runs("network").flags("--network=none"),
        // Arguments.
        hits("undeclared arg").arg("--build-arg", "A=9"),
        runs("declared arg").before("ARG A").arg("--build-arg", "A=8"),
        runs("another value").before("ARG A").arg("--build-arg", "A=7"),
        hits("the default of the same value").before("ARG A=7"),
        hits("declared, never set").before("ARG A"),
        hits("declared after it").after("ARG A").arg("--build-arg", "A=6"),
        hits("proxies")
            .arg("--build-arg", "HTTP_PROXY=http://a")
            .arg("--build-arg", "no_proxy=b"),
        runs("a proxy that is declared")
            .before("ARG HTTP_PROXY")
            .arg("--build-arg", "HTTP_PROXY=http://a"),
        runs("a host").arg("--add-host", "h:10.0.0.1"),
        hits("its address").arg("--add-host", "h:10.0.0.2"),
        runs("its name").arg("--add-host", "i:10.0.0.2"),
        hits("size of /dev/shm").arg("--shm-size", "32m"),
        // Mounts.
        runs("tmpfs").flags("--mount=type=tmpfs,target=/t"),
        runs("target of a tmpfs").flags("--mount=type=tmpfs,target=/u"),
        runs("cache").flags("--mount=type=cache,target=/t"),
        hits("id of a cache").flags("--mount=type=cache,target=/t,id=x"),
        hits("sharing of a cache").flags("--mount=type=cache,target=/t,sharing=locked"),
        runs("read-only cache").flags("--mount=type=cache,target=/t,ro"),
        runs("secret")
            .flags("--mount=type=secret,id=s")
            .arg("--secret", &secret),
        hits("a secret that is not given").flags("--mount=type=secret,id=s"),
        runs("target of a secret").flags("--mount=type=secret,id=s,target=/x"),
        runs("bind").flags("--mount=type=bind,source=src,target=/m"),
        runs("writable bind").flags("--mount=type=bind,source=src,target=/m,rw"),
        runs("bind of one file").flags("--mount=type=bind,source=src/f,target=/m"),
        runs("bind of a stage").flags("--mount=type=bind,from=other,source=/o,target=/m"),
    ];
    for case in cases {
        fs::write(context.join("Dockerfile"), case.dockerfile()).unwrap();
        let arguments: Vec<&str> = case.arguments.iter().map(String::as_str).collect();
        let built = build(&env, &context, &arguments);
        let expected = if case.runs { 'm' } else { 'h' };
        assert!(built.hits.ends_with(expected), "{}\n{}", case.what, built.outcome);
    }
}

#[test]
fn what_is_bound_counts_and_the_value_of_a_secret_does_not() {
    let env = TestEnv::new();
    let context = env.context("context", &[("src/f", "f"), ("src/g", "g")]);
    let run = |flags: &str| {
        fs::write(
            context.join("Dockerfile"),
            format!("FROM busybox:local\nRUN {flags} {WRITES_A_NONCE}\n"),
        )
        .unwrap();
    };
    let last = |arguments: &[&str]| build(&env, &context, arguments).hits;
    run("--mount=type=bind,source=src/f,target=/m");
    assert_eq!(last(&[]), "m");
    fs::write(context.join("src/g"), "changed").unwrap();
    assert_eq!(last(&[]), "h");
    fs::write(context.join("src/f"), "changed").unwrap();
    assert_eq!(last(&[]), "m");

    let secret = env.write("secret", "one");
    let given = format!("id=s,src={}", secret.display());
    run("--mount=type=secret,id=s");
    assert_eq!(last(&["--secret", &given]), "m");
    fs::write(&secret, "another value").unwrap();
    assert_eq!(last(&["--secret", &given]), "h");
}

#[test]
fn what_a_cache_mount_holds_is_no_part_of_the_key() {
    let env = TestEnv::new();
    let context = env.context("context", &[]);
    let dockerfile = |command: &str| {
        let text = format!("FROM busybox:local\nRUN --mount=type=cache,target=/c {command}\n");
        fs::write(context.join("Dockerfile"), text).unwrap();
    };
    dockerfile("cp /c/n /n 2>/dev/null; cat /proc/sys/kernel/random/uuid > /c/n");
    let first = build(&env, &context, &[]);
    dockerfile("echo more >> /c/n; cat /c/n > /n");
    assert_eq!(build(&env, &context, &[]).hits, "m");
    dockerfile("cp /c/n /n 2>/dev/null; cat /proc/sys/kernel/random/uuid > /c/n");
    let again = build(&env, &context, &[]);
    assert_eq!((again.hits.as_str(), again.image), ("h", first.image));
}

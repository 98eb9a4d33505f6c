//! `--mount=type=secret` and `ssh`: what a step may see, and that nothing of it stays.

use crate::harness::archive::sha256;
use crate::harness::base::program;
use crate::harness::{OciImage, TestEnv, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whether a byte string stands in any file below.
fn files_with(dir: &Path, needles: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            found.extend(files_with(&path, needles));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            let name = path.to_string_lossy().into_owned().into_bytes();
            let holds = |needle: &Vec<u8>| {
                bytes.windows(needle.len()).any(|window| window == needle)
                    || name.windows(needle.len()).any(|window| window == needle)
            };
            if needles.iter().any(holds) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn secrets() {
    const FILE: &str = "canary-of-a-file-4711";
    const VARIABLE: &str = "canary-of-a-variable-0815";
    let env = TestEnv::new();
    let file = env.write("outside/secret", FILE);
    let dockerfile = "FROM busybox:local\n\
        RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=TOKEN \
            test \"$(cat /run/secrets/file)\" = \"canary-of-a\"-file-4711 && test \"$TOKEN\" = canary-of-a\"-\"variable-0815 && \
            test ! -e /run/secrets/variable && stat -c '%a %u %g %s' /run/secrets/file > /one && grep -c 'run/secrets/file ramfs ro,' /proc/mounts >> /one\n\
        RUN --mount=type=secret,id=file,target=rel/f,mode=0440,uid=1000,gid=7 --mount=type=secret,id=variable,env=TOKEN,target=/both \
            stat -c '%a %u %g' /rel/f > /two && printf %s \"$TOKEN\" | cmp /both -\n\
        USER app\n\
        RUN --mount=type=secret,id=file,uid=1000 cat /run/secrets/file | sha256sum > /tmp/three; ! echo x > /run/secrets/file\n\
        USER 0\n\
        RUN --mount=type=secret,id=not-given --mount=type=secret,id=not-given,env=NOT test ! -e /run/secrets && echo \"none ${NOT-unset}\" > /four\n";
    let context = env.context_of(dockerfile, &[]);
    let give = format!("id=file,src={}", file.display());
    let archive = env.path("out.tar");
    let output = format!("type=oci,dest={}", archive.display());
    let metadata = env.path("metadata.json");
    let outcome = env
        .building([
            "--progress",
            "plain",
            "--secret",
            &give,
            "--secret",
            "id=variable,env=VARIABLE",
            "-t",
            "secret",
            "-o",
            &output,
        ])
        .arg("--metadata-file")
        .arg(&metadata)
        .arg(&context)
        .env("VARIABLE", VARIABLE)
        .run()
        .success();
    let image = OciImage::from_archive(&archive);
    let tree = image.tree();
    assert_eq!(tree["one"].text(), format!("400 0 0 {}\n1\n", FILE.len()));
    assert_eq!(tree["two"].text(), "440 1000 7\n");
    assert!(tree["tmp/three"].text().starts_with(&sha256(FILE.as_bytes())));
    assert_eq!(tree["four"].text(), "none unset\n");
    assert!(!tree.contains_key("run/secrets") && !tree.contains_key("rel") && !tree.contains_key("both"));

    // Another value is no other key, and why says nothing of it either.
    fs::write(&file, "canary-of-a-file-4712").unwrap();
    let again = env
        .building([
            "--progress",
            "plain",
            "--secret",
            &give,
            "--secret",
            "id=variable,env=VARIABLE",
            "-t",
            "secret",
        ])
        .arg(&context)
        .env("VARIABLE", "canary-of-a-variable-0816")
        .run()
        .success();
    assert_eq!(again.err().matches("CACHED").count(), 4, "{again}");
    env.rbuild(["save", "-o", "saved.tar", "secret"]).run().success();
    let mut words = format!("{outcome}{again}");
    for command in [
        &["history", "--no-trunc", "secret"][..],
        &["inspect", "secret"],
        &["why", "--json"],
        &["why"],
    ] {
        words += &env.rbuild(command).run().to_string();
    }
    let base64 = |text: &str| {
        let encoded = env.tool("base64").arg("-w0").stdin(text).run().success();
        // What stands in the middle does not depend on what is around it: three ways to be cut into threes.
        encoded.stdout[..encoded.stdout.len() - 5].to_vec()
    };
    let mut needles: Vec<Vec<u8>> = Vec::new();
    for secret in [FILE, VARIABLE] {
        // The Dockerfile spells the canaries so that their whole text stands nowhere in it.
        needles.push(secret.as_bytes().to_vec());
        needles.extend((0..3).map(|cut| base64(&secret[cut..])));
        needles.push(sha256(secret.as_bytes()).into_bytes());
    }
    for needle in &needles {
        let needle = String::from_utf8_lossy(needle);
        assert!(!words.contains(&*needle), "{needle} in\n{words}");
    }
    // The one hash that the step itself has written is in the image, as it should be.
    needles.retain(|needle| *needle != sha256(FILE.as_bytes()).into_bytes());
    let found: Vec<_> = ["store", "home", "run", "tmp"]
        .iter()
        .flat_map(|dir| files_with(&env.path(dir), &needles))
        .collect();
    assert_eq!(found, [""; 0]);
    for needle in &needles {
        assert!(!image.contains(&String::from_utf8_lossy(needle)), "in the image");
    }
    // The search itself finds what is there.
    assert_eq!(
        files_with(&env.path("outside"), &[b"file-4712".to_vec()]).len(),
        1
    );
}

#[test]
fn secrets_that_cannot_be_had() {
    let env = TestEnv::new();
    let refuse = |mount: &str, flags: &[&str], words: &[&str]| {
        let dockerfile = format!("FROM busybox:local\nRUN --mount=type=secret,{mount} echo R''AN\n");
        let context = env.context_of(&dockerfile, &[]);
        let outcome = env.building(flags).arg(context).run().no_panic();
        assert!(matches!(outcome.code(), 1 | 125), "{outcome}");
        for word in words {
            assert!(outcome.err().contains(word), "no {word:?} in\n{outcome}");
        }
        assert!(!outcome.err().contains("RAN"), "{outcome}");
    };
    refuse(
        "id=x,required",
        &[],
        &["Dockerfile:2", "secret `x`", "--secret id=x"],
    );
    refuse("id=x,required=true,env=X", &[], &["secret `x`"]);
    refuse(
        "id=x",
        &["--secret", "id=x,src=/nowhere/at/all"],
        &["/nowhere/at/all"],
    );
    refuse("id=x", &["--secret", "id=x,env=NOT_SET_HERE"], &["NOT_SET_HERE"]);
    refuse("id=x", &["--secret", "src=/etc/passwd"], &["--secret"]);
    let large = env.write("large", vec![b'x'; 500 * 1024 + 1]);
    let give = format!("id=x,src={}", large.display());
    refuse("id=x", &["--secret", &give], &["512000 bytes"]);
    let zero = env.write("zero", b"a\0b");
    let give = format!("id=x,src={}", zero.display());
    refuse("id=x,env=X", &["--secret", &give], &["NUL"]);
    // 500 KiB are allowed.
    fs::write(&large, vec![b'x'; 500 * 1024]).unwrap();
    let give = format!("id=x,src={}", large.display());
    let context = env.context_of(
        "FROM busybox:local\nRUN --mount=type=secret,id=x stat -c %s /run/secrets/x > /size\n",
        &[],
    );
    let image = env.image(["--secret", &give], &context);
    assert_eq!(image.tree()["size"].text(), "512000\n");
}

/// What a step demands is no part of its key, and yet it does not hit without.
#[test]
fn what_is_required_is_required_of_a_hit() {
    let env = TestEnv::new();
    let key = env.path("key");
    let made = env
        .tool("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .run();
    made.success();
    let agent = format!("default={}", key.display());
    for (mount, flags, words) in [
        (
            "type=secret,id=x,required=true",
            ["--secret", "id=x,env=X"],
            "--secret id=x",
        ),
        (
            "type=secret,id=x,required,env=X",
            ["--secret", "id=x,env=X"],
            "--secret id=x",
        ),
        ("type=ssh,required=true", ["--ssh", &agent], "--ssh default"),
    ] {
        let dockerfile = format!("FROM busybox:local\nRUN touch /first\nRUN --mount={mount} true\n");
        let context = env.context_of(&dockerfile, &[]);
        let build = |flags: &[&str]| env.building(flags).arg(&context).env("X", "x");
        build(&flags).run().success();
        build(&flags).run().success().says("2/2 steps cached");
        let refused = build(&[]).run().exits(1).says("Dockerfile:3").says(words);
        // It is known before the first step.
        refused.never_says("CACHED");
        // Nobody asks where nothing is built.
        env.rbuild(["debug", "dag"]).arg(&context).run().success();
        env.rbuild(["--check"]).arg(&context).run().success();
    }
    // A variable that is not set is no secret.
    let context = env.context_of("FROM busybox:local\nRUN --mount=type=secret,id=x true\n", &[]);
    env.building([] as [&str; 0]).arg(&context).run().success();
    let build = || env.building(["--secret", "id=x,env=X"]).arg(&context);
    build().env("X", "x").run().success();
    build().run().exits(1).says("no variable X");
}

/// A pipe gives its bytes once: all steps get them.
#[test]
fn a_secret_out_of_a_pipe() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\n\
        RUN --mount=type=secret,id=x,required cat /run/secrets/x > /one\n\
        RUN --mount=type=secret,id=x,required,env=X printf %s \"$X\" > /two\n";
    let context = env.context_of(dockerfile, &[]);
    let archive = env.path("out.tar");
    let build = env
        .building([
            "-o",
            &format!("type=oci,dest={}", archive.display()),
            "--secret",
            "id=x,src=/dev/stdin",
        ])
        .arg(&context)
        .stdin("once");
    build.run().success();
    let tree = OciImage::from_archive(&archive).tree();
    assert_eq!(
        (tree["one"].text(), tree["two"].text()),
        ("once".into(), "once".into())
    );
}

#[test]
fn ssh_agents() {
    if !skip::unless_installed("mounts::ssh_agents", &["ssh-agent", "ssh-add", "ssh-keygen"]) {
        return;
    }
    let env = TestEnv::new();
    env.tool("ssh-keygen")
        .args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "the-key-of-the-test",
            "-f",
            "key",
        ])
        .run()
        .success();
    fs::set_permissions(env.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let listed = program("agent");
    let dockerfile = "FROM busybox:local\nCOPY agent /\n\
        RUN --mount=type=ssh stat -c '%a %u %F' $SSH_AUTH_SOCK > /first; echo $SSH_AUTH_SOCK >> /first; /agent list >> /first; /agent remove-all >> /first\n\
        USER app\n\
        RUN --mount=type=ssh,uid=1000,target=/tmp/deep/agent,mode=0660 stat -c '%a %u' /tmp/deep/agent > /tmp/second; /agent list >> /tmp/second; ls -A /run /tmp/deep >> /tmp/second\n\
        RUN --mount=type=ssh,id=not-given echo \"${SSH_AUTH_SOCK-none}\" > /tmp/third\n";
    let context = env.context_of(dockerfile, &[]);
    fs::copy(listed, context.join("agent")).unwrap();
    let image = env.image(["--ssh", "default=key"], &context);
    let tree = image.tree();
    assert_eq!(
        tree["first"].text(),
        "600 0 socket\n/run/buildkit/ssh_agent.0\nkey: the-key-of-the-test\nrefused\n"
    );
    assert_eq!(
        tree["tmp/second"].text(),
        "660 1000\nkey: the-key-of-the-test\n/run:\n\n/tmp/deep:\nagent\n"
    );
    assert_eq!(tree["tmp/third"].text(), "none\n");
    assert!(!tree.contains_key("run/buildkit") && !tree.contains_key("tmp/deep"));
    // The same through an agent that is there already: `ssh-agent COMMAND` runs one for us.
    let archive = env.path("through.tar");
    let script = format!(
        "ssh-add -q key && '{}' build --no-cache --ssh default --build-context {} -o type=oci,dest={} {} && ssh-add -l",
        crate::harness::env::program_under_test().display(),
        format_args!(
            "busybox:local=oci-layout://{}",
            crate::harness::Base::Busybox.archive().display()
        ),
        archive.display(),
        context.display()
    );
    let outcome = env.tool("ssh-agent").args(["sh", "-c", &script]).run().success();
    assert!(
        outcome.out().contains("the-key-of-the-test"),
        "the key is still there\n{outcome}"
    );
    assert_eq!(
        OciImage::from_archive(&archive).tree()["first"].text(),
        tree["first"].text()
    );
    // Without one.
    env.building(["--ssh", "default"])
        .arg(&context)
        .run()
        .exits(125)
        .says("SSH_AUTH_SOCK");
    env.refused("FROM busybox:local\nRUN --mount=type=ssh,required true\n", &[])
        .says("Dockerfile:2")
        .says("--ssh default");
    let key = fs::read(env.path("key")).unwrap();
    let middle = String::from_utf8(key)
        .unwrap()
        .lines()
        .nth(2)
        .unwrap()
        .as_bytes()
        .to_vec();
    assert_eq!(files_with(&env.store(), &[middle]), [""; 0]);
}

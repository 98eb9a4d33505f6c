//! Builds of many steps: what grows with them, and what must not.

use std::fmt::Write as _;

use crate::harness::env::program_under_test;
use crate::harness::{Base, TestEnv, skip};

/// More layers than one overlay takes (`OVL_MAX_STACK`).
const MANY: usize = 520;

/// A Dockerfile that copies one file after the other, all with the same content.
fn copies(from: &str, steps: usize) -> String {
    let mut text = format!("FROM {from}\n");
    for number in 1..=steps {
        writeln!(text, "COPY f /d/f{number}").unwrap();
    }
    text
}

#[test]
fn an_image_of_more_layers_than_an_overlay_takes_is_run_and_mounted() {
    let env = TestEnv::with(&[Base::Busybox]);
    let many = format!(
        "{}RUN rm /d/f7 && mv /d/f8 /d/moved && echo new > /d/f9\n",
        copies("busybox:local", MANY)
    );
    let context = env.context_of(&many, &[("f", "content")]);
    env.building(["-t", "many"]).arg(&context).run().success();
    let look = "echo $(ls /d | wc -l; cat /d/f1 /d/moved /d/f9)";
    let shown = format!("{} contentcontentnew", MANY - 1);
    env.run("many", ["sh", "-c", look]).success().prints(&shown);
    let mounting = "FROM busybox:local
RUN --mount=from=many,target=/m ls /m/d | wc -l > /whole && ls -d /m/d/f7 || cat /m/d/moved >> /whole
RUN --mount=from=many,source=/d,target=/m,rw rm /m/f1 && echo x > /m/f2 && ls /m | wc -l > /part
";
    let image = env.image_of(mounting, &[]);
    let tree = image.tree();
    assert_eq!(tree["whole"].text(), format!("{}\ncontent", MANY - 1));
    assert_eq!(tree["part"].text(), format!("{}\n", MANY - 2));
    env.rbuild(["store", "check"]).run().success();
    env.rbuild(["prune", "--all", "--force"]).run().success();
    env.run("many", ["sh", "-c", look]).success().prints(&shown);
    env.rbuild(["rmi", "many"]).run().success();
    env.rbuild(["prune", "--all", "--force"]).run().success();
    let flattened = env.store().join("flattened");
    let boots = std::fs::read_dir(&flattened).unwrap();
    for boot in boots {
        let left = std::fs::read_dir(boot.unwrap().path()).unwrap().count();
        assert_eq!(left, 0, "nothing is mounted any more");
    }
}

/// With as many open files as a few of the steps would need, if each kept one.
#[test]
fn open_files_do_not_grow_with_steps_and_stages() {
    const STEPS: usize = 100;
    let env = TestEnv::with(&[Base::Busybox]);
    let mut text = copies("busybox:local", STEPS).replace("FROM busybox:local", "FROM busybox:local AS s0");
    for number in 1..=STEPS {
        let from = number - 1;
        write!(
            text,
            "FROM busybox:local AS s{number}\nCOPY --from=s{from} /d /d\n"
        )
        .unwrap();
    }
    text.push_str("FROM busybox:local\n");
    for number in 1..=STEPS {
        // Each lacks other mount points.
        let mount = format!("--mount=type=tmpfs,target=/t{number} --mount=from=s{number},target=/s{number}");
        writeln!(text, "RUN {mount} test -f /s{number}/d/f1").unwrap();
    }
    let context = env.context_of(&text, &[("f", "content")]);
    for _cold_and_warm in 0..2 {
        let limit = env.tool("prlimit").arg("--nofile=96:96");
        let build = limit.arg(program_under_test()).arg("build");
        build.arg(&context).run().success();
    }
}

/// Twice the steps are twice the system calls, at most: cold, warm, squashed, written as an archive, and only checked.
#[test]
fn system_calls_grow_with_the_steps_and_no_faster() {
    if !skip::unless_installed(
        "system_calls_grow_with_the_steps_and_no_faster",
        &["strace", "unshare"],
    ) {
        return;
    }
    const STEPS: usize = 100;
    let env = TestEnv::new();
    let contexts = [STEPS, 2 * STEPS].map(|steps| {
        let context = env.context(&format!("of-{steps}"), &[("f", &steps.to_string())]);
        std::fs::write(context.join("Dockerfile"), copies("scratch", steps)).unwrap();
        context
    });
    let archive = format!("type=oci,dest={}", env.path("image.tar").display());
    let verbs: [&[&str]; 7] = [
        &["--no-cache"],
        &[],
        &["--squash"],
        &["--squash"],
        &["-o", &archive],
        &["-o", &archive],
        &["--check"],
    ];
    for flags in verbs {
        let [some, twice] = [0, 1].map(|at| {
            let counts = env.path("counts");
            // Threads that wait for each other do so more or less often.
            let count = ["-f", "-c", "-e", "trace=!futex,sched_yield", "-o"];
            // Who is traced gets nothing from `newuidmap`, and needs nothing where the ids are mapped.
            let strace = env.unshare(&["--mount"]).arg("strace").args(count).arg(&counts);
            let build = strace.arg(program_under_test()).arg("build").args(flags);
            build.arg(&contexts[at]).run().success();
            let table = std::fs::read_to_string(&counts).unwrap();
            let total = table.lines().rfind(|line| line.ends_with(" total")).unwrap();
            total.split_whitespace().nth(3).unwrap().parse::<u64>().unwrap()
        });
        assert!(
            twice <= 2 * some,
            "{flags:?}: {some} calls, and {twice} for twice the steps"
        );
    }
}

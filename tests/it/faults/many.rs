//! Many builds of one thing at once: each step runs once, and all get the same image.

use super::{figure, long};
use crate::concurrency::cache_mount;
use crate::harness::TestEnv;
use crate::harness::steps::building;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn many_builds_at_once() {
    let (rounds, builds) = if long() { (10, 40) } else { (1, 8) };
    let env = TestEnv::new();
    let count = "RUN --mount=type=cache,id=count,target=/count echo";
    let text = format!(
        "FROM busybox:local AS a\nARG ROUND\n{count} a-$ROUND >> /count/ran; echo $ROUND > /a\n\
         FROM busybox:local AS b\nARG ROUND\n{count} b-$ROUND >> /count/ran; echo $ROUND > /b\n\
         FROM busybox:local\nCOPY --from=a /a /\nCOPY --from=b /b /\nRUN cat /a /b > /c\n"
    );
    let context = env.context("context", &[("Dockerfile", &text)]);
    for round in 0..rounds {
        let running: Vec<_> = (0..builds)
            .map(|build| {
                let iid = env.path(format!("iid-{build}"));
                let invocation =
                    building(&env, &context).args(["--build-arg", &format!("ROUND={round}"), "--iidfile"]);
                invocation.arg(iid).start()
            })
            .collect();
        for build in running {
            build.wait().success().no_panic();
        }
        let images = (0..builds).map(|build| fs::read_to_string(env.path(format!("iid-{build}"))).unwrap());
        assert_eq!(images.collect::<BTreeSet<_>>().len(), 1, "round {round}");
    }
    let ran = fs::read_to_string(cache_mount(&env, "count").join("ran")).unwrap();
    let once: BTreeSet<&str> = ran.lines().collect();
    assert_eq!(
        (ran.lines().count(), once.len()),
        (2 * rounds, 2 * rounds),
        "{ran}"
    );
    env.rbuild(["store", "check"]).run().success();
    let total = rounds * builds;
    figure(&format!(
        "{total} builds, {builds} at once: each step ran once, one image each round"
    ));
}

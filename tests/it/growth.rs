//! Builds of many steps: what grows with them, and what must not.

use std::fmt::Write as _;

use crate::harness::{Base, TestEnv};

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

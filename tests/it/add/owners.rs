//! Owners that are no ids of the user namespace.

use super::{Archive, context};
use crate::harness::TestEnv;
use crate::harness::env::{is_root, program_under_test};

/// Root plays a user with 65,536 ids: it has every id otherwise.
const FEW_IDS: &str = "unshare --user sh -c 'until [ $(id -u) = 0 ]; do :; done; exec \"$@\"' sh \"$@\" & \
    until [ $(readlink /proc/$!/ns/user) != $(readlink /proc/$$/ns/user) ]; do :; done; \
    echo 0 0 65536 > /proc/$!/gid_map; echo 0 0 65536 > /proc/$!/uid_map; wait $!";

#[test]
fn an_owner_that_is_no_id_here_is_explained() {
    let env = TestEnv::new();
    let tar = Archive::new().with_owner(4_000_000_000).file("d/f", "F").bytes();
    for (add, works) in [("ADD t.tar /", false), ("ADD --chown=5:6 t.tar /", true)] {
        let context = context(&env, &format!("FROM scratch\n{add}\n"), &[("t.tar", &tar)]);
        let build = ["build", "--progress", "plain"];
        let run = match is_root() {
            true => env
                .tool("sh")
                .args(["-c", FEW_IDS, "sh"])
                .arg(program_under_test()),
            false => env.tool(program_under_test()),
        };
        let outcome = run.args(build).arg(&context).run().no_panic();
        if works {
            outcome.success();
            continue;
        }
        outcome
            .exits(125)
            .says("cannot give `d/f` to 4000000000:4000000000, which is no id here")
            .says("Dockerfile:2")
            .says("/etc/subuid")
            .says("--chown");
    }
}

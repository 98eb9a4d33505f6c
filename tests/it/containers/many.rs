//! Many at once, and several who act on one.

use super::Containers;

#[test]
fn fifty_containers_are_started_listed_and_stopped_by_one_command_each() {
    let it = Containers::new();
    let names: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
    for name in &names {
        it.rbuild(&["create", "--name", name, "busybox:local", "sleep", "1000"])
            .success();
    }
    let all = |verb: &str| it.env.rbuild([verb]).args(&names).run().no_panic().success();
    all("start");
    assert_eq!(it.out(&["ps", "-q"]).lines().count(), 50);
    all("stop");
    assert_eq!(it.out(&["ps", "-q"]), "");
    assert_eq!(it.out(&["ps", "-aq", "-f", "status=exited"]).lines().count(), 50);
    all("rm");
    assert_eq!(it.out(&["ps", "-aq"]), "");
}

#[test]
fn several_who_act_on_one_do_not_hurt_it() {
    let it = Containers::new();
    it.rbuild(&["create", "--name", "one", "busybox:local", "sleep", "1000"])
        .success();
    let act = |verbs: &[&str]| {
        let words = verbs.iter().map(|verb| [*verb, "one"]);
        let running: Vec<_> = words.map(|words| it.env.rbuild(words).start()).collect();
        running
            .into_iter()
            .map(|running| running.wait().no_panic().code())
            .collect::<Vec<_>>()
    };
    assert_eq!(act(&["start"; 6]), [0; 6]);
    it.monitor("one");
    assert_eq!(act(&["stop"; 6]), [0; 6]);
    assert_eq!(it.inspect("one", "/State/ExitCode"), 143);
    for _ in 0..3 {
        act(&["start", "stop", "restart", "kill", "start", "stop"]);
        it.rbuild(&["stop", "one"]).success();
        assert_eq!(it.status("one"), "exited");
    }
    // One removes it; the others hear that it is gone.
    let codes = act(&["rm"; 6]);
    assert!(codes.contains(&0), "{codes:?}");
    assert_eq!(it.out(&["ps", "-aq"]), "");
}

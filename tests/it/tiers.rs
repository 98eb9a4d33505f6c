//! Hosts that do not allow everything: what `doctor` says is what a build meets, at once, with the fix, and nothing is
//! left behind. Each host is simulated around the program: a filter by `deny`, namespaces by `unshare`.

use std::path::PathBuf;

use crate::harness::base::program;
use crate::harness::env::{is_root, program_under_test};
use crate::harness::{Invocation, Outcome, TestEnv, skip};

/// Programs that change the environment of the one that follows them.
type Around = Vec<String>;

fn words(words: &[&str]) -> Around {
    words.iter().map(|word| (*word).to_owned()).collect()
}

struct Host {
    env: TestEnv,
    around: Around,
}

impl Host {
    fn new(around: Around) -> Self {
        let env = TestEnv::new();
        if around.iter().any(|word| word == "setpriv") {
            // Root plays another user, to whom the store has to belong.
            env.tool("chmod").args(["-R", "a+rwX", "."]).run().success();
        }
        Self { env, around }
    }

    fn rbuild(&self, args: &[&str]) -> Invocation {
        let mut words = self.around.iter().cloned();
        let program = program_under_test();
        match words.next() {
            None => self.env.tool(program).args(args),
            Some(first) => self.env.tool(first).args(words).arg(program).args(args),
        }
    }

    fn doctor(&self) -> (bool, serde_json::Value, Outcome) {
        let outcome = self.rbuild(&["doctor", "--json"]).run().no_panic();
        let report: serde_json::Value = serde_json::from_slice(&outcome.stdout).expect("doctor prints JSON");
        (report["works"] == true, report, outcome)
    }

    /// A build of two steps, the first of which needs no sandbox.
    fn build(&self) -> Outcome {
        self.build_with(&[])
    }

    fn build_with(&self, more: &[&str]) -> Outcome {
        let dockerfile = "FROM busybox:local\nCOPY f /f\nRUN echo R''AN; cat /proc/sys/kernel/hostname\n";
        let context: PathBuf = self.env.context_of(dockerfile, &[("f", "x")]);
        let base = format!(
            "busybox:local=oci-layout://{}",
            crate::harness::Base::Busybox.archive().display()
        );
        self.rbuild(&["build", "--progress", "plain", "--build-context", &base])
            .args(more)
            .arg(context)
            .run()
            .no_panic()
    }

    /// Both work.
    #[track_caller]
    fn works(&self) -> Outcome {
        let (works, report, outcome) = self.doctor();
        assert!(works && outcome.code() == 0, "{:?}: {report}", self.around);
        self.build().success().says("RAN")
    }

    /// Both refuse: doctor with this tier and these words, the build with the same words, before any step.
    #[track_caller]
    fn refuses(&self, tier: &str, check: &str, fix: &str) {
        let (works, report, outcome) = self.doctor();
        assert!(!works && outcome.code() == 1, "{:?}: {report}", self.around);
        assert_eq!(report["tier"], tier, "{:?}: {report}", self.around);
        let obstacle = report["checks"]
            .as_array()
            .and_then(|checks| {
                checks
                    .iter()
                    .find(|check| check["required"] == true && check["ok"] == false)
            })
            .unwrap_or_else(|| panic!("no obstacle in {report}"));
        assert_eq!(obstacle["name"], check, "{:?}: {report}", self.around);
        let told = obstacle["fix"].as_str().unwrap_or_default();
        assert!(told.contains(fix), "{:?}: {told}", self.around);
        let build = self
            .build()
            .exits(125)
            .says(told)
            .says("`rbuild doctor`")
            .never_says("RAN");
        assert!(!build.err().contains("COPY f /f"), "a step was begun\n{build}");
        self.nothing_is_left();
    }

    /// Both go a weaker way: doctor with this tier and these words about what keeps it from a better one, the build with one
    /// line.
    #[track_caller]
    fn goes(&self, tier: &str, check: &str, fix: &str) {
        let (works, report, outcome) = self.doctor();
        assert!(works && outcome.code() == 0, "{:?}: {report}", self.around);
        assert_eq!(report["tier"], tier, "{:?}: {report}", self.around);
        assert_ne!(report["lost"].as_array().map(Vec::len), Some(0), "{report}");
        let checks = report["checks"].as_array().unwrap();
        let failed = checks.iter().find(|one| one["name"] == check).unwrap();
        assert_eq!(
            (&failed["ok"], &failed["required"]),
            (&false.into(), &false.into()),
            "{:?}: {report}",
            self.around
        );
        let told = failed["fix"].as_str().unwrap_or_default();
        assert!(told.contains(fix), "{:?}: {told}", self.around);
        self.build()
            .success()
            .says("RAN")
            .says(&format!(": {check}: "))
            .says("`rbuild doctor`");
        // Nor does asking for more give less.
        let no = self.build_with(&["--sandbox", "namespaces", "--no-cache"]);
        match tier {
            "D1" => drop(no.exits(125).never_says("RAN")),
            _ => drop(no.success()),
        }
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        for dir in ["store", "store/tmp", "store/snapshots", "tmp"] {
            let names: Vec<String> = std::fs::read_dir(self.env.path(dir))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| dir != "store" || name.starts_with('.'))
                .collect();
            assert_eq!(names, [""; 0], "{:?}: left in {dir}", self.around);
        }
    }
}

const FILTER: &str = "--security-opt seccomp=unconfined";

fn deny(errno: u32, calls: &str) -> Around {
    let deny = program("deny").display().to_string();
    words(&[&deny, &errno.to_string(), calls])
}

fn only_as_root(test: &str) -> bool {
    if !is_root() {
        skip::because_of_host(test, "only root can set this host up around the program");
    }
    is_root()
}

#[test]
fn filters_that_forbid_what_steps_need() {
    if !only_as_root("tiers::filters_that_forbid_what_steps_need") {
        return;
    }
    const EPERM: u32 = 1;
    const ENOSYS: u32 = 38;
    for errno in [EPERM, ENOSYS] {
        Host::new(deny(errno, "unshare")).goes("D1", "user namespace", FILTER);
        Host::new(deny(errno, "mount,move_mount,fsopen")).goes("D1", "overlay", FILTER);
        for call in ["mount_setattr", "open_tree", "pivot_root", "umount2", "statx"] {
            Host::new(deny(errno, call)).goes("D1", "a step", FILTER);
        }
        // Without these there is no filter, or a descriptor is left to the step, in a directory too.
        for call in ["seccomp", "close_range"] {
            Host::new(deny(errno, call)).refuses("D2", "a step", FILTER);
        }
    }
    Host::new(deny(EPERM, "clone3")).refuses("Root", "threads", FILTER);
}

/// Calls that have older ones beside them.
#[test]
fn filters_that_answer_for_new_calls() {
    if !only_as_root("tiers::filters_that_answer_for_new_calls") {
        return;
    }
    for errno in [1, 38] {
        Host::new(deny(errno, "openat2")).works();
    }
    // What docker's filter did before it knew them: all of them at once.
    Host::new(deny(1, "openat2,mount_setattr,unshare")).goes("D1", "user namespace", FILTER);
}

/// What podman's default filter forbids, and what docker's answers to calls that it does not know.
#[test]
fn filters_that_forbid_what_steps_can_do_without() {
    if !only_as_root("tiers::filters_that_forbid_what_steps_can_do_without") {
        return;
    }
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = Host::new(deny(1, "sethostname,keyctl"));
    host.works().says(own.trim());
    let (_, report, _) = host.doctor();
    let checks = report["checks"].as_array().unwrap();
    let name = checks.iter().find(|check| check["name"] == "host name").unwrap();
    assert_eq!(
        (&name["ok"], &name["required"]),
        (&false.into(), &false.into()),
        "{report}"
    );
    Host::new(deny(38, "clone3,pidfd_open")).works();
    // No Landlock, as before Linux 5.13; the first kernel with scopes is 6.12. Then a network of its own does it.
    let host = Host::new(deny(38, "landlock_create_ruleset"));
    host.works();
    let (_, report, _) = host.doctor();
    let checks = report["checks"].as_array().unwrap();
    let one = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    let scope = one("abstract sockets");
    assert_eq!(scope["ok"], one("own network")["ok"], "{report}");
    assert_eq!(scope["required"], false, "{report}");
}

/// An answer that no step is prepared for: `doctor` starts one, so it says so too.
#[test]
fn a_filter_that_stops_a_step_is_told_by_doctor() {
    if !only_as_root("tiers::a_filter_that_stops_a_step_is_told_by_doctor") {
        return;
    }
    for call in ["sethostname", "keyctl", "landlock_restrict_self", "pivot_root"] {
        let host = Host::new(deny(13, call));
        match call {
            // Neither does a step go on without these where it has no namespaces.
            "keyctl" | "landlock_restrict_self" => host.refuses("D2", "a step", ""),
            _ => host.goes("D1", "a step", ""),
        }
    }
}

#[test]
fn a_covered_proc() {
    if !only_as_root("tiers::a_covered_proc") {
        return;
    }
    let cover = "mount --bind /dev/null /proc/version && exec \"$@\"";
    Host::new(words(&["unshare", "--mount", "sh", "-c", cover, "sh"])).goes(
        "C",
        "own /proc",
        "systempaths=unconfined",
    );
    let read_only = "mount -o bind,ro /proc /proc && exec \"$@\"";
    Host::new(words(&["unshare", "--mount", "sh", "-c", read_only, "sh"])).goes(
        "D1",
        "user namespace",
        "unmask=ALL",
    );
}

/// Nothing of FUSE is used, nor cgroups, nor a network namespace.
#[test]
fn without_fuse_cgroups_and_network_namespaces() {
    if !only_as_root("tiers::without_fuse_cgroups_and_network_namespaces") {
        return;
    }
    let take = "mount -t tmpfs none /mnt && for d in null zero full random urandom tty; do cp -a /dev/$d /mnt/; done && \
        mount --move /mnt /dev && mount -t tmpfs -o ro none /sys/fs/cgroup && exec \"$@\"";
    Host::new(words(&["unshare", "--mount", "sh", "-c", take, "sh"])).works();
}

/// The limit belongs to a user namespace, so that one can be made which has none: by an ordinary user too.
#[test]
fn user_namespaces_are_switched_off() {
    // Who becomes root of a namespace later holds its capabilities from the next program on.
    let off = "until [ $(id -u) = 0 ]; do :; done; \
        exec sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"' sh \"$@\"";
    // Root has no subordinate ids, but may write the maps of its child.
    let as_root = "unshare --user sh -c \"$0\" sh \"$@\" & until [ $(readlink /proc/$!/ns/user) != $(readlink /proc/$$/ns/user) ]; do :; done; \
        echo 0 0 65536 > /proc/$!/gid_map; echo 0 0 65536 > /proc/$!/uid_map; wait $!";
    let around = match is_root() {
        true => words(&["sh", "-c", as_root, off]),
        false => words(&[
            "unshare",
            "--user",
            "--map-auto",
            "--map-root-user",
            "sh",
            "-c",
            off,
            "sh",
        ]),
    };
    Host::new(around).refuses("D2", "user namespace", "sysctl -w user.max_user_namespaces=");
}

#[test]
fn a_namespace_with_one_id() {
    let host = Host::new(words(&["unshare", "--user", "--map-root-user"]));
    host.refuses(
        "B",
        "user and group ids",
        "start rbuild outside of this namespace",
    );
}

#[test]
fn a_user_without_subordinate_ids() {
    if !only_as_root("tiers::a_user_without_subordinate_ids") {
        return;
    }
    // No line of /etc/subuid is about this one.
    let around = words(&["setpriv", "--reuid", "4711", "--regid", "4711", "--clear-groups"]);
    Host::new(around).refuses("B", "user and group ids", "usermod --add-subuids");
}

#[test]
fn a_host_without_newuidmap() {
    if !only_as_root("tiers::a_host_without_newuidmap") {
        return;
    }
    // They are looked for beside PATH too: they must really be gone.
    let gone =
        "for p in newuidmap newgidmap; do f=$(command -v $p) && mount --bind /dev/null $f; done; exec \"$@\"";
    let mut around = words(&["unshare", "--mount", "sh", "-c", gone, "sh"]);
    around.extend(words(&[
        "setpriv",
        "--reuid",
        "4711",
        "--regid",
        "4711",
        "--clear-groups",
    ]));
    Host::new(around).refuses("B", "user and group ids", "uidmap");
}

#[test]
fn what_needs_no_step_works_everywhere() {
    let host = Host::new(words(&["unshare", "--user", "--map-root-user"]));
    let context = host
        .env
        .context_of("FROM scratch\nCOPY f /\nLABEL a=b\n", &[("f", "x")]);
    let context = context.to_str().unwrap();
    for verb in [
        &["build", "--check", context][..],
        &["build", "--call=outline", context],
        &["debug", "parse", &format!("{context}/Dockerfile")],
        &["debug", "dag", context],
        &["images"],
        &["df"],
    ] {
        host.rbuild(verb).run().no_panic().success();
    }
}

//! Machines with little of something: a build gives what it always gives, or ends with an error that names what is
//! short. It never calls something damaged, and once there is enough the next build is right.

use super::{figure, long, script};
use crate::harness::env::{is_root, program_under_test};
use crate::harness::{Outcome, TestEnv, skip};
use std::fs;

/// What is short, and how a message may call it.
struct Limit {
    /// Options of the file system that holds the store.
    mount: String,
    /// How the program is started.
    wrap: String,
    names: &'static [&'static str],
}

fn of_process(option: &str, value: u64, names: &'static [&'static str]) -> Limit {
    Limit {
        mount: "size=200m".to_owned(),
        wrap: format!("prlimit --{option}={value}:{value}"),
        names,
    }
}

fn of_disk(option: &str, value: u64) -> Limit {
    Limit {
        mount: format!("{option}={value}"),
        wrap: String::new(),
        names: &["no space left", "is full"],
    }
}

/// Stages that run side by side, a chain of steps, a step that starts processes.
fn dockerfile() -> String {
    let mut text = String::new();
    for stage in 0..6 {
        text += &format!(
            "FROM busybox:local AS s{stage}\nRUN cat /etc/passwd | sort | tr a-z A-Z > /{stage}; mkdir -p /d/{stage}\n"
        );
    }
    text += "FROM busybox:local\n";
    for stage in 0..6 {
        text += &format!("COPY --from=s{stage} /{stage} /d/{stage} /in/{stage}/\n");
    }
    for step in 0..if long() { 300 } else { 40 } {
        text += &format!("WORKDIR /w{step}\n");
    }
    text + "COPY f /f\nRUN cat /f /in/*/* | wc -l > /g\n"
}

const BUILD: &str =
    "\"$R\" build -q --jobs 6 --build-context \"$BASE\" -o type=oci,dest=out -o type=image context";

/// How a build under a limit ended.
enum End {
    Built,
    /// With an error that names what is short.
    Refused,
    /// Without memory: at once, so that the next one removes what is left.
    Ended,
}

fn run(env: &TestEnv, test: &str, text: &str) -> Option<Outcome> {
    let text = format!("export RBUILD_ROOT=$PWD/mnt/store; {text}");
    Some(script(env, test, &text)?.run())
}

/// Builds under a limit, and once more without it.
fn attempt(env: &TestEnv, test: &str, limit: &Limit) -> End {
    let Limit { mount, wrap, names } = limit;
    let text = format!(
        "rm -f out; mount -t tmpfs -o {mount},mode=700 none mnt; {wrap} {BUILD} 2>err; echo build $?; cat err >&2; \
         if test -e out; then cmp out right && echo same; fi; \
         \"$R\" store check >check1 2>&1 && echo whole || cat check1; echo left $(ls mnt/store/tmp | wc -l); rm -f out; \
         mount -o remount,size=200m,nr_inodes=100k mnt; {BUILD}; cmp out right && echo right; \
         \"$R\" store check >check 2>&1 && echo still whole || cat check"
    );
    let outcome = run(env, test, &text).expect("it could be run before");
    let out = outcome.out();
    let has = |line: &str| out.lines().any(|other| other == line);
    let must = |holds: bool, what: &str| assert!(holds, "{what} with {mount} {wrap}\n{outcome}");
    let told = fs::read_to_string(env.path("err")).unwrap().to_lowercase();
    let check = fs::read_to_string(env.path("check1")).unwrap().to_lowercase();
    let short = |text: &str| names.iter().any(|name| text.contains(name));
    // Where there is not even room for the directories of a store, there is nothing to look at.
    must(has("whole") || short(&check), "no whole store");
    must(has("right") && has("still whole"), "no right image later");
    must(
        !told.contains("damaged") && !told.contains("store check"),
        "called damaged",
    );
    if has("build 0") {
        must(has("same"), "another image");
        End::Built
    } else if has("build 125") && told.contains("error: out of memory") {
        must(!told.contains("backtrace"), "more than that is said");
        End::Ended
    } else {
        must(
            !told.contains("panicked at") && !told.contains("memory allocation of"),
            "a panic",
        );
        must(has("build 125") || has("build 1"), "no exit code of ours");
        must(short(&told), "nothing that names what is short");
        must(has("left 0"), "something is left");
        End::Refused
    }
}

/// Builds under each limit in turn.
fn all_of(test: &str, limits: &[Limit]) {
    if !skip::unless_installed(test, &["unshare", "prlimit"]) {
        return;
    }
    let env = TestEnv::new();
    env.context("context", &[("Dockerfile", &dockerfile()), ("f", "text\n")]);
    fs::create_dir(env.path("mnt")).unwrap();
    let first = format!("mount -t tmpfs -o size=200m,mode=700 none mnt; {BUILD} && mv out right");
    let Some(outcome) = run(&env, test, &first) else {
        return;
    };
    outcome.success();
    let (mut built, mut refused, mut ended) = (0, 0, 0);
    for limit in limits {
        match attempt(&env, test, limit) {
            End::Built => built += 1,
            End::Refused => refused += 1,
            End::Ended => ended += 1,
        }
    }
    let total = limits.len();
    // How much memory is enough is not the same in every run: threads take turns.
    assert!(
        refused + ended > 0 || test == "little_memory",
        "{test}: no limit was reached"
    );
    assert!(built > 0 || !long(), "{test}: nothing was built");
    figure(&format!(
        "{test}: {total} limits; {built} builds gave the same image, {refused} named what was short, {ended} got no memory"
    ));
}

/// Some of the values, or all of them.
fn some<const N: usize>(all: [u64; N], short: &[u64]) -> Vec<u64> {
    if long() { all.to_vec() } else { short.to_vec() }
}

#[test]
fn few_descriptors() {
    let values = some([16, 24, 32, 40, 48, 64, 96, 128, 256, 512, 1024], &[24, 64, 256]);
    let names = &["too many open files", "file descriptors"];
    let limits: Vec<Limit> = values
        .into_iter()
        .map(|value| of_process("nofile", value, names))
        .collect();
    all_of("few_descriptors", &limits);
}

/// As many mebibytes as the program has to have for the kernel to load it: with less that kills it, whatever it does.
fn least_to_load() -> u64 {
    use std::os::unix::process::ExitStatusExt;
    let loads = |mebibytes: &u64| {
        let limit = format!("--as={}", mebibytes << 20);
        let mut program = std::process::Command::new("prlimit");
        program.arg(limit).arg(program_under_test()).arg("--version");
        program
            .output()
            .expect("prlimit starts")
            .status
            .signal()
            .is_none()
    };
    (16..256).find(loads).expect("the program runs with 256 MiB")
}

#[test]
fn little_memory() {
    let above = some(
        [1, 2, 4, 6, 8, 12, 20, 36, 52, 68, 100, 164, 228, 356, 484, 996],
        &[1, 4, 12, 36, 228],
    );
    let least = least_to_load();
    let values = above.into_iter().map(|mebibytes| least + mebibytes);
    let names = &[
        "cannot allocate memory",
        "out of memory",
        "resource temporarily unavailable",
    ];
    let limits: Vec<Limit> = values.map(|value| of_process("as", value << 20, names)).collect();
    all_of("little_memory", &limits);
}

#[test]
fn few_processes() {
    if is_root() {
        return skip::because_of_host(
            "few_processes",
            "the kernel does not limit how many processes root has",
        );
    }
    let values = some([2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128], &[3, 8, 14]);
    let names = &["resource temporarily unavailable", "processes"];
    let limits: Vec<Limit> = values
        .into_iter()
        .map(|value| of_process("nproc", value, names))
        .collect();
    all_of("few_processes", &limits);
}

#[test]
fn a_small_disk() {
    let values = some([1, 2, 3, 4, 5, 6, 8, 10, 12], &[3, 8]);
    let limits: Vec<Limit> = values
        .into_iter()
        .map(|value| of_disk("size", value << 20))
        .collect();
    all_of("a_small_disk", &limits);
}

#[test]
fn few_inodes() {
    let values = some(
        [5, 10, 20, 40, 60, 80, 120, 160, 240, 320, 480, 800, 2000, 5000],
        &[20, 300],
    );
    let limits: Vec<Limit> = values
        .into_iter()
        .map(|value| of_disk("nr_inodes", value))
        .collect();
    all_of("few_inodes", &limits);
}

//! Each system call with which a verb reads or writes fails once, in every process and thread of it: no panic, no wrong
//! success, a whole store, and the same verb once more gives what it always gives.

use super::{BUILD, Case, DOCKERFILE, count, figure, long, script, spread};
use crate::harness::{Base, Outcome, Registry, TestEnv, skip};
use std::collections::BTreeMap;
use std::fs;

/// What fails. `mmap` does not: the runtime of the language ends a program that cannot have its first page.
const CALLS: &str = "openat,openat2,write,pwrite64,writev,copy_file_range,sendfile,read,pread64,fsync,fdatasync,sync_file_range,\
    syncfs,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,unlink,unlinkat,rmdir,symlink,symlinkat,mknodat,ftruncate,\
    fallocate,fchmod,fchmodat,fchown,fchownat,utimensat,fsetxattr,lsetxattr,flistxattr,fgetxattr,getdents64,newfstatat,statx,fstat,\
    flock,clone,clone3,fork,vfork,pipe2,dup,fcntl,mount,fsconfig,fsmount,move_mount,open_tree,unshare,setns,lseek,socket,connect,sendto,recvfrom";

fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "openat" | "openat2" => &["EIO", "EMFILE", "ENOSPC"],
        "clone" | "clone3" | "fork" | "vfork" | "unshare" => &["EAGAIN"],
        "pipe2" | "dup" | "fcntl" => &["EMFILE"],
        "flock" => &["ENOLCK"],
        "write" | "pwrite64" | "writev" | "copy_file_range" | "sendfile" | "fallocate" | "ftruncate" => {
            &["ENOSPC", "EIO"]
        }
        call if call.starts_with("mk")
            || call.starts_with("link")
            || call.starts_with("rename")
            || call.starts_with("symlink") =>
        {
            &["ENOSPC", "EIO"]
        }
        _ => &["EIO"],
    }
}

/// A call that fails.
#[derive(Clone)]
struct Fault {
    call: String,
    error: &'static str,
    number: usize,
}

/// Of the calls of one kind that a process makes, so many fail in the long form.
const MOST: usize = 20;

/// The faults of a verb, by call. In the short form some of them, spread over the calls and over how often they are made.
fn faults(counts: &BTreeMap<String, usize>, short: usize) -> Vec<Fault> {
    let mut all = Vec::new();
    for (call, count) in counts {
        for error in errors(call) {
            let numbers = spread(*count, MOST).into_iter();
            all.extend(numbers.map(|number| Fault {
                call: call.clone(),
                error,
                number,
            }));
        }
    }
    if long() {
        return all;
    }
    let wanted = spread(all.len(), short).into_iter();
    wanted.map(|at| all[at - 1].clone()).collect()
}

/// What came of a fault.
enum End {
    /// The verb made fewer such calls this time.
    NotMet,
    Borne,
    Error,
}

/// A verb in a directory: `begin/` is the store that each attempt begins with, `right` what the verb gives.
struct Bench<'a> {
    case: &'a Case,
    env: TestEnv,
    /// What is pulled.
    image: String,
    _registry: Option<Registry>,
}

impl Case {
    fn test(&self) -> String {
        format!("a_failing_call_of_{}", self.name)
    }
}

impl Bench<'_> {
    fn run(&self, text: &str) -> Option<Outcome> {
        Some(
            script(&self.env, &self.case.test(), text)?
                .env("IMAGE", &self.image)
                .run(),
        )
    }

    /// Runs the verb once without a fault, and counts its calls.
    fn begin(&self) -> Option<BTreeMap<String, usize>> {
        let Case {
            prepare, verb, judge, ..
        } = self.case;
        let text = format!(
            "set -e; mkdir begin; export RBUILD_ROOT=$PWD/begin/store; {prepare}; rm -f out; cp -a begin first; \
             export RBUILD_ROOT=$PWD/first/store; strace -f -qq -o trace -e trace={CALLS} {verb}; {judge}; mv out right"
        );
        self.run(&text)?.success();
        let counts = count(&fs::read_to_string(self.env.path("trace")).unwrap());
        assert!(
            counts.contains_key("openat") && counts.contains_key("write"),
            "{counts:?}"
        );
        Some(counts)
    }

    /// What came of a fault; or what is wrong.
    fn attempt(&self, fault: &Fault) -> Result<End, String> {
        let Case { verb, judge, .. } = self.case;
        let Fault { call, error, number } = fault;
        let text = format!(
            "rm -rf store out; cp -a begin/. .; \
             strace -f -qq -o trace -e trace={call} -e inject={call}:error={error}:when={number} {verb}; code=$?; \
             echo verb $code; \
             \"$R\" store check >check 2>&1 || {{ cat check; echo not whole; }}; \
             if test $code = 0; then {judge}; else rm -f out; {verb}; echo again $?; {judge}; fi; \
             cmp out right && echo right; \"$R\" store check >check 2>&1 || {{ cat check; echo not whole; }}"
        );
        let outcome = self.run(&text).expect("it could be run before");
        let (out, err) = (outcome.out(), outcome.err());
        let has = |line: &str| out.lines().any(|other| other == line);
        let code = out.lines().find_map(|line| line.strip_prefix("verb "));
        let trace = fs::read_to_string(self.env.path("trace")).unwrap_or_default();
        let injected: Vec<&str> = trace.lines().filter(|line| line.contains("(INJECTED)")).collect();
        let what = if err.contains("panicked at") {
            "a panic"
        } else if code.is_none_or(|code| !["0", "1", "125", "127"].contains(&code)) {
            "the verb did not end by itself"
        } else if out.contains("not whole") || err.to_lowercase().contains("damaged") {
            "the store is, or is called, damaged"
        } else if code != Some("0") && !has("again 0") {
            "the second try failed"
        } else if !has("right") {
            "another result"
        } else {
            return Ok(match (injected.is_empty(), code) {
                (true, _) => End::NotMet,
                (false, Some("0")) => End::Borne,
                (false, _) => End::Error,
            });
        };
        Err(format!(
            "{what}: the {number}. {call} {error}\n{}\n{outcome}",
            injected.join("\n")
        ))
    }
}

fn all_of(case: &Case) {
    if !skip::unless_installed(&case.test(), &["strace", "unshare"]) {
        return;
    }
    let env = TestEnv::new();
    let registry = (case.name == "pull").then(|| Registry::plain(&env));
    let image = registry
        .as_ref()
        .map_or(String::new(), |registry| pushed(&env, registry));
    env.context("context", &[("Dockerfile", DOCKERFILE), ("f", "text\n")]);
    let bench = Bench {
        case,
        env,
        image,
        _registry: registry,
    };
    let Some(counts) = bench.begin() else { return };
    let faults = faults(&counts, case.short);
    let (mut met, mut failed, mut wrong) = (0, 0, Vec::new());
    for fault in &faults {
        match bench.attempt(fault) {
            Ok(End::NotMet) => {}
            Ok(End::Borne) => met += 1,
            Ok(End::Error) => (met, failed) = (met + 1, failed + 1),
            Err(what) => wrong.push(what),
        }
    }
    let (name, total, made) = (case.name, faults.len(), counts.values().sum::<usize>());
    assert!(
        wrong.is_empty(),
        "{} of {total}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(met * 4 >= total * 3, "only {met} of {total} calls failed");
    assert!(failed * 5 > met, "only {failed} of {met} were told");
    figure(&format!(
        "{name}: {met} failures among {made} calls; {failed} were reported as errors, the others were borne"
    ));
}

/// The base in a registry, and no store.
fn pushed(env: &TestEnv, registry: &Registry) -> String {
    let image = format!("{}/busybox:local", registry.address());
    env.load(Base::Busybox);
    env.rbuild(["push", "busybox:local", &image]).run().success();
    env.tool("rm").args(["-rf", "store"]).run().success();
    image
}

#[test]
fn a_failing_call_of_pull() {
    if skip::unless_installed("a_failing_call_of_pull", Registry::NEEDS) {
        all_of(&Case {
            name: "pull",
            prepare: ":",
            verb: "\"$R\" pull -q \"$IMAGE\"",
            judge: "\"$R\" save -o out \"$IMAGE\"",
            short: 4,
        });
    }
}

#[test]
fn a_failing_call_of_build() {
    all_of(&Case {
        name: "build",
        prepare: ":",
        verb: BUILD,
        judge: ":",
        short: 16,
    });
}

#[test]
fn a_failing_call_of_load() {
    all_of(&Case {
        name: "load",
        prepare: ":",
        verb: "\"$R\" load -q -i \"$ARCHIVE\"",
        judge: "\"$R\" save -o out busybox:local",
        short: 8,
    });
}

#[test]
fn a_failing_call_of_save() {
    all_of(&Case {
        name: "save",
        prepare: BUILD,
        verb: "\"$R\" save -o out app",
        judge: ":",
        short: 6,
    });
}

#[test]
fn a_failing_call_of_prune() {
    all_of(&Case {
        name: "prune",
        prepare: BUILD,
        verb: "\"$R\" prune --all --force",
        judge: "\"$R\" save -o out app",
        short: 6,
    });
}

#[test]
fn a_failing_call_of_tag() {
    all_of(&Case {
        name: "tag",
        prepare: BUILD,
        verb: "\"$R\" tag app other",
        judge: "\"$R\" save -o out other",
        short: 4,
    });
}

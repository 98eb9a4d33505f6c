//! Power losses: what a disk may hold after one, and what becomes of it.
//!
//! Nothing is synced while building, so all that was written since the boot may be lost, but for the directories of the
//! layout and the file `version`, which are synced when the store is made. The model: the program stops at
//! any of the calls that give a file its name; then of what is in the store each file keeps its bytes, or is empty, cut, or
//! zeros of the same length; and each name may be gone, with what was below. The boot is another one. What is left out:
//! bytes of other files, sectors that are half written, and modes and times that are older than the name.

use super::{BUILD, Case, DOCKERFILE, count, figure, long, script, spread};
use crate::crash::files;
use crate::harness::archive::sha256;
use crate::harness::{TestEnv, skip};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Calls that give names or take them. The program is killed at one of them.
const NAMING: &str = "rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,openat,unlinkat";

const LOAD: &str = "\"$R\" load -q -i \"$ARCHIVE\" && \"$R\" save -o out busybox:local";

/// What may be lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// The bytes of some files.
    Bytes,
    /// Some names.
    Names,
    /// Both.
    Both,
}

/// Chance that can be had again: the hash of what is asked and how often.
struct Chance(String, u32);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.1 += 1;
        let hash = sha256(format!("{} {}", self.0, self.1).as_bytes());
        u64::from_str_radix(&hash[..12], 16).unwrap() % end
    }
}

/// Loses what the model allows, in a store that nobody uses. What is another user's stays as it is.
fn lose(store: &Path, loss: Loss, layout: &BTreeSet<PathBuf>, chance: &mut Chance) {
    for path in files(store) {
        if path.ends_with("version") || matches!(loss, Loss::Names) || chance.below(3) != 0 {
            continue;
        }
        let Ok(file) = fs::OpenOptions::new().write(true).open(&path) else {
            continue;
        };
        let size = file.metadata().unwrap().len();
        let kept = if chance.below(3) == 0 {
            chance.below(size.max(1))
        } else {
            0
        };
        file.set_len(kept).unwrap();
        if chance.below(3) == 0 {
            file.set_len(size).unwrap();
        }
    }
    if matches!(loss, Loss::Bytes) {
        return;
    }
    for path in names(store) {
        if !layout.contains(&path) && chance.below(8) == 0 {
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    }
}

/// Each file, link and directory below the parts of a store.
fn names(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(names(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// The store was made before another boot, of which mount points have the name.
fn reboot(store: &Path) {
    let _ = fs::remove_dir_all(store.join("stubs"));
    let _ = fs::create_dir(store.join("stubs"));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for path in files(&store.join("snapshots")) {
        if path.ends_with("meta.json")
            && let Ok(text) = fs::read_to_string(&path)
        {
            let _ = fs::write(
                &path,
                text.replace(boot.trim(), "11111111-2222-3333-4444-555555555555"),
            );
        }
    }
}

/// Where the program stops (the call, and which one of them) and what is lost then.
type State = (Option<(String, usize)>, Loss);

/// How a state ended.
enum End {
    Healed,
    Repaired,
    Wrong(String),
}

fn states(counts: &BTreeMap<String, usize>, short: usize) -> Vec<State> {
    let mut stops = vec![None];
    for (call, count) in counts {
        stops.extend(
            spread(*count, 20)
                .into_iter()
                .map(|number| Some((call.clone(), number))),
        );
    }
    let all: Vec<State> = stops
        .into_iter()
        .flat_map(|stop| [Loss::Bytes, Loss::Names, Loss::Both].map(|loss| (stop.clone(), loss)))
        .collect();
    if long() {
        return all;
    }
    let wanted = spread(all.len(), short).into_iter();
    wanted.map(|at| all[at - 1].clone()).collect()
}

/// What a store has before anything is built.
fn layout(env: &TestEnv) -> BTreeSet<PathBuf> {
    env.build_text("none", "FROM scratch\nLABEL a=b\n").success();
    let lasting = |path: &PathBuf| path.is_dir() || path.ends_with("version");
    let found = names(&env.store()).into_iter().filter(lasting).collect();
    fs::remove_dir_all(env.store()).unwrap();
    found
}

/// Runs the verb until it stops, loses what is lost, and looks what becomes of the store.
fn try_state(case: &Case, env: &TestEnv, layout: &BTreeSet<PathBuf>, state: &State) -> End {
    let Case {
        name,
        prepare,
        verb,
        judge,
        ..
    } = case;
    let (stop, loss) = state;
    let killed = stop.as_ref().map_or(String::new(), |(call, number)| {
        format!("strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={number} ")
    });
    let run = |text: &str| script(env, name, text).expect("it could be run before").run();
    // It was killed, so nothing is said of how it ended.
    run(&format!(
        "rm -rf store out; {prepare}; {killed}sh -c '{verb}'; true"
    ))
    .success();
    lose(
        &env.store(),
        *loss,
        layout,
        &mut Chance(format!("{name} {stop:?} {loss:?}"), 0),
    );
    reboot(&env.store());
    let outcome = run(&format!(
        "\"$R\" store check >check 2>&1; rm -f out; {judge}; echo first $?; cmp out right && echo right; \
         \"$R\" store check --repair >repair 2>&1; rm -f out; {judge}; echo second $?; cmp out right && echo right again; \
         \"$R\" store check >check 2>&1 && echo whole || cat check"
    ));
    let (out, err) = (outcome.out(), outcome.err());
    let has = |line: &str| out.lines().any(|other| other == line);
    let wrong = |what: &str| End::Wrong(format!("{what}: {stop:?} {loss:?}\n{outcome}"));
    if err.contains("panicked at") {
        wrong("a panic")
    } else if !(has("second 0") && has("right again") && has("whole")) {
        wrong("not right after a repair")
    } else if has("first 0") {
        if has("right") {
            End::Healed
        } else {
            wrong("another image")
        }
    } else if err.contains("store check --repair") {
        End::Repaired
    } else {
        wrong("no way out is named")
    }
}

fn all_of(case: &Case) {
    let Case {
        name,
        prepare,
        verb,
        judge,
        short,
    } = case;
    let test = format!("a_power_loss_during_{name}");
    if !skip::unless_installed(&test, &["strace", "unshare"]) {
        return;
    }
    let env = TestEnv::new();
    env.context(
        "context",
        &[("Dockerfile", DOCKERFILE), ("f", &"text\n".repeat(3000))],
    );
    let layout = layout(&env);
    let trace = format!(
        "{prepare}; strace -f -qq -o trace -e trace={NAMING} sh -c '{verb}' && {judge} && mv out right"
    );
    let Some(traced) = script(&env, &test, &trace) else {
        return;
    };
    traced.run().success();
    let states = states(&count(&fs::read_to_string(env.path("trace")).unwrap()), *short);
    let (mut healed, mut repaired, mut wrong) = (0, 0, Vec::new());
    for state in &states {
        match try_state(case, &env, &layout, state) {
            End::Healed => healed += 1,
            End::Repaired => repaired += 1,
            End::Wrong(what) => wrong.push(what),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        states.len(),
        wrong.join("\n")
    );
    assert!(healed > 0, "{repaired} repaired, none healed");
    let total = states.len();
    figure(&format!(
        "power losses during {name}: {total} states; {healed} healed by themselves, {repaired} by a repair"
    ));
}

#[test]
fn a_power_loss_during_build() {
    all_of(&Case {
        name: "build",
        prepare: ":",
        verb: BUILD,
        judge: BUILD,
        short: 8,
    });
}

#[test]
fn a_power_loss_during_load() {
    all_of(&Case {
        name: "load",
        prepare: ":",
        verb: LOAD,
        judge: LOAD,
        short: 4,
    });
}

#[test]
fn a_power_loss_during_prune() {
    let verb = "\"$R\" prune --all --force";
    all_of(&Case {
        name: "prune",
        prepare: BUILD,
        verb,
        judge: BUILD,
        short: 4,
    });
}

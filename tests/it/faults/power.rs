//! Power losses: what a disk may hold after one, and what becomes of it.
//!
//! Nothing is synced while building, so all that was written since the boot may be lost, but for the directories of the
//! layout and the file `version`, which are synced when the store is made. The model: the program stops at
//! any of the calls that give a file its name; then of what is in the store each file keeps its bytes, or is empty, cut, or
//! zeros of the same length; and each name may be gone, with what was below. The boot is another one. What is left out:
//! bytes of other files, sectors that are half written, and modes and times that are older than the name.

use super::inject::{count, spread};
use super::{figure, long, script};
use crate::crash::files;
use crate::harness::archive::sha256;
use crate::harness::{TestEnv, skip};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Calls that give names or take them. The program is killed at one of them.
const NAMING: &str = "rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,openat,unlinkat";

const BUILD: &str =
    "\"$R\" build -q --jobs 1 --build-context \"$BASE\" -t app -o type=image -o type=oci,dest=out context";
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

fn all_of(name: &str, verb: &str, short: usize) {
    let test = format!("a_power_loss_during_{name}");
    if !skip::unless_installed(&test, &["strace", "unshare"]) {
        return;
    }
    let env = TestEnv::new();
    let text = "FROM busybox:local\nCOPY f /f\nRUN tr a-z A-Z < /f > /F && mkdir /d && ln /F /d/F\nCOPY --from=busybox:local /etc/passwd /d/\n";
    env.context("context", &[("Dockerfile", text), ("f", &"text\n".repeat(3000))]);
    let store = env.store();
    // What a store has before anything is built.
    env.build_text("none", "FROM scratch\nLABEL a=b\n").success();
    let layout: BTreeSet<PathBuf> = names(&store)
        .into_iter()
        .filter(|path| path.is_dir() || path.ends_with("version"))
        .collect();
    fs::remove_dir_all(&store).unwrap();
    let run = |text: &str| Some(script(&env, &test, text)?.run());
    let Some(outcome) = run(&format!(
        "strace -f -qq -o trace -e trace={NAMING} sh -c '{verb}' && mv out right"
    )) else {
        return;
    };
    outcome.success();
    let counts = count(&fs::read_to_string(env.path("trace")).unwrap());
    let mut stops = vec![None];
    for (call, count) in &counts {
        stops.extend(
            spread(*count, 20)
                .into_iter()
                .map(|number| Some((call.as_str(), number))),
        );
    }
    let mut states = Vec::new();
    for stop in stops {
        states.extend([Loss::Bytes, Loss::Names, Loss::Both].map(|loss| (stop, loss)));
    }
    if !long() {
        states = spread(states.len(), short)
            .into_iter()
            .map(|at| states[at - 1])
            .collect();
    }
    let (mut healed, mut repaired, mut wrong) = (0, 0, Vec::new());
    for (stop, loss) in &states {
        let killed = stop.map_or(String::new(), |(call, number)| {
            format!("strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={number} ")
        });
        if long() {
            println!("{name}: {stop:?} {loss:?}");
        }
        // It was killed, so nothing is said of how it ended.
        run(&format!("rm -rf store out; {killed}sh -c '{verb}'; true"))
            .unwrap()
            .success();
        lose(
            &store,
            *loss,
            &layout,
            &mut Chance(format!("{name} {stop:?} {loss:?}"), 0),
        );
        reboot(&store);
        let outcome = run(&format!(
            "\"$R\" store check >check 2>&1; echo check $?; rm -f out; {verb}; echo first $?; \
             cmp out right && echo right; \"$R\" store check --repair >repair 2>&1; echo repair $?; \
             rm -f out; {verb}; echo second $?; cmp out right && echo right again; \
             \"$R\" store check >check 2>&1 && echo whole || cat check"
        ));
        let outcome = outcome.unwrap();
        let (out, err) = (outcome.out(), outcome.err());
        let has = |line: &str| out.lines().any(|other| other == line);
        let what = if err.contains("panicked at") {
            "a panic"
        } else if !(has("second 0") && has("right again") && has("whole")) {
            "not right after a repair"
        } else if has("first 0") && !has("right") {
            "another image"
        } else if !has("first 0") && !err.contains("store check --repair") {
            "no way out is named"
        } else {
            *if has("first 0") {
                &mut healed
            } else {
                &mut repaired
            } += 1;
            continue;
        };
        wrong.push(format!("{what}: {stop:?} {loss:?}\n{outcome}"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        states.len(),
        wrong.join("\n")
    );
    assert!(healed > repaired, "{healed} healed, {repaired} repaired");
    let total = states.len();
    figure(&format!(
        "power losses during {name}: {total} states; {healed} healed by themselves, {repaired} by a repair"
    ));
}

#[test]
fn a_power_loss_during_build() {
    all_of("build", BUILD, 9);
}

#[test]
fn a_power_loss_during_load() {
    all_of("load", LOAD, 5);
}

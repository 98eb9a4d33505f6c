//! What belongs to a process is the program's: no crate below `src/` reads its environment, its arguments or its directory,
//! or keeps something in a `static` that changes, but for what is listed here with its reason.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{CRATES, code_lines, sources};
use crate::harness::base::checkout;

/// What asks or changes the process. `env::split_paths`, `env::join_paths` and `env::consts` do not.
const OF_THE_PROCESS: [&str; 17] = [
    "env::var(",
    "env::var_os(",
    "env::vars(",
    "env::vars_os(",
    "env::set_var(",
    "env::remove_var(",
    "env::args(",
    "env::args_os(",
    "env::current_dir(",
    "env::set_current_dir(",
    "env::current_exe(",
    "env::home_dir(",
    "env::temp_dir(",
    "process::exit(",
    // These ask for TMPDIR.
    "tempdir()",
    "tempfile()",
    "NamedTempFile::new()",
];

/// File, call, why.
const ASKS: [(&str, &str, &str); 2] = [
    (
        "build/src/worker/mod.rs",
        "env::args_os(",
        "a process knows by its name that it is to be a worker",
    ),
    (
        "build/src/worker/mod.rs",
        "process::exit(",
        "a worker does nothing else",
    ),
];

/// What reaches the standard streams or a terminal.
const STREAMS: [&str; 11] = [
    "stdin()",
    "stdout()",
    "stderr()",
    "IsTerminal",
    "isatty",
    "rustix::stdio",
    "/dev/tty",
    "println!(",
    "print!(",
    "eprint!(",
    "dbg!(",
];

/// File, and why it has one of the standard streams. None of them writes a word of its own.
const HAVE_STREAMS: [(&str, &str); 9] = [
    ("build/src/context/stdin.rs", "a context that is asked for as `-`"),
    ("build/src/dockerfile.rs", "a Dockerfile that is asked for as `-`"),
    (
        "build/src/export/destination.rs",
        "an archive that is asked for as `-`",
    ),
    (
        "build/src/worker/serve.rs",
        "a worker's socket is its standard input",
    ),
    ("sandbox/src/init/terminal.rs", "the streams of a command"),
    ("sandbox/src/pasta.rs", "the streams of the program `pasta`"),
    (
        "sandbox/src/pty.rs",
        "the modes of a terminal that the caller gives",
    ),
    (
        "sandbox/src/sys.rs",
        "the program's last words where there is no memory",
    ),
    (
        "sandbox/src/zygote.rs",
        "the zygote lets go of the caller's streams",
    ),
];

/// File, name, why there is one for the whole process.
const STATICS: [(&str, &str, &str); 5] = [
    (
        "layer/src/handles.rs",
        "RECENT",
        "the limit for open files is the process's, whoever builds in it",
    ),
    (
        "store/src/lease/mod.rs",
        "SERIAL",
        "makes names that no other build in the process makes",
    ),
    (
        "store/src/tmp.rs",
        "SERIAL",
        "makes names that no other build in the process makes",
    ),
    (
        "sandbox/src/inherited.rs",
        "CORE",
        "the process's own limit, before it was lowered",
    ),
    (
        "sandbox/src/inherited.rs",
        "FILES",
        "the process's own limit, before it was raised",
    ),
];

/// The sources below the program, but for what only tests use.
fn below_the_program() -> Vec<PathBuf> {
    let files: Vec<PathBuf> = CRATES
        .iter()
        .flat_map(|folder| sources(&format!("{folder}/src")))
        .filter(|path| !path.ends_with("src/testing.rs"))
        .collect();
    assert!(files.len() > 300, "only {} files were found", files.len());
    files
}

fn shown(path: &std::path::Path) -> String {
    let inside = path.strip_prefix(checkout()).expect("a source of the checkout");
    inside.display().to_string()
}

#[test]
fn the_process_is_asked_by_the_program_alone() {
    let mut used = BTreeSet::new();
    for (path, line, code) in code_lines(&below_the_program()) {
        for call in OF_THE_PROCESS.iter().filter(|call| code.contains(**call)) {
            let file = shown(&path);
            let known = ASKS
                .iter()
                .find(|(place, allowed, _)| *place == file && allowed == call);
            let Some((place, ..)) = known else {
                panic!("{file}:{line}: `{call}` below the program: {code}");
            };
            used.insert((*place, *call));
        }
    }
    assert_eq!(used.len(), ASKS.len(), "an exception is not needed any more");
    // The program does ask: else the calls are looked for in vain.
    let asks = code_lines(&sources("src"));
    assert!(asks.iter().any(|(_, _, code)| code.contains("env::vars_os(")));
}

#[test]
fn nothing_below_the_program_writes_to_a_terminal() {
    let mut used = BTreeSet::new();
    for (path, line, code) in code_lines(&below_the_program()) {
        if !STREAMS.iter().any(|word| code.contains(word)) {
            continue;
        }
        let file = shown(&path);
        let known = HAVE_STREAMS.iter().find(|(place, _)| *place == file);
        let Some((place, _)) = known else {
            panic!("{file}:{line}: a standard stream below the program: {code}");
        };
        used.insert(*place);
    }
    assert_eq!(
        used.len(),
        HAVE_STREAMS.len(),
        "an exception is not needed any more"
    );
}

#[test]
fn nothing_that_changes_is_the_whole_processs() {
    let mut found = BTreeSet::new();
    for (path, _, code) in code_lines(&below_the_program()) {
        let code = code.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if code.contains("thread_local!") {
            found.insert((shown(&path), code.to_owned()));
        }
        let Some(rest) = code.strip_prefix("static ") else {
            continue;
        };
        let (name, kind) = rest.split_once(':').expect("a static has a type");
        let changes = ["mut ", "Atomic", "Mutex", "RwLock", "Once", "Lazy", "Cell"];
        if name.starts_with("mut ") || changes.iter().any(|word| kind.contains(word)) {
            found.insert((shown(&path), name.to_owned()));
        }
    }
    let known = STATICS.map(|(file, name, _)| (file.to_owned(), name.to_owned()));
    assert_eq!(found, BTreeSet::from(known));
}

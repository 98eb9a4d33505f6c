//! Another way to run steps than this machine's: without namespaces and mounts, each step has a plain directory for its
//! root. The commands are not run, what they would do is done there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../tests/it/harness/skip/note.rs"]
mod note;

use rbuild_build::error::Error;
use rbuild_build::host::Host;
use rbuild_build::observer::{SharedObserver, Unobserved};
use rbuild_build::request::{ContextSource, Output};
use rbuild_build::{BuildError, BuildResult, Request, build_on};
use rbuild_sandbox::{Execution, Executor, Exit, ExitStatus, Network, Root, SandboxSpec, SpawnError, Stdio};
use rbuild_solver::Outcome;
use rbuild_store::Store;
use rbuild_store::snapshot::Form;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Counts how often it was entered, and keeps what was run.
#[derive(Default)]
struct Pretended {
    entered: AtomicUsize,
    commands: Arc<Mutex<Vec<String>>>,
    networks: Arc<Mutex<Vec<Network>>>,
    /// Whether its own network cannot be closed off.
    has_open_network: bool,
}

/// `write PATH TEXT` makes a file, `copy FROM TO` one of what another holds, `move FROM TO` and `remove DIRECTORY` do what
/// they say; `fail` ends with 3.
struct Pretender(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<Network>>>);

struct Ended(i32);

/// Of the command `wait`: ends when it is killed.
#[derive(Default)]
struct Waits(Mutex<bool>, Condvar);

impl Host for Pretended {
    fn enter(&self, _: &Store) -> Result<Box<dyn Executor>, Error> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Pretender(
            Arc::clone(&self.commands),
            Arc::clone(&self.networks),
        )))
    }

    fn snapshot_form(&self) -> Form {
        Form::Directory
    }

    fn default_network(&self) -> Network {
        match self.has_open_network {
            true => Network::Private,
            false => Network::Host,
        }
    }
}

impl Executor for Pretender {
    fn start(&self, spec: &SandboxSpec, _: Stdio) -> Result<Box<dyn Execution>, SpawnError> {
        let words: Vec<String> = spec
            .argv
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        self.0.lock().unwrap().push(words.join(" "));
        self.1.lock().unwrap().push(spec.network);
        let Root::Directory(root) = &spec.root else {
            panic!("the host asked for directories: {:?}", spec.root);
        };
        let path = |path: &str| root.join(path.trim_start_matches('/'));
        let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["write", to, text] => std::fs::write(path(to), text),
            ["copy", from, to] => std::fs::copy(path(from), path(to)).map(drop),
            ["move", from, to] => std::fs::rename(path(from), path(to)),
            ["remove", name] => std::fs::remove_dir_all(path(name)),
            ["wait"] => return Ok(Box::new(Waits::default())),
            _ => return Ok(Box::new(Ended(3))),
        };
        let code = i32::from(done.is_err());
        Ok(Box::new(Ended(code)))
    }
}

impl Execution for Ended {
    fn wait(&self) -> Result<Exit, SpawnError> {
        Ok(Exit {
            status: ExitStatus::Code(self.0),
            max_rss: 0,
            cpu: Duration::ZERO,
            group: None,
        })
    }

    fn kill(&self) {}
}

impl Execution for Waits {
    fn wait(&self) -> Result<Exit, SpawnError> {
        let killed = self.0.lock().unwrap();
        drop(self.1.wait_while(killed, |killed| !*killed).unwrap());
        Ended(137).wait()
    }

    fn kill(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

fn request(place: &Path, dockerfile: &str) -> Request {
    let context = place.join("context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    Request::new(place.join("store"), ContextSource::Directory(context))
}

fn build_with(request: &Request, host: &Arc<Pretended>) -> Result<BuildResult, Box<BuildError>> {
    let observer: SharedObserver = Arc::new(Unobserved);
    let host = Arc::clone(host) as Arc<dyn Host>;
    build_on(request, &observer, &host).map_err(Box::new)
}

fn build(place: &Path, dockerfile: &str, host: &Arc<Pretended>) -> Result<BuildResult, String> {
    build_with(&request(place, dockerfile), host).map_err(|error| error.to_string())
}

/// The store gives files their owners, which this host, without a namespace, allows to root alone.
fn may_give_away() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        let test = std::thread::current().name().unwrap_or("host").to_owned();
        note::because_of_host(
            &test,
            "only root gives files to others outside of a user namespace",
        );
    }
    is_root
}

fn outcomes(result: &BuildResult) -> Vec<&'static str> {
    let steps = result.steps.iter().filter(|step| step.title.contains("RUN"));
    let word = |outcome: &Outcome| match outcome {
        Outcome::Cached { .. } => "cached",
        Outcome::Ran { .. } => "ran",
        _ => "other",
    };
    steps.map(|step| word(&step.outcome)).collect()
}

#[test]
fn steps_run_where_the_host_says_and_their_files_are_the_image() {
    if !may_give_away() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let host = Arc::new(Pretended::default());
    // No thread of the caller is in the way: it is the host that decides what it needs.
    let (done, waits) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || waits.recv());

    let first = "FROM scratch\nRUN [\"write\", \"/a\", \"one\"]\n";
    let built = build(place.path(), first, &host).unwrap();
    assert_eq!(outcomes(&built), ["ran"]);
    assert_eq!(built.image.layers.len(), 1);
    assert_eq!(host.entered.load(Ordering::SeqCst), 1);

    // Everything is cached: the host is not entered.
    let again = build(place.path(), first, &host).unwrap();
    assert_eq!(outcomes(&again), ["cached"]);
    assert_eq!(again.image.id, built.image.id);
    assert_eq!(host.entered.load(Ordering::SeqCst), 1);

    let second = format!("{first}RUN [\"write\", \"/b\", \"two\"]\n");
    let more = build(place.path(), &second, &host).unwrap();
    assert_eq!(outcomes(&more), ["cached", "ran"]);
    assert_eq!(*host.commands.lock().unwrap(), ["write /a one", "write /b two"]);
    assert_eq!(more.config.history.len(), 2);
    drop(done);
    other.join().unwrap().unwrap_err();
}

#[test]
fn a_step_in_a_plain_directory_has_what_the_steps_before_it_left() {
    if !may_give_away() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let host = Arc::new(Pretended::default());
    let text = r#"FROM scratch
RUN ["write", "/a", "one"]
RUN ["write", "/a", "two"]
RUN ["copy", "/a", "/b"]
"#;
    let built = build(place.path(), text, &host).unwrap();
    assert_eq!(outcomes(&built), ["ran", "ran", "ran"]);
    // The same file made otherwise is the same layer: the copy was of what the second step wrote.
    let other = text.replace(r#""copy", "/a", "/b""#, r#""write", "/b", "two""#);
    let again = build(place.path(), &other, &host).unwrap();
    assert_eq!(outcomes(&again), ["cached", "cached", "ran"]);
    assert_eq!(again.image.layers, built.image.layers);
    // What the image has is what the last directory had.
    let rest = r#"RUN ["move", "/a", "/c"]
COPY . /d
RUN ["remove", "/d"]
"#;
    let files = place.path().join("files");
    let mut request = request(place.path(), &(text.to_owned() + rest));
    request.outputs.push(Output::Local {
        dest: files.clone(),
        split: None,
    });
    let moved = build_with(&request, &host).unwrap();
    assert_eq!(outcomes(&moved), ["cached", "cached", "cached", "ran", "ran"]);
    let mut names: Vec<_> = std::fs::read_dir(&files)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(std::fs::read(files.join("c")).unwrap(), b"two");
    let missing = "FROM scratch\nRUN [\"copy\", \"/nowhere\", \"/b\"]\n";
    let error = build(place.path(), missing, &host).unwrap_err();
    assert!(error.contains("exit code 1"), "{error}");
}

#[test]
fn a_command_that_fails_there_fails_the_build() {
    if !may_give_away() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let host = Arc::new(Pretended::default());
    let error = build(place.path(), "FROM scratch\nRUN [\"fail\"]\n", &host).unwrap_err();
    assert!(error.contains("exit code 3"), "{error}");
}

#[test]
fn one_of_two_builds_is_stopped_and_the_other_goes_on() {
    if !may_give_away() {
        return;
    }
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hosts = [Arc::new(Pretended::default()), Arc::new(Pretended::default())];
    let stopped = request(one.path(), "FROM scratch\nRUN [\"wait\"]\n");
    let mut other = request(
        two.path(),
        "FROM scratch\nRUN [\"write\", \"/a\", \"one\"]\nCOPY . /c\n",
    );
    let files = two.path().join("files");
    other.outputs.push(Output::Local {
        dest: files.clone(),
        split: None,
    });
    let runs = |host: &Pretended| host.commands.lock().unwrap().len() == 1;
    std::thread::scope(|scope| {
        let build = scope.spawn(|| build_with(&stopped, &hosts[0]));
        while !runs(&hosts[0]) {
            assert!(!build.is_finished(), "{:?}", build.join().unwrap());
            std::thread::yield_now();
        }
        stopped.stop.stop();
        // It reads, hashes, packs and writes after the stop of the first one.
        let built = build_with(&other, &hosts[1]).unwrap();
        assert_eq!(built.image.layers.len(), 2);
        let ended = build.join().unwrap().map_err(|error| *error);
        assert!(matches!(ended, Err(BuildError::Stopped)));
    });
    assert!(files.join("c/Dockerfile").is_file());
    // What was stopped before it began does not begin.
    let again = build_with(&stopped, &hosts[0]).map_err(|error| *error);
    assert!(matches!(again, Err(BuildError::Stopped)), "{again:?}");
    assert!(runs(&hosts[0]));
}

#[test]
fn the_network_of_a_step_that_names_none_is_the_hosts_choice_and_in_no_key() {
    if !may_give_away() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let write = |network: &str, name: &str| format!("RUN {network} [\"write\", \"/{name}\", \"x\"]\n");
    let dockerfile = [
        "FROM scratch\n".to_owned(),
        write("", "a"),
        write("--network=none", "b"),
    ]
    .concat();
    let open = Arc::new(Pretended {
        has_open_network: true,
        ..Pretended::default()
    });
    build(place.path(), &dockerfile, &open).unwrap();
    assert_eq!(*open.networks.lock().unwrap(), [Network::Private, Network::None]);

    let closed = Arc::new(Pretended::default());
    let again = build(place.path(), &dockerfile, &closed).unwrap();
    assert_eq!(outcomes(&again), ["cached", "cached"]);

    let more = dockerfile + &write("--network=host", "c") + &write("", "d");
    let mut request = request(place.path(), &more);
    request.entitlements.network_host = true;
    request.private_network = true;
    build_with(&request, &closed).unwrap();
    assert_eq!(
        *closed.networks.lock().unwrap(),
        [Network::Host, Network::Private]
    );
}

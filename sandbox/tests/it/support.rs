//! Who runs the tests, a root file system for them, and the driver.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rbuild_sandbox::{Confinement, MountKind, Root, SandboxSpec};
use serde_json::{Value, json};

const TEST_USER: &str = "rbuild-test";

/// A user under which sandboxes are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Root of the host: identity map.
    Root,
    /// Root of the tests becomes this user and group: subordinate ids.
    User(u32, u32),
    /// The ordinary user who runs the tests: subordinate ids.
    Myself,
}

/// Everybody as whom the sandbox can be tested here: root tests both tiers.
pub fn everybody() -> Vec<Who> {
    if !rustix::process::geteuid().is_root() {
        return vec![Who::Myself];
    }
    let (uid, gid) = test_user();
    vec![Who::Root, Who::User(uid, gid)]
}

/// Finds or makes the ordinary user. Root can always do that, so a failure fails the test.
fn test_user() -> (u32, u32) {
    // Tests run in several processes.
    let lock = fs::File::create("/run/rbuild-sandbox-tests.lock").expect("a lock file");
    lock.lock().expect("the lock");
    if find_user().is_none() {
        run(Command::new("useradd").args(["--create-home", TEST_USER]));
    }
    for (file, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
        let ranges = fs::read_to_string(file).unwrap_or_default();
        if !ranges
            .lines()
            .any(|line| line.starts_with(&format!("{TEST_USER}:")))
        {
            run(Command::new("usermod").args([option, "700000-765535", TEST_USER]));
        }
    }
    find_user().expect("the user that was just made")
}

fn find_user() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd
        .lines()
        .find(|line| line.starts_with(&format!("{TEST_USER}:")))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A directory that `who` owns, with a root file system and room for layers.
pub struct Place {
    directory: tempfile::TempDir,
    pub who: Who,
    confinement: Confinement,
}

impl Place {
    pub fn new(who: Who) -> Self {
        Self::confined(who, Confinement::Namespaces)
    }

    /// The same for commands that are closed in otherwise.
    pub fn confined(who: Who, confinement: Confinement) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("rbuild-sandbox-")
            .tempdir()
            .expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self {
            directory,
            who,
            confinement,
        };
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp", "work/dir", "root"] {
            fs::create_dir_all(place.path("base").join(name)).unwrap();
        }
        let base = place.path("base");
        fs::set_permissions(base.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        for name in ["etc/hosts", "etc/resolv.conf", "etc/hostname"] {
            fs::write(base.join(name), "").unwrap();
        }
        copy(Path::new(busybox()), &base.join("bin/busybox"));
        for applet in [
            "sh", "cat", "echo", "id", "ls", "sleep", "true", "false", "touch", "mount", "stat", "tty",
            "mkfifo", "ln", "mkdir", "stty", "ps", "kill", "dd", "chown", "rm", "readlink", "cp", "chmod",
            "test", "env", "ip",
        ] {
            symlink("busybox", base.join("bin").join(applet)).unwrap();
        }
        copy(
            Path::new(env!("CARGO_BIN_EXE_sandbox-inside")),
            &base.join("bin/inside"),
        );
        copy(
            Path::new(env!("CARGO_BIN_EXE_sandbox-driver")),
            &place.path("driver"),
        );
        place.give(directory_of(&place));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a directory beside the root file system, owned by whoever runs.
    pub fn make_directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        self.give(&path);
        path
    }

    /// Makes a file there.
    pub fn make_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.give(path.parent().unwrap());
        path
    }

    /// Gives a tree to whoever runs.
    pub fn give(&self, path: &Path) {
        let Who::User(uid, gid) = self.who else { return };
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap();
        if path.symlink_metadata().unwrap().is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.give(&entry.unwrap().path());
            }
        }
    }

    /// Two new directories for an overlay: upper and work.
    pub fn layer(&self) -> (PathBuf, PathBuf) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("layers/{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.make_directory(&name);
        (
            self.make_directory(&format!("{name}/upper")),
            self.make_directory(&format!("{name}/work")),
        )
    }

    /// A spec on a new overlay of this root file system.
    pub fn spec(&self, argv: &[&str]) -> SandboxSpec {
        let (upper, work) = self.layer();
        let root = match self.confinement {
            Confinement::Chroot => {
                run(Command::new("cp").arg("-a").arg(self.path("base/.")).arg(&upper));
                Root::Directory(upper)
            }
            Confinement::Namespaces | Confinement::SharedProcesses => Root::Overlay {
                lowers: vec![self.path("base")],
                upper,
                work,
                volatile: true,
            },
        };
        let mut spec = SandboxSpec::new(root, argv.iter().map(Into::into).collect());
        spec.env = vec!["PATH=/bin".into()];
        spec
    }

    pub fn shell(&self, script: &str) -> SandboxSpec {
        self.spec(&["sh", "-c", script])
    }

    /// A command line that starts another one as the user of this place.
    pub fn as_user(&self, command: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        if let Who::User(uid, gid) = self.who {
            words = [
                "setpriv",
                "--clear-groups",
                "--reuid",
                &uid.to_string(),
                "--regid",
                &gid.to_string(),
            ]
            .map(str::to_owned)
            .to_vec();
        }
        words.extend(command.iter().map(|word| (*word).to_owned()));
        words
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.path("driver"));
        command.current_dir("/");
        let confinement = serde_json::to_value(self.confinement).unwrap();
        command.env("CONFINEMENT", confinement.as_str().unwrap());
        if let Who::User(uid, gid) = self.who {
            command.gid(gid).uid(uid).env("USER", TEST_USER).env("HOME", "/");
        }
        command
    }

    /// Starts the driver with a task.
    pub fn start(&self, task: &Value) -> std::process::Child {
        spawn(self.command(), task)
    }

    /// Runs any command with a task for the driver as its input.
    pub fn feed(&self, command: Command, task: &Value) -> std::process::Output {
        spawn(command, task).wait_with_output().unwrap()
    }

    /// Has the driver do a task and gives its answer.
    pub fn task(&self, task: &Value) -> Value {
        let output = self.start(task).wait_with_output().unwrap();
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{:?}: {stdout}{stderr}", self.who);
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"))
    }

    pub fn run(&self, spec: &SandboxSpec) -> Outcome {
        self.run_with(spec, json!({}))
    }

    /// As `run`, with more fields of the driver's `Run`.
    pub fn run_with(&self, spec: &SandboxSpec, more: Value) -> Outcome {
        let answer = self.task(&json!({ "Each": [run_of(spec, more)] }));
        outcome(&answer[0])
    }

    /// What the program inside sees.
    pub fn look(&self, change: impl FnOnce(&mut SandboxSpec)) -> Value {
        let mut spec = self.spec(&["inside"]);
        change(&mut spec);
        let outcome = self.run(&spec).succeeded();
        serde_json::from_str(&outcome.stdout).expect("a report")
    }
}

fn spawn(mut command: Command, task: &Value) -> std::process::Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    // A driver that ends early has said why.
    let _ = std::io::Write::write_all(&mut stdin, task.to_string().as_bytes());
    child
}

fn directory_of(place: &Place) -> &Path {
    place.directory.path()
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.who != Who::Myself {
            return;
        }
        // Files of subordinate ids can only be removed inside the namespace, from a root that no test has touched.
        let broom = self.path("broom");
        for name in ["dev", "proc", "sys", "mnt"] {
            let _ = fs::create_dir_all(broom.join(name));
        }
        copy(Path::new(busybox()), &broom.join("busybox"));
        let entries = fs::read_dir(self.directory.path())
            .into_iter()
            .flatten()
            .flatten();
        let names = entries
            .map(|entry| entry.file_name())
            .filter(|name| name != "broom" && name != "driver");
        let mut argv: Vec<OsString> = ["/busybox", "rm", "-rf"].map(Into::into).to_vec();
        argv.extend(names.map(|name| Path::new("/mnt").join(name).into_os_string()));
        let mut spec = SandboxSpec::new(Root::Directory(broom), argv);
        let source = self.directory.path().to_owned();
        let flags = Default::default();
        let kind = MountKind::Bind {
            source,
            source_root: None,
            recursive: true,
            lent: false,
            flags,
        };
        spec.mounts = vec![rbuild_sandbox::Mount {
            target: "/mnt".into(),
            kind,
        }];
        let _ = self.start(&json!({ "Each": [run_of(&spec, json!({}))] })).wait();
    }
}

/// The driver's `Run` for a spec; the content of its files travels beside it.
pub fn run_of(spec: &SandboxSpec, more: Value) -> Value {
    let blobs: Vec<String> = spec
        .mounts
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::SecretFile { bytes, .. } => Some(bytes),
            MountKind::ReadOnlyFile { content } => Some(content),
            _ => None,
        })
        .map(|blob| String::from_utf8(blob.bytes().to_vec()).unwrap())
        .collect();
    let mut run = json!({ "spec": spec, "blobs": blobs });
    for (key, value) in more.as_object().unwrap() {
        run[key] = value.clone();
    }
    run
}

/// How a command ended, as the driver tells it.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i64>,
    pub signal: Option<i64>,
    pub stdout: String,
    pub stderr: String,
    pub message: String,
    pub step: Option<String>,
    pub docker_code: Option<i64>,
}

pub fn outcome(value: &Value) -> Outcome {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Outcome {
        code: value["code"].as_i64(),
        signal: value["signal"].as_i64(),
        stdout: text("stdout"),
        stderr: text("stderr"),
        message: text("message"),
        step: value["error"]["phase"].as_str().map(str::to_owned),
        docker_code: value["docker_code"].as_i64(),
    }
}

impl Outcome {
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    #[track_caller]
    pub fn failed_at(&self, step: &str, words: &str) {
        assert_eq!(self.step.as_deref(), Some(step), "{self:?}");
        assert!(self.message.contains(words), "{self:?}");
    }
}

/// Debian's `busybox-static`; the tests need it, and their setup installs it.
pub fn busybox() -> &'static str {
    ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("busybox-static is installed")
}

/// A file outside of every sandbox that hostile tests must not change.
pub struct Canary(PathBuf);

impl Canary {
    pub fn new(place: &Place) -> Self {
        let path = place.make_file("canary/file", "untouched");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    #[track_caller]
    pub fn check(&self) {
        assert_eq!(fs::read_to_string(&self.0).unwrap(), "untouched");
        assert_eq!(
            self.0.parent().unwrap().read_dir().unwrap().count(),
            1,
            "something was put beside it"
        );
    }
}

/// Copies a program in a process of its own: a descriptor for writing that another test's fork had inherited would
/// make it "busy" for exec.
pub fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg(from).arg(to));
}

/// The upper directory of a spec's root.
pub fn upper(spec: &SandboxSpec) -> &Path {
    match &spec.root {
        Root::Overlay { upper, .. } => upper,
        other => panic!("{other:?} has no upper directory"),
    }
}

/// The owner of a file as the host sees it.
pub fn owner(path: &Path) -> (u32, u32) {
    let metadata = path
        .symlink_metadata()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (metadata.uid(), metadata.gid())
}

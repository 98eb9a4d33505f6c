//! The environment of one test: a store, a home, a scratch directory, and the program under test in it.

use std::path::{Path, PathBuf};

use super::base::Base;
use super::invocation::Invocation;
use super::outcome::Outcome;
use super::scratch::Scratch;

/// The search path of every child. `/usr/sbin` is where Debian has newuidmap's friends and runc.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Everything a test needs to run rbuild without seeing, or leaving, anything of the user's. Gone when dropped; files
/// of subordinate ids are removed too, and a mount left behind fails the test.
pub(crate) struct TestEnv {
    scratch: Scratch,
}

impl TestEnv {
    /// An empty store.
    pub(crate) fn new() -> TestEnv {
        let scratch = Scratch::new();
        for dir in ["home", "run", "tmp"] {
            std::fs::create_dir(scratch.path().join(dir))
                .expect("a folder in the scratch directory can be made");
        }
        TestEnv { scratch }
    }

    /// A store with these bases loaded.
    #[track_caller]
    pub(crate) fn with(bases: &[Base]) -> TestEnv {
        let env = TestEnv::new();
        for base in bases {
            env.load(*base);
        }
        env
    }

    /// A path in the scratch directory.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.scratch.path().join(relative)
    }

    /// The store of this test (`$RBUILD_ROOT`); it need not exist yet.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Mount points below the scratch directory, seen from the test's own mount namespace.
    pub(crate) fn mounts(&self) -> Vec<String> {
        self.scratch.mounts()
    }

    /// Writes a file, with the directories above it.
    #[track_caller]
    pub(crate) fn write(&self, relative: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
        std::fs::write(&path, contents).expect("a file can be written");
        path
    }

    /// A build context: a folder with these files.
    #[track_caller]
    pub(crate) fn context(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = self.path(name);
        std::fs::create_dir_all(&dir).expect("a context can be made");
        for (file, contents) in files {
            self.write(Path::new(name).join(file), contents);
        }
        dir
    }

    /// Copies a folder of the checkout, such as an example, into the scratch directory.
    #[track_caller]
    pub(crate) fn copy_of(&self, folder: &str) -> PathBuf {
        let from = super::base::checkout().join(folder);
        let to = self.path(Path::new(folder).file_name().expect("a folder has a name"));
        let copied = self.tool("cp").arg("-a").arg(&from).arg(&to).run();
        copied.success();
        to
    }

    /// The program under test with these arguments, in this environment, in the scratch directory.
    pub(crate) fn rbuild<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Invocation {
        self.tool(program_under_test()).args(args)
    }

    /// Any other program in the same environment.
    pub(crate) fn tool(&self, program: impl AsRef<std::ffi::OsStr>) -> Invocation {
        Invocation::new(program)
            .env("PATH", PATH)
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("RBUILD_ROOT", self.store())
            .env("LC_ALL", "C.UTF-8")
            .cwd(self.scratch.path())
    }

    /// `unshare` with these words, and for an ordinary user with ids mapped, so that what it starts is root there.
    pub(crate) fn unshare(&self, words: &[&str]) -> Invocation {
        let unshare = self.tool("unshare").args(words);
        match is_root() {
            true => unshare,
            false => unshare.args(["--map-auto", "--map-root-user"]),
        }
    }

    /// Loads a base image into the store.
    #[track_caller]
    pub(crate) fn load(&self, base: Base) {
        self.rbuild(["load", "-i"]).arg(base.archive()).run().success();
    }

    /// Builds a context as the image `tag`; for more flags use [`TestEnv::rbuild`].
    #[track_caller]
    pub(crate) fn build(&self, tag: &str, context: impl AsRef<Path>) -> Outcome {
        self.rbuild(["build", "-t", tag]).arg(context.as_ref()).run()
    }

    /// Builds a Dockerfile given as text, in a context that holds nothing else.
    #[track_caller]
    pub(crate) fn build_text(&self, tag: &str, dockerfile: &str) -> Outcome {
        let context = self.context(&format!("context-{tag}"), &[("Dockerfile", dockerfile)]);
        self.build(tag, context)
    }

    /// Runs a command in an image, removing the container afterwards.
    #[track_caller]
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(
        &self,
        image: &str,
        command: impl IntoIterator<Item = S>,
    ) -> Outcome {
        self.rbuild(["run", "--rm", image]).args(command).run()
    }

    /// The image as it leaves through `rbuild save`, read whole.
    #[track_caller]
    pub(crate) fn saved(&self, image: &str) -> super::archive::OciImage {
        let path = self.path(format!("saved-{}.tar", image.replace(['/', ':'], "-")));
        self.rbuild(["save", "-o"]).arg(&path).arg(image).run().success();
        super::archive::OciImage::from_archive(&path)
    }
}

/// Copies the proxy settings of the host: only for steps that fetch from its Debian archive.
pub(crate) fn with_host_proxies(mut invocation: Invocation) -> Invocation {
    for name in [
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    ] {
        if let Some(value) = std::env::var_os(name) {
            invocation = invocation.env(name, value);
        }
    }
    invocation
}

/// What `RBUILD_BIN` names, else what cargo has built beside these tests.
pub(crate) fn program_under_test() -> PathBuf {
    std::env::var_os("RBUILD_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_rbuild")), PathBuf::from)
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

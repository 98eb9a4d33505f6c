//! What the vertices of a build are, as data: the lowering makes these, the ops carry them out.

use crate::context::BuildContext;
use crate::ops::StepId;
pub use crate::request::ExecNetwork;
use crate::sources::BaseImage;
use dockerfile_parser::Platform;
use dockerfile_parser::mount::Sharing;
use rbuild_oci::Digest;
use std::collections::BTreeSet;
use std::sync::Arc;

/// `FROM`: where a stage begins.
#[derive(Debug, Clone)]
pub enum SourceSpec {
    /// Nothing.
    Scratch,
    /// An image.
    Image(Arc<BaseImage>),
}

/// `COPY` and `ADD`. Input 0 is the snapshot that is written to.
#[derive(Debug, Clone)]
pub struct CopySpec {
    /// `COPY` or `ADD`, for messages.
    pub keyword: &'static str,
    /// What is copied, in order.
    pub sources: Vec<CopySource>,
    /// Absolute destination in the image; a trailing `/` makes it a directory.
    pub dest: String,
    /// `--chown`, expanded.
    pub chown: Option<String>,
    /// `--chmod`, expanded.
    pub chmod: Option<Chmod>,
    /// `--link`: the layer is made without a look at what is below.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, in order.
    pub excludes: Vec<String>,
    /// Archives of the context are unpacked (ADD).
    pub unpack: bool,
    /// So are fetched ones (`ADD --unpack`).
    pub unpack_remote: bool,
}

/// One source of a copy.
#[derive(Debug, Clone)]
pub enum CopySource {
    /// A path or pattern of a local context.
    Context {
        /// Which.
        context: Arc<BuildContext>,
        /// As expanded.
        pattern: String,
        /// The text is a path, even with `*` in it.
        literal: bool,
    },
    /// A path or pattern in another stage or image.
    Snapshot {
        /// Which input of the vertex.
        input: usize,
        /// As expanded.
        pattern: String,
    },
    /// A heredoc.
    Inline {
        /// File name.
        name: String,
        /// Content.
        content: String,
    },
}

/// `--chmod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chmod {
    /// As written, for keys and messages.
    pub text: String,
    /// What it does.
    pub rules: dockerfile_parser::chmod::Chmod,
}

/// `WORKDIR`: a directory that exists. Input 0 is the snapshot.
#[derive(Debug, Clone)]
pub struct WorkdirSpec {
    /// Absolute path.
    pub path: String,
    /// Who owns what is created: the USER in force, empty for root.
    pub user: String,
}

/// `RUN`. Input 0 is the snapshot; the sources of mounts follow.
#[derive(Debug, Clone)]
pub struct ExecSpec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// ENV and declared ARGs, in order: part of the key.
    pub env: Vec<(String, String)>,
    /// Which of them a record must not show.
    pub redacted: BTreeSet<String>,
    /// Predefined proxy arguments: not part of the key.
    pub hidden_env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: String,
    /// `user[:group]`, empty for root.
    pub user: String,
    /// Network.
    pub network: ExecNetwork,
    /// Mounts in order.
    pub mounts: Vec<ExecMount>,
    /// Devices of the host.
    pub devices: ExecDevices,
    /// Host name, where not the default.
    pub hostname: Option<String>,
    /// Lines for /etc/hosts; only names are part of the key.
    pub add_hosts: Vec<(String, String)>,
    /// `no-new-privileges`.
    pub no_new_privs: bool,
    /// `--security=insecure`: every capability of the user namespace, no system call filter.
    pub insecure: bool,
    /// Size of /dev/shm in bytes, where not the default.
    pub shm_size: Option<u64>,
    /// Platform of the stage.
    pub platform: Platform,
    /// A script (heredoc with `#!`): name and content, mounted at /dev/pipes/NAME.
    pub script: Option<(String, String)>,
    /// Whether the program is the SHELL: words the error when it is missing.
    pub is_shell_form: bool,
    /// What the base is called, for messages.
    pub base_name: String,
}

/// The devices of a step.
#[derive(Debug, Clone, Default)]
pub struct ExecDevices {
    /// Their qualified names.
    pub names: Vec<String>,
    /// What they add.
    pub edits: crate::cdi::Edits,
}

/// One mount of a step; targets are absolute and clean.
#[derive(Debug, Clone)]
pub enum ExecMount {
    /// Files of an input.
    Bind {
        /// Where to.
        target: String,
        /// Which input.
        input: usize,
        /// Path in it.
        source: String,
        /// Writes are possible and thrown away.
        writable: bool,
    },
    /// A directory that outlives the build.
    Cache {
        /// Where to.
        target: String,
        /// Which one.
        id: String,
        /// How steps share it.
        sharing: Sharing,
        /// `ro`.
        read_only: bool,
        /// Of a new directory.
        mode: u32,
        /// Of a new directory.
        uid: u32,
        /// Of a new directory.
        gid: u32,
        /// Input and path whose files a new directory starts with.
        seed: Option<(usize, String)>,
    },
    /// Memory.
    Tmpfs {
        /// Where to.
        target: String,
        /// Bytes.
        size: Option<u64>,
        /// `ro`.
        read_only: bool,
    },
    /// A secret as a file, an environment variable, or both.
    Secret {
        /// Which.
        id: String,
        /// File.
        target: Option<String>,
        /// Environment variable.
        env: Option<String>,
        /// The build is refused without it.
        required: bool,
        /// Of the file.
        mode: u32,
        /// Of the file.
        uid: u32,
        /// Of the file.
        gid: u32,
    },
    /// An agent's socket.
    Ssh {
        /// Which agent.
        id: String,
        /// Socket path.
        target: String,
        /// The build is refused without it.
        required: bool,
        /// Of the socket.
        mode: u32,
        /// Of the socket.
        uid: u32,
        /// Of the socket.
        gid: u32,
    },
}

impl ExecMount {
    /// Where it is mounted, unless it is a variable only.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            ExecMount::Bind { target, .. }
            | ExecMount::Cache { target, .. }
            | ExecMount::Tmpfs { target, .. }
            | ExecMount::Ssh { target, .. } => Some(target),
            ExecMount::Secret { target, .. } => target.as_deref(),
        }
    }
}

/// What a vertex does.
#[derive(Debug, Clone)]
pub enum StepSpec {
    /// `FROM`.
    Source(SourceSpec),
    /// `COPY`, `ADD`.
    Copy(CopySpec),
    /// `WORKDIR`.
    Workdir(WorkdirSpec),
    /// `RUN`.
    Exec(Box<ExecSpec>),
    /// `ADD` of something remote.
    Fetch(super::FetchSpec),
}

/// A vertex: what it does, and where the Dockerfile asks for it.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which one.
    pub id: StepId,
    /// `[build 2/5] RUN make`: shown to the user, unique in a build.
    pub title: String,
    /// Where its own words begin in the title: at the `R`.
    pub words_at: usize,
    /// How many steps its stage has; 0 without a stage.
    pub of: usize,
    /// Name of the stage, or its index.
    pub stage: String,
    /// First line in the Dockerfile, from 1.
    pub line: usize,
    /// Where it stands.
    pub span: dockerfile_parser::Span,
    /// `--no-cache` holds for it.
    pub no_cache: bool,
    /// Values in its words that no message shows.
    pub secrets: Vec<String>,
    /// What it does.
    pub spec: StepSpec,
}

impl Step {
    /// `RUN make`.
    #[must_use]
    pub fn words(&self) -> &str {
        self.title.get(self.words_at..).unwrap_or_default()
    }

    /// A message about it, without the values of secrets.
    #[must_use]
    pub fn shown(&self, message: &str) -> String {
        without(&self.secrets, message)
    }
}

/// A field of a key with the hash of each value in its place: that tells a change from none, and no more.
#[must_use]
pub(super) fn hashed(secrets: &[String], field: &str) -> String {
    replaced(secrets, field, |secret| Digest::of(secret.as_bytes()).to_string())
}

/// A message without these values; one of a letter or two would be found in any word.
#[must_use]
pub fn without(secrets: &[String], message: &str) -> String {
    replaced(secrets, message, |_| "***".to_owned())
}

fn replaced(secrets: &[String], text: &str, with: impl Fn(&str) -> String) -> String {
    let mut secrets: Vec<&String> = secrets.iter().filter(|secret| secret.len() > 2).collect();
    // One may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| {
        match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), &with(secret)),
            false => text,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_a_part_of_another_leaves_nothing_of_it() {
        let secrets = ["abc".to_owned(), "abc-prod".to_owned(), "x".to_owned()];
        assert_eq!(without(&secrets, "x abc abc-prod"), "x *** ***");
    }
}

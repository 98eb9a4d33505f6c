//! `ADD` of a URL or a git repository: brings the files into a snapshot of their own, from which they are copied.

use super::{Material, OpError, StepOutput};
use crate::address::file_name;
use crate::clock;
use crate::context::BuildContext;
use crate::engine::Engine;
use crate::error::{Error, RemoteError};
use crate::remote::{GitAddress, HttpAddress, git, http};
use rbuild_layer::FileSource;
use rbuild_layer::listing::Metadata;
use rbuild_layer::tree::{LastLink, Node, NodeKind, Tree, Walk};
use rbuild_oci::Digest;
use rbuild_solver::{Preimage, RunContext};
use std::sync::Arc;

/// Raised when the result of the same fields changes.
const REVISION: u32 = 2;

/// Name of a file whose URL has none; it must get one by the destination.
pub const UNNAMED: &str = "__unnamed__";

/// What is fetched.
#[derive(Debug, Clone)]
pub enum FetchSpec {
    /// A file, at `/NAME` of the snapshot: mode 0600, the server's time.
    Http {
        /// Where.
        address: HttpAddress,
        /// `--checksum`.
        checksum: Option<Digest>,
    },
    /// A repository's files, at `/` of the snapshot.
    Git(GitAddress),
}

impl FetchSpec {
    /// What must come, where the Dockerfile says it: a checksum, a commit.
    pub(crate) fn pinned(&self) -> Option<Material> {
        match self {
            FetchSpec::Http { address, checksum } => {
                let digest = checksum.as_ref()?.to_string();
                Some(Material::Url(address.url.clone(), digest))
            }
            FetchSpec::Git(address) => {
                let commit = address.pinned()?.to_owned();
                Some(Material::Git(address.url.clone(), commit))
            }
        }
    }

    fn material(&self, found: &Found) -> Option<Material> {
        match (self, found) {
            (FetchSpec::Http { address, .. }, Found::File(file)) => {
                Some(Material::Url(address.url.clone(), file.digest.to_string()))
            }
            (FetchSpec::Git(address), Found::Commit(commit)) => {
                Some(Material::Git(address.url.clone(), commit.clone()))
            }
            _ => None,
        }
    }
}

/// What the remote had when it was asked.
pub(super) enum Found {
    /// A file.
    File(http::HttpFile),
    /// A commit.
    Commit(String),
}

/// Asks the remote, unless a checksum or commit says already what must come.
pub(super) fn ask(
    spec: &FetchSpec,
    engine: &Engine,
    context: &RunContext<'_>,
) -> Result<Option<Found>, OpError> {
    match spec {
        _ if preimage(spec, None).is_some() => Ok(None),
        FetchSpec::Http { address, checksum } => {
            let file = file(address, checksum.as_ref(), engine, context)?;
            Ok(Some(noted(spec, Found::File(file), engine)))
        }
        FetchSpec::Git(address) => {
            let commit = commit(address, engine)?;
            Ok(Some(noted(spec, Found::Commit(commit), engine)))
        }
    }
}

fn noted(spec: &FetchSpec, found: Found, engine: &Engine) -> Found {
    engine.note_materials(spec.material(&found));
    found
}

/// The key, if enough is known for one.
pub(super) fn preimage(spec: &FetchSpec, found: Option<&Found>) -> Option<Preimage> {
    let preimage = Preimage::new("fetch", REVISION);
    match (spec, found) {
        (
            FetchSpec::Http {
                address,
                checksum: Some(checksum),
            },
            _,
        ) => Some(
            preimage
                .text("url", &address.url)
                .text("content", checksum.to_string()),
        ),
        (FetchSpec::Http { address, .. }, Some(Found::File(file))) => Some(
            preimage
                .text("url", &address.url)
                .text("content", file.digest.to_string())
                .text(
                    "last modified",
                    file.mtime.map(clock::rfc3339).unwrap_or_default(),
                ),
        ),
        (FetchSpec::Git(address), found) => {
            let commit = match found {
                Some(Found::Commit(commit)) => commit,
                _ => address.pinned()?,
            };
            Some(
                preimage
                    .text("repository", &address.url)
                    .text("commit", commit)
                    .text("directory", address.subdir.as_deref().unwrap_or_default())
                    .text("keep .git", address.keep_git_dir.to_string())
                    .text("submodules", (!address.no_submodules).to_string()),
            )
        }
        _ => None,
    }
}

/// What cannot be fetched is the step's failure, as it would be for a `RUN` that fetches it.
fn failed(error: impl Into<Error>) -> OpError {
    OpError::Fetch(Box::new(error.into()))
}

fn file(
    address: &HttpAddress,
    checksum: Option<&Digest>,
    engine: &Engine,
    context: &RunContext<'_>,
) -> Result<http::HttpFile, OpError> {
    let progress = |done, total| context.progress(done, total, &address.url);
    let authorization = engine.access().to_file(address).map_err(failed)?;
    http::fetch(
        &engine.store,
        &engine.registries,
        address,
        authorization.as_ref(),
        checksum,
        &progress,
    )
    .map_err(failed)
}

fn commit(address: &GitAddress, engine: &Engine) -> Result<String, OpError> {
    let access = engine.access().to_repository(address).map_err(failed)?;
    git::resolve(address, &access, engine.registries.cancel()).map_err(failed)
}

pub(super) fn run(
    spec: &FetchSpec,
    found: Option<Found>,
    engine: &Engine,
    context: &RunContext<'_>,
) -> Result<StepOutput, OpError> {
    match spec {
        FetchSpec::Http { address, checksum } => {
            let file = match found {
                Some(Found::File(file)) => file,
                _ => file(address, checksum.as_ref(), engine, context)?,
            };
            let content = engine.store.blobs().open(&file.digest)?;
            let size = content
                .metadata()
                .map_err(|error| OpError::io("examining a download", error))?
                .len();
            let mut layer = engine.snapshots.begin_layer(None)?;
            let meta = match file.mtime {
                // With a checksum the server was not asked for its time, so it is none of what the step names.
                Some(secs) if checksum.is_some() => Metadata::new(0o600, 0, 0).with_mtime(secs, 0),
                Some(secs) => Metadata::new(0o600, 0, 0).with_date(secs, 0),
                None => Metadata::new(0o600, 0, 0),
            };
            let path = file_name(&address.url).unwrap_or_else(|| UNNAMED.to_owned());
            layer.file(
                path.as_bytes(),
                size,
                None,
                FileSource::File(Arc::new(content)),
                meta,
            )?;
            Ok(StepOutput::committed(
                layer
                    .commit(&engine.commit_options())
                    .map_err(OpError::of_layer)?,
            ))
        }
        FetchSpec::Git(address) => {
            let commit = match found {
                Some(Found::Commit(commit)) => commit,
                _ => commit(address, engine)?,
            };
            repository(address, &commit, engine)
        }
    }
}

fn repository(address: &GitAddress, commit: &str, engine: &Engine) -> Result<StepOutput, OpError> {
    let access = engine.access().to_repository(address).map_err(failed)?;
    let tmp = engine.store.tmp_dir()?;
    let checkout = tmp.path().join("checkout");
    #[expect(clippy::disallowed_methods, reason = "a directory of the store")]
    std::fs::create_dir(&checkout)
        .map_err(|error| OpError::io("making a directory for a checkout", error))?;
    let cancel = engine.registries.cancel();
    git::checkout(address, &access, cancel, commit, &checkout).map_err(failed)?;
    let files: Arc<dyn Tree> =
        Arc::new(BuildContext::open(&checkout)?.with_stop(engine.store.stop().clone()));
    let subdir = address.subdir.as_deref().unwrap_or_default();
    // Links in it are followed inside the repository only (CVE-2026-33748).
    let top = files
        .resolve(subdir.as_bytes(), LastLink::Follow)?
        .node
        .filter(Node::is_dir)
        .ok_or_else(|| {
            failed(RemoteError::NoSubdirectory {
                url: address.url.clone(),
                subdir: subdir.to_owned(),
                commit: commit.to_owned(),
            })
        })?;
    let mut layer = engine.snapshots.begin_layer(None)?;
    let mut nodes = Vec::new();
    files.walk(&top.path, &mut |node| {
        nodes.push(node);
        Ok(Walk::Into)
    })?;
    let skip = top.path.len() + usize::from(!top.path.is_empty());
    for node in nodes {
        let path = &node.path[skip..];
        // git knows one bit of a mode; the rest would be the umask of whoever builds.
        let executable = node.is_dir() || node.meta.mode & 0o100 != 0;
        let meta = Metadata::new(if executable { 0o755 } else { 0o644 }, 0, 0);
        match node.kind {
            NodeKind::Dir => layer.dir(path, meta)?,
            NodeKind::File { size, .. } => {
                let source = FileSource::Tree {
                    tree: Arc::clone(&files),
                    path: node.path.clone(),
                };
                layer.file(path, size, None, source, meta)?;
            }
            NodeKind::Symlink(target) => layer.symlink(path, &target, meta)?,
            NodeKind::Fifo | NodeKind::CharDevice(_) | NodeKind::BlockDevice(_) => {}
        }
    }
    Ok(StepOutput::committed(
        layer
            .commit(&engine.commit_options())
            .map_err(OpError::of_layer)?,
    ))
}

//! The directories that files may come from, opened before anything else is done; what is no directory is fetched.

use crate::build_error::BuildError;
use crate::context::place::Place;
use crate::context::stdin::Fetched;
use crate::context::{BuildContext, remote, stdin};
use crate::dockerfile::{self, SourceFile};
use crate::error::{ContextError, Error};
use crate::ignore_file::open_context;
use crate::lower::NamedSource;
use crate::registries::Registries;
use crate::remote::{Access, Remote};
use crate::request::{ContextSource, NamedContext, Request};
use rbuild_store::Store;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directories that files may come from.
pub struct Contexts {
    /// The build context.
    pub main: Arc<BuildContext>,
    /// Named contexts, by their key.
    pub named: BTreeMap<String, NamedSource>,
    /// A context that did not come as a directory.
    pub fetched: Option<Fetched>,
    /// Named contexts that did not come as directories.
    _held: Vec<Fetched>,
}

impl Contexts {
    /// Whether one of them is none that is there already.
    #[must_use]
    pub fn are_fetched(request: &Request) -> bool {
        let named = |source: &NamedContext| matches!(source, NamedContext::Remote(_));
        !matches!(request.context, ContextSource::Directory(_)) || request.build_contexts.values().any(named)
    }

    /// Opens what the flags name; fetches a remote context, into the store if there is one.
    ///
    /// # Errors
    /// A directory or an ignore file cannot be read, or a remote context cannot be fetched.
    pub fn open(
        request: &Request,
        registries: &Registries,
        store: Option<&Store>,
    ) -> Result<Self, BuildError> {
        let access = Access::new(&request.secrets, &request.ssh, &request.environment);
        let temporary = request.environment.temporary();
        let place = || Place::new(store, &temporary);
        let stop = &request.stop;
        let fetch = |source: &Remote| remote::fetch(source, registries, &access, place()?, stop);
        let fetched = match &request.context {
            ContextSource::Directory(_) => None,
            ContextSource::Stdin => Some(stdin::read(place()?, stop)?),
            ContextSource::Remote(source) => Some(fetch(source)?),
        };
        let path = match (&request.context, &fetched) {
            (ContextSource::Directory(path), _) => directory(path, "the context")?,
            (_, Some(fetched)) => fetched.path.clone(),
            (_, None) => return Err(Error::from(ContextError::Nowhere).into()),
        };
        let main = open_context(&path, Some(request), "the build context")?;
        let mut named = BTreeMap::new();
        let mut held = Vec::new();
        for (name, source) in &request.build_contexts {
            let source = match source {
                NamedContext::Directory(path) => {
                    let context = open_context(
                        &directory(path, &format!("--build-context {name}:"))?,
                        None,
                        &format!("the named context `{name}`"),
                    )?;
                    NamedSource::Directory(Arc::new(context))
                }
                NamedContext::Remote(source) => {
                    let fetched = fetch(source)?;
                    if fetched.dockerfile.is_some() {
                        let name = name.clone();
                        return Err(Error::from(ContextError::NoArchive { name }).into());
                    }
                    let context = open_context(&fetched.path, None, &format!("the named context `{name}`"))?;
                    held.push(fetched);
                    NamedSource::Directory(Arc::new(context))
                }
                other => NamedSource::Other(other.clone()),
            };
            named.insert(name.clone(), source);
        }
        Ok(Self {
            main: Arc::new(main),
            named,
            fetched,
            _held: held,
        })
    }

    /// Reads the Dockerfile that the flags name.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is not UTF-8.
    pub fn read_dockerfile(&self, request: &Request) -> Result<SourceFile, Error> {
        let piped = self
            .fetched
            .as_ref()
            .and_then(|fetched| fetched.dockerfile.as_deref());
        dockerfile::read(request, &self.main, piped)
    }

    /// What the context is called from build to build, wherever its files are this time.
    pub(crate) fn name(&self, request: &Request) -> String {
        match &request.context {
            ContextSource::Directory(_) => self.main.path().display().to_string(),
            ContextSource::Stdin => "-".to_owned(),
            ContextSource::Remote(Remote::Http(address)) => address.url.clone(),
            ContextSource::Remote(Remote::Git(address)) => address.url.clone(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<BuildContext>> {
        std::iter::once(&self.main).chain(self.named.values().filter_map(|source| match source {
            NamedSource::Directory(context) => Some(context),
            NamedSource::Other(_) => None,
        }))
    }

    pub(crate) fn load_memos(&self, store: &Store) -> Result<(), Error> {
        self.all()
            .try_for_each(|context| context.load_memo(store))
            .map_err(Error::from)
    }

    /// A memo that cannot be saved costs time, not truth.
    pub(crate) fn save_memos(&self, store: &Store) {
        for context in self.all() {
            let _ = context.save_memo(store);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn directory(path: &Path, what: &str) -> Result<PathBuf, Error> {
    let found = path.canonicalize().map_err(|source| ContextError::NotFound {
        what: what.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    if !found.is_dir() {
        return Err(ContextError::NotADirectory {
            what: what.to_owned(),
            path: path.to_owned(),
        }
        .into());
    }
    Ok(found)
}

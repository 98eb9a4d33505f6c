//! Containers: a directory each under `containers/`, and their names.
//!
//! What is in the files is the business of whoever runs containers; here is known where they are, who may change them,
//! and which image and snapshot each keeps from being collected.
//!
//! A name is a file under `containers/names/` that says an id. Names are made and moved under one lock. What a name says is
//! believed only if the container is there and its `config.json` has that name: a crash may leave a name without one.

mod dir;
mod id;

pub use dir::{AliveLock, ChangeLock, ContainerDir};
pub use id::ContainerId;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rbuild_layer::SnapshotId;
use rbuild_oci::Digest;
use serde::Deserialize;

use crate::error::{IoContext, StoreError};
use crate::file_lock::{Lock, Mode};
use crate::remove::remove_tree;
use crate::small_file::{list_if_there, make_dirs, read_if_there, rename_in, write_private};
use crate::store::Store;
use id::is_hex;

const CONTAINERS: &str = "containers";
const NAMES: &str = "containers/names";

/// What a container is made of: neither is collected while the container is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) id: ContainerId,
    pub(crate) image: Digest,
    pub(crate) snapshot: Option<SnapshotId>,
}

/// What of `config.json` matters here.
#[derive(Deserialize)]
struct Head {
    name: String,
    image: HeadImage,
    #[serde(default)]
    snapshot: Option<SnapshotId>,
}

#[derive(Deserialize)]
struct HeadImage {
    id: Digest,
}

/// Why there is no container, or no single one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// Nothing has this name or id.
    #[error("no such container: {0}")]
    Missing(String),
    /// Several ids begin so.
    #[error("several containers have ids that begin with `{0}`")]
    Ambiguous(String),
    /// Another one has the name.
    #[error("the container name `{name}` is already in use by container {}", id.short())]
    NameInUse {
        /// The name.
        name: String,
        /// Whose it is.
        id: ContainerId,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The containers of a store.
#[derive(Clone, Copy, Debug)]
pub struct Containers<'a> {
    store: &'a Store,
}

impl Store {
    /// Its containers.
    pub fn containers(&self) -> Containers<'_> {
        Containers { store: self }
    }
}

impl Containers<'_> {
    /// The ids of all, sorted.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn ids(&self) -> Result<Vec<ContainerId>, StoreError> {
        let names = list_if_there(&self.store.path(CONTAINERS))?;
        Ok(names.iter().filter_map(|name| ContainerId::parse(name)).collect())
    }

    /// The directory of one, whether it is there or not.
    #[must_use]
    pub fn dir(&self, id: &ContainerId) -> ContainerDir {
        ContainerDir::new(self.store, id)
    }

    /// The one that has this name or id, or the only one whose id begins so.
    ///
    /// # Errors
    /// There is none, there are several, or the store cannot be read.
    pub fn find(&self, wanted: &str) -> Result<ContainerDir, ContainerError> {
        let missing = || ContainerError::Missing(wanted.to_owned());
        if let Some(id) = ContainerId::parse(wanted) {
            let dir = self.dir(&id);
            return if dir.exists() { Ok(dir) } else { Err(missing()) };
        }
        if let Some(id) = self.of_name(wanted)? {
            return Ok(self.dir(&id));
        }
        if !is_hex(wanted) {
            return Err(missing());
        }
        let ids = self.ids()?;
        let mut fits = ids.iter().filter(|id| id.as_str().starts_with(wanted));
        match (fits.next(), fits.next()) {
            (None, _) => Err(missing()),
            (Some(id), None) => Ok(self.dir(id)),
            (Some(_), Some(_)) => Err(ContainerError::Ambiguous(wanted.to_owned())),
        }
    }

    /// Puts a container into its place. `fill` makes its files, `config.json` among them, in the directory that it is
    /// given; `config.json` has this name in it.
    ///
    /// # Errors
    /// The name is another's, or the store cannot be written.
    pub fn create<E: From<ContainerError> + From<StoreError>>(
        &self,
        id: &ContainerId,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<ContainerDir, E> {
        self.check_name(name)?;
        let tmp = self.store.tmp_dir()?;
        let born = tmp.path().join(CONTAINERS);
        make_dirs(&born)?;
        for lock in ["lock", "alive"] {
            write_private(&born.join(lock), b"")?;
        }
        fill(&born)?;
        let _lock = self.names_lock()?;
        self.check_name(name)?;
        let dir = self.dir(id);
        rename_in(&born, dir.path())?;
        self.write_name(name, id)?;
        Ok(dir)
    }

    /// Gives a container another name; `rewrite` puts it into `config.json`.
    ///
    /// # Errors
    /// The name is another's, or the store cannot be written.
    pub fn rename<E: From<ContainerError> + From<StoreError>>(
        &self,
        dir: &ContainerDir,
        old: &str,
        new: &str,
        rewrite: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let _lock = self.names_lock()?;
        self.check_name(new)?;
        self.write_name(new, dir.id())?;
        rewrite()?;
        self.remove_name(old, dir.id())?;
        Ok(())
    }

    /// Removes a container that nobody looks after. It is gone at once, its files after that.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn remove(&self, dir: &ContainerDir, name: &str) -> Result<(), StoreError> {
        let tmp = self.store.tmp_dir()?;
        let trash = tmp.path().join("removed");
        match std::fs::rename(dir.path(), &trash) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.at("remove", dir.path())?,
        }
        {
            let _lock = self.names_lock()?;
            self.remove_name(name, dir.id())?;
        }
        remove_tree(&trash)
    }

    /// What the containers are made of. One that cannot be read keeps nothing; a `check` reports it.
    pub(crate) fn made(&self) -> Result<Vec<Made>, StoreError> {
        let mut made = Vec::new();
        for id in self.ids()? {
            if let Some(head) = self.head(&id)? {
                made.push(Made {
                    id,
                    image: head.image.id,
                    snapshot: head.snapshot,
                });
            }
        }
        Ok(made)
    }

    /// The container that keeps an image, if one does.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn user_of(&self, image: &Digest) -> Result<Option<ContainerId>, StoreError> {
        Ok(self
            .made()?
            .into_iter()
            .find(|made| made.image == *image)
            .map(|made| made.id))
    }

    fn head(&self, id: &ContainerId) -> Result<Option<Head>, StoreError> {
        let bytes = self.dir(id).read("config.json")?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn of_name(&self, name: &str) -> Result<Option<ContainerId>, StoreError> {
        if !is_name(name) {
            return Ok(None);
        }
        let text = read_if_there(&self.name_path(name))?;
        let id = text.and_then(|text| ContainerId::parse(String::from_utf8_lossy(&text).trim()));
        let Some(id) = id else { return Ok(None) };
        let is_so = self.head(&id)?.is_some_and(|head| head.name == name);
        Ok(is_so.then_some(id))
    }

    fn check_name(&self, name: &str) -> Result<(), ContainerError> {
        match self.of_name(name)? {
            Some(id) => Err(ContainerError::NameInUse {
                name: name.to_owned(),
                id,
            }),
            None => Ok(()),
        }
    }

    fn name_path(&self, name: &str) -> PathBuf {
        self.store.path(NAMES).join(name)
    }

    fn write_name(&self, name: &str, id: &ContainerId) -> Result<(), StoreError> {
        self.store
            .write_file(&self.name_path(name), id.as_str().as_bytes())
    }

    /// Unless it is another's by now.
    fn remove_name(&self, name: &str, id: &ContainerId) -> Result<(), StoreError> {
        if !is_name(name) {
            return Ok(());
        }
        let path = self.name_path(name);
        let text = read_if_there(&path)?;
        if text.is_some_and(|text| text == id.as_str().as_bytes()) {
            crate::small_file::remove_if_there(&path)?;
        }
        Ok(())
    }

    fn names_lock(&self) -> Result<Lock, StoreError> {
        Lock::wait(&self.store.path("locks/containers"), Mode::Exclusive)
    }
}

/// Whether a container can have this name: as podman has it, and safe as a file name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
}

#[cfg(test)]
mod tests;

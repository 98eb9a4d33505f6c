//! Images: their documents, their records and tags in the store, and the archives they come from and go to.
//!
//! Not here: the content of layers (`layer`), registries, and what a reference means.

mod error;
pub mod export;
mod list;
mod record;
pub mod source;
mod tags;

use std::path::PathBuf;

use rbuild_oci::{DiffId, Digest, DocumentError, json};

use crate::error::StoreError;
use crate::small_file::{list_dir, read_if_there, remove_if_there};
use crate::store::Store;

pub use error::ImageError;
pub use list::{ImageList, ListedImage};
pub use record::{IMAGE_VERSION, ImageLayer, ImageRecord, LayerSource};

/// What the name of an empty list points to: there is no such image.
const NO_IMAGE: Digest = Digest::from_bytes([0; 32]);

/// Fewest digits of an image id that are taken for one.
const PREFIX_MIN: usize = 4;

/// A name and the image it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The name, as it was given to [`Images::tag`].
    pub name: String,
    /// The image id; of a list the image that was chosen to stand for all.
    pub id: Digest,
    /// What it is a name of, when that is several images.
    pub list: Option<ImageList>,
}

impl Tag {
    /// All images that it is a name of.
    pub fn images(&self) -> impl Iterator<Item = Digest> {
        let listed = self.list.iter().flat_map(|list| &list.images);
        let listed = listed
            .map(|listed| listed.image)
            .filter(|image| *image != self.id);
        std::iter::once(self.id).chain(listed)
    }

    /// Whether it is a name of this image, alone or with others.
    pub fn names(&self, image: &Digest) -> bool {
        self.images().any(|id| id == *image)
    }
}

/// Access to the images of one store.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    store: &'a Store,
}

impl Store {
    /// Images and their tags.
    pub fn images(&self) -> Images<'_> {
        Images { store: self }
    }
}

impl<'a> Images<'a> {
    fn record_path(&self, id: &Digest) -> PathBuf {
        self.store.path("images").join(format!("{}.json", id.to_hex()))
    }

    /// Where the content of a layer's blob is noted: beside the memos, since it may vanish at any time.
    fn content_path(&self, blob: &Digest) -> PathBuf {
        self.store.memo_dir().join(format!("layer-{}", blob.to_hex()))
    }

    /// Whether a blob was read before and gave this tar.
    pub fn is_known_content(&self, blob: &Digest, tar: &DiffId) -> Result<bool, StoreError> {
        let known = read_if_there(&self.content_path(blob))?;
        Ok(known.is_some_and(|known| known == tar.to_hex().as_bytes()))
    }

    /// Notes what tar a blob gave.
    pub fn note_content(&self, blob: &Digest, tar: &DiffId) -> Result<(), StoreError> {
        self.store
            .write_file(&self.content_path(blob), tar.to_hex().as_bytes())
    }

    fn tag_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        Ok(self.store.path("tags").join(tags::escape(name)?))
    }

    /// Stores an image record. Hold a [`BlobPin`](crate::lock::BlobPin) and a lease on its snapshot meanwhile.
    ///
    /// A record that differs only in its time is kept as it is: building the same image again changes nothing.
    pub fn put(&self, record: &ImageRecord) -> Result<(), ImageError> {
        record.parse_config()?;
        if Digest::of(record.config.as_bytes()) != record.id {
            return Err(DocumentError::Invalid {
                what: "image config",
                detail: "it is not the image's".to_owned(),
            }
            .into());
        }
        let _lock = self.store.locks().images()?;
        if let Some(old) = self.get(&record.id)? {
            let unchanged = ImageRecord {
                created: record.created,
                ..old
            } == *record;
            if unchanged {
                return Ok(());
            }
        }
        let bytes = json::write("image record", record)?;
        Ok(self.store.write_file(&self.record_path(&record.id), &bytes)?)
    }

    /// The record of an image id. A damaged one is an error, since tags may depend on it.
    pub fn get(&self, id: &Digest) -> Result<Option<ImageRecord>, StoreError> {
        let path = self.record_path(id);
        let Some(bytes) = read_if_there(&path)? else {
            return Ok(None);
        };
        let corrupt = |detail: String| StoreError::Corrupt {
            what: "image record",
            path: path.clone(),
            detail,
        };
        let record: ImageRecord =
            serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        if record.version != IMAGE_VERSION {
            return Err(corrupt(format!("its version is {}", record.version)));
        }
        if record.id != *id || Digest::of(record.config.as_bytes()) != *id {
            return Err(corrupt("its config is not the image's".to_owned()));
        }
        Ok(Some(record))
    }

    /// Points `name` to an image that is in the store. Returns the image it pointed to before, if another.
    pub fn tag(&self, name: &str, id: &Digest) -> Result<Option<Digest>, StoreError> {
        let path = self.tag_path(name)?;
        let before = self.read_tag(&path)?.filter(|tag| tag.name == name);
        let is_list = before.as_ref().is_some_and(|tag| tag.list.is_some());
        let before = before.map(|tag| tag.id);
        if before == Some(*id) && !is_list && self.record_path(id).exists() {
            return Ok(None);
        }
        let _lock = self.store.locks().images()?;
        if !self.record_path(id).exists() {
            return Err(StoreError::NoSuchImage(id.to_string()));
        }
        self.store
            .write_file(&path, format!("{id}\n{name}\n").as_bytes())?;
        Ok(before.filter(|before| before != id))
    }

    /// Makes `name` one of several images that are in the store. `id`, one of them, stands for all where one is asked for.
    /// A list may be empty while it is put together; its name means no image until it has one.
    pub fn tag_list(&self, name: &str, id: Option<&Digest>, list: &ImageList) -> Result<(), ImageError> {
        let path = self.tag_path(name)?;
        let text = json::write("image list", list)?;
        let _lock = self.store.locks().images()?;
        let listed = list.images.iter().map(|listed| &listed.image);
        for image in listed.chain(id) {
            if !self.record_path(image).exists() {
                return Err(StoreError::NoSuchImage(image.to_string()).into());
            }
        }
        let id = id.copied().unwrap_or(NO_IMAGE);
        let mut bytes = format!("{id}\n{name}\n").into_bytes();
        bytes.extend(text);
        bytes.push(b'\n');
        Ok(self.store.write_file(&path, &bytes)?)
    }

    /// What a name stands for: one `open`, however many images there are.
    pub fn tag_of(&self, name: &str) -> Result<Option<Tag>, StoreError> {
        match self.tag_path(name) {
            Ok(path) => Ok(self.read_tag(&path)?.filter(|tag| tag.name == name)),
            Err(StoreError::BadName { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Removes a name. Returns the image it pointed to, `None` when there was no such name.
    pub fn untag(&self, name: &str) -> Result<Option<Digest>, StoreError> {
        let _lock = self.store.locks().images()?;
        let path = self.tag_path(name)?;
        let tag = self.read_tag(&path)?;
        remove_if_there(&path)?;
        Ok(tag.map(|tag| tag.id))
    }

    /// Removes the record of an image and every name of it, that of a list too. Its blobs and snapshots stay until they are pruned.
    /// Returns the names that were removed, `None` when there was no such image.
    pub fn remove(&self, id: &Digest) -> Result<Option<Vec<String>>, StoreError> {
        let _lock = self.store.locks().images()?;
        let mut names = Vec::new();
        for tag in self.tags()?.into_iter().filter(|tag| tag.names(id)) {
            remove_if_there(&self.tag_path(&tag.name)?)?;
            names.push(tag.name);
        }
        Ok(remove_if_there(&self.record_path(id))?.then_some(names))
    }

    /// The image that a name points to: one `open`, however many images there are.
    pub fn resolve_tag(&self, name: &str) -> Result<Option<Digest>, StoreError> {
        Ok(self.tag_of(name)?.map(|tag| tag.id))
    }

    /// The image that the user means: a name, an image id (`sha256:` or not), the digest of its manifest, or the
    /// beginning of an id (at least four digits) when only one fits.
    pub fn lookup(&self, wanted: &str) -> Result<ImageRecord, StoreError> {
        if let Some(id) = self.resolve_tag(wanted)?
            && let Some(record) = self.get(&id)?
        {
            return Ok(record);
        }
        let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let missing = || StoreError::NoSuchImage(wanted.to_owned());
        if let Ok(digest) = Digest::from_hex(hex) {
            if let Some(record) = self.get(&digest)? {
                return Ok(record);
            }
            return self.by_manifest(&digest)?.ok_or_else(missing);
        }
        if hex.len() < PREFIX_MIN || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(missing());
        }
        let fits: Vec<Digest> = self
            .ids()?
            .into_iter()
            .filter(|id| id.to_hex().starts_with(hex))
            .collect();
        match fits.as_slice() {
            [] => Err(missing()),
            [id] => self.get(id)?.ok_or_else(missing),
            several => Err(StoreError::AmbiguousImage {
                prefix: wanted.to_owned(),
                ids: several.iter().take(10).map(Digest::to_string).collect(),
            }),
        }
    }

    /// The image with this manifest digest. Looks at every record, so only for what no name answers.
    pub fn by_manifest(&self, digest: &Digest) -> Result<Option<ImageRecord>, StoreError> {
        for id in self.ids()? {
            if let Ok(Some(record)) = self.get(&id)
                && record
                    .manifest
                    .as_ref()
                    .is_some_and(|manifest| manifest.digest == *digest)
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The ids of all images, sorted.
    pub fn ids(&self) -> Result<Vec<Digest>, StoreError> {
        let names = list_dir(&self.store.path("images"))?;
        Ok(names
            .iter()
            .filter_map(|name| Digest::from_hex(name.strip_suffix(".json")?).ok())
            .collect())
    }

    /// All names, sorted.
    pub fn tags(&self) -> Result<Vec<Tag>, StoreError> {
        let dir = self.store.path("tags");
        let mut tags = Vec::new();
        for name in list_dir(&dir)? {
            tags.extend(self.read_tag(&dir.join(name))?);
        }
        tags.sort_by(|one: &Tag, other| one.name.cmp(&other.name));
        Ok(tags)
    }

    /// All images with their names, newest first. Damaged records are left out (`store check` reports them).
    pub fn list(&self) -> Result<Vec<(ImageRecord, Vec<String>)>, StoreError> {
        let tags = self.tags()?;
        let mut images = Vec::new();
        for id in self.ids()? {
            match self.get(&id) {
                Ok(Some(record)) => {
                    let names = tags
                        .iter()
                        .filter(|tag| tag.names(&id))
                        .map(|tag| tag.name.clone())
                        .collect();
                    images.push((record, names));
                }
                Ok(None) | Err(StoreError::Corrupt { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        images.sort_by(|one, other| {
            other
                .0
                .created
                .cmp(&one.0.created)
                .then(one.0.id.cmp(&other.0.id))
        });
        Ok(images)
    }

    /// The files of all names that can be read, with what each stands for.
    pub(crate) fn tag_files(&self) -> Result<Vec<(PathBuf, Tag)>, StoreError> {
        let mut files = Vec::new();
        for tag in self.tags()? {
            files.push((self.tag_path(&tag.name)?, tag));
        }
        Ok(files)
    }

    /// `None` for a file that is not there or that a power loss tore: the name is then free.
    fn read_tag(&self, path: &std::path::Path) -> Result<Option<Tag>, StoreError> {
        let Some(bytes) = read_if_there(path)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let id = lines.next().and_then(|line| line.parse().ok());
        let name = lines.next();
        // A list that cannot be read is as torn as a name that cannot.
        let list = match lines.next().map(serde_json::from_str) {
            Some(Ok(list)) => Some(list),
            Some(Err(_)) => return Ok(None),
            None => None,
        };
        Ok(id.zip(name).map(|(id, name)| Tag {
            name: name.to_owned(),
            id,
            list,
        }))
    }
}

#[cfg(test)]
mod tests;

//! Writing an OCI image layout (image-spec `image-layout.md`) as a directory or as a tar.
//!
//! The tar also has Docker's `manifest.json`, so that `docker load` and tools of its kind take it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use rbuild_oci::{CONTAINERD_NAME, Descriptor, Digest, DocumentError, Index, MANIFEST_LIMIT, REF_NAME, json};
use serde::Serialize;

use crate::error::StoreError;
use crate::image::ImageError;
use crate::image::export::tar_writer::TarWriter;
use crate::image::export::{ExportOptions, ExportSet, Prepared, PreparedSet, prepare_set};
use crate::lock::BlobPin;
use crate::new_file::NewFile;
use crate::store::Store;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A blob to be written: bytes in memory, or the store's.
enum Content<'a> {
    Bytes(&'a [u8]),
    Blob(u64),
}

/// Writes images as an OCI layout in a tar. The bytes are a function of the images and options.
pub fn write_oci_archive<'a>(
    store: &Store,
    set: impl Into<ExportSet<'a>>,
    options: &ExportOptions,
    to: &str,
    out: &mut dyn Write,
    pin: &BlobPin,
) -> Result<PreparedSet, ImageError> {
    let prepared = prepare_set(store, set.into(), options, pin)?;
    let failed = |source: io::Error| write_error(to, source);
    let mut tar = TarWriter::new(out);
    tar.dir("blobs").map_err(failed)?;
    tar.dir("blobs/sha256").map_err(failed)?;
    for (digest, content) in contents(&prepared) {
        let name = blob_name(&digest);
        match content {
            Content::Bytes(bytes) => tar.bytes(&name, bytes).map_err(failed)?,
            Content::Blob(size) => tar
                .file(&name, size, |out| copy_blob(store, &digest, out))
                .map_err(failed)?,
        }
    }
    tar.bytes("index.json", &index(&prepared, Vec::new())?.to_bytes()?)
        .map_err(failed)?;
    tar.bytes("manifest.json", &docker_manifest(&prepared)?)
        .map_err(failed)?;
    tar.bytes("oci-layout", LAYOUT).map_err(failed)?;
    tar.finish().map_err(failed)?;
    Ok(prepared)
}

/// Writes images into an OCI layout directory, which is made when absent. Images that are in it already stay,
/// except that a name moves to the new image.
pub fn write_oci_dir<'a>(
    store: &Store,
    set: impl Into<ExportSet<'a>>,
    options: &ExportOptions,
    dir: &Path,
    pin: &BlobPin,
) -> Result<PreparedSet, ImageError> {
    let at = |action: &'static str, path: &Path, error: io::Error| StoreError::from_io(action, path, error);
    let before = existing(dir)?;
    let prepared = prepare_set(store, set.into(), options, pin)?;
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(|error| at("create", &blobs, error))?;
    [dir, &blobs].into_iter().for_each(NewFile::sweep_in);
    let replace = |path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| {
        let new = NewFile::create(path).map_err(|error| at("create a file for", path, error))?;
        write(&mut new.file()).map_err(|error| unwrap_store("write", path, error))?;
        new.commit().map_err(|error| at("rename to", path, error))?;
        Ok::<(), StoreError>(())
    };
    for (digest, content) in contents(&prepared) {
        let path = blobs.join(digest.to_hex());
        match content {
            Content::Bytes(bytes) => replace(&path, &mut |out| out.write_all(bytes))?,
            // A layer that is there with the right size was verified when it was written.
            Content::Blob(size) if std::fs::metadata(&path).is_ok_and(|found| found.len() == size) => {}
            Content::Blob(_) => replace(&path, &mut |out| copy_blob(store, &digest, out))?,
        }
    }
    replace(&dir.join("oci-layout"), &mut |out| out.write_all(LAYOUT))?;
    // Last: whoever reads the directory meanwhile finds only images that are complete.
    let bytes = index(&prepared, before)?.to_bytes()?;
    replace(&dir.join("index.json"), &mut |out| out.write_all(&bytes))?;
    Ok(prepared)
}

/// The entries of a layout that is already in `dir`. A directory with other things in it is refused.
fn existing(dir: &Path) -> Result<Vec<Descriptor>, ImageError> {
    let read = |name: &str| crate::small_file::read_if_there(&dir.join(name));
    let Some(index) = read("index.json")? else {
        let empty = match std::fs::read_dir(dir) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(StoreError::from_io("list", dir, error).into()),
        };
        // `blobs` or `oci-layout` alone is what an interrupted export leaves.
        if empty || read("oci-layout")?.is_some() || dir.join("blobs").is_dir() {
            return Ok(Vec::new());
        }
        let detail = "it is a directory with other things in it".to_owned();
        return Err(ImageError::NotAnImage {
            path: dir.to_owned(),
            detail,
        });
    };
    if index.len() as u64 > MANIFEST_LIMIT {
        return Err(DocumentError::TooLarge {
            what: "index".to_owned(),
            limit: MANIFEST_LIMIT,
        }
        .into());
    }
    Ok(Index::parse(&index, None)?.manifests)
}

/// All blobs of the images, each once, sorted.
fn contents(set: &PreparedSet) -> BTreeMap<Digest, Content<'_>> {
    let images = &set.images;
    let mut all = BTreeMap::new();
    for image in images {
        for layer in &image.layers {
            all.insert(layer.digest, Content::Blob(layer.size));
        }
    }
    for image in images {
        all.insert(image.config.digest, Content::Bytes(&image.config_bytes));
        all.insert(image.manifest.digest, Content::Bytes(&image.manifest_bytes));
    }
    for index in &set.indexes {
        all.insert(index.descriptor.digest, Content::Bytes(&index.bytes));
    }
    all
}

pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.to_hex())
}

/// Copies a blob out of the store; fails if it is not what it is named.
pub(super) fn copy_blob(store: &Store, digest: &Digest, out: &mut dyn Write) -> io::Result<()> {
    let mut from = store.blobs().open_verified(digest).map_err(io::Error::other)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match io::Read::read(&mut from, &mut buffer)? {
            0 => return Ok(()),
            count => out.write_all(&buffer[..count])?,
        }
    }
}

/// The index of the layout: one entry per name, or one without a name. Images for several platforms stand in an index of
/// their own, which has the name.
fn index(set: &PreparedSet, before: Vec<Descriptor>) -> Result<Index, ImageError> {
    let alone = set.images.iter().enumerate();
    let alone = alone.filter(|(at, _)| set.index_of(*at).is_none());
    let alone = alone.map(|(_, image)| (&image.names, &image.manifest));
    let several = set.indexes.iter().map(|index| (&index.names, &index.descriptor));
    let mut entries: Vec<Descriptor> = Vec::new();
    for (names, target) in alone.chain(several) {
        let mut names: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        if names.is_empty() {
            names.push(None);
        }
        for name in names {
            let mut entry = target.clone();
            if let Some(name) = name {
                let annotations = entry.annotations.get_or_insert_default();
                annotations.insert(CONTAINERD_NAME.to_owned(), name.to_owned());
                annotations.insert(REF_NAME.to_owned(), ref_name(name).to_owned());
            }
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
    }
    let full = |entry: &Descriptor| entry.annotation(CONTAINERD_NAME).map(str::to_owned);
    let short = |entry: &Descriptor| entry.annotation(REF_NAME).map(str::to_owned);
    let taken: BTreeSet<_> = entries.iter().filter_map(short).collect();
    let mut all: Vec<Descriptor> = before
        .into_iter()
        .filter(|old| {
            let renamed = short(old).is_some_and(|name| taken.contains(&name));
            let other = full(old).is_some() && !entries.iter().any(|new| full(new) == full(old));
            let repeated = entries
                .iter()
                .any(|new| new.digest == old.digest && full(new) == full(old));
            (!renamed || other) && !repeated
        })
        .collect();
    all.extend(entries);
    Ok(Index::new(all))
}

/// The tag of a name: what `oci:dir:latest` of other tools means.
fn ref_name(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') && !name.contains('@') => tag,
        _ => "latest",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerItem {
    pub(super) config: String,
    pub(super) repo_tags: Vec<String>,
    pub(super) layers: Vec<String>,
}

/// Names that `docker load` takes: a digest cannot be given by loading.
pub(super) fn repo_tags(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| !name.contains('@')).cloned().collect()
}

/// Of images for several platforms the main one: it knows no indexes.
fn docker_manifest(set: &PreparedSet) -> Result<Vec<u8>, DocumentError> {
    let named = set
        .images
        .iter()
        .enumerate()
        .filter_map(|(at, image)| match set.index_of(at) {
            None => Some((image, &image.names)),
            Some(index) if index.main == at => Some((image, &index.names)),
            Some(_) => None,
        });
    let items: Vec<DockerItem> = named
        .map(|(image, names): (&Prepared, _)| DockerItem {
            config: blob_name(&image.config.digest),
            repo_tags: repo_tags(names),
            layers: image
                .layers
                .iter()
                .map(|layer| blob_name(&layer.digest))
                .collect(),
        })
        .collect();
    json::write("manifest.json file", &items)
}

/// What the store said, if the error comes from it; else that the destination refused.
pub(super) fn write_error(to: &str, source: io::Error) -> ImageError {
    match source.downcast::<ImageError>() {
        Ok(inner) => inner,
        Err(source) => match source.downcast::<StoreError>() {
            Ok(inner) => ImageError::Store(inner),
            Err(source) => ImageError::Write {
                to: to.to_owned(),
                source,
            },
        },
    }
}

fn unwrap_store(action: &'static str, path: &Path, error: io::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(inner) => inner,
        Err(error) => StoreError::from_io(action, path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_name() {
        for (name, tag) in [
            ("docker.io/library/app:1.2", "1.2"),
            ("localhost:5000/app", "latest"),
            ("localhost:5000/app:x", "x"),
            ("app", "latest"),
            ("app@sha256:00", "latest"),
        ] {
            assert_eq!(ref_name(name), tag, "{name}");
        }
    }
}

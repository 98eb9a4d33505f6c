//! An index on its way out: several images under one name.

use std::collections::BTreeMap;
use std::ops::Range;

use rbuild_oci::{Descriptor, Digest, ImagePlatform, Index, MediaTypes};

use crate::image::export::{ExportImage, ExportOptions, Prepared, prepare};
use crate::image::{ImageError, ImageList};
use crate::lock::BlobPin;
use crate::store::Store;

/// What goes out together: images, and indexes of some of them.
#[derive(Clone, Copy)]
pub struct ExportSet<'a> {
    /// The images. Those of a list have no names of their own.
    pub images: &'a [ExportImage<'a>],
    /// The lists.
    pub lists: &'a [ExportList<'a>],
}

impl<'a> From<&'a [ExportImage<'a>]> for ExportSet<'a> {
    fn from(images: &'a [ExportImage<'a>]) -> Self {
        ExportSet { images, lists: &[] }
    }
}

impl<'a, const N: usize> From<&'a [ExportImage<'a>; N]> for ExportSet<'a> {
    fn from(images: &'a [ExportImage<'a>; N]) -> Self {
        ExportSet::from(images.as_slice())
    }
}

/// An index that goes out.
#[derive(Clone)]
pub struct ExportList<'a> {
    /// Its full names.
    pub names: Vec<String>,
    /// What it lists.
    pub list: &'a ImageList,
    /// Where its first image stands among those that go out; the others follow in the order of the list.
    pub first: usize,
    /// Annotations of what points to the index.
    pub descriptor: BTreeMap<String, String>,
}

/// An index that is ready to be written or pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedIndex {
    /// Its names.
    pub names: Vec<String>,
    /// Points to it.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its images, among those that went out with it.
    pub images: Range<usize>,
    /// The one of them that stands for all where a format knows no indexes.
    pub main: usize,
}

/// All that was prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedSet {
    /// The images, in the order in which they were given.
    pub images: Vec<Prepared>,
    /// The indexes.
    pub indexes: Vec<PreparedIndex>,
}

impl PreparedSet {
    /// The index that an image is in.
    pub(super) fn index_of(&self, image: usize) -> Option<&PreparedIndex> {
        self.indexes.iter().find(|index| index.images.contains(&image))
    }
}

/// Makes every layer of the images a blob of the store, and writes their manifests and indexes (not stored).
pub fn prepare_set(
    store: &Store,
    set: ExportSet<'_>,
    options: &ExportOptions,
    pin: &BlobPin,
) -> Result<PreparedSet, ImageError> {
    let images: Vec<Prepared> = set
        .images
        .iter()
        .map(|image| prepare(store, image, options, pin))
        .collect::<Result<_, _>>()?;
    let indexes = set
        .lists
        .iter()
        .map(|list| prepare_index(list, &images, options.media_types))
        .collect::<Result<_, _>>()?;
    Ok(PreparedSet { images, indexes })
}

fn prepare_index(
    list: &ExportList<'_>,
    images: &[Prepared],
    media_types: MediaTypes,
) -> Result<PreparedIndex, ImageError> {
    let range = list.first..list.first + list.list.images.len();
    let mut entries = Vec::new();
    for (listed, image) in list.list.images.iter().zip(&images[range.clone()]) {
        let mut entry = image.manifest.clone();
        entry.platform = Some(listed.platform.clone());
        if !listed.annotations.is_empty() {
            let annotations = entry.annotations.get_or_insert_default();
            annotations.extend(listed.annotations.clone());
        }
        entries.push(entry);
    }
    let mut index = Index::of(media_types, entries);
    let annotations = &list.list.annotations;
    index.annotations = (!annotations.is_empty()).then(|| annotations.clone());
    let bytes = index.to_bytes()?;
    let mut descriptor = Descriptor::new(media_types.index(), Digest::of(&bytes), bytes.len() as u64);
    descriptor.annotations = (!list.descriptor.is_empty()).then(|| list.descriptor.clone());
    let main = list.list.main(&ImagePlatform::host());
    let at = list
        .list
        .images
        .iter()
        .position(|listed| Some(listed) == main)
        .unwrap_or_default();
    Ok(PreparedIndex {
        names: list.names.clone(),
        descriptor,
        bytes,
        main: list.first + at,
        images: range,
    })
}

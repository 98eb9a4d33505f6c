//! What verbs want from the store: opening it, the image that the user means, and words for images.

use crate::error::Failure;
use crate::options::without_transport;
use crate::store_root;
use dockerfile_parser::suggest;
use rbuild_build::export::Outgoing;
use rbuild_build::sources::{find_stored, stored_name};
use rbuild_build::{clock, engine};
use rbuild_build::{open_store, open_store_for};
use rbuild_oci::{Digest, ImageConfig, ImagePlatform, Reference};
use rbuild_sandbox::probe;
use rbuild_store::image::{ImageList, ImageRecord, ListedImage};
use rbuild_store::{Need, Store};
use std::collections::BTreeMap;
use std::path::Path;

/// Digits of an image id that are shown.
const SHORT: usize = 12;

/// Opens the store, making it when there is none.
///
/// # Errors
/// It cannot be made or opened.
pub fn open(root: Option<&Path>) -> Result<Store, Failure> {
    Ok(open_store(&store_root::locate(root)?)?)
}

/// Opens the store if there is one, to change what is in it.
///
/// # Errors
/// It cannot be opened.
pub fn existing(root: Option<&Path>) -> Result<Option<Store>, Failure> {
    at_hand(root, Need::Writing)
}

/// Opens the store if there is one, to look at it: it may be on a file system that is mounted read-only, or that could
/// not hold a store in use.
///
/// # Errors
/// It cannot be opened.
pub fn readable(root: Option<&Path>) -> Result<Option<Store>, Failure> {
    at_hand(root, Need::Reading)
}

#[expect(clippy::disallowed_methods, reason = "the store's own path")]
fn at_hand(root: Option<&Path>, need: Need) -> Result<Option<Store>, Failure> {
    let root = store_root::locate(root)?;
    let empty = match std::fs::read_dir(&root) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        // Opening it says what is wrong.
        Err(_) => false,
    };
    if empty {
        Ok(None)
    } else {
        Ok(Some(open_store_for(&root, need)?))
    }
}

/// Enters the user namespace where the host has one for builds; elsewhere the files are read as they are.
///
/// # Errors
/// The namespace should be there and is not.
pub fn enter_if_possible() -> Result<(), Failure> {
    if probe::allowance(&crate::environment::environment().caller()).has_namespace() {
        engine::enter_namespace(&crate::environment::environment().caller())?;
    }
    Ok(())
}

/// The store and the image that the user means in it.
///
/// # Errors
/// There is none; the message names one that is called similarly.
pub fn image(store: Option<Store>, name: &str) -> Result<(Store, ImageRecord), Failure> {
    let Some(store) = store else {
        return Err(no_such_image(None, name));
    };
    let record = find(&store, name)?;
    Ok((store, record))
}

/// What a name stands for in the store: an image, or one for each of several platforms.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The images, in the order of the list.
    images: Vec<ImageRecord>,
    /// The list.
    list: Option<ImageList>,
}

impl Stored {
    /// Its images as a list has them.
    ///
    /// # Errors
    /// The configuration of an image is damaged.
    pub fn listed(&self) -> Result<Vec<ListedImage>, Failure> {
        if let Some(list) = &self.list {
            return Ok(list.images.clone());
        }
        let listed = |record: &ImageRecord| {
            let config = record.parse_config().map_err(Failure::from_host)?;
            Ok(ListedImage {
                image: record.id,
                platform: ImagePlatform::new(&config.os, &config.architecture, config.variant.as_deref()),
                annotations: BTreeMap::new(),
            })
        };
        self.images.iter().map(listed).collect()
    }

    /// To be written or pushed under these names.
    #[must_use]
    pub fn outgoing(&self, names: Vec<String>) -> Outgoing<'_> {
        Outgoing {
            names,
            images: self.images.iter().collect(),
            list: self.list.as_ref(),
            descriptor: BTreeMap::new(),
        }
    }
}

/// The store and what the user means in it, all of its platforms.
///
/// # Errors
/// There is none; the message names one that is called similarly.
pub fn named(store: Option<Store>, name: &str) -> Result<(Store, Stored), Failure> {
    let Some(store) = store else {
        return Err(no_such_image(None, name));
    };
    let stored = find_named(&store, name)?;
    Ok((store, stored))
}

/// What the user means, all of its platforms. An id means one image.
///
/// # Errors
/// As [`named`].
pub fn find_named(store: &Store, name: &str) -> Result<Stored, Failure> {
    let images = store.images();
    let tag = match Reference::parse(without_transport(name)) {
        Ok(reference) => images
            .tag_of(&stored_name(&reference))
            .map_err(Failure::from_host)?,
        Err(_) => None,
    };
    let Some(list) = tag.and_then(|tag| tag.list) else {
        let record = find(store, name)?;
        return Ok(Stored {
            images: vec![record],
            list: None,
        });
    };
    if list.images.is_empty() {
        return Err(Failure::host(format!("the list `{name}` has no images")));
    }
    let mut found = Vec::new();
    for listed in &list.images {
        let record = images.get(&listed.image).map_err(Failure::from_host)?;
        found.push(record.ok_or_else(|| no_such_image(Some(store), &listed.image.to_string()))?);
    }
    Ok(Stored {
        images: found,
        list: Some(list),
    })
}

/// The image that the user means.
///
/// # Errors
/// As [`image`].
pub fn find(store: &Store, name: &str) -> Result<ImageRecord, Failure> {
    let name = without_transport(name);
    match find_stored(store, name)? {
        Some(record) => Ok(record),
        None => Err(no_such_image(Some(store), name)),
    }
}

/// The failure for an image that is not there, with the nearest name.
#[must_use]
pub fn no_such_image(store: Option<&Store>, name: &str) -> Failure {
    let failure = Failure::host(format!("there is no image `{name}` in the store"));
    match store.and_then(|store| nearest_name(store, name)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => {
            failure.hint("`rbuild images` lists the images; `rbuild pull` and `rbuild load` bring in others")
        }
    }
}

/// The image of the store that is probably meant by a name that none has.
#[must_use]
pub fn nearest_name(store: &Store, name: &str) -> Option<String> {
    let tags = store.images().tags().ok()?;
    let names: Vec<String> = tags.iter().map(|tag| familiar(&tag.name)).collect();
    let repository = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    // `busybox` names `busybox:latest`; what is there may be `busybox:local`.
    let of_repository = |wanted: &str| names.iter().find(|known| repository(known) == wanted);
    if let Some(known) = of_repository(name) {
        return Some(known.clone());
    }
    if let Some(near) = suggest::nearest(name, names.iter().map(String::as_str)) {
        return Some(near.to_owned());
    }
    let repositories: Vec<String> = names.iter().map(|name| repository(name)).collect();
    let near = suggest::nearest(name, repositories.iter().map(String::as_str))?;
    of_repository(near).cloned()
}

/// A name as users write it.
#[must_use]
pub fn familiar(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}

/// An image id, short unless `whole`.
#[must_use]
pub fn shown_id(id: &Digest, whole: bool) -> String {
    if whole {
        id.to_string()
    } else {
        id.to_hex()[..SHORT].to_owned()
    }
}

/// When an image was made, in seconds since 1970: as its config says, else when it came into the store.
#[must_use]
pub fn created(record: &ImageRecord, config: &ImageConfig) -> i64 {
    config
        .created
        .as_deref()
        .and_then(clock::parse_rfc3339)
        .unwrap_or_else(|| i64::try_from(record.created).unwrap_or(i64::MAX))
}

/// `3 hours ago`, in docker's steps. A time of 0 is what reproducible images have, and says nothing: `N/A`.
#[must_use]
pub fn ago(then: i64, now: i64) -> String {
    let seconds = now.saturating_sub(then);
    let words = |count: i64, unit: &str| match count {
        1 => format!("1 {unit} ago"),
        _ => format!("{count} {unit}s ago"),
    };
    match seconds {
        _ if then == 0 => "N/A".to_owned(),
        ..0 => "in the future".to_owned(),
        0 => "just now".to_owned(),
        1..60 => words(seconds, "second"),
        60..3600 => words(seconds / 60, "minute"),
        3600..172_800 => words(seconds / 3600, "hour"),
        172_800..1_209_600 => words(seconds / 86_400, "day"),
        1_209_600..5_184_000 => words(seconds / 604_800, "week"),
        5_184_000..63_072_000 => words(seconds / 2_592_000, "month"),
        _ => words(seconds / 31_536_000, "year"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_in_words() {
        let age = |seconds: i64| ago(1_000_000_000, 1_000_000_000 + seconds);
        assert_eq!(age(0), "just now");
        assert_eq!(age(1), "1 second ago");
        assert_eq!(age(59), "59 seconds ago");
        assert_eq!(age(60), "1 minute ago");
        assert_eq!(age(3 * 3600), "3 hours ago");
        assert_eq!(age(49 * 3600), "2 days ago");
        assert_eq!(age(15 * 86_400), "2 weeks ago");
        assert_eq!(age(90 * 86_400), "3 months ago");
        assert_eq!(age(3 * 31_536_000), "3 years ago");
        assert_eq!(age(-5), "in the future");
        assert_eq!(ago(i64::MIN, i64::MAX), "292471208677 years ago");
        assert_eq!(ago(0, 1_000_000_000), "N/A");
    }

    #[test]
    fn names_are_shown_as_they_are_typed() {
        assert_eq!(familiar("docker.io/library/app:1"), "app:1");
        assert_eq!(familiar("ghcr.io/a/b:1"), "ghcr.io/a/b:1");
        assert_eq!(familiar("not a name"), "not a name");
    }
}

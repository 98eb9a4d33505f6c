//! `rbuild rmi`: removes names, and images that have none left.

use super::stored::{self, familiar, no_such_image, shown_id};
use super::streams::{note, print};
use crate::error::{Failure, Kind};
use crate::options::without_transport;
use clap::Args;
use rbuild_build::sources::stored_name;
use rbuild_oci::{Digest, Reference};
use rbuild_sandbox::probe;
use rbuild_store::Store;
use rbuild_store::containers::ContainerId;
use rbuild_store::gc::{self, PruneOptions};
use rbuild_store::image::{ImageRecord, Tag};
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct RmiArgs {
    /// Remove an image given by its id although it has several names; do not mind images that are not there
    #[arg(short, long)]
    pub force: bool,

    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

/// Removes.
///
/// # Errors
/// An image is not there; the others are removed.
pub fn run(args: &RmiArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let store = stored::existing(root)?;
    let mut pending: Option<Failure> = None;
    let mut deleted = false;
    for name in &args.images {
        let removed = match &store {
            Some(store) => remove(store, name, args.force),
            None => Err(no_such_image(None, name)),
        };
        match removed {
            Ok(gone) => deleted |= gone,
            Err(_) if args.force && !is_there(store.as_ref(), name) => {}
            // All are tried; the last failure is left for the end of the program to tell.
            Err(failure) => {
                if let Some(earlier) = pending.replace(failure) {
                    note(earlier.text().trim_end());
                }
            }
        }
    }
    if deleted && let Some(store) = &store {
        free(store);
    }
    pending.map_or(Ok(0), Err)
}

fn is_there(store: Option<&Store>, name: &str) -> bool {
    store.is_some_and(|store| stored::find(store, name).is_ok())
}

/// Whether the image itself is gone.
fn remove(store: &Store, name: &str, force: bool) -> Result<bool, Failure> {
    let name = without_transport(name);
    let record = stored::find(store, name)?;
    let names = names_of(store, &record.id)?;
    let user = store
        .containers()
        .user_of(&record.id)
        .map_err(Failure::from_host)?;
    let typed = Reference::parse(name)
        .ok()
        .map(|reference| stored_name(&reference));
    if let Some(typed) = typed.filter(|typed| names.contains(typed)) {
        if let Some(user) = user
            .as_ref()
            .filter(|_| !force && stays(&names, &typed).is_empty())
        {
            return Err(in_use(name, user));
        }
        let listed = store.images().tag_of(&typed).map_err(Failure::from_host)?;
        let left = untag(store, &names, &typed)?;
        delete_listed(store, listed.as_ref(), &record.id)?;
        // Without a name it goes with the last container that was made of it, at a prune.
        if left.is_empty() && user.is_none() {
            delete(store, &record)?;
            return Ok(true);
        }
        return Ok(false);
    }
    let tags: Vec<String> = names
        .iter()
        .filter(|name| !is_pinned(name))
        .map(|name| familiar(name))
        .collect();
    if tags.len() > 1 && !force {
        return Err(Failure::new(
            Kind::Host,
            format!(
                "image {} has several names: {}",
                shown_id(&record.id, false),
                tags.join(", ")
            ),
        )
        .hint("`rbuild rmi NAME` removes one of them, `rbuild rmi -f ID` all"));
    }
    match user {
        None => delete(store, &record)?,
        Some(user) if !force => return Err(in_use(name, &user)),
        Some(_) => {
            for name in names_of(store, &record.id)? {
                store.images().untag(&name).map_err(Failure::from_host)?;
                print(&format!("untagged {}\n", familiar(&name)))?;
            }
            return Ok(false);
        }
    }
    Ok(true)
}

fn in_use(name: &str, user: &ContainerId) -> Failure {
    Failure::new(
        Kind::Host,
        format!("image {name} is used by container {}", user.short()),
    )
    .hint("`rbuild rm` removes the container; `rbuild rmi -f` takes the image's names alone")
}

/// A name for several platforms was that of all its images: those that have no other go with it.
fn delete_listed(store: &Store, listed: Option<&Tag>, main: &Digest) -> Result<(), Failure> {
    for id in listed.into_iter().flat_map(Tag::images).filter(|id| id != main) {
        if names_of(store, &id)?.is_empty()
            && store
                .containers()
                .user_of(&id)
                .map_err(Failure::from_host)?
                .is_none()
            && let Some(other) = store.images().get(&id).map_err(Failure::from_host)?
        {
            delete(store, &other)?;
        }
    }
    Ok(())
}

fn names_of(store: &Store, id: &Digest) -> Result<Vec<String>, Failure> {
    let tags = store.images().tags().map_err(Failure::from_host)?;
    Ok(tags
        .into_iter()
        .filter(|tag| tag.names(id))
        .map(|tag| tag.name)
        .collect())
}

fn is_pinned(name: &str) -> bool {
    name.contains('@')
}

/// Name of the repository: no tag, no digest.
fn repository(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.name())
}

/// Whether a pinned name stays after `typed` went: another tag of its repository is there.
fn left_by_tag(names: &[String], typed: &str, pinned: &str) -> bool {
    names
        .iter()
        .any(|name| name != typed && !is_pinned(name) && repository(name) == repository(pinned))
}

/// The names that stay when one goes, and with it the digests under which its repository was pulled when no other tag of
/// it is left.
fn stays(names: &[String], typed: &str) -> Vec<String> {
    let goes = |name: &String| {
        name == typed
            || (is_pinned(name) && repository(name) == repository(typed) && !left_by_tag(names, typed, name))
    };
    names.iter().filter(|name| !goes(name)).cloned().collect()
}

/// Removes a name, and what goes with it. The names that stay.
fn untag(store: &Store, names: &[String], typed: &str) -> Result<Vec<String>, Failure> {
    let left = stays(names, typed);
    for name in names.iter().filter(|name| !left.contains(name)) {
        store.images().untag(name).map_err(Failure::from_host)?;
        print(&format!("untagged {}\n", familiar(name)))?;
    }
    Ok(left)
}

fn delete(store: &Store, record: &ImageRecord) -> Result<(), Failure> {
    let names = store
        .images()
        .remove(&record.id)
        .map_err(Failure::from_host)?
        .unwrap_or_default();
    for name in names {
        print(&format!("untagged {}\n", familiar(&name)))?;
    }
    print(&format!("deleted {}\n", record.id))
}

/// Frees what nothing leads to any more. The names are gone already, so what cannot be freed now is left to a prune.
fn free(store: &Store) {
    if !probe::allowance(&crate::environment::environment().caller()).has_namespace()
        || rbuild_build::engine::enter_namespace(&crate::environment::environment().caller()).is_err()
    {
        return;
    }
    // Nothing is older than this: images without a name, cache records and compressed layers stay.
    let options = PruneOptions {
        unused_since: Some(i64::MIN),
        ..PruneOptions::default()
    };
    let _ = store.prune(&options, gc::beginning());
}

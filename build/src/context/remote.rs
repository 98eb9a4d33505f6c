//! Contexts from elsewhere: a git repository, or a tar (or Dockerfile) at a URL.

use super::place::Place;
use super::stdin::{Fetched, from_file};
use crate::error::{Error, RemoteError};
use crate::registries::Registries;
use crate::remote::{Access, GitAddress, Remote, git, http};
use crate::stop::Stop;
use rbuild_layer::tree::TreeError;
use rbuild_registry::{Cancel, Validators};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Fetches a context.
///
/// # Errors
/// It cannot be fetched, or is no context.
pub fn fetch(
    remote: &Remote,
    registries: &Registries,
    access: &Access<'_>,
    place: Place,
    stop: &Stop,
) -> Result<Fetched, Error> {
    match remote {
        Remote::Git(address) => repository(address, access, place, registries.cancel()),
        Remote::Http(address) => {
            let authorization = access.to_file(address)?;
            let mut file = place.spool()?;
            http::download(
                registries,
                &address.url,
                &Validators::default(),
                authorization.as_ref(),
                &mut file,
                &|_, _| {},
            )?;
            from_file(file, &address.url, place, stop)
        }
    }
}

fn repository(
    address: &GitAddress,
    access: &Access<'_>,
    place: Place,
    cancel: &Cancel,
) -> Result<Fetched, Error> {
    let access = access.to_repository(address)?;
    let commit = git::resolve(address, &access, cancel)?;
    let path = place.context()?;
    git::checkout(address, &access, cancel, &commit, &path)?;
    let Some(subdir) = &address.subdir else {
        return Ok(Fetched {
            path,
            dockerfile: None,
            place,
        });
    };
    // Links in it are followed inside the repository only (CVE-2026-33748).
    let absent = |source: Option<TreeError>| RemoteError::NoContext {
        url: address.url.clone(),
        subdir: subdir.clone(),
        source,
    };
    let checkout = super::BuildContext::open(&path).map_err(|error| absent(Some(error.into())))?;
    let resolved =
        rbuild_layer::tree::Tree::resolve(&checkout, subdir.as_bytes(), rbuild_layer::tree::LastLink::Follow)
            .map_err(|error| absent(Some(error)))?;
    if resolved.node.is_none_or(|node| !node.is_dir()) {
        return Err(absent(None).into());
    }
    Ok(Fetched {
        path: path.join(OsStr::from_bytes(&resolved.path)),
        dockerfile: None,
        place,
    })
}

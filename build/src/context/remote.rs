//! Contexts from elsewhere: a git repository, or a tar (or Dockerfile) at a URL.

use super::stdin::{Fetched, directory, from_file};
use crate::error::{Failure, Kind};
use crate::pull::Puller;
use crate::remote::{Access, GitAddress, Remote, git, http};
use rbuild_registry::Validators;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Fetches a context.
///
/// # Errors
/// It cannot be fetched, or is no context.
pub fn fetch(remote: &Remote, puller: &Puller, access: &Access<'_>) -> Result<Fetched, Failure> {
    match remote {
        Remote::Git(address) => repository(address, access),
        Remote::Http(address) => {
            let authorization = access.to_file(address)?;
            let mut file = tempfile::tempfile()
                .map_err(|error| Failure::host(format!("making a file for the context: {error}")))?;
            http::download(
                puller,
                &address.url,
                &Validators::default(),
                authorization.as_ref(),
                &mut file,
                &|_, _| {},
            )?;
            from_file(file, &address.url)
        }
    }
}

fn repository(address: &GitAddress, access: &Access<'_>) -> Result<Fetched, Failure> {
    let access = access.to_repository(address)?;
    let commit = git::resolve(address, &access)?;
    let (dir, path) = directory()?;
    git::checkout(address, &access, &commit, &path)?;
    let Some(subdir) = &address.subdir else {
        return Ok(Fetched {
            path,
            dockerfile: None,
            dir,
        });
    };
    // Links in it are followed inside the repository only (CVE-2026-33748).
    let at = |error: &dyn std::fmt::Display| {
        Failure::new(
            Kind::Usage,
            format!("{} has no directory `{subdir}`: {error}", address.url),
        )
    };
    let checkout = super::BuildContext::open(&path, None).map_err(|error| at(&error))?;
    let resolved =
        rbuild_layer::tree::Tree::resolve(&checkout, subdir.as_bytes(), rbuild_layer::tree::LastLink::Follow)
            .map_err(|error| at(&error))?;
    if resolved.node.is_none_or(|node| !node.is_dir()) {
        return Err(at(&"it is not there"));
    }
    Ok(Fetched {
        path: path.join(OsStr::from_bytes(&resolved.path)),
        dockerfile: None,
        dir,
    })
}

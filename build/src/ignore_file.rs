//! Finding and reading the ignore file of a context.

use crate::build_error::BuildError;
use crate::context::text::{TextError, text_at};
use crate::context::{BuildContext, Ignore};
use crate::dockerfile::SourceFile;
use crate::dockerfile::{DEFAULT_NAMES, Located, located};
use crate::error::{ContextError, Error};
use crate::request::{DockerfileSource, Request};
use dockerfile_parser::IgnoreFile;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an ignore file is called, alone and behind a Dockerfile's name.
pub const IGNORE_FILE: &str = ".dockerignore";

/// A file and what the user calls it.
type Found = (String, Vec<u8>);

/// Opens a context with the ignore file that belongs to it. `request` is given for the build context itself, whose
/// ignore file may be named after the Dockerfile.
///
/// # Errors
/// The directory or the ignore file cannot be read.
pub(crate) fn open_context(
    path: &Path,
    request: Option<&Request>,
    what: &str,
) -> Result<BuildContext, BuildError> {
    let context = BuildContext::open(path)
        .map_err(|source| ContextError::Open {
            what: what.to_owned(),
            source,
        })
        .map_err(Error::from)?;
    let Some((name, bytes)) = find(&context, request, what)? else {
        return Ok(context);
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let patterns = IgnoreFile::parse(&text).map_err(|diagnostics| {
        let file = SourceFile {
            name: name.clone(),
            path: None,
            text: text.clone(),
        };
        BuildError::Syntax {
            file,
            diagnostics,
            dockerfile: None,
        }
    })?;
    Ok(context.with_ignore(Ignore { patterns, name }))
}

fn find(context: &BuildContext, request: Option<&Request>, what: &str) -> Result<Option<Found>, Error> {
    if let Some(request) = request {
        if let Some(named) = &request.ignore_file {
            let bytes = text_at(named).map_err(|source| ContextError::IgnoreFile {
                path: named.clone(),
                source,
            })?;
            let name = named.file_name().unwrap_or_default();
            return Ok(Some((name.to_string_lossy().into_owned(), bytes)));
        }
        if let Some(found) = beside_dockerfile(context, request, what)? {
            return Ok(Some(found));
        }
    }
    in_context(context, Path::new(IGNORE_FILE), what)
}

/// The ignore file goes with the Dockerfile that is used.
fn beside_dockerfile(context: &BuildContext, request: &Request, what: &str) -> Result<Option<Found>, Error> {
    match &request.dockerfile {
        DockerfileSource::Stdin => Ok(None),
        DockerfileSource::Default => match DEFAULT_NAMES
            .iter()
            .find(|name| context.has_name(name.as_bytes()))
        {
            Some(name) => in_context(context, &named_after(Path::new(name)), what),
            None => Ok(None),
        },
        DockerfileSource::Path(path) => match located(request, context, path) {
            Located::InContext(inside) => in_context(context, &named_after(inside), what),
            Located::OfCaller => beside_own(context, &named_after(path), what),
        },
    }
}

fn named_after(dockerfile: &Path) -> PathBuf {
    let mut name = dockerfile.as_os_str().to_owned();
    name.push(IGNORE_FILE);
    name.into()
}

fn in_context(context: &BuildContext, path: &Path, what: &str) -> Result<Option<Found>, Error> {
    judge(context.text(path.as_os_str().as_bytes()), path, what)
}

/// The caller has named the Dockerfile, but not this file: it is read as one of the context or, where the Dockerfile is
/// elsewhere, of that directory.
#[expect(clippy::disallowed_methods, reason = "beside a path that the caller names")]
fn beside_own(context: &BuildContext, path: &Path, what: &str) -> Result<Option<Found>, Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    // Reading the Dockerfile says what is wrong with the directory.
    let Ok(parent) = parent.canonicalize() else {
        return Ok(None);
    };
    if let Ok(inside) = parent.strip_prefix(context.path()) {
        return in_context(context, &inside.join(name), what);
    }
    let Ok(directory) = BuildContext::open(&parent) else {
        return Ok(None);
    };
    judge(
        directory.text(name.as_bytes()),
        path,
        &format!("`{}`", parent.display()),
    )
}

fn judge(found: Result<Option<Vec<u8>>, TextError>, path: &Path, of: &str) -> Result<Option<Found>, Error> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match found {
        Ok(bytes) => Ok(bytes.map(|bytes| (name, bytes))),
        Err(source) => Err(ContextError::IgnoreFileInside {
            name,
            context: of.to_owned(),
            source,
        }
        .into()),
    }
}

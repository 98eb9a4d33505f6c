//! Finding and reading the ignore file of a context.

use super::dockerfile::{DEFAULT_NAMES, Located, located};
use super::{SourceFile, failure};
use crate::error::{Failure, Kind};
use crate::options::BuildOptions;
use crate::ui::Look;
use dockerfile_parser::IgnoreFile;
use rbuild_build::context::text::{TextError, text_at};
use rbuild_build::context::{BuildContext, Ignore};
use rbuild_build::request::DockerfileSource;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an ignore file is called, alone and behind a Dockerfile's name.
pub const IGNORE_FILE: &str = ".dockerignore";

/// A file and what the user calls it.
type Found = (String, Vec<u8>);

/// Opens a context with the ignore file that belongs to it. `options` are given for the build context itself, whose
/// ignore file may be named after the Dockerfile.
///
/// # Errors
/// The directory or the ignore file cannot be read.
pub(super) fn open_context(
    path: &Path,
    options: Option<&BuildOptions>,
    what: &str,
) -> Result<BuildContext, Failure> {
    let context = BuildContext::open(path)
        .map_err(|error| Failure::from_error(Kind::Usage, &error).context(format!("opening {what}")))?;
    let Some((name, bytes)) = find(&context, options, what)? else {
        return Ok(context);
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let patterns = IgnoreFile::parse(&text).map_err(|diagnostics| {
        let file = SourceFile {
            name: name.clone(),
            path: None,
            text: text.clone(),
        };
        failure::parsing(&file, &diagnostics, &Look::new(false, |_| None))
    })?;
    Ok(context.with_ignore(Ignore { patterns, name }))
}

fn find(
    context: &BuildContext,
    options: Option<&BuildOptions>,
    what: &str,
) -> Result<Option<Found>, Failure> {
    if let Some(options) = options {
        if let Some(named) = &options.request.ignore_file {
            let bytes = text_at(named)
                .map_err(|error| Failure::usage(format!("reading `{}`: {error}", named.display())))?;
            let name = named.file_name().unwrap_or_default();
            return Ok(Some((name.to_string_lossy().into_owned(), bytes)));
        }
        if let Some(found) = beside_dockerfile(context, options, what)? {
            return Ok(Some(found));
        }
    }
    in_context(context, Path::new(IGNORE_FILE), what)
}

/// The ignore file goes with the Dockerfile that is used.
fn beside_dockerfile(
    context: &BuildContext,
    options: &BuildOptions,
    what: &str,
) -> Result<Option<Found>, Failure> {
    match &options.request.dockerfile {
        DockerfileSource::Stdin => Ok(None),
        DockerfileSource::Default => match DEFAULT_NAMES
            .iter()
            .find(|name| context.has_name(name.as_bytes()))
        {
            Some(name) => in_context(context, &named_after(Path::new(name)), what),
            None => Ok(None),
        },
        DockerfileSource::Path(path) => match located(options, context, path) {
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

fn in_context(context: &BuildContext, path: &Path, what: &str) -> Result<Option<Found>, Failure> {
    judge(context.text(path.as_os_str().as_bytes()), path, what)
}

/// The caller has named the Dockerfile, but not this file: it is read as one of the context or, where the Dockerfile is
/// elsewhere, of that directory.
#[expect(clippy::disallowed_methods, reason = "beside a path that the caller names")]
fn beside_own(context: &BuildContext, path: &Path, what: &str) -> Result<Option<Found>, Failure> {
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

fn judge(found: Result<Option<Vec<u8>>, TextError>, path: &Path, of: &str) -> Result<Option<Found>, Failure> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match found {
        Ok(bytes) => Ok(bytes.map(|bytes| (name, bytes))),
        Err(error) => {
            let failure = Failure::usage(format!("reading `{name}` of {of}: {error}"));
            Err(match error {
                TextError::LeadsOut => failure.hint("`--ignorefile FILE` names an ignore file elsewhere"),
                _ => failure,
            })
        }
    }
}

//! Finding and reading the Dockerfile.

use crate::address::passwords_hidden;
use crate::context::BuildContext;
use crate::context::text::{TextError, limited, text_at};
use crate::error::{ContextError, Error};
use crate::inlet::Inlet;
use crate::request::{ContextSource, DockerfileSource, Request};
use crate::stop::Stop;
use dockerfile_parser::lint::{self, LintInput};
use dockerfile_parser::secrets::hidden_in_file;
use dockerfile_parser::{Diagnostic, Dockerfile};
use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A Dockerfile and where it is from.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SourceFile {
    /// As the user calls it.
    pub name: String,
    /// Absolute path, relative in a context that was fetched; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
}

impl SourceFile {
    /// Its text as excerpts show it: logs are read by more people than Dockerfiles.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        match hidden_in_file(&self.text) {
            Cow::Borrowed(text) => passwords_hidden(text),
            Cow::Owned(text) => Cow::Owned(passwords_hidden(&text).into_owned()),
        }
    }
}

/// Reads the Dockerfile that the flags name; `piped` is one that came in place of a context.
///
/// # Errors
/// It is not there, cannot be read, or is not UTF-8.
pub(crate) fn read(
    request: &Request,
    context: &BuildContext,
    piped: Option<&[u8]>,
) -> Result<SourceFile, Error> {
    let source = &request.dockerfile;
    let (name, path, bytes) = match source {
        DockerfileSource::Stdin => ("-".to_owned(), None, stdin(&request.stop)?),
        DockerfileSource::Default if piped.is_some() => {
            ("-".to_owned(), None, piped.unwrap_or_default().to_vec())
        }
        DockerfileSource::Default => default(request, context)?,
        DockerfileSource::Path(path) => match located(request, context, path) {
            Located::InContext(inside) => in_context(context, inside)?,
            Located::OfCaller => {
                let bytes = text_at(path).map_err(|error| missing(path, error))?;
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                (path.display().to_string(), Some(absolute), bytes)
            }
        },
    };
    let text = dockerfile_parser::decode(&bytes)
        .map_err(|source| ContextError::NoText {
            name: name.clone(),
            source,
        })?
        .to_owned();
    refuse_template(&name, &text)?;
    Ok(SourceFile { name, path, text })
}

/// buildah hands a `….in` to the C preprocessor. Here its directives are comments: that must not go unnoticed.
fn refuse_template(name: &str, text: &str) -> Result<(), Error> {
    const DIRECTIVES: [&str; 9] = [
        "#include", "#define", "#undef", "#if", "#ifdef", "#ifndef", "#else", "#elif", "#endif",
    ];
    let directive = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|word| DIRECTIVES.contains(word));
    match directive {
        Some(directive) if name.ends_with(".in") => Err(ContextError::Template {
            name: name.to_owned(),
            directive: directive.to_owned(),
        }
        .into()),
        _ => Ok(()),
    }
}

/// Whose file `-f` names.
pub(super) enum Located<'a> {
    /// One of a context that was fetched: its path there.
    InContext(&'a Path),
    /// The caller's own, by its path.
    OfCaller,
}

/// `-f` is relative to the current directory; for a context that was fetched, to the context, where it is looked for
/// first.
pub(crate) fn located<'a>(request: &Request, context: &BuildContext, path: &'a Path) -> Located<'a> {
    let names_inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if is_fetched(request) && names_inside && context.has_name(path.as_os_str().as_bytes()) {
        Located::InContext(path)
    } else {
        Located::OfCaller
    }
}

fn is_fetched(request: &Request) -> bool {
    !matches!(request.context, ContextSource::Directory(_))
}

/// What the file is called where `-f` names none.
pub(super) const DEFAULT_NAMES: [&str; 2] = ["Dockerfile", "dockerfile"];

type Found = (String, Option<PathBuf>, Vec<u8>);

/// A file of a context that was fetched.
fn in_context(context: &BuildContext, path: &Path) -> Result<Found, Error> {
    let name = path.display().to_string();
    let bytes = context
        .text(path.as_os_str().as_bytes())
        .and_then(|bytes| bytes.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound).into()))
        .map_err(|source| ContextError::DockerfileInside {
            name: name.clone(),
            source,
        })?;
    Ok((name, Some(path.to_owned()), bytes))
}

fn default(request: &Request, context: &BuildContext) -> Result<Found, Error> {
    let directory = context.path();
    for name in DEFAULT_NAMES {
        match context.text(name.as_bytes()) {
            Ok(Some(bytes)) => {
                let path = match is_fetched(request) {
                    true => PathBuf::from(name),
                    false => directory.join(name),
                };
                return Ok((name.to_owned(), Some(path), bytes));
            }
            Ok(None) => {}
            Err(error) => {
                return Err(ContextError::DockerfileInside {
                    name: name.to_owned(),
                    source: error,
                }
                .into());
            }
        }
    }
    let place = match is_fetched(request) {
        true => "the context".to_owned(),
        false => format!("`{}`", directory.display()),
    };
    let others = ["Containerfile", "Containerfile.in"];
    let instead = others.into_iter().find(|name| context.has_name(name.as_bytes()));
    Err(ContextError::NoDockerfile { place, instead }.into())
}

fn missing(path: &Path, source: TextError) -> Error {
    let near = neighbour(path)
        // A link that leads nowhere is its own neighbour.
        .filter(|near| source.is_not_found() && path.file_name() != Some(near.as_ref()))
        .map(|near| path.with_file_name(near));
    let path = path.to_owned();
    ContextError::Dockerfile { path, near, source }.into()
}

/// The file beside `path` whose name is nearest.
#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn neighbour(path: &Path) -> Option<String> {
    let directory = match path.parent()? {
        parent if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    let names: Vec<String> = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let wanted = path.file_name()?.to_str()?;
    dockerfile_parser::suggest::nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

fn stdin(stop: &Stop) -> Result<Vec<u8>, Error> {
    Ok(limited(Inlet::new(std::io::stdin(), stop)).map_err(ContextError::DockerfileInput)?)
}

/// What the checks find above the first error, among the errors: there the tree is whole.
pub fn add_checks_above_errors(dockerfile: &Dockerfile, diagnostics: &mut Vec<Diagnostic>) {
    let errors = diagnostics.iter().filter(|found| found.is_error());
    let Some(first) = errors.map(|found| found.span.start).min() else {
        return;
    };
    let checks = lint::check(dockerfile, &LintInput::default());
    diagnostics.extend(checks.into_iter().filter(|check| check.span.end <= first));
    diagnostics.sort_by_key(|found| found.span.start);
}

//! Finding and reading the Dockerfile and the ignore file.

use crate::error::{Failure, Kind};
use crate::options::{BuildOptions, Call};
use crate::pipeline::{failure, frontend};
use crate::ui::Look;
use dockerfile_parser::lint::{self, LintInput};
use dockerfile_parser::{IgnoreFile, Parsed};
use rbuild_build::context::stdin::Fetched;
use rbuild_build::context::{BuildContext, Ignore};
use rbuild_build::remote::address::passwords_hidden;
use rbuild_build::request::{ContextSource, DockerfileSource};
use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A Dockerfile and where it is from.
pub struct SourceFile {
    /// As the user calls it.
    pub name: String,
    /// Absolute path; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Its text.
    pub text: String,
}

impl SourceFile {
    /// Its text as excerpts show it: logs are read by more people than Dockerfiles.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        passwords_hidden(&self.text)
    }
}

/// Reads the Dockerfile that the flags name.
///
/// # Errors
/// It is not there, cannot be read, or is not UTF-8.
pub fn read(
    options: &BuildOptions,
    context: &Path,
    fetched: Option<&Fetched>,
) -> Result<SourceFile, Failure> {
    let piped = fetched.and_then(|fetched| fetched.dockerfile.as_deref());
    let (name, path, bytes) = match &options.request.dockerfile {
        DockerfileSource::Stdin => ("-".to_owned(), None, stdin()?),
        DockerfileSource::Default if piped.is_some() => {
            ("-".to_owned(), None, piped.unwrap_or_default().to_vec())
        }
        DockerfileSource::Default => default(context)?,
        DockerfileSource::Path(path) => {
            let path = &located(path, context, fetched.is_some());
            let bytes = std::fs::read(path).map_err(|error| missing(path, &error))?;
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            (path.display().to_string(), Some(absolute), bytes)
        }
    };
    let text = dockerfile_parser::decode(&bytes)
        .map_err(|error| Failure::new(Kind::Dockerfile, format!("{name}: {error}")))?
        .to_owned();
    refuse_template(&name, &text)?;
    Ok(SourceFile { name, path, text })
}

/// buildah hands a `….in` to the C preprocessor. Here its directives are comments: that must not go unnoticed.
fn refuse_template(name: &str, text: &str) -> Result<(), Failure> {
    const DIRECTIVES: [&str; 9] = [
        "#include", "#define", "#undef", "#if", "#ifdef", "#ifndef", "#else", "#elif", "#endif",
    ];
    let directive = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .find(|word| DIRECTIVES.contains(word));
    match directive {
        Some(directive) if name.ends_with(".in") => Err(Failure::new(
            Kind::Dockerfile,
            format!("{name}: `{directive}` is for a preprocessor, and there is none"),
        )
        .hint(format!(
            "`cpp -E -P -traditional {name} | rbuild -f - CONTEXT` builds what it gives"
        ))),
        _ => Ok(()),
    }
}

/// `-f` is relative to the current directory; for a context that was fetched, to the context, where it is looked for
/// first.
fn located(path: &Path, context: &Path, is_fetched: bool) -> PathBuf {
    let inside = context.join(path);
    if is_fetched && path.is_relative() && inside.exists() {
        inside
    } else {
        path.to_owned()
    }
}

/// What the file is called where `-f` names none.
const DEFAULT_NAMES: [&str; 2] = ["Dockerfile", "dockerfile"];

fn default(context: &Path) -> Result<(String, Option<PathBuf>, Vec<u8>), Failure> {
    for name in DEFAULT_NAMES {
        let path = context.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => return Ok((name.to_owned(), Some(path), bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(missing(&path, &error)),
        }
    }
    let failure = Failure::usage(format!("there is no Dockerfile in `{}`", context.display()));
    Err(if context.join("Containerfile").exists() {
        failure.hint("there is a Containerfile: build with `-f Containerfile`")
    } else if context.join("Containerfile.in").exists() {
        failure.hint("there is a Containerfile.in: templates are not preprocessed")
    } else {
        failure.hint("`-f FILE` names a Dockerfile elsewhere")
    })
}

fn missing(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::usage(format!("reading the Dockerfile `{}`: {error}", path.display()));
    match neighbour(path) {
        Some(near) if error.kind() == std::io::ErrorKind::NotFound => {
            failure.hint(format!("did you mean `{}`?", path.with_file_name(near).display()))
        }
        _ => failure,
    }
}

/// The file beside `path` whose name is nearest.
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

fn stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::host(format!("reading the Dockerfile from standard input: {error}")))?;
    Ok(bytes)
}

/// Parses it; every error in it is drawn. What is left are warnings.
///
/// # Errors
/// There are errors, or it wants a frontend that the flags do not allow.
pub fn parse(options: &BuildOptions, file: &SourceFile, look: &Look) -> Result<Parsed, Failure> {
    let mut parsed = dockerfile_parser::parse(&file.text);
    if parsed.has_errors() {
        if options.call == Call::Check {
            add_checks(&mut parsed);
        }
        if options.call == Call::Check && options.call_json {
            crate::call::print_broken(file, &parsed.diagnostics)?;
        }
        return Err(failure::parsing(file, &parsed.diagnostics, look));
    }
    frontend::check(options, file, &mut parsed, look)?;
    Ok(parsed)
}

/// Adds what the checks find above the first error: there the tree is whole.
fn add_checks(parsed: &mut Parsed) {
    let errors = parsed.diagnostics.iter().filter(|found| found.is_error());
    let Some(first) = errors.map(|found| found.span.start).min() else {
        return;
    };
    let checks = lint::check(&parsed.dockerfile, &LintInput::default());
    let above = checks.into_iter().filter(|check| check.span.end <= first);
    parsed.diagnostics.extend(above);
    parsed.diagnostics.sort_by_key(|found| found.span.start);
}

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
    let mut candidates = Vec::new();
    let named = options.and_then(|options| options.request.ignore_file.as_ref());
    if let Some(named) = named {
        candidates.push(named.clone());
    } else if let Some(options) = options {
        let dockerfiles = match &options.request.dockerfile {
            DockerfileSource::Path(dockerfile) => {
                let is_fetched = !matches!(options.request.context, ContextSource::Directory(_));
                vec![located(dockerfile, path, is_fetched)]
            }
            DockerfileSource::Default => DEFAULT_NAMES.iter().map(|name| path.join(name)).collect(),
            DockerfileSource::Stdin => Vec::new(),
        };
        // The ignore file goes with the Dockerfile that is used.
        if let Some(dockerfile) = dockerfiles.iter().find(|path| path.exists()) {
            let mut name = dockerfile.clone().into_os_string();
            name.push(".dockerignore");
            candidates.push(PathBuf::from(name));
        }
    }
    if named.is_none() {
        candidates.push(path.join(".dockerignore"));
    }
    let mut ignore = None;
    for candidate in candidates {
        match std::fs::read(&candidate) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let name = candidate
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let patterns = IgnoreFile::parse(&text).map_err(|diagnostics| {
                    let file = SourceFile {
                        name: candidate.display().to_string(),
                        path: None,
                        text: text.clone(),
                    };
                    failure::parsing(&file, &diagnostics, &Look::new(false, |_| None))
                })?;
                ignore = Some(Ignore { patterns, name });
                break;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {}
            Err(error) => {
                return Err(Failure::usage(format!(
                    "reading `{}`: {error}",
                    candidate.display()
                )));
            }
        }
    }
    BuildContext::open(path, ignore)
        .map_err(|error| Failure::from_error(Kind::Usage, &error).context(format!("opening {what}")))
}

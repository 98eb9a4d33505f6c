//! Where the context and the Dockerfile come from.

use crate::cli::build::BuildArgs;
use crate::error::Failure;
use rbuild_build::address::redacted;
use rbuild_build::remote::Remote;
use rbuild_build::request::{ContextSource, DockerfileSource};
use std::path::{Path, PathBuf};

/// What CONTEXT and `-f` mean.
///
/// # Errors
/// There is no context, it is a URL of an unknown kind, or both are standard input.
pub(super) fn sources(args: &BuildArgs) -> Result<(ContextSource, DockerfileSource), Failure> {
    let context = match args.context.as_deref() {
        Some("-") => ContextSource::Stdin,
        Some(text) => match Remote::parse(text)
            .map_err(|why| Failure::usage(format!("the context `{}`: {why}", redacted(text))))?
        {
            Some(remote) => ContextSource::Remote(remote),
            None if text.contains("://") => {
                return Err(Failure::usage(format!(
                    "the context `{}` is a URL of a kind that is not supported",
                    redacted(text)
                ))
                .hint("use a directory, `-`, https://…/archive.tar, or a git repository"));
            }
            None => ContextSource::Directory(PathBuf::from(text)),
        },
        None => {
            return Err(Failure::usage("no build context was given")
                .hint("`rbuild .` builds the current directory; `rbuild --help` shows more"));
        }
    };
    let dockerfile = match args.file.as_deref() {
        None => DockerfileSource::Default,
        Some(path) if path == Path::new("-") => DockerfileSource::Stdin,
        Some(path) => DockerfileSource::Path(path.to_owned()),
    };
    if context == ContextSource::Stdin && dockerfile == DockerfileSource::Stdin {
        return Err(Failure::usage(
            "the context and the Dockerfile cannot both come from standard input",
        ));
    }
    Ok((context, dockerfile))
}

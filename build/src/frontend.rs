//! Which frontend a build is asked to use: there is the one that is built in, and none other is run.

use crate::error::{Error, RequestError};
use crate::request::Request;
use dockerfile_parser::diagnostic::Severity;
use dockerfile_parser::frontend::is_builtin;
use dockerfile_parser::{Kind, Parsed};

/// The build argument that goes before `# syntax=`.
const ARGUMENT: &str = "BUILDKIT_SYNTAX";

/// Judges a file that asks for another frontend than the built-in one: an error with [`Request::strict_syntax`], else a
/// warning among the diagnostics, and the image where it is the argument that asks.
///
/// # Errors
/// The argument asks, and the syntax is strict.
pub(crate) fn check(request: &Request, parsed: &mut Parsed) -> Result<Option<String>, Error> {
    let is_foreign = |kind: &Kind| matches!(kind, Kind::ForeignSyntax { .. });
    if let Some(value) = request.build_args.get(ARGUMENT) {
        parsed.diagnostics.retain(|found| !is_foreign(&found.kind));
        let image = value.split(' ').next().unwrap_or_default();
        if image.is_empty() || is_builtin(image) {
            return Ok(None);
        }
        if request.strict_syntax {
            let image = image.to_owned();
            return Err(RequestError::ForeignFrontend { image }.into());
        }
        return Ok(Some(image.to_owned()));
    }
    if request.strict_syntax {
        let foreign = parsed
            .diagnostics
            .iter_mut()
            .filter(|found| is_foreign(&found.kind));
        for found in foreign {
            found.severity = Severity::Error;
        }
    }
    Ok(None)
}

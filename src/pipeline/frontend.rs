//! Which frontend a build is asked to use: there is the one that is built in, and none other is run.

use super::SourceFile;
use super::failure;
use crate::cli::streams::note;
use crate::error::Failure;
use crate::options::BuildOptions;
use crate::ui::Look;
use dockerfile_parser::diagnostic::Severity;
use dockerfile_parser::frontend::is_builtin;
use dockerfile_parser::{Kind, Parsed};

/// The build argument that goes before `# syntax=`.
const ARGUMENT: &str = "BUILDKIT_SYNTAX";

/// With `--strict-syntax` another frontend than the built-in one is an error; else it is a warning, for the argument
/// told here.
///
/// # Errors
/// `--strict-syntax`.
pub(super) fn check(
    options: &BuildOptions,
    file: &SourceFile,
    parsed: &mut Parsed,
    look: &Look,
) -> Result<(), Failure> {
    let is_foreign = |kind: &Kind| matches!(kind, Kind::ForeignSyntax { .. });
    if let Some(value) = options.request.build_args.get(ARGUMENT) {
        parsed.diagnostics.retain(|found| !is_foreign(&found.kind));
        let image = value.split(' ').next().unwrap_or_default();
        if image.is_empty() || is_builtin(image) {
            return Ok(());
        }
        let message = format!("{ARGUMENT}: the frontend `{image}` is not used");
        if options.request.strict_syntax {
            return Err(Failure::usage(message).hint("only the Dockerfile frontend is built in"));
        }
        note(&format!(
            "warning: {message}: {} is read as a Dockerfile",
            file.name
        ));
    } else if options.request.strict_syntax {
        let foreign = parsed
            .diagnostics
            .iter_mut()
            .filter(|found| is_foreign(&found.kind));
        for found in foreign {
            found.severity = Severity::Error;
        }
        if parsed.has_errors() {
            return Err(failure::parsing(file, &parsed.diagnostics, look));
        }
    }
    Ok(())
}

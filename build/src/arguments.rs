//! Arguments that steer a build and meet the Dockerfile: what its text asks for, and what takes the place of that.

use crate::error::{Error, RequestError};
use crate::request::{EPOCH_ARG, Request};
use dockerfile_parser::dockerfile::Directive;
use dockerfile_parser::lint::CheckOptions;
use dockerfile_parser::{Dockerfile, Span};
use std::collections::BTreeMap;

/// The build argument that goes before `# check=`.
const CHECK: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Puts `BUILDKIT_DOCKERFILE_CHECK` in the place of `# check=`.
///
/// # Errors
/// It names an option or a rule that is not there.
pub(crate) fn apply_check(request: &Request, dockerfile: &mut Dockerfile) -> Result<(), Error> {
    let Some(value) = request.build_args.get(CHECK) else {
        return Ok(());
    };
    let found = CheckOptions::parse(value, Span::default()).1;
    if let Some(wrong) = found.into_iter().next() {
        return Err(RequestError::Check(Box::new(wrong)).into());
    }
    dockerfile.directives.check = Some(Directive {
        value: value.clone(),
        span: Span::default(),
        line: Span::default(),
    });
    Ok(())
}

/// What `ARG SOURCE_DATE_EPOCH=…` before the first `FROM` says; `None` where it is not there, or where the command line
/// says something, be it nothing.
///
/// # Errors
/// It is no number of seconds.
pub(crate) fn epoch(request: &Request, dockerfile: &Dockerfile) -> Result<Option<i64>, Error> {
    if request.build_args.contains_key(EPOCH_ARG) {
        return Ok(None);
    }
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for declaration in dockerfile
        .global_args
        .iter()
        .flat_map(|global| &global.arg.declarations)
    {
        let name = &declaration.name.text;
        let default = declaration.default.as_ref().map(|word| word.expand(&values));
        let value = match (request.build_args.get(name), default) {
            (Some(given), _) => Some(given.clone()),
            // What does not expand is told where the arguments are declared.
            (None, default) => default.and_then(Result::ok).map(|expanded| expanded.value),
        };
        if let Some(value) = value {
            values.insert(name.clone(), value);
        }
    }
    match values.get(EPOCH_ARG).map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(seconds) if seconds >= 0 => Ok(Some(seconds)),
            _ => Err(RequestError::Epoch {
                text: text.to_owned(),
            }
            .into()),
        },
    }
}

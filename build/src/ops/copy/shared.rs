//! Several files to one name: the last one stays, which is seldom meant.

use super::select::Selected;
use super::sources::Sources;
use crate::ops::spec::{CopySource, CopySpec};
use crate::ops::{OpError, StepOutput};
use rbuild_layer::tree::{LastLink, Tree, TreeError};

/// The destination, where it is the name of more than one file. Trees are looked at only where that may be.
pub(super) fn shared_name(
    spec: &CopySpec,
    inputs: &[StepOutput],
    sources: &Sources,
) -> Result<Option<String>, OpError> {
    if spec.dest.ends_with('/') || spec.parents {
        return Ok(None);
    }
    // A heredoc, or what was selected.
    let things: Vec<Option<&Selected>> = spec
        .sources
        .iter()
        .enumerate()
        .flat_map(|(at, source)| {
            let inline = matches!(source, CopySource::Inline { .. });
            inline.then_some(None).into_iter().chain(sources.of(at).map(Some))
        })
        .take(2)
        .collect();
    // A directory makes the destination one, or cannot be where a file is.
    let is_dir = |thing: &Option<&Selected>| thing.is_some_and(|selected| selected.node.is_dir());
    if things.len() < 2 || things.iter().any(is_dir) || goes_into_directory(spec, inputs)? {
        return Ok(None);
    }
    // So does an archive.
    for selected in things.into_iter().flatten() {
        if sources.is_unpacked(spec, selected)? {
            return Ok(None);
        }
    }
    Ok(Some(spec.dest.clone()))
}

fn goes_into_directory(spec: &CopySpec, inputs: &[StepOutput]) -> Result<bool, OpError> {
    let path = spec.dest.trim_matches('/').as_bytes();
    match super::below(spec, inputs)?.resolve(path, LastLink::Follow) {
        Ok(resolved) => Ok(resolved.node.is_some_and(|node| node.is_dir())),
        // The step will fail, and say why.
        Err(TreeError::NotADirectory(_) | TreeError::TooManyLinks(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

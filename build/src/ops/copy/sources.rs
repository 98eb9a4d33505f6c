//! [`Sources`]: what the sources of one instruction name, in the context and in what other steps made.

use super::archive::is_archive;
use super::select::{Selected, Selection};
use super::shared::shared_name;
use crate::context::BuildContext;
use crate::ops::spec::{CopySource, CopySpec};
use crate::ops::{OpError, StepOutput};
use dockerfile_parser::{IgnoreFile, glob};
use rbuild_layer::tree::{Tree, TreeView};
use std::sync::Arc;

/// What the sources of an instruction named, file hashes included. What the key was made from is what is copied:
/// nothing is looked at, or hashed, a second time, and a file that changes in between fails the copy.
pub(in crate::ops) struct Sources {
    pub(super) trees: Vec<Option<Arc<dyn Tree>>>,
    pub(super) selected: Vec<Selected>,
    /// Wildcards that named nothing: which source, and the pattern.
    unmatched: Vec<(usize, String)>,
    /// The destination, where several files take it as their name.
    shared_name: Option<String>,
}

impl Sources {
    /// The wildcards that named nothing, by source.
    pub(in crate::ops) fn unmatched(&self) -> impl Iterator<Item = (usize, &str)> {
        self.unmatched
            .iter()
            .map(|(source, pattern)| (*source, pattern.as_str()))
    }

    /// The destination, where several files take it as their name, so that only the last of them is there.
    pub(in crate::ops) fn shared_name(&self) -> Option<&str> {
        self.shared_name.as_deref()
    }

    /// What a source named.
    pub(super) fn of(&self, source: usize) -> impl Iterator<Item = &Selected> {
        self.selected
            .iter()
            .filter(move |selected| selected.source == source)
    }

    /// Whether it is an archive that is unpacked.
    pub(super) fn is_unpacked(&self, spec: &CopySpec, selected: &Selected) -> Result<bool, OpError> {
        let wanted = match spec.sources[selected.source] {
            CopySource::Snapshot { .. } => spec.unpack_remote,
            _ => spec.unpack,
        };
        match &self.trees[selected.source] {
            Some(tree) if wanted => is_archive(tree.as_ref(), &selected.node),
            _ => Ok(false),
        }
    }
}

/// `None`: much would have to be read, and the effort is cheap.
pub(super) fn select_all(
    spec: &CopySpec,
    inputs: &[StepOutput],
    cheap: bool,
) -> Result<Option<Sources>, OpError> {
    let excludes = excludes(spec)?;
    let mut trees: Vec<Option<Arc<dyn Tree>>> = Vec::new();
    let mut all = Vec::new();
    let mut unmatched = Vec::new();
    for (at, source) in spec.sources.iter().enumerate() {
        let (tree, pattern, literal): (Arc<dyn Tree>, &str, bool) = match source {
            CopySource::Inline { .. } => {
                trees.push(None);
                continue;
            }
            CopySource::Context {
                context,
                pattern,
                literal,
            } => (Arc::clone(context) as Arc<dyn Tree>, pattern, *literal),
            CopySource::Snapshot { input, pattern } => {
                (Arc::new(input_tree(inputs, *input)?), pattern, false)
            }
        };
        let selection = Selection {
            tree: tree.as_ref(),
            source: at,
            pattern,
            literal,
            parents: spec.parents,
            excludes: excludes.as_ref(),
        };
        let mut selected = selection.run().map_err(|error| hidden(error, source))?;
        // A path without wildcards that is not there is an error; what is excluded is meant to be.
        let optional = spec.sources.len() > 1 && glob::is_optional_name(pattern);
        if selected.is_empty() && excludes.is_none() && !optional {
            unmatched.push((at, pattern.to_owned()));
        }
        if let CopySource::Context { context, .. } = source {
            for one in &mut selected {
                if !hash_nodes(context, one, cheap)? {
                    return Ok(None);
                }
            }
        }
        all.append(&mut selected);
        trees.push(Some(tree));
    }
    let mut sources = Sources {
        trees,
        selected: all,
        unmatched,
        shared_name: None,
    };
    sources.shared_name = shared_name(spec, inputs, &sources)?;
    Ok(Some(sources))
}

/// The patterns of `--exclude`, if there are any.
fn excludes(spec: &CopySpec) -> Result<Option<IgnoreFile>, OpError> {
    if spec.excludes.is_empty() {
        return Ok(None);
    }
    let patterns = IgnoreFile::from_patterns(spec.excludes.iter().map(String::as_str));
    patterns.map(Some).map_err(|diagnostics| {
        let why = diagnostics
            .first()
            .map(dockerfile_parser::Diagnostic::message)
            .unwrap_or_default();
        OpError::Pattern {
            pattern: spec.excludes.join(" "),
            why,
        }
    })
}

fn hash_nodes(context: &BuildContext, selected: &mut Selected, cheap: bool) -> Result<bool, OpError> {
    Ok(
        context.hash_missing(std::slice::from_mut(&mut selected.node), cheap)?
            && context.hash_missing(&mut selected.below, cheap)?,
    )
}

/// Says which ignore pattern hides a missing source.
fn hidden(error: OpError, source: &CopySource) -> OpError {
    match (error, source) {
        (
            OpError::MissingSource {
                source_at,
                path,
                near,
                ..
            },
            CopySource::Context { context, .. },
        ) => {
            let hidden_by = context
                .hidden_by(path.as_bytes())
                .map(|(pattern, file)| (pattern, file.to_owned()));
            OpError::MissingSource {
                source_at,
                path,
                near,
                hidden_by,
            }
        }
        (other, _) => other,
    }
}

fn input_tree(inputs: &[StepOutput], input: usize) -> Result<TreeView, OpError> {
    match inputs.get(input).and_then(StepOutput::snapshot) {
        Some(snapshot) => Ok(snapshot.tree()?),
        None => Ok(TreeView::default()),
    }
}

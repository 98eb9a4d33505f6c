//! [`Plan`]: what a build will do, after the Dockerfile met its bases, contexts and checks.

use crate::bases::Bases;
use crate::build_error::BuildError;
use crate::finding::{self, in_file_order};
use crate::inputs::{Looks, ask_checks, lower_input};
use crate::lower::{Finding, LowerFailure, Lowered, StageBases, StageState, lower};
use crate::observer::{BuildEvent, StepInfo};
use crate::ops::BuildOp;
use crate::ops::spec::StepSpec;
use crate::session::Session;
use crate::sources::Resolver;
use dockerfile_parser::Diagnostic;
use rbuild_solver::{Graph, VertexId};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

/// What a build will do.
pub(crate) struct Plan {
    /// The steps.
    pub(crate) graph: Graph<BuildOp>,
    /// The stage that is built, for each platform.
    pub(crate) targets: Vec<Rc<StageState>>,
    /// What the parser and the checks found, in file order, no errors among it.
    pub(crate) found: Vec<Diagnostic>,
}

impl Plan {
    /// The vertices of the stage that is built, and of those that it begins with: each stands on the one before.
    pub(crate) fn own_vertices(&self) -> BTreeSet<VertexId> {
        let below = |vertex: &VertexId| self.graph.inputs(*vertex).first().copied();
        let own = |target| std::iter::successors(Some(target), below);
        self.target_vertices().into_iter().flat_map(own).collect()
    }

    /// What the stage makes, for each platform.
    pub(crate) fn target_vertices(&self) -> Vec<VertexId> {
        vertices(&self.targets)
    }
}

fn vertices(targets: &[Rc<StageState>]) -> Vec<VertexId> {
    targets.iter().map(|target| target.vertex).collect()
}

/// Lowers the Dockerfile and asks the checks. Tells the observer of the steps and of what was found.
///
/// # Errors
/// The Dockerfile cannot be built, or makes an error of a finding.
pub(crate) fn plan(session: &Session<'_>) -> Result<Plan, BuildError> {
    let request = session.request;
    let dockerfile = &session.inputs.parsed.dockerfile;
    let resolver = Resolver::new(&session.store, &session.inputs.registries, request.pull);
    let devices = crate::cdi::Registry::new(&request.cdi_spec_dirs);
    let no_cache = |name: Option<&str>, index| request.no_cache.covers(name, index);
    let contexts = &session.inputs.contexts;
    let input = lower_input(
        request, dockerfile, contexts, &resolver, &devices, &no_cache, false,
    );
    let lowered = lower(&input, &request.platforms, &|step| {
        BuildOp::new(step, Arc::clone(&session.engine))
    });
    match lowered {
        Ok(lowered) => judged(session, lowered),
        Err(LowerFailure { findings, bases }) => {
            let found = checked(session, &bases);
            Err(BuildError::Lowering {
                file: session.inputs.file.clone(),
                checks: finding::related(dockerfile, &findings, &found),
                findings,
            })
        }
    }
}

/// What the parser and the checks found.
fn checked(session: &Session<'_>, bases: &StageBases) -> Vec<Diagnostic> {
    let Session { request, inputs, .. } = session;
    let bases = Bases::new(&inputs.parsed.dockerfile, bases, Some(&session.store));
    let mut found = inputs.parsed.diagnostics.clone();
    found.extend(ask_checks(
        request,
        &inputs.parsed.dockerfile,
        &inputs.contexts,
        &bases,
        Looks::Cheap,
    ));
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    found
}

fn judged(session: &Session<'_>, lowered: Lowered<BuildOp>) -> Result<Plan, BuildError> {
    let found = checked(session, &lowered.bases);
    let Lowered {
        graph,
        targets,
        mut warnings,
        unconsumed,
        ..
    } = lowered;
    let refused = |checks: Vec<Diagnostic>, findings: Vec<Finding>| BuildError::Checks {
        file: session.inputs.file.clone(),
        checks,
        findings,
    };
    if found.iter().any(Diagnostic::is_error) {
        return Err(refused(found, Vec::new()));
    }
    finding::judge(&mut warnings, &session.policy);
    if warnings.iter().any(|finding| finding.is_error) {
        return Err(refused(Vec::new(), warnings));
    }
    tell_steps(session, &graph, &vertices(&targets));
    let told = in_file_order(&found, &warnings);
    if !told.is_empty() {
        session.observer.event(&BuildEvent::Warnings {
            file: &session.inputs.file,
            found: &told,
        });
    }
    if !unconsumed.is_empty() {
        session.observer.event(&BuildEvent::UnusedArguments(&unconsumed));
    }
    Ok(Plan {
        graph,
        targets,
        found,
    })
}

fn tell_steps(session: &Session<'_>, graph: &Graph<BuildOp>, targets: &[VertexId]) {
    let order = graph.order(targets);
    let steps = in_order(graph, order.iter().copied())
        .into_iter()
        .map(|vertex| Arc::clone(graph.op(vertex).step()));
    session.index.earlier().set_steps(steps.collect());
    let infos: Vec<StepInfo> = order
        .into_iter()
        .map(|vertex| {
            let step = graph.op(vertex).step();
            StepInfo {
                id: step.id.clone(),
                title: step.title.clone(),
                line: Some(step.line).filter(|line| *line > 0),
                counted: !matches!(step.spec, StepSpec::Source(_)),
            }
        })
        .collect();
    session.observer.event(&BuildEvent::Steps(&infos));
}

/// Vertices in the order of the Dockerfile: by line, those that stand on no line of it (contexts, images that are copied
/// from) in the order of the graph behind them.
pub(crate) fn in_order(graph: &Graph<BuildOp>, vertices: impl Iterator<Item = VertexId>) -> Vec<VertexId> {
    let mut vertices: Vec<VertexId> = vertices.collect();
    vertices.sort_by_key(|vertex| {
        let line = graph.op(*vertex).step().line;
        (line == 0, line, vertex.index())
    });
    vertices
}

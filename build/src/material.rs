//! What a build was made from that came from elsewhere, each with the digest that names its content.

use crate::ops::Material;
use crate::ops::spec::{SourceSpec, StepSpec};
use crate::plan::Plan;
use crate::session::Session;
use std::collections::BTreeSet;

/// The materials of a build, sorted.
pub(crate) fn materials(session: &Session<'_>, plan: &Plan) -> Vec<Material> {
    let mut found: BTreeSet<Material> = session.engine.materials();
    for vertex in plan.graph.order(&plan.target_vertices()) {
        match &plan.graph.op(vertex).step().spec {
            StepSpec::Source(SourceSpec::Image(base)) => {
                if let Ok(digest) = base.config_digest() {
                    found.insert(Material::Image(base.name.clone(), digest.to_string()));
                }
            }
            StepSpec::Fetch(spec) => found.extend(spec.pinned()),
            _ => {}
        }
    }
    found.into_iter().collect()
}

//! `rbuild debug dag`: what the lowering makes of a Dockerfile. Asks no registry: a base image that the store does not
//! have is taken for an empty one.

use super::VERSION;
use crate::call::needed_stages;
use crate::cli::streams::{note, stderr_look};
use crate::cli::transfer::puller;
use crate::error::{Failure, Kind};
use crate::lower::{Lowered, ResolveImage, lower};
use crate::ops::FetchSpec;
use crate::ops::spec::{CopySource, ExecMount, SourceSpec, Step, StepSpec};
use crate::options::BuildOptions;
use crate::options::named_context::NamedContext;
use crate::pipeline::{Contexts, draw_finding, lower_input, lowering_failure, open_store, parse, read};
use crate::sources::{BaseImage, Origin, find_stored};
use dockerfile_parser::{Dockerfile, Platform};
use rbuild_registry::Reference;
use rbuild_solver::{DefinitionDigest, Effort, Op, Preimage, RunContext, VertexId};
use rbuild_store::Store;
use rbuild_store::image::ImageConfig;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

/// `{version, target, stages, nodes, edges, unused_build_args}`.
///
/// # Errors
/// The Dockerfile has errors.
pub(super) fn describe(options: &BuildOptions) -> Result<Value, Failure> {
    let look = stderr_look();
    let puller = puller(options.registry.clone());
    let contexts = Contexts::open(options, &puller)?;
    let file = read(options, contexts.main.path(), contexts.fetched.as_ref())?;
    let parsed = parse(options, &file, &look)?.dockerfile;
    let store = match options.store_root.join("version").is_file() {
        true => Some(open_store(&options.store_root)?),
        false => None,
    };
    let images = Offline {
        store: store.as_ref(),
        unknown: RefCell::default(),
    };
    let devices = crate::cdi::Registry::new(&options.cdi_spec_dirs);
    let no_cache = |name: Option<&str>, index| options.no_cache.covers(name, index);
    let input = lower_input(options, &parsed, &contexts, &images, &devices, &no_cache);
    let Lowered {
        graph,
        target,
        warnings,
        unconsumed,
    } = lower(&input, &Planned).map_err(|failure| lowering_failure(&file, &failure.findings, &look))?;
    for warning in &warnings {
        note(draw_finding(&file, warning, &look).trim_end());
    }
    let unknown = images.unknown.into_inner();
    let order = graph.order(&[target.vertex]);
    let ids: BTreeMap<VertexId, usize> = order
        .iter()
        .enumerate()
        .map(|(id, vertex)| (*vertex, id))
        .collect();
    let id = |vertex: &VertexId| ids.get(vertex).copied();
    let nodes: Vec<Value> = order
        .iter()
        .enumerate()
        .map(|(id, vertex)| node(id, &graph.op(*vertex).0, &unknown))
        .collect();
    let mut edges = Vec::new();
    for vertex in &order {
        for (input, from) in graph.inputs(*vertex).iter().enumerate() {
            let role = if input == 0 { "base" } else { "files" };
            edges.push(json!({ "from": id(from), "to": id(vertex), "input": input, "role": role }));
        }
    }
    let labels: BTreeSet<&str> = order
        .iter()
        .map(|vertex| graph.op(*vertex).0.stage.as_str())
        .collect();
    let stages = stages(&parsed, options.target.as_deref(), &labels);
    Ok(json!({
        "version": VERSION,
        "target": { "node": id(&target.vertex), "platform": target.platform.to_string() },
        "stages": stages,
        "nodes": nodes,
        "edges": edges,
        "unused_build_args": unconsumed,
    }))
}

/// Every stage of the file, and whether the target needs it.
fn stages(parsed: &Dockerfile, target: Option<&str>, labels: &BTreeSet<&str>) -> Vec<Value> {
    let target = target.and_then(|name| parsed.stage_by_ref(name, None));
    let needed = needed_stages(parsed, target.unwrap_or(parsed.stages.len().saturating_sub(1)));
    parsed
        .stages
        .iter()
        .map(|stage| {
            let index = stage.index.to_string();
            // Names with variables lead to stages that only the lowering finds.
            let reached = [stage.name().unwrap_or(&index), &format!("stage-{index}")]
                .iter()
                .any(|label| labels.contains(label));
            json!({
                "index": stage.index,
                "name": stage.name(),
                "base": stage.base().text,
                "line": stage.line.start_line,
                "pruned": !needed.contains(&stage.index) && !reached,
            })
        })
        .collect()
}

fn node(id: usize, step: &Step, unknown: &BTreeSet<String>) -> Value {
    let (kind, details) = match &step.spec {
        StepSpec::Source(SourceSpec::Scratch) => ("scratch", json!({})),
        StepSpec::Source(SourceSpec::Image(image)) => (
            "image",
            json!({ "image": image.name, "in_store": !unknown.contains(&image.name) }),
        ),
        StepSpec::Fetch(FetchSpec::Http { address, checksum }) => {
            let checksum = checksum.as_ref().map(ToString::to_string);
            ("fetch", json!({ "url": address.url, "checksum": checksum }))
        }
        StepSpec::Fetch(FetchSpec::Git(address)) => (
            "fetch",
            json!({
                "git": address.url,
                "ref": address.reference,
                "subdir": address.subdir,
                "checksum": address.checksum,
                "keep_git_dir": address.keep_git_dir,
                "submodules": !address.no_submodules,
            }),
        ),
        StepSpec::Workdir(spec) => ("workdir", json!({ "path": spec.path, "user": spec.user })),
        StepSpec::Copy(spec) => {
            let sources: Vec<Value> = spec
                .sources
                .iter()
                .map(|source| match source {
                    CopySource::Context { pattern, .. } => json!({ "context": pattern }),
                    CopySource::Snapshot { input, pattern } => json!({ "input": input, "path": pattern }),
                    CopySource::Inline { name, .. } => json!({ "inline": name }),
                })
                .collect();
            let details = json!({
                "instruction": spec.keyword,
                "sources": sources,
                "dest": spec.dest,
                "chown": spec.chown,
                "chmod": spec.chmod.as_ref().map(|chmod| &chmod.text),
            });
            ("copy", details)
        }
        StepSpec::Exec(spec) => {
            let env: Vec<String> = spec
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let details = json!({
                "argv": spec.argv,
                "env": env,
                "cwd": spec.cwd,
                "user": spec.user,
                "network": spec.network.as_str(),
                "mounts": spec.mounts.iter().map(mount).collect::<Vec<_>>(),
                "devices": spec.devices.names,
            });
            ("exec", details)
        }
    };
    json!({
        "id": id,
        "kind": kind,
        "title": step.title,
        "stage": step.stage,
        "line": (step.line > 0).then_some(step.line),
        "no_cache": step.no_cache,
        "details": details,
    })
}

fn mount(mount: &ExecMount) -> Value {
    match mount {
        ExecMount::Bind {
            target,
            input,
            source,
            writable,
        } => {
            json!({ "type": "bind", "target": target, "input": input, "source": source, "writable": writable })
        }
        ExecMount::Cache { target, id, .. } => json!({ "type": "cache", "target": target, "id": id }),
        ExecMount::Tmpfs { target, .. } => json!({ "type": "tmpfs", "target": target }),
        ExecMount::Secret {
            id,
            target,
            env,
            required,
            ..
        } => {
            json!({ "type": "secret", "id": id, "target": target, "env": env, "required": required })
        }
        ExecMount::Ssh {
            id, target, required, ..
        } => {
            json!({ "type": "ssh", "id": id, "target": target, "required": required })
        }
    }
}

/// Base images from the store; empty ones in place of all others.
struct Offline<'a> {
    store: Option<&'a Store>,
    unknown: RefCell<BTreeSet<String>>,
}

impl Offline<'_> {
    fn empty(&self, name: &str, platform: &Platform) -> Arc<BaseImage> {
        self.unknown.borrow_mut().insert(name.to_owned());
        let config = ImageConfig {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
            variant: Some(platform.variant.clone()).filter(|variant| !variant.is_empty()),
            ..ImageConfig::default()
        };
        // A place that is never opened: nothing here runs.
        let origin = Origin::Layout {
            path: PathBuf::from(name),
            entry: 0,
            id: String::new(),
        };
        Arc::new(BaseImage::new(name.to_owned(), origin, config))
    }
}

impl ResolveImage for Offline<'_> {
    fn image(&self, reference: &str, platform: &Platform) -> Result<Arc<BaseImage>, Failure> {
        let stored = match self.store {
            Some(store) => find_stored(store, reference)?,
            None => None,
        };
        let Some(record) = stored else {
            Reference::parse(reference).map_err(|error| {
                Failure::new(
                    Kind::Dockerfile,
                    format!("`{reference}` is no image reference: {error}"),
                )
            })?;
            return Ok(self.empty(reference, platform));
        };
        let config = record.parse_config().map_err(Failure::from_host)?;
        Ok(Arc::new(BaseImage::new(
            reference.to_owned(),
            Origin::Stored(Box::new(record)),
            config,
        )))
    }

    fn named(
        &self,
        name: &str,
        source: &NamedContext,
        platform: &Platform,
    ) -> Result<Arc<BaseImage>, Failure> {
        match source {
            NamedContext::Image(reference) => self.image(reference, platform),
            _ => Ok(self.empty(name, platform)),
        }
    }
}

/// A step that is never run. Equal steps are merged as a build merges them.
struct Planned(Step);

impl Op for Planned {
    type Output = ();
    type Error = Infallible;

    fn name(&self) -> &str {
        &self.0.title
    }

    fn definition(&self) -> Option<DefinitionDigest> {
        let spec = format!("{:?} {}", self.0.spec, self.0.no_cache);
        Some(Preimage::new("definition", 1).text("spec", spec).definition())
    }

    fn preimage(&self, _inputs: &[()], _effort: Effort) -> Result<Option<Preimage>, Infallible> {
        Ok(None)
    }

    fn run(&self, _inputs: &[()], _context: &RunContext<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}

//! `rbuild debug dag`: what the lowering makes of a Dockerfile. Asks no registry: a base image that the store does not
//! have is taken for an empty one.

use super::VERSION;
use crate::call::needed_stages;
use crate::cli::streams::{note, print_json, stderr_style};
use crate::error::Failure;
use crate::options::BuildOptions;
use crate::report::findings;
use dockerfile_parser::Dockerfile;
use rbuild_build::finding::Found;
use rbuild_build::inputs::lower_input;
use rbuild_build::lower::{LowerInput, Lowered, lower};
use rbuild_build::ops::spec::{CopySource, CopySpec, ExecMount, SourceSpec, Step, StepSpec, without};
use rbuild_build::ops::{FetchSpec, Planned};
use rbuild_build::sources::Offline;
use rbuild_solver::{Graph, VertexId};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What `debug dag` prints. Nodes and edges are made while they are written.
#[derive(Serialize)]
struct GraphDocument<'a> {
    version: u32,
    target: Value,
    stages: Vec<Value>,
    #[serde(serialize_with = "nodes")]
    nodes: &'a Described<'a>,
    #[serde(serialize_with = "edges")]
    edges: &'a Described<'a>,
    unused_build_args: Vec<String>,
}

/// A graph and the numbers of its vertices.
struct Described<'a> {
    graph: &'a Graph<Planned>,
    order: Vec<VertexId>,
    ids: BTreeMap<VertexId, usize>,
}

impl Described<'_> {
    fn id(&self, vertex: VertexId) -> Option<usize> {
        self.ids.get(&vertex).copied()
    }
}

fn nodes<S: Serializer>(described: &&Described<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let steps = described
        .order
        .iter()
        .map(|vertex| &described.graph.op(*vertex).0);
    serializer.collect_seq(steps.enumerate().map(|(id, step)| node(id, step)))
}

fn edges<S: Serializer>(described: &&Described<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(described.order.iter().flat_map(|vertex| {
        let inputs = described.graph.inputs(*vertex).iter().enumerate();
        inputs.map(|(input, from)| {
            let role = if input == 0 { "base" } else { "files" };
            Edge {
                from: described.id(*from),
                to: described.id(*vertex),
                input,
                role,
            }
        })
    }))
}

#[derive(Serialize)]
struct Edge {
    from: Option<usize>,
    to: Option<usize>,
    input: usize,
    role: &'static str,
}

#[derive(Serialize)]
struct Node<'a> {
    id: usize,
    kind: &'static str,
    title: &'a str,
    stage: &'a str,
    line: Option<usize>,
    no_cache: bool,
    details: Details<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Exec {
        argv: &'a [String],
        env: Vec<String>,
        cwd: &'a str,
        user: &'a str,
        network: &'static str,
        mounts: Vec<Value>,
        devices: &'a [String],
    },
    Other(Value),
}

/// Prints `{version, target, stages, nodes, edges, unused_build_args}`.
///
/// # Errors
/// The Dockerfile has errors, or standard output cannot be written.
pub(super) fn print(options: &BuildOptions) -> Result<(), Failure> {
    let style = stderr_style();
    let inputs = crate::call::open(options, &style)?;
    let (file, parsed) = (&inputs.file, &inputs.parsed.dockerfile);
    let store = crate::call::stored(options);
    let images = Offline::new(store.as_ref());
    let devices = rbuild_build::cdi::Registry::new(&options.request.cdi_spec_dirs);
    let no_cache = |name: Option<&str>, index| options.request.no_cache.covers(name, index);
    let input = LowerInput {
        given: None,
        ..lower_input(
            &options.request,
            parsed,
            &inputs.contexts,
            &images,
            &devices,
            &no_cache,
            false,
        )
    };
    let Lowered {
        graph,
        targets,
        warnings,
        unconsumed,
        ..
    } = lower(
        &input,
        std::slice::from_ref(options.request.first_platform()),
        &Planned,
    )
    .map_err(|failure| findings::lowering(file, &failure.findings, &[], &style))?;
    let shown = findings::Shown::of(file);
    for warning in &warnings {
        note(findings::draw(&Found::Lowering(warning), &shown, &style).trim_end());
    }
    let target = targets
        .first()
        .ok_or_else(|| Failure::host("nothing was planned"))?;
    let order = graph.order(&[target.vertex]);
    let ids: BTreeMap<VertexId, usize> = order
        .iter()
        .enumerate()
        .map(|(id, vertex)| (*vertex, id))
        .collect();
    let labels: BTreeSet<&str> = order
        .iter()
        .map(|vertex| graph.op(*vertex).0.stage.as_str())
        .collect();
    let stages = stages(parsed, options.request.target.as_deref(), &labels);
    let described = Described {
        graph: &graph,
        order,
        ids,
    };
    print_json(&GraphDocument {
        version: VERSION,
        target: json!({ "node": described.id(target.vertex), "platform": target.platform.to_string() }),
        stages,
        nodes: &described,
        edges: &described,
        unused_build_args: unconsumed,
    })
}

/// Every stage of the file, and whether the target needs it.
fn stages(parsed: &Dockerfile, target: Option<&str>, labels: &BTreeSet<&str>) -> Vec<Value> {
    let target = target.and_then(|name| parsed.stage_by_ref(name, None));
    let needed = needed_stages(
        parsed,
        target.unwrap_or(parsed.stages.len().saturating_sub(1)),
        &|_, word| word.text.clone(),
    );
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

fn fetch(spec: &FetchSpec) -> Value {
    match spec {
        FetchSpec::Http { address, checksum } => {
            let checksum = checksum.as_ref().map(ToString::to_string);
            json!({ "url": address.url, "checksum": checksum })
        }
        FetchSpec::Git(address) => json!({
            "git": address.url,
            "ref": address.reference,
            "subdir": address.subdir,
            "checksum": address.checksum,
            "keep_git_dir": address.keep_git_dir,
            "submodules": !address.no_submodules,
        }),
    }
}

fn copy(spec: &CopySpec) -> Value {
    let source = |source: &CopySource| match source {
        CopySource::Context { pattern, .. } => json!({ "context": pattern }),
        CopySource::Snapshot { input, pattern } => json!({ "input": input, "path": pattern }),
        CopySource::Inline { name, .. } => json!({ "inline": name }),
    };
    json!({
        "instruction": spec.keyword,
        "sources": spec.sources.iter().map(source).collect::<Vec<_>>(),
        "dest": spec.dest,
        "chown": spec.chown,
        "chmod": spec.chmod.as_ref().map(|chmod| &chmod.text),
    })
}

fn node(id: usize, step: &Step) -> Node<'_> {
    let (kind, details) = match &step.spec {
        StepSpec::Source(SourceSpec::Scratch) => ("scratch", Details::Other(json!({}))),
        StepSpec::Source(SourceSpec::Image(image)) => (
            "image",
            Details::Other(json!({ "image": image.name, "in_store": !image.is_unknown() })),
        ),
        StepSpec::Fetch(spec) => ("fetch", Details::Other(fetch(spec))),
        StepSpec::Workdir(spec) => (
            "workdir",
            Details::Other(json!({ "path": spec.path, "user": spec.user })),
        ),
        StepSpec::Copy(spec) => ("copy", Details::Other(copy(spec))),
        StepSpec::Exec(spec) => {
            let env: Vec<String> = spec
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let details = Details::Exec {
                argv: &spec.argv,
                env,
                cwd: &spec.cwd,
                user: &spec.user,
                network: spec.network.as_str(),
                mounts: spec.mounts.iter().map(mount).collect(),
                devices: &spec.devices.names,
            };
            ("exec", details)
        }
    };
    let secrets = secrets(step);
    let details = match (secrets.is_empty(), details) {
        (true, details) => details,
        (false, details) => Details::Other(hidden(json!(details), &secrets)),
    };
    Node {
        id,
        kind,
        title: &step.title,
        stage: &step.stage,
        line: (step.line > 0).then_some(step.line),
        no_cache: step.no_cache,
        details,
    }
}

/// The values of a step that are not shown.
fn secrets(step: &Step) -> Vec<String> {
    let mut secrets = step.secrets.clone();
    if let StepSpec::Exec(spec) = &step.spec {
        let redacted = spec.env.iter().filter(|(name, _)| spec.redacted.contains(name));
        secrets.extend(redacted.map(|(_, value)| value.clone()));
    }
    secrets
}

fn hidden(value: Value, secrets: &[String]) -> Value {
    match value {
        Value::String(text) => Value::String(without(secrets, &text)),
        Value::Array(values) => values.into_iter().map(|value| hidden(value, secrets)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, hidden(value, secrets)));
            Value::Object(fields.collect())
        }
        other => other,
    }
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

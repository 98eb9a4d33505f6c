//! One build from flags to results: read, parse, lower, solve, assemble, export.
//!
//! The order matters: everything up to the first step that must run happens on one thread and outside any namespace
//! (ARCHITECTURE, "One process, two phases").

mod arguments;
mod contexts;
mod dockerfile;
mod events;
mod failure;
mod finish;
mod frontend;
mod ignore_file;
mod outputs;
mod step_failure;

use crate::call::Bases;
use crate::error::{Failure, Kind};
use crate::interrupt;
use crate::options::{BuildOptions, Call};
use crate::ui::{Look, Printer, StepInfo};
pub use contexts::Contexts;
pub use dockerfile::{SourceFile, parse};
use dockerfile_parser::lint::Policy;
use dockerfile_parser::{Dockerfile, Parsed};
use events::Notices;
pub use events::{is_loopback, registry_notice};
pub use failure::{draw as draw_finding, draw_each, in_file_order, lowering as lowering_failure};
pub use ignore_file::IGNORE_FILE;
use rbuild_build::cache::{Earlier, RecordIndex};
use rbuild_build::clock;
use rbuild_build::engine::Engine;
use rbuild_build::lower::{BuildArgs, Given, LowerInput, Lowered, ResolveImage, lower};
use rbuild_build::ops::spec::StepSpec;
use rbuild_build::ops::{BuildOp, OpError};
use rbuild_build::pull::Puller;
use rbuild_build::request::{NoCache, Request};
use rbuild_build::sources::Resolver;
use rbuild_solver::{CancelToken, Graph, SolveOptions, VertexId, solve};
use rbuild_store::buildlog::BuildSubject;
use rbuild_store::snapshot::SnapshotStore;
use rbuild_store::{Need, Store};
use std::cell::RefCell;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Builds.
///
/// # Errors
/// Whatever stops it, worded, with its exit code.
pub fn build(options: &BuildOptions) -> Result<u8, Failure> {
    let started = Instant::now();
    let look = Look::new(std::io::stderr().is_terminal(), |name| std::env::var(name).ok());
    let cancel = CancelToken::new();
    let notices = Arc::new(Notices::default());
    let puller = Puller::new(options.request.registry.clone(), {
        let notices = Arc::clone(&notices);
        Arc::new(move |event| notices.tell(event))
    });
    let early = match options.call {
        _ if !Contexts::are_fetched(options) => None,
        Call::Build => Some(open_store(&options.request.store_root)?),
        _ => crate::call::stored(options),
    };
    let contexts = Contexts::open(options, &puller, early.as_ref())?;
    let file = contexts.read_dockerfile(options)?;
    let mut parsed = dockerfile::parse(options, &file, &look)?;
    arguments::apply_check(options, &mut parsed.dockerfile)?;
    if options.call != Call::Build {
        return crate::call::run(options, &file, parsed, &contexts, &puller, &look);
    }
    let Parsed {
        dockerfile: parsed,
        diagnostics: mut found,
    } = parsed;
    check_filter(options, &parsed)?;
    let with_epoch;
    let options = match arguments::epoch(options, &parsed)? {
        None => options,
        epoch => {
            with_epoch = BuildOptions {
                request: Request {
                    epoch,
                    ..options.request.clone()
                },
                ..options.clone()
            };
            &with_epoch
        }
    };
    let store = match early {
        Some(store) => store,
        None => open_store(&options.request.store_root)?,
    };
    // Images that the build starts from, and blobs that it sends on, stay until it ends.
    let _pin = store.locks().pin_blobs().map_err(Failure::from_host)?;
    contexts.load_memos(&store)?;

    let resolver = Resolver::new(&store, &puller, options.request.pull);
    let devices = rbuild_build::cdi::Registry::new(&options.request.cdi_spec_dirs);
    let no_cache = |name: Option<&str>, index| options.request.no_cache.covers(name, index);
    let input = lower_input(options, &parsed, &contexts, &resolver, &devices, &no_cache);

    let subject = BuildSubject {
        context: contexts.name(options),
        dockerfile: file
            .path
            .as_ref()
            .map_or_else(|| "-".to_owned(), |path| path.display().to_string()),
        target: options.request.target.clone(),
    };
    // A record that cannot be read costs explanations only.
    let earlier = store
        .builds()
        .latest(&subject)
        .ok()
        .flatten()
        .map(Earlier::new)
        .unwrap_or_default();
    let now = clock::now();
    let snapshots = Arc::new(SnapshotStore::new(store.clone()));
    let entered = Arc::new(AtomicBool::new(false));
    let index = Arc::new(RecordIndex::new(
        Arc::clone(&snapshots),
        Arc::clone(&entered),
        earlier,
        now,
    ));
    let engine = Engine::new(
        snapshots,
        puller.clone(),
        options.request.secrets.clone(),
        options.request.epoch,
        now,
        {
            let index = Arc::clone(&index);
            Box::new(move |title: &str| index.previous_output(title))
        },
    );
    let engine = engine.with_ssh(options.request.ssh.clone());
    let policy = Policy::new(&parsed);
    let engine = Arc::new(engine.with_policy(policy.clone()));

    let infos = RefCell::new(Vec::new());
    let lowered = lower(&input, &|step| BuildOp::new(step, Arc::clone(&engine)));
    let beginnings = match &lowered {
        Ok(lowered) => &lowered.beginnings,
        Err(failure) => &failure.beginnings,
    };
    let bases = Bases::new(&parsed, beginnings, Some(&store));
    found.extend(crate::call::warnings(options, &parsed, &contexts.main, &bases));
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    let Lowered {
        graph,
        target,
        mut warnings,
        unconsumed,
        ..
    } = lowered.map_err(|failure| {
        let checks = failure::related(&parsed, &failure.findings, &found);
        failure::lowering(&file, &failure.findings, &checks, &look)
    })?;
    if found.iter().any(dockerfile_parser::Diagnostic::is_error) {
        return Err(failure::checks(crate::call::draw_warnings(&file, &found, &look)));
    }
    failure::judge(&mut warnings, &policy);
    if warnings.iter().any(|finding| finding.is_error) {
        let drawn = warnings
            .iter()
            .map(|finding| failure::draw(&file, finding, &look));
        return Err(failure::checks(drawn.collect::<Vec<_>>().join("\n")));
    }
    let order = graph.order(&[target.vertex]);
    let titles = in_order(&graph, order.iter().copied())
        .into_iter()
        .map(|vertex| graph.op(vertex).step().title.clone());
    index.earlier().set_steps(titles.collect());
    for vertex in order {
        let step = graph.op(vertex).step();
        infos.borrow_mut().push(StepInfo {
            vertex,
            title: step.title.clone(),
            line: Some(step.line).filter(|line| *line > 0),
            counted: !matches!(step.spec, StepSpec::Source(_)),
        });
    }
    let printer = Arc::new(Printer::new(
        options.progress,
        infos.into_inner(),
        Box::new(std::io::stderr()),
        look,
    ));
    printer.close_on_panic();
    notices.attach(&printer);
    let told = in_file_order(&found, &warnings);
    if !told.is_empty() {
        printer.message(draw_each(&told, |found| found.draw(&file, &look)).trim_end());
    }
    if !unconsumed.is_empty() {
        printer.message(&format!(
            "warning: build arguments that nothing uses: {}",
            unconsumed.join(", ")
        ));
    }

    let enter = || -> Result<(), Failure> {
        if entered.load(Ordering::Acquire) {
            return Ok(());
        }
        engine.prepare()?;
        entered.store(true, Ordering::Release);
        let (stop_transfers, cancel) = (puller.stopper(), cancel.clone());
        interrupt::watch(move || {
            stop_transfers();
            cancel.cancel();
        })
    };
    let solved = solve(
        &graph,
        &[target.vertex],
        index.as_ref(),
        SolveOptions {
            jobs: options.request.jobs,
            prepare: Box::new(|| enter().map_err(OpError::Failure)),
            cancel: cancel.clone(),
            events: &|event| printer.event(&event),
            started,
        },
    );
    let mut late = engine.checks.warnings(&parsed);
    // What the text alone showed was said before the first step.
    late.retain(|one| {
        !found
            .iter()
            .any(|other| other.span == one.span && other.code() == one.code())
    });
    if !late.is_empty() {
        printer.message(crate::call::draw_warnings(&file, &late, &look).trim_end());
        found.extend(late);
    }
    contexts.save_memos(&store);
    if entered.load(Ordering::Acquire) && !interrupt::requested() {
        // What killed builds left; mostly there is nothing. What cannot be removed now is left to the next one.
        let _ = store.sweep_tmp();
    }
    let build = finish::Build {
        options,
        store: &store,
        engine: &engine,
        graph: &graph,
        file: &file,
        dockerfile: &parsed,
        subject,
        started,
        now,
        look: &look,
        printer: &printer,
        index: &index,
        enter: &enter,
        found: &found,
    };
    match solved {
        Ok(solution) => build.succeeded(&target, &solution),
        Err(error) => Err(build.failed(error)),
    }
}

/// What a Dockerfile is lowered with.
pub fn lower_input<'a>(
    options: &'a BuildOptions,
    dockerfile: &'a Dockerfile,
    contexts: &Contexts,
    images: &'a dyn ResolveImage,
    devices: &'a rbuild_build::cdi::Registry,
    no_cache: &'a dyn Fn(Option<&str>, usize) -> bool,
) -> LowerInput<'a> {
    LowerInput {
        dockerfile,
        context: Arc::clone(&contexts.main),
        named: contexts.named.clone(),
        build_args: BuildArgs::new(options.request.build_args.clone()),
        redact_args: options.request.redact_args,
        target: options.request.target.as_deref(),
        every_stage: options.call == Call::Check,
        build_platform: options.request.build_platform.clone(),
        platform: options.request.platform.clone(),
        images,
        network: options.request.network,
        entitlements: &options.request.entitlements,
        given: Some(Given {
            secrets: &options.request.secrets,
            ssh: &options.request.ssh,
        }),
        devices,
        add_hosts: options.request.add_hosts.clone(),
        no_new_privs: options.request.no_new_privs,
        shm_size: options.request.shm_size,
        no_cache,
    }
}

/// `--no-cache-filter` names stages that there are.
fn check_filter(options: &BuildOptions, dockerfile: &Dockerfile) -> Result<(), Failure> {
    let NoCache::Stages(wanted) = &options.request.no_cache else {
        return Ok(());
    };
    let stages: Vec<Option<&str>> = dockerfile.stages.iter().map(|stage| stage.name()).collect();
    let is_there = |name: &str| {
        let one = NoCache::Stages(vec![name.to_owned()]);
        stages
            .iter()
            .enumerate()
            .any(|(index, stage)| one.covers(*stage, index))
    };
    let Some(unknown) = wanted.iter().find(|name| !is_there(name)) else {
        return Ok(());
    };
    let failure = Failure::usage(format!(
        "--no-cache-filter={unknown}: the Dockerfile has no such stage"
    ));
    Err(
        match dockerfile_parser::suggest::nearest(unknown, stages.iter().copied().flatten()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        },
    )
}

/// Vertices in the order of the Dockerfile: by line, those that stand on no line of it (contexts, images that are copied
/// from) in the order of the graph behind them.
fn in_order(graph: &Graph<BuildOp>, vertices: impl Iterator<Item = VertexId>) -> Vec<VertexId> {
    let mut vertices: Vec<VertexId> = vertices.collect();
    vertices.sort_by_key(|vertex| {
        let line = graph.op(*vertex).step().line;
        (line == 0, line, vertex.index())
    });
    vertices
}

/// Opens the store for building.
///
/// # Errors
/// It cannot hold snapshots, or cannot be opened.
pub fn open_store(root: &Path) -> Result<Store, Failure> {
    open_store_for(root, Need::Overlay)
}

/// Opens the store for something.
///
/// # Errors
/// It cannot hold what is needed, or cannot be opened.
pub fn open_store_for(root: &Path, need: Need) -> Result<Store, Failure> {
    let boot = boot_id();
    Store::open(root, &boot, need).map_err(|error| {
        Failure::from_error(Kind::Host, &error)
            .context(format!("opening the store `{}`", root.display()))
            .hint("RBUILD_ROOT or --root names another directory")
    })
}

/// Names the time since the machine was started.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel")]
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

//! One build from flags to results: read, parse, lower, solve, assemble, export.
//!
//! The order matters: everything up to the first step that must run happens on one thread and outside any namespace
//! (ARCHITECTURE, "One process, two phases").

mod arguments;
mod dockerfile;
mod events;
mod failure;
mod finish;
mod frontend;
mod outputs;
mod step_failure;

use crate::call::Bases;
use crate::error::{Failure, Kind};
use crate::interrupt;
use crate::options::{BuildOptions, Call};
use crate::ui::{Look, Printer, StepInfo};
pub use dockerfile::{SourceFile, parse, read};
use dockerfile_parser::lint::Policy;
use dockerfile_parser::{Dockerfile, Parsed};
use events::Notices;
pub use events::{is_loopback, registry_notice};
pub use failure::{draw as draw_finding, draw_each, in_file_order, lowering as lowering_failure};
use rbuild_build::cache::{Earlier, RecordIndex};
use rbuild_build::clock;
use rbuild_build::context::BuildContext;
use rbuild_build::context::stdin::Fetched;
use rbuild_build::engine::Engine;
use rbuild_build::lower::{BuildArgs, Given, LowerInput, Lowered, NamedSource, ResolveImage, lower};
use rbuild_build::ops::spec::StepSpec;
use rbuild_build::ops::{BuildOp, OpError};
use rbuild_build::pull::Puller;
use rbuild_build::remote::{Access, Remote};
use rbuild_build::request::{ContextSource, NamedContext, NoCache, Request};
use rbuild_build::sources::Resolver;
use rbuild_solver::{CancelToken, Graph, SolveOptions, VertexId, solve};
use rbuild_store::buildlog::BuildSubject;
use rbuild_store::snapshot::SnapshotStore;
use rbuild_store::{Need, Store};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
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
    let contexts = Contexts::open(options, &puller)?;
    let file = dockerfile::read(options, contexts.main.path(), contexts.fetched.as_ref())?;
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
    let store = open_store(&options.request.store_root)?;
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
        // A constant: a result that is cached must not depend on the epoch of the build that made it.
        default_mtime: 0,
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
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Store::open(root, &boot, need).map_err(|error| {
        Failure::from_error(Kind::Host, &error)
            .context(format!("opening the store `{}`", root.display()))
            .hint("RBUILD_ROOT or --root names another directory")
    })
}

/// The directories that files may come from.
pub struct Contexts {
    /// The build context.
    pub main: Arc<BuildContext>,
    /// Named contexts, by their key.
    pub named: BTreeMap<String, NamedSource>,
    /// A context that did not come as a directory.
    pub fetched: Option<Fetched>,
    /// Named contexts that did not come as directories.
    _held: Vec<Fetched>,
}

impl Contexts {
    /// Opens what the flags name; fetches a remote context.
    ///
    /// # Errors
    /// A directory or an ignore file cannot be read, or a remote context cannot be fetched.
    pub fn open(options: &BuildOptions, puller: &Puller) -> Result<Self, Failure> {
        let access = Access::new(&options.request.secrets, &options.request.ssh);
        let fetched = match &options.request.context {
            ContextSource::Directory(_) => None,
            ContextSource::Stdin => Some(rbuild_build::context::stdin::read()?),
            ContextSource::Remote(remote) => {
                Some(rbuild_build::context::remote::fetch(remote, puller, &access)?)
            }
        };
        let path = match (&options.request.context, &fetched) {
            (ContextSource::Directory(path), _) => directory(path, "the context")?,
            (_, Some(fetched)) => fetched.path.clone(),
            (_, None) => return Err(Failure::host("internal error: the context is nowhere")),
        };
        let main = dockerfile::open_context(&path, Some(options), "the build context")?;
        let mut named = BTreeMap::new();
        let mut held = Vec::new();
        for (name, source) in &options.request.build_contexts {
            let source = match source {
                NamedContext::Directory(path) => {
                    let context = dockerfile::open_context(
                        &directory(path, &format!("--build-context {name}:"))?,
                        None,
                        &format!("the named context `{name}`"),
                    )?;
                    NamedSource::Directory(Arc::new(context))
                }
                NamedContext::Remote(remote) => {
                    let fetched = rbuild_build::context::remote::fetch(remote, puller, &access)?;
                    if fetched.dockerfile.is_some() {
                        return Err(Failure::usage(format!(
                            "the named context `{name}` is no archive"
                        )));
                    }
                    let context = dockerfile::open_context(
                        &fetched.path,
                        None,
                        &format!("the named context `{name}`"),
                    )?;
                    held.push(fetched);
                    NamedSource::Directory(Arc::new(context))
                }
                other => NamedSource::Other(other.clone()),
            };
            named.insert(name.clone(), source);
        }
        Ok(Self {
            main: Arc::new(main),
            named,
            fetched,
            _held: held,
        })
    }

    /// What the context is called from build to build, wherever its files are this time.
    fn name(&self, options: &BuildOptions) -> String {
        match &options.request.context {
            ContextSource::Directory(_) => self.main.path().display().to_string(),
            ContextSource::Stdin => "-".to_owned(),
            ContextSource::Remote(Remote::Http(address)) => address.url.clone(),
            ContextSource::Remote(Remote::Git(address)) => address.url.clone(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<BuildContext>> {
        std::iter::once(&self.main).chain(self.named.values().filter_map(|source| match source {
            NamedSource::Directory(context) => Some(context),
            NamedSource::Other(_) => None,
        }))
    }

    fn load_memos(&self, store: &Store) -> Result<(), Failure> {
        self.all()
            .try_for_each(|context| context.load_memo(store))
            .map_err(Failure::from_host)
    }

    /// A memo that cannot be saved costs time, not truth.
    fn save_memos(&self, store: &Store) {
        for context in self.all() {
            let _ = context.save_memo(store);
        }
    }
}

fn directory(path: &Path, what: &str) -> Result<PathBuf, Failure> {
    let wrong = |why: String| Failure::usage(format!("{what} `{}` {why}", path.display()));
    let found = path
        .canonicalize()
        .map_err(|error| wrong(format!("cannot be opened: {error}")))?;
    if !found.is_dir() {
        return Err(wrong("is not a directory".to_owned())
            .hint("a context is the directory that COPY takes files from; `-f` names the Dockerfile"));
    }
    Ok(found)
}

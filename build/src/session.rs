//! [`Session`]: what one build holds open from its first look at the store to its end.

use crate::build_error::BuildError;
use crate::cache::{Earlier, RecordIndex};
use crate::clock;
use crate::dockerfile::SourceFile;
use crate::engine::Engine;
use crate::error::{Error, HostError};
use crate::host::Host;
use crate::inputs::Inputs;
use crate::observer::{BuildEvent, SharedObserver, Work, WorkEvent};
use crate::ops::StepId;
use crate::request::Request;
use crate::shared_cache::{SharedCaches, Tell, Way};
use dockerfile_parser::lint::Policy;
use rbuild_solver::{EventKind, Subscription};
use rbuild_store::Store;
use rbuild_store::buildlog::BuildSubject;
use rbuild_store::lock::BlobPin;
use rbuild_store::snapshot::SnapshotStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// One build, from its first look at the store to its end.
pub(crate) struct Session<'a> {
    /// What was asked for, with the epoch that the Dockerfile may give.
    pub(crate) request: &'a Request,
    /// The files.
    pub(crate) inputs: &'a Inputs,
    /// Who is told.
    pub(crate) observer: &'a SharedObserver,
    /// The store.
    pub(crate) store: Store,
    /// What the steps share.
    pub(crate) engine: Arc<Engine>,
    /// The cache.
    pub(crate) index: Arc<RecordIndex>,
    /// Those of other machines.
    pub(crate) shared: Option<SharedCaches>,
    /// What later builds of the same thing compare with.
    pub(crate) subject: BuildSubject,
    /// Which findings of checks count.
    pub(crate) policy: Policy,
    /// When it began.
    pub(crate) started: Instant,
    /// When it began, in seconds since 1970.
    pub(crate) now: u64,
    entered: AtomicBool,
    tasks: AtomicUsize,
    /// What a stop ends, while the build goes on.
    _ends: [Subscription; 3],
    /// Images that the build starts from, and blobs that it sends on, stay until it ends.
    _pin: BlobPin,
}

impl<'a> Session<'a> {
    /// Opens in the store what is known of earlier builds of the same thing.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn open(
        request: &'a Request,
        inputs: &'a Inputs,
        observer: &'a SharedObserver,
        host: &Arc<dyn Host>,
        store: Store,
        started: Instant,
    ) -> Result<Self, BuildError> {
        let pin = store.locks().pin_blobs().map_err(Error::from)?;
        inputs.contexts.load_memos(&store)?;
        let subject = BuildSubject {
            context: inputs.contexts.name(request),
            dockerfile: file_name(&inputs.file),
            target: request.target.clone(),
        };
        // A record that cannot be read costs explanations only.
        let earlier = store.builds().latest(&subject).ok().flatten();
        let earlier = earlier.map(Earlier::new).unwrap_or_default();
        let now = clock::now();
        let snapshots = Arc::new(SnapshotStore::new(store.clone()));
        let index = RecordIndex::new(Arc::clone(&snapshots), earlier, now);
        let index = Arc::new(index);
        let policy = Policy::new(&inputs.parsed.dockerfile);
        let previous = Arc::clone(&index);
        let way = Way {
            store: store.clone(),
            registries: inputs.registries.hasty(),
            now,
        };
        let shared = shared_caches(request, observer, &snapshots, &way);
        let engine = Engine::new(
            snapshots,
            inputs.registries.clone(),
            request.secrets.clone(),
            request.epoch,
            now,
            Box::new(move |step: &StepId| previous.previous_output(step)),
        );
        let engine = engine
            .with_ssh(request.ssh.clone())
            .with_environment(request.environment.clone())
            .with_policy(policy.clone())
            .with_private_network(request.private_network)
            .with_limits(request.limits.clone(), request.rlimits.clone())
            .on(Arc::clone(host));
        let files = store.stop().clone();
        let ends = [
            request.stop.also(inputs.registries.stopper()),
            request.stop.also(way.registries.stopper()),
            request.stop.also(move || files.stop()),
        ];
        Ok(Self {
            request,
            inputs,
            observer,
            store,
            engine: Arc::new(engine),
            index,
            shared,
            subject,
            policy,
            started,
            now,
            entered: AtomicBool::new(false),
            tasks: AtomicUsize::new(0),
            _ends: ends,
            _pin: pin,
        })
    }

    /// Enters the cold phase; does nothing the second time.
    ///
    /// # Errors
    /// What the host does not allow, or what keeps the observer from going on.
    pub(crate) fn enter(&self) -> Result<(), Error> {
        if self.entered.load(Ordering::Acquire) {
            return Ok(());
        }
        self.observer.before_namespace();
        self.engine.prepare()?;
        self.entered.store(true, Ordering::Release);
        if let Some(choice) = self.engine.weaker() {
            self.observer.event(&BuildEvent::WeakerSandbox(&choice));
        }
        self.observer
            .before_first_step(&self.request.stop)
            .map_err(HostError::Observer)?;
        Ok(())
    }

    /// Whether the cold phase was entered.
    pub(crate) fn is_entered(&self) -> bool {
        self.entered.load(Ordering::Acquire)
    }

    /// Whether somebody has ended the build.
    pub(crate) fn is_stopped(&self) -> bool {
        self.request.stop.is_stopped()
    }

    /// Tells of work that may take a while as of a step.
    pub(crate) fn task<T>(
        &self,
        title: &str,
        work: impl FnOnce(crate::registries::Progress<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let number = self.tasks.fetch_add(1, Ordering::Relaxed) + 1;
        self.observer.event(&BuildEvent::Task { number, title });
        let tell = |kind| {
            let (work, at) = (Work::Task(number), self.started.elapsed());
            self.observer
                .event(&BuildEvent::Work(&WorkEvent { work, at, kind }));
        };
        tell(EventKind::Started);
        let result = work(&|done, total| {
            tell(EventKind::Progress {
                done,
                total: Some(total),
                label: String::new(),
            });
        });
        let cost = began.elapsed();
        tell(match &result {
            Ok(_) => EventKind::Completed { cost },
            Err(_) if self.is_stopped() => EventKind::Cancelled,
            Err(failure) => EventKind::Failed {
                message: crate::error::one_line(failure),
            },
        });
        result
    }
}

fn shared_caches(
    request: &Request,
    observer: &SharedObserver,
    snapshots: &Arc<SnapshotStore>,
    way: &Way,
) -> Option<SharedCaches> {
    let observer = Arc::clone(observer);
    let tell: Tell = Arc::new(move |place, error| {
        let error = crate::error::one_line(error);
        observer.event(&BuildEvent::CacheFailed {
            cache: &place.to_string(),
            error: &error,
        });
    });
    SharedCaches::new(
        snapshots,
        way,
        request.epoch,
        &request.cache_from,
        &request.cache_to,
        &tell,
    )
}

fn file_name(file: &SourceFile) -> String {
    file.path
        .as_ref()
        .map_or_else(|| "-".to_owned(), |path| path.display().to_string())
}

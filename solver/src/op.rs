//! [`Op`]: a piece of work, how it is named in the cache and how it runs. Nothing about when: that is [`crate::solve()`].

use crate::cancel::CancelToken;
use crate::event::{Event, EventKind, Stream};
use crate::key::DefinitionDigest;
use crate::preimage::Preimage;
use crate::vertex_id::VertexId;
use std::time::Instant;

/// How much an op may do to find its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Only what is quick and needs no privilege: the calling thread waits for it.
    Cheap,
    /// Whatever it takes.
    Full,
}

/// A piece of work. `inputs` are always the outputs of the vertex's inputs, in their order.
pub trait Op: Send + Sync {
    /// What it makes; cheap to clone.
    type Output: Clone + Send + Sync + 'static;
    /// How it fails.
    type Error: std::error::Error + Send + 'static;

    /// What a user calls this step; also the name under which an earlier build's record of it is found again.
    fn name(&self) -> &str;

    /// Vertices with equal definitions and inputs are merged into one. `None`: never merged.
    fn definition(&self) -> Option<DefinitionDigest> {
        None
    }

    /// An output that needs no work and no record: a constant, an image that is already here. `None`: go on to
    /// [`preimage`](Self::preimage). Asked in both phases.
    ///
    /// # Errors
    /// The vertex fails.
    fn quick(&self, inputs: &[Self::Output]) -> Result<Option<Self::Output>, Self::Error> {
        let _ = inputs;
        Ok(None)
    }

    /// Brings what the key is made from, where that takes its time: before the pre-image is asked for with
    /// [`Effort::Full`], on a worker thread.
    ///
    /// # Errors
    /// The vertex fails.
    fn gather(&self, inputs: &[Self::Output], context: &RunContext<'_>) -> Result<(), Self::Error> {
        let _ = (inputs, context);
        Ok(())
    }

    /// What the key is made from. With [`Effort::Cheap`], `None` means *deferred*: ask again with [`Effort::Full`]
    /// in the cold phase. With [`Effort::Full`], `None` means that this work has no key: it runs and is not recorded.
    /// Both efforts must give the same answer when both give one.
    ///
    /// # Errors
    /// The vertex fails. What cannot be read *yet* is deferred, not an error.
    fn preimage(&self, inputs: &[Self::Output], effort: Effort) -> Result<Option<Preimage>, Self::Error>;

    /// What a weaker key is made from: it leaves something out of `whole`, the pre-image of the work, that may or may not
    /// matter. `None`: there is none. Results are recorded under it too. When `whole` is not in the cache, each candidate
    /// behind the weak key is shown to [`fit`](Self::fit); the first that fits is the output, and the vertex counts as
    /// cached. An example is work that does not look at some of its inputs.
    fn weak(&self, whole: &Preimage) -> Option<Preimage> {
        let _ = whole;
        None
    }

    /// Makes the output from `candidate`, a result that stands behind the weak key. In the cold phase, on a worker
    /// thread. `None`: it does not fit.
    ///
    /// # Errors
    /// The vertex fails.
    fn fit(
        &self,
        inputs: &[Self::Output],
        candidate: &Self::Output,
    ) -> Result<Option<Self::Output>, Self::Error> {
        let _ = (inputs, candidate);
        Ok(None)
    }

    /// False: an earlier result is not looked for (`--no-cache`); the new one is still recorded.
    fn cacheable(&self) -> bool {
        true
    }

    /// Does the work. Called at most once per solve, in the cold phase, on a worker thread.
    ///
    /// # Errors
    /// The vertex fails and the solve with it. After a cancellation the answer is dropped, whatever it is.
    fn run(&self, inputs: &[Self::Output], context: &RunContext<'_>) -> Result<Self::Output, Self::Error>;
}

impl<T: Op + ?Sized> Op for Box<T> {
    type Output = T::Output;
    type Error = T::Error;

    fn name(&self) -> &str {
        (**self).name()
    }

    fn definition(&self) -> Option<DefinitionDigest> {
        (**self).definition()
    }

    fn quick(&self, inputs: &[Self::Output]) -> Result<Option<Self::Output>, Self::Error> {
        (**self).quick(inputs)
    }

    fn gather(&self, inputs: &[Self::Output], context: &RunContext<'_>) -> Result<(), Self::Error> {
        (**self).gather(inputs, context)
    }

    fn preimage(&self, inputs: &[Self::Output], effort: Effort) -> Result<Option<Preimage>, Self::Error> {
        (**self).preimage(inputs, effort)
    }

    fn weak(&self, whole: &Preimage) -> Option<Preimage> {
        (**self).weak(whole)
    }

    fn fit(
        &self,
        inputs: &[Self::Output],
        candidate: &Self::Output,
    ) -> Result<Option<Self::Output>, Self::Error> {
        (**self).fit(inputs, candidate)
    }

    fn cacheable(&self) -> bool {
        (**self).cacheable()
    }

    fn run(&self, inputs: &[Self::Output], context: &RunContext<'_>) -> Result<Self::Output, Self::Error> {
        (**self).run(inputs, context)
    }
}

/// What running work is given besides its inputs: when to stop, and where to tell what happens.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    pub(crate) vertex: VertexId,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) events: &'a (dyn Fn(Event) + Sync),
    pub(crate) started: Instant,
}

impl<'a> RunContext<'a> {
    /// A context for running one op by itself, without a graph.
    pub fn new(
        vertex: VertexId,
        cancel: &'a CancelToken,
        events: &'a (dyn Fn(Event) + Sync),
        started: Instant,
    ) -> Self {
        Self {
            vertex,
            cancel,
            events,
            started,
        }
    }

    /// The vertex that runs.
    pub fn vertex(&self) -> VertexId {
        self.vertex
    }

    /// Says when to stop.
    pub fn cancel(&self) -> &'a CancelToken {
        self.cancel
    }

    /// Tells what the work printed; any piece of it, lines need not be whole.
    pub fn log(&self, stream: Stream, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.emit(EventKind::Log {
                stream,
                bytes: bytes.to_vec(),
            });
        }
    }

    /// Tells how far it is, in bytes. `total` is `None` while unknown.
    pub fn progress(&self, done: u64, total: Option<u64>, label: &str) {
        self.emit(EventKind::Progress {
            done,
            total,
            label: label.to_owned(),
        });
    }

    pub(crate) fn emit(&self, kind: EventKind) {
        (self.events)(Event {
            vertex: self.vertex,
            at: self.started.elapsed(),
            kind,
        });
    }
}

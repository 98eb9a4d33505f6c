//! [`CacheIndex`]: where results are found again. The solver decides *when* to look; the index knows *where*.

use crate::key::CacheKey;
use crate::miss::MissReason;
use crate::op::Effort;
use crate::preimage::Preimage;
use std::time::Duration;

/// What an index says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<Output> {
    /// The recorded result; it is there and whole.
    Hit(Output),
    /// The recorded result, out of an index behind the first one ([`Chain`](crate::Chain)): the first one does not have
    /// it yet.
    Elsewhere(Output),
    /// Nothing.
    Miss,
    /// Not to be known with [`Effort::Cheap`]: ask again in the cold phase.
    Deferred,
}

/// Results by key. Called from several threads, and many processes may share what is behind it.
pub trait CacheIndex<Output>: Sync {
    /// How it fails.
    type Error: std::error::Error + Send + 'static;

    /// The recorded result, if it is there *and whole*. With [`Effort::Cheap`] only what is quick and needs no
    /// privilege, such as a look at a file of this machine.
    ///
    /// # Errors
    /// The index could not be read. Not for a missing or unusable record: that is [`Lookup::Miss`].
    fn lookup(&self, key: &CacheKey, effort: Effort) -> Result<Lookup<Output>, Self::Error>;

    /// The results that stand behind a weak key ([`Op::weak`](crate::Op::weak)), the likeliest first. Each may fit or
    /// not; the op says which. In the cold phase only.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    fn candidates(&self, weak: &CacheKey) -> Result<Vec<Output>, Self::Error> {
        Ok(match self.lookup(weak, Effort::Full)? {
            Lookup::Hit(output) | Lookup::Elsewhere(output) => vec![output],
            Lookup::Miss | Lookup::Deferred => Vec::new(),
        })
    }

    /// Takes the right to do this work, unless somebody (another process, another thread) has it: then `None`, and
    /// the solver asks again until it has it or is cancelled. It looks up once more after taking it.
    ///
    /// # Errors
    /// The right could not be asked for.
    fn try_claim(&self, key: &CacheKey) -> Result<Option<Box<dyn Claim + '_>>, Self::Error>;

    /// Keeps a result that took so long to make. Returns what to go on with: the same, or an equal one that was
    /// there before. The claim is held, except for work whose earlier results are not wanted (`Op::cacheable`).
    ///
    /// # Errors
    /// It could not be written.
    fn record(
        &self,
        key: &CacheKey,
        preimage: &Preimage,
        output: Output,
        cost: Duration,
    ) -> Result<Output, Self::Error>;

    /// Keeps a result that another index of a [`Chain`](crate::Chain) had. Returns what to go on with.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn adopt(&self, key: &CacheKey, preimage: &Preimage, output: Output) -> Result<Output, Self::Error> {
        self.record(key, preimage, output, Duration::ZERO)
    }

    /// Why there is no record: compares with what the step of this name had in an earlier build
    /// ([`miss::compare`](crate::miss::compare)). `None`: nothing is known.
    fn explain(&self, name: &str, preimage: &Preimage) -> Option<MissReason>;
}

/// The right to do one piece of work; dropping it gives it back. A lock of the kernel, so that it dies with its holder.
pub trait Claim {}

//! [`Kept`]: a container that is a directory of the store, whether it runs or not.
//!
//! Whoever changes one holds its lock for that moment ([`Kept::change`]) and never while it waits for a command. What is
//! said of a container that lives is true only while somebody looks after it; who finds that nobody does says so.

mod control;
pub(crate) mod files;
mod holder;
mod name;
mod process;
mod record;
mod state;

pub use control::ControlError;
pub use files::Word;
pub use holder::Holder;
pub(crate) use holder::Next;
pub use name::random_name;
pub use process::NamedProcess;
pub use record::{ImageName, Record, Restart};
pub use state::{KILLED, ProcessName, State, Status, Wanted};

use crate::time::now;
use rbuild_store::StoreError;
use rbuild_store::containers::{AliveLock, ChangeLock, ContainerDir, ContainerError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The file of a [`Record`].
pub(crate) const RECORD: &str = "config.json";
/// The file of a [`State`].
pub(crate) const STATE: &str = "state.json";

/// A container could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// There is none.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// It was removed meanwhile.
    #[error("container {0} is gone")]
    Gone(String),
    /// A file of it is damaged.
    #[error("{file} of container {id} is damaged: {source}; `rbuild rm -f {id}` removes it")]
    Damaged {
        /// Which container.
        id: String,
        /// Which file.
        file: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A container that is a directory of the store.
#[derive(Debug, Clone)]
pub struct Kept {
    dir: ContainerDir,
    record: Record,
}

impl Kept {
    /// Reads one.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn open(dir: ContainerDir) -> Result<Self, KeptError> {
        let record = read(&dir, RECORD)?.ok_or_else(|| gone(&dir))?;
        Ok(Self { dir, record })
    }

    pub(crate) fn new(dir: ContainerDir, record: Record) -> Self {
        Self { dir, record }
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &ContainerDir {
        &self.dir
    }

    /// What it is.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What is true of it now. A container that was abandoned is marked so, if that can be done without waiting.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn state(&self) -> Result<State, KeptError> {
        state(&self.dir)
    }

    /// Begins a change: nobody else makes one until it is dropped.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn change(&self) -> Result<Change<'_>, KeptError> {
        let lock = self.dir.lock()?.ok_or_else(|| gone(&self.dir))?;
        // Another name, or another policy, may have been given while we waited.
        let kept = Kept::open(self.dir.clone())?;
        let mut state = said(&self.dir)?;
        if is_abandoned(&self.dir, &state)? {
            state = state.abandoned(now());
        }
        Ok(Change {
            dir: &self.dir,
            record: kept.record,
            state,
            lock,
        })
    }
}

/// What is true of a container now, without a look at what it is.
///
/// # Errors
/// It is gone or damaged.
pub fn state(dir: &ContainerDir) -> Result<State, KeptError> {
    let state = said(dir)?;
    if !is_abandoned(dir, &state)? {
        return Ok(state);
    }
    // It may have ended in order between the two looks; now nobody writes any more.
    let state = said(dir)?;
    if !is_abandoned(dir, &state)? {
        return Ok(state);
    }
    if let Some(lock) = dir.try_lock()? {
        // What was read before may have changed until the lock was ours.
        let state = said(dir)?;
        if !is_abandoned(dir, &state)? {
            return Ok(state);
        }
        let state = state.abandoned(now());
        // A store that cannot be written is told the truth about all the same.
        let _ = write(dir, &lock, STATE, &state);
        return Ok(state);
    }
    Ok(state.abandoned(now()))
}

/// What the file says.
fn said(dir: &ContainerDir) -> Result<State, KeptError> {
    match read(dir, STATE)? {
        Some(state) => Ok(state),
        None if dir.exists() => Ok(State::default()),
        None => Err(gone(dir)),
    }
}

/// Whether it is said to live, and nobody looks after it.
fn is_abandoned(dir: &ContainerDir, state: &State) -> Result<bool, KeptError> {
    Ok(state.status.is_live() && (state.boot != dir.store().boot_id() || !dir.is_alive()?))
}

/// A change of a container that is being made.
#[derive(Debug)]
pub struct Change<'k> {
    dir: &'k ContainerDir,
    /// What it is.
    pub record: Record,
    /// What has become of it.
    pub state: State,
    lock: ChangeLock,
}

impl Change<'_> {
    /// Writes down what has become of it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn write_state(&self) -> Result<(), KeptError> {
        write(self.dir, &self.lock, STATE, &self.state)
    }

    /// Writes down what it is.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn write_record(&self) -> Result<(), KeptError> {
        write(self.dir, &self.lock, RECORD, &self.record)
    }

    /// Begins to look after it in this process.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn live(&self) -> Result<AliveLock, KeptError> {
        Ok(self.dir.live()?)
    }

    /// The command could not be started: that it was not is written down.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn not_started(&mut self, code: i32, why: String) -> Result<(), KeptError> {
        self.state.exit_code = code;
        self.state.error = why;
        self.write_state()
    }

    /// The lock, to be shared with a process that begins to look after it.
    pub(crate) fn lock(&self) -> &ChangeLock {
        &self.lock
    }

    /// Its first process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<NamedProcess> {
        self.state
            .process
            .filter(|_| self.state.status.has_processes())?
            .open()
    }
}

pub(crate) fn gone(dir: &ContainerDir) -> KeptError {
    KeptError::Gone(dir.id().short().to_owned())
}

fn read<T: DeserializeOwned>(dir: &ContainerDir, file: &'static str) -> Result<Option<T>, KeptError> {
    let Some(bytes) = dir.read(file)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| KeptError::Damaged {
            id: dir.id().short().to_owned(),
            file,
            source,
        })
}

pub(crate) fn to_bytes(
    dir: &ContainerDir,
    file: &'static str,
    value: &impl Serialize,
) -> Result<Vec<u8>, KeptError> {
    serde_json::to_vec(value).map_err(|source| KeptError::Damaged {
        id: dir.id().short().to_owned(),
        file,
        source,
    })
}

fn write(
    dir: &ContainerDir,
    lock: &ChangeLock,
    file: &'static str,
    value: &impl Serialize,
) -> Result<(), KeptError> {
    Ok(dir.write(lock, file, &to_bytes(dir, file, value)?)?)
}

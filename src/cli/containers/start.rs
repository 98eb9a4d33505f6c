//! `rbuild start`: starts containers that do not run.

use super::{each, find, not_launched, not_started, told};
use crate::cli::run::{attached, image_files};
use crate::cli::stored;
use crate::error::Failure;
use clap::Args;
use rbuild_build::engine;
use rbuild_container::Ready;
use rbuild_container::kept::Kept;
use rbuild_container::monitor::launch;
use rbuild_sandbox::{Caller, Winsize};
use rbuild_store::Store;
use rbuild_store::snapshot::{Held, SnapshotStore};
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Stay: show what it prints, hand signals on, end with its exit code
    #[arg(short, long)]
    pub attach: bool,

    /// With -a: give it what is typed, if it was made with -i
    #[arg(short, long)]
    pub interactive: bool,

    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub containers: Vec<String>,
}

/// Starts.
///
/// # Errors
/// One of them is not there, or does not start.
pub fn run(args: &StartArgs, root: Option<&Path>) -> Result<u8, Failure> {
    if args.attach || args.interactive {
        let [container] = args.containers.as_slice() else {
            return Err(Failure::usage("-a and -i are for one container"));
        };
        let store = stored::existing(root)?;
        let kept = find(store.as_ref(), container)?;
        return attached(&kept, args.interactive);
    }
    let mut starting = None;
    each(root, &args.containers, |kept| {
        let starting = match &starting {
            Some(starting) => starting,
            None => starting.insert(Starting::new(kept.dir().store().clone())?),
        };
        starting.detached(kept)
    })
}

/// What starts containers that run without us.
pub struct Starting {
    snapshots: SnapshotStore,
    caller: Caller,
}

/// The size of a terminal that nobody looks at.
const UNSEEN: Winsize = Winsize {
    ws_row: 24,
    ws_col: 80,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

impl Starting {
    /// Enters the user namespace in which the ids of the store's files are real.
    ///
    /// # Errors
    /// The host does not allow it.
    pub fn new(store: Store) -> Result<Self, Failure> {
        let caller = crate::environment::environment().caller();
        engine::enter_host(&store, &caller)?;
        Ok(Self::entered(SnapshotStore::new(store)))
    }

    /// For who has entered it.
    #[must_use]
    pub fn entered(snapshots: SnapshotStore) -> Self {
        let caller = crate::environment::environment().caller();
        Self { snapshots, caller }
    }

    /// Starts a container, unless it lives.
    ///
    /// # Errors
    /// It does not start.
    pub fn detached(&self, kept: &Kept) -> Result<(), Failure> {
        let change = kept.change().map_err(told)?;
        if change.state.status.is_live() {
            return Ok(());
        }
        let files = self.files(kept)?;
        let ready = Ready::new(&self.snapshots, kept, &change, files).map_err(not_started)?;
        let spec = ready.seal().map_err(|error| not_started(error.into()))?;
        launch(kept, change, &spec, &self.caller, UNSEEN).map_err(not_launched)
    }

    fn files(&self, kept: &Kept) -> Result<Option<Held>, Failure> {
        image_files(&self.snapshots, kept)
    }
}

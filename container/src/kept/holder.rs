//! [`Holder`]: whoever looks after a container while it lives, and writes down what becomes of it.

use super::{Kept, KeptError, ProcessName, State, Status, Wanted, to_bytes};
use super::{STATE, state};
use crate::time::now;
use rbuild_sandbox::{Exit, ExitStatus};
use rbuild_store::containers::AliveLock;

/// Looks after a container.
#[derive(Debug)]
pub struct Holder {
    kept: Kept,
    alive: AliveLock,
}

/// What comes after the end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it stays so, or the container is gone.
    Over,
    /// It is started again at once.
    Again,
    /// It is started again after a pause.
    AgainLater,
}

impl Holder {
    /// Begins. The lock for changes is held by the caller, or by whoever it acts for.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn begin(kept: Kept) -> Result<Self, KeptError> {
        let alive = kept.dir.live()?;
        Ok(Self { kept, alive })
    }

    /// What is looked after.
    #[must_use]
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The command executes. For who has the lock for changes, or acts for who has it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn began_for_the_asker(&self, pid: Option<i32>) -> Result<(), KeptError> {
        let before = super::said(&self.kept.dir)?;
        let state = self.running(&before, pid, 0);
        let bytes = to_bytes(&self.kept.dir, STATE, &state)?;
        Ok(self.kept.dir.write_unlocked(STATE, &bytes)?)
    }

    /// The command executes again; `false`: the container is gone, or somebody has asked for its end.
    pub(crate) fn began_again(&self, pid: Option<i32>) -> bool {
        let Ok(mut change) = self.kept.change() else {
            return false;
        };
        let is_wanted = change.state.wanted != Some(Wanted::Stop);
        change.state = match is_wanted {
            true => self.running(&change.state, pid, change.state.restarts),
            false => over(&change.state),
        };
        // Who cannot write it down knows of it all the same: the file said that it lives.
        let _ = change.write_state();
        is_wanted
    }

    fn running(&self, before: &State, pid: Option<i32>, restarts: u32) -> State {
        State {
            status: Status::Running,
            process: pid.and_then(ProcessName::of),
            boot: self.kept.dir.store().boot_id().to_owned(),
            started: Some(now()),
            finished: before.finished,
            restarts,
            ..State::default()
        }
    }

    /// The command has ended; `reap` gives its number up. Whatever is to be known of it is written down before that, and a
    /// container that goes by itself is gone.
    pub(crate) fn ended(&self, status: ExitStatus, oom_killed: bool, reap: impl FnOnce()) -> Next {
        let Ok(mut change) = self.kept.change() else {
            reap();
            return Next::Over;
        };
        let state = &mut change.state;
        let code = counted(status, state.killed_for.take()).shell_code();
        let next = match state.wanted {
            Some(Wanted::Stop) => Next::Over,
            Some(Wanted::Restart) => Next::Again,
            None if change.record.restart.again(code, state.restarts) => Next::AgainLater,
            None => Next::Over,
        };
        state.process = None;
        state.finished = Some(now());
        state.exit_code = code;
        state.oom_killed = oom_killed;
        state.wanted = None;
        state.status = match next {
            Next::Over => Status::Exited,
            Next::Again | Next::AgainLater => Status::Restarting,
        };
        if next == Next::AgainLater {
            state.restarts = state.restarts.saturating_add(1);
        }
        if next != Next::Over {
            let _ = change.write_state();
            reap();
            return next;
        }
        let _ = self.alive.leave(code);
        let _ = change.write_state();
        reap();
        if change.record.auto_remove {
            // What cannot be removed is left to `rm` and to a sweep.
            let _ = change.remove();
        }
        Next::Over
    }

    /// The command has ended and was reaped, and nothing is started again: what counts as its end.
    pub fn ended_for_good(&self, exit: &Exit) -> ExitStatus {
        let killed_for = super::said(&self.kept.dir)
            .ok()
            .and_then(|state| state.killed_for);
        let _ = self.ended(exit.status, exit.out_of_memory().is_some(), || {});
        counted(exit.status, killed_for)
    }

    /// The command could not be started again.
    pub(crate) fn not_started(&self, code: i32, why: String) -> Next {
        let Ok(mut change) = self.kept.change() else {
            return Next::Over;
        };
        let again = change.state.wanted != Some(Wanted::Stop)
            && change.record.restart.again(code, change.state.restarts);
        change.state.error = why;
        change.state.exit_code = code;
        change.state.finished = Some(now());
        if again {
            change.state.restarts = change.state.restarts.saturating_add(1);
        } else {
            change.state = over(&change.state);
            let _ = self.alive.leave(code);
        }
        let _ = change.write_state();
        if again { Next::AgainLater } else { Next::Over }
    }

    /// Whether a command that has ended is to be started again still; if not, that is written down.
    pub(crate) fn is_to_go_on(&self) -> bool {
        match state(&self.kept.dir) {
            Ok(state) if state.wanted == Some(Wanted::Stop) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
        if let Ok(mut change) = self.kept.change() {
            change.state = over(&change.state);
            let _ = self.alive.leave(change.state.exit_code);
            let _ = change.write_state();
            if change.record.auto_remove {
                let _ = change.remove();
            }
        }
        false
    }
}

fn over(state: &State) -> State {
    State {
        status: Status::Exited,
        process: None,
        wanted: None,
        killed_for: None,
        ..state.clone()
    }
}

/// What counts as the end of a command: a kill in place of a signal counts as that.
fn counted(status: ExitStatus, killed_for: Option<i32>) -> ExitStatus {
    match (status, killed_for) {
        (ExitStatus::Signal(9), Some(signal)) => ExitStatus::Signal(signal),
        (status, _) => status,
    }
}

//! What is done to a container from outside: signals, stops, waits, removal.

use super::files::{Word, tell};
use super::{Change, Kept, KeptError, NamedProcess, State, Status, Wanted};
use crate::process::ENDING;
use rbuild_sandbox::signals::{Disposition, Signal};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// Why a container is not stopped, killed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// It does not run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// It runs.
    #[error("container {name} is {status}: stop it first, or remove it with -f")]
    Running {
        /// Which.
        name: String,
        /// In which way.
        status: &'static str,
    },
    /// It does not end, although it was killed.
    #[error("container {0} was killed and does not end")]
    DoesNotEnd(String),
    /// The kernel refuses a signal.
    #[error("sending a signal to container {id}: {}", std::io::Error::from(*errno))]
    Signal {
        /// To which.
        id: String,
        /// Why.
        errno: Errno,
    },
    /// It could not be read or changed.
    #[error(transparent)]
    Kept(#[from] KeptError),
}

impl From<rbuild_store::StoreError> for ControlError {
    fn from(error: rbuild_store::StoreError) -> Self {
        KeptError::from(error).into()
    }
}

/// How long what was killed may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

impl Kept {
    /// Tells the process that looks after it.
    pub fn tell(&self, word: Word) {
        tell(self.dir.path(), word);
    }

    /// Sends a signal to the command, which does what it would do to any other process: the kernel keeps from the first
    /// process of a pid namespace what it has no handler for, so what would end another one kills it. `wanted` is what is
    /// to become of it after that, if it ends.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: i32, wanted: Option<Wanted>) -> Result<(), ControlError> {
        let mut change = self.change()?;
        let process = change.running()?;
        if wanted.is_some() {
            change.state.wanted = wanted;
            change.write_state()?;
        }
        change.send(&process, signal)
    }

    /// Bytes that its command has written to its own layer.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.dir.written_bytes()
    }

    /// Asks the command to end, and kills it after so many seconds, never if negative. One that does not run is stopped.
    ///
    /// # Errors
    /// It does not end, or cannot be told.
    pub fn stop(&self, signal: i32, seconds: i64) -> Result<(), ControlError> {
        self.end(signal, seconds, Wanted::Stop)
    }

    /// The same, and the process that looks after it starts it again; `false`: it does not run.
    ///
    /// # Errors
    /// It does not end, or cannot be told.
    pub fn restart(&self, signal: i32, seconds: i64) -> Result<bool, ControlError> {
        let before = self.state()?;
        if !before.status.is_live() {
            return Ok(false);
        }
        self.end(signal, seconds, Wanted::Restart)?;
        let until = Instant::now() + PATIENCE;
        // It is told of by the file alone; a pause is none.
        loop {
            let state = self.state()?;
            match state.status {
                Status::Running if state.process != before.process => return Ok(true),
                Status::Exited => return Ok(false),
                _ if Instant::now() > until => return Err(ControlError::DoesNotEnd(self.short())),
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn end(&self, signal: i32, seconds: i64, wanted: Wanted) -> Result<(), ControlError> {
        let (process, state) = {
            let mut change = self.change()?;
            if !change.state.status.is_live() {
                return Ok(());
            }
            change.state.wanted = Some(wanted);
            change.write_state()?;
            let process = change.process();
            if let Some(process) = &process {
                change.send(process, signal)?;
            }
            (process, change.state.clone())
        };
        self.tell(Word::Look);
        let milliseconds = u64::try_from(seconds)
            .ok()
            .map(|seconds| seconds.saturating_mul(1000));
        if let Some(process) = process
            && !process.ends_within(milliseconds)
        {
            self.kill_that(&state)?;
        }
        match wanted {
            Wanted::Stop => self.wait_until_over(),
            Wanted::Restart => Ok(()),
        }
    }

    /// Kills the command and waits until nobody looks after it.
    ///
    /// # Errors
    /// It does not end.
    pub fn kill(&self) -> Result<(), ControlError> {
        {
            let mut change = self.change()?;
            if !change.state.status.is_live() {
                return Ok(());
            }
            change.state.wanted = Some(Wanted::Stop);
            change.write_state()?;
            if let Some(process) = change.process() {
                change.send(&process, Signal::SIGKILL as i32)?;
            }
        }
        self.tell(Word::Look);
        self.wait_until_over()
    }

    /// Kills what ran at that time, and nothing that was started since.
    fn kill_that(&self, then: &State) -> Result<(), ControlError> {
        let mut change = self.change()?;
        if change.state.process == then.process
            && let Some(process) = change.process()
        {
            change.send(&process, Signal::SIGKILL as i32)?;
        }
        Ok(())
    }

    fn wait_until_over(&self) -> Result<(), ControlError> {
        let until = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(200);
        while self.dir.is_alive()? {
            if Instant::now() > until {
                return Err(ControlError::DoesNotEnd(self.short()));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until it does not live: its last exit code.
    ///
    /// # Errors
    /// It is gone, or damaged.
    pub fn wait(&self) -> Result<i32, KeptError> {
        let state = self.state()?;
        if !state.status.is_live() {
            return Ok(state.exit_code);
        }
        match self.dir.wait_until_over()? {
            Some(code) => Ok(code),
            // It went in between, or was killed with who looked after it.
            None => Ok(self.state().map_or(super::KILLED, |state| state.exit_code)),
        }
    }

    /// Removes it. One that lives is killed first, with `force`; without, that is an error.
    ///
    /// # Errors
    /// It lives, or the store cannot be written.
    pub fn remove(&self, force: bool) -> Result<(), ControlError> {
        if force {
            match self.kill() {
                // It goes by itself when it has ended.
                Err(ControlError::Kept(KeptError::Gone(_))) => return Ok(()),
                other => other?,
            }
        }
        let change = match self.change() {
            Err(KeptError::Gone(_)) if force => return Ok(()),
            other => other?,
        };
        if change.state.status.is_live() {
            return Err(ControlError::Running {
                name: change.record.name.clone(),
                status: change.state.status.name(),
            });
        }
        Ok(change.remove()?)
    }

    fn short(&self) -> String {
        self.dir.id().short().to_owned()
    }
}

impl Change<'_> {
    /// Its first process.
    ///
    /// # Errors
    /// It does not run.
    pub fn running(&self) -> Result<NamedProcess, ControlError> {
        self.process()
            .ok_or_else(|| ControlError::NotRunning(self.record.id.short().to_owned()))
    }

    fn send(&mut self, process: &NamedProcess, signal: i32) -> Result<(), ControlError> {
        let ends = Signal::try_from(signal)
            .ok()
            .filter(|signal| ENDING.contains(signal))
            .is_some_and(|signal| process.disposition(signal) == Some(Disposition::Default));
        let sent = if ends {
            self.state.killed_for = Some(signal);
            self.write_state()?;
            Signal::SIGKILL as i32
        } else {
            signal
        };
        process.send(sent).map_err(|errno| ControlError::Signal {
            id: self.record.id.short().to_owned(),
            errno,
        })
    }

    /// Removes the container, which nobody looks after any more. It is gone at once.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn remove(self) -> Result<(), KeptError> {
        let containers = self.dir.store().containers();
        Ok(containers.remove(self.dir, &self.record.name)?)
    }
}

//! What a monitor does from the first start of a command to its last end.

use super::order::{Failed, Order};
use super::streams::Streams;
use crate::kept::{Holder, Kept, Next};
use crate::log::LogWriter;
use rbuild_sandbox::{ExitStatus, SealedSpec, Started, Starter};
use rbuild_store::lock::Lease;
use rbuild_store::{Need, Store};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a command must last for the next pause to be the shortest again.
const LASTING: Duration = Duration::from_secs(10);
/// The pause before the first restart; each further one is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Looks after one container.
pub(super) struct Monitor {
    holder: Holder,
    spec: SealedSpec,
    starter: Starter,
    streams: Streams,
    size: (u16, u16),
    started: Started,
    _leases: Vec<Lease>,
}

impl Monitor {
    /// Starts the command for the first time. Whoever asked for it holds the lock for changes meanwhile.
    pub(super) fn start(order: Order) -> Result<Self, Failed> {
        let Order { text, spec, change } = order;
        let store = Store::open(Path::new(&text.store), &text.boot, Need::Writing)?;
        let leases = store.locks().take_over(&text.leases)?;
        let kept = Kept::open(store.containers().dir(&text.id))?;
        let log = LogWriter::new(kept.dir().path(), kept.record().log);
        let mut streams = Streams::open(kept.dir(), kept.record(), log)?;
        let starter = Starter::new(text.caller)?;
        let holder = Holder::begin(kept)?;
        let started = streams.start(&starter, &spec, text.size)?;
        if let Err(error) = holder.began_for_the_asker(started.pid()) {
            // Nobody could find it.
            end(started);
            return Err(error.into());
        }
        drop(change);
        Ok(Self {
            holder,
            spec,
            starter,
            streams,
            size: text.size,
            started,
            _leases: leases,
        })
    }

    /// Until the command has ended for good.
    pub(super) fn look_after(mut self) {
        let mut pause = SHORTEST;
        let mut begun = Instant::now();
        loop {
            self.streams.carry(&self.started);
            let status = self.started.ended().unwrap_or(ExitStatus::Signal(9));
            if begun.elapsed() > LASTING {
                pause = SHORTEST;
            }
            let started = self.started;
            let counted = started.statistics();
            let oom_killed = counted.is_some_and(|counted| counted.oom_kills.unwrap_or(0) > 0);
            let mut next = self.holder.ended(status, oom_killed, || {
                let _ = started.reap();
            });
            self.started = loop {
                match next {
                    Next::Over => return,
                    Next::Again => {}
                    Next::AgainLater => {
                        if !wait(&mut self.streams, &self.holder, pause) {
                            return;
                        }
                        pause = (pause * 2).min(LONGEST);
                    }
                }
                match self.streams.start(&self.starter, &self.spec, self.size) {
                    Ok(started) => break started,
                    Err(error) => {
                        next = self
                            .holder
                            .not_started(error.exit_code().into(), error.to_string());
                    }
                }
            };
            begun = Instant::now();
            if !self.holder.began_again(self.started.pid()) {
                return end(self.started);
            }
        }
    }
}

/// Waits for the time of a restart; `false`: nobody wants it any more.
fn wait(streams: &mut Streams, holder: &Holder, pause: Duration) -> bool {
    let until = Instant::now() + pause;
    loop {
        if !holder.is_to_go_on() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        streams.pause(left);
    }
}

fn end(started: Started) {
    let _ = started.signal(9);
    let _ = started.reap();
}

//! [`Outbox`]: sends results on a thread of its own, while later steps run.

use super::pack::{Outgoing, Packer};
use super::record::Piece;
use super::site::{Site, Use};
use crate::error::SharedCacheError;
use crate::ops::StepOutput;
use rbuild_store::{Key, Store};
use std::collections::HashSet;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// A result that is to be sent.
pub(super) struct Parcel {
    pub(super) key: Key,
    pub(super) kind: String,
    pub(super) cost: Duration,
    /// Keeps the snapshot until it was sent.
    pub(super) output: StepOutput,
    /// The caches it goes to, by their places among [`Outbox::targets`].
    pub(super) to: Vec<usize>,
}

/// A cache that results are sent to.
pub(super) struct Target {
    pub(super) site: Arc<Site>,
    /// What went wrong first, for a caller who wants to know.
    pub(super) failure: Mutex<Option<SharedCacheError>>,
}

/// Where results wait for the thread that sends them. Dropped, it waits until all were sent.
pub(super) struct Outbox {
    targets: Arc<Vec<Target>>,
    waiting: Arc<AtomicUsize>,
    running: Mutex<Option<Running>>,
}

struct Running {
    sender: Sender<Parcel>,
    thread: JoinHandle<()>,
}

impl Outbox {
    pub(super) fn new(targets: Arc<Vec<Target>>) -> Self {
        Self {
            targets,
            waiting: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// Results that were not sent yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Sends a result some time. The first starts the thread: in the cold phase.
    pub(super) fn send(&self, parcel: Parcel, packer: impl FnOnce() -> Packer) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            match self.start(packer()) {
                Ok(started) => *running = Some(started),
                Err(error) => {
                    let error = SharedCacheError::Thread(error);
                    for target in self.targets.iter() {
                        target.site.failed(Use::Write, &error);
                    }
                    return;
                }
            }
        }
        if let Some(running) = &*running {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // It listens until the sender is dropped.
            let _ = running.sender.send(parcel);
        }
    }

    fn start(&self, packer: Packer) -> io::Result<Running> {
        let (sender, parcels) = channel();
        let carrier = Carrier {
            packer,
            targets: Arc::clone(&self.targets),
            waiting: Arc::clone(&self.waiting),
            sent: HashSet::new(),
        };
        let thread = Builder::new()
            .name("shared cache".to_owned())
            .spawn(move || carrier.carry(&parcels))?;
        Ok(Running { sender, thread })
    }

    /// Waits until all was sent.
    pub(super) fn finish(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { sender, thread }) = running {
            drop(sender);
            // A thread that has panicked has said so; the build is not worse for it.
            let _ = thread.join();
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What the thread has.
struct Carrier {
    packer: Packer,
    targets: Arc<Vec<Target>>,
    waiting: Arc<AtomicUsize>,
    /// Results that are where they should be.
    sent: HashSet<(usize, Key)>,
}

impl Carrier {
    fn carry(mut self, parcels: &Receiver<Parcel>) {
        while let Ok(parcel) = parcels.recv() {
            for at in &parcel.to {
                self.carry_to(*at, &parcel);
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn carry_to(&mut self, at: usize, parcel: &Parcel) {
        let targets = Arc::clone(&self.targets);
        let Some(target) = targets.get(at).filter(|target| target.site.is_on(Use::Write)) else {
            return;
        };
        if self.packer.snapshots.store().stop().is_stopped() || self.sent.contains(&(at, parcel.key.clone()))
        {
            return;
        }
        match self.deliver(&target.site, parcel) {
            Ok(()) => {
                target.site.has_it(&parcel.key);
                self.sent.insert((at, parcel.key.clone()));
            }
            // What fails after a stop fails because of it.
            Err(_) if self.packer.snapshots.store().stop().is_stopped() => {}
            Err(error) => {
                target.site.failed(Use::Write, &error);
                let mut failure = target.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            }
        }
    }

    /// The bytes first: a record names nothing that is not there.
    fn deliver(&mut self, site: &Site, parcel: &Parcel) -> Result<(), SharedCacheError> {
        if !site.wants_record(&parcel.key)? {
            return Ok(());
        }
        let Parcel {
            key,
            kind,
            cost,
            output,
            ..
        } = parcel;
        let Outgoing { record, layers } = self.packer.outgoing(key, kind, *cost, output)?;
        let store = self.packer.snapshots.store();
        for packed in &layers {
            let listing = |offset: u64| -> io::Result<Box<dyn Read>> {
                let mut cursor = Cursor::new(Arc::clone(&packed.listing));
                cursor.set_position(offset);
                Ok(Box::new(cursor))
            };
            if let Some(piece) = packed.layer.listing_apart()
                && site.wants(&piece)?
            {
                site.place.put(&piece, &listing)?;
            }
            let tar = |offset: u64| blob(store, &packed.layer.tar, offset);
            if site.wants(&packed.layer.tar)? {
                site.place.put(&packed.layer.tar, &tar)?;
            }
        }
        site.place.put_record(&record)
    }
}

fn blob(store: &Store, piece: &Piece, offset: u64) -> io::Result<Box<dyn Read>> {
    let mut file = store.blobs().open(&piece.digest).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(Box::new(file))
}

//! `Slots`: how many transfers may run at once, per registry.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

use crate::http::lock;

pub(crate) struct Slots {
    limit: usize,
    busy: Mutex<BTreeMap<String, usize>>,
    freed: Condvar,
}

/// A slot; free again when dropped.
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    host: String,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            busy: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Waits for a free slot.
    pub(crate) fn take(&self, host: &str) -> Slot<'_> {
        let mut busy = lock(&self.busy);
        while busy.get(host).is_some_and(|n| *n >= self.limit) {
            busy = self
                .freed
                .wait(busy)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *busy.entry(host.to_owned()).or_default() += 1;
        Slot {
            slots: self,
            host: host.to_owned(),
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(n) = lock(&self.slots.busy).get_mut(&self.host) {
            *n -= 1;
        }
        self.slots.freed.notify_all();
    }
}

//! What stands beside snapshots and leads nowhere: caches of steps, memos, mount points, lock files.

use rbuild_oci::Digest;

use super::{Sweep, move_away};
use crate::disk_usage::disk_usage;
use crate::error::StoreError;
use crate::file_lock::{Lock, Mode};
use crate::gc::Kind;
use crate::gc::mark::{modified, size};
use crate::small_file::{list_dir, list_if_there, remove_if_there};
use crate::snapshot::flattened_snapshot;

/// Memos of contexts that were not built for this long go with any prune, in nanoseconds (60 days).
const MEMO_AGE: i64 = 60 * 24 * 3600 * 1_000_000_000;

impl Sweep<'_> {
    pub(super) fn cache_mounts(&mut self) -> Result<(), StoreError> {
        for mount in self.store.cache_mounts()? {
            let name = mount.name.clone().unwrap_or_else(|| mount.hash.clone());
            let mut left = mount.copies.len();
            for &copy in &mount.copies {
                let lock_path = self.store.cache_mount_lock(&mount.hash, copy);
                let Some((lock, new)) = Lock::try_take_noting(&lock_path)? else {
                    self.pruned.in_use.push(format!("cache mount {name}"));
                    continue;
                };
                if !new && !self.is_old(lock.stamped()?) {
                    continue;
                }
                let path = self.store.cache_mount_dir(&mount.hash, copy);
                let bytes = disk_usage(&path);
                if !self.options.dry_run {
                    let trash = self.trash()?;
                    if let Err(error) = move_away(&path, &trash, None) {
                        self.pruned.failed.push((path, error.to_string()));
                        continue;
                    }
                    lock.remove_file();
                }
                left -= 1;
                self.note(Kind::CacheMount, name.clone(), bytes);
            }
            if left == 0 && !self.options.dry_run {
                // Fails, as it should, if a step has just made a new copy.
                let dir = self.store.path("cache-mounts").join(&mount.hash);
                match list_dir(&dir) {
                    Ok(names) if names.iter().all(|name| name == "id") => {
                        remove_if_there(&dir.join("id"))?;
                        let _ = std::fs::remove_dir(&dir);
                    }
                    // Another collector was faster.
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn memos(&mut self) -> Result<(), StoreError> {
        let dir = self.store.memo_dir();
        for name in list_dir(&dir)? {
            let path = dir.join(name);
            let used = modified(&path).unwrap_or(i64::MAX);
            let forgotten = used < self.now.saturating_sub(MEMO_AGE);
            if forgotten || (self.options.all && self.is_old(used)) {
                let bytes = size(&path);
                self.remove_file(&path)?;
                self.note(Kind::BuildCache, "stat memo".to_owned(), bytes);
            }
        }
        Ok(())
    }

    /// Layers that were flattened: those of earlier boots, and those whose snapshot is gone. Who uses one has a lease on
    /// a snapshot that stands on that.
    pub(super) fn flattened(&mut self) -> Result<(), StoreError> {
        let current = self.store.flattened_dir();
        for boot in list_if_there(&self.store.path("flattened"))? {
            let dir = self.store.path("flattened").join(boot);
            if dir == current {
                continue;
            }
            if !self.options.dry_run {
                let trash = self.trash()?;
                move_away(&dir, &trash, None)?;
            }
            self.note(Kind::BuildCache, "flattened layers".to_owned(), 0);
        }
        for name in list_if_there(&current)? {
            let Some(id) = flattened_snapshot(&name) else {
                continue;
            };
            let path = current.join(&name);
            let home = self.store.snapshots_dir().join(id.to_hex());
            if home.exists() {
                continue;
            }
            // A snapshot of the same name may be about to be committed, and mounted.
            let trash = self.trash()?;
            let dry_run = self.options.dry_run;
            let removed = self.leases.unless_used(id.as_bytes(), || match home.exists() {
                true => Ok(false),
                false if dry_run => Ok(true),
                false => move_away(&path, &trash, None),
            })?;
            if removed == Some(true) {
                self.note(Kind::BuildCache, "flattened layers".to_owned(), 0);
            }
        }
        Ok(())
    }

    /// Mount points that no process uses, by the same rule as memos: they are made again in no time.
    pub(super) fn stubs(&mut self) -> Result<(), StoreError> {
        let dir = self.store.stubs_dir();
        for name in list_dir(&dir)? {
            let Ok(hash) = Digest::from_hex(&name) else {
                continue;
            };
            let path = dir.join(name);
            let used = modified(&path).unwrap_or(i64::MAX);
            let is_wanted = !self.options.all || !self.is_old(used);
            if is_wanted && used >= self.now.saturating_sub(MEMO_AGE) {
                continue;
            }
            let trash = self.trash()?;
            let dry_run = self.options.dry_run;
            let removed = self.leases.unless_used(hash.as_bytes(), || match dry_run {
                true => Ok(true),
                false => move_away(&path, &trash, None),
            })?;
            if removed == Some(true) {
                self.note(Kind::BuildCache, "mount points".to_owned(), 0);
            }
        }
        Ok(())
    }

    /// Key locks of killed holders.
    pub(super) fn lock_files(&mut self) -> Result<(), StoreError> {
        if self.options.dry_run {
            return Ok(());
        }
        let keys = self.store.path("locks/keys");
        for name in list_dir(&keys)? {
            if let Some(lock) = Lock::try_take_existing(&keys.join(name), Mode::Exclusive)? {
                lock.remove_file();
            }
        }
        Ok(())
    }
}

//! What the handles of an open database share.
//!
//! Locks are taken in this order: `merging`, `maintenance`, `commit`, `reads`; `locks` with none of them. Reads take none, unless more of them go on than there are `pins`; then `reads`, for a moment. `merging`
//! is held for as long as a merge takes; only what must wait for a merge takes it.
#![forbid(unsafe_code)]

use super::cache::BlockCache;
use super::commit::Commit;
use super::directory::Directory;
use super::error::{Error, Result};
use super::iter::Scan;
use super::keeper::Keepers;
use super::keyspace::KeyspaceId;
use super::maintenance::{MaintenanceCounts, MaintenanceState};
use super::options::{Compaction, Maintenance, Options, WriteLevel};
use super::pins::{PinKeeper, Pins};
use super::read;
use super::transaction::LockName;
use super::version::{Version, View};
use super::visible::Visible;
use super::watch::{Operation, Watch};
use crate::platform::{Condvar, Files, Instant, Mutex};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;

/// What a get costs at a table that its filter says no of, and a scan, which looks for its place in a table's index and a block.
const GET_COST: usize = 1;
const SCAN_COST: usize = 16;

pub(super) struct Shared<P: Files> {
    pub(super) directory: Directory<P>,
    pub(super) options: Options,
    pub(super) cache: Arc<BlockCache<P>>,
    /// Its advisory lock keeps others out; a platform without such locks has none.
    pub(super) lock_file: P::File,
    pub(super) commit: Mutex<Commit<P>, P>,
    /// A leader is done.
    pub(super) committed: Condvar<P>,
    pub(super) reads: Mutex<Reads<P>, P>,
    /// The view of `reads`, until the close.
    pub(super) pins: Pins<View<P>>,
    /// The last write that reads see. Not under the lock of `reads`, which writers would else take for each write.
    pub(super) visible: Arc<Visible<P>>,
    pub(super) maintenance: Mutex<MaintenanceState, P>,
    /// Whoever holds it merges; nobody else does.
    pub(super) merging: Mutex<(), P>,
    /// Keys that locking transactions have locked.
    pub(super) locks: Mutex<BTreeSet<LockName>, P>,
    /// Some are unlocked.
    pub(super) unlocked: Condvar<P>,
    /// No merge goes on: [`close`](Self::close) waits for it to end. Says nothing of other memory, so accesses are relaxed.
    pub(super) closing: AtomicBool,
    /// Bytes a second that writes may have while merges do not keep up; 0 while they do. Relaxed, as above.
    pub(super) write_rate: AtomicUsize,
    pub(super) keepers: Keepers,
    pub(super) watch: Watch,
}

/// What a read begins with.
#[derive(Debug)]
pub(super) struct Reads<P: Files> {
    pub(super) view: Arc<View<P>>,
    pub(super) pins: PinKeeper<View<P>>,
    pub(super) closed: bool,
    /// Maintenance failed: when to try again, and how long that is after the failure.
    pub(super) retry: Option<(Instant, Duration)>,
    /// Here, as whoever asks for them must not wait for maintenance.
    pub(super) counts: MaintenanceCounts,
}

impl<P: Files> Shared<P> {
    /// The database at this moment.
    pub(super) fn snapshot(&self) -> Result<(Arc<View<P>>, u64)> {
        if let Some(pin) = self.pins.pin() {
            let sequence = self.visible.get();
            // So the writes up to the number are in this view: those in a newer one were made visible after it was published.
            if pin.is_newest() {
                return Ok((pin.to_arc(), sequence));
            }
        }
        self.snapshot_locked()
    }

    fn snapshot_locked(&self) -> Result<(Arc<View<P>>, u64)> {
        let reads = self.reads.lock();
        if reads.closed {
            return Err(Error::Closed);
        }
        // Under the lock: the writes up to the number are in this view, as those after it in a newer view only come in
        // when that one is here.
        Ok((reads.view.clone(), self.visible.get()))
    }

    /// Calls `read` with the value of a key as it is now.
    pub(super) fn get_with<R>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        let begun = self.begin();
        let operator = self.options.merge_operator;
        // Before the view: the writes up to it are in each that comes later. That may have dropped what newer ones replaced, which are then
        // what is found: for one key that is the database at a moment since.
        let sequence = self.visible.get();
        let found = match self.pins.pin() {
            Some(pin) => {
                let tree = pin.tree(keyspace)?;
                let found = read::get_with(tree, sequence, operator, key, read)?;
                self.note_read(&tree.version, GET_COST);
                let has_retired = pin.has_retired();
                drop(pin);
                if has_retired {
                    self.sweep_views();
                }
                found
            }
            None => {
                let (view, sequence) = self.snapshot_locked()?;
                let tree = view.tree(keyspace)?;
                let found = read::get_with(tree, sequence, operator, key, read)?;
                self.note_read(&tree.version, GET_COST);
                found
            }
        };
        self.end(Operation::Get, begun, key);
        Ok(found)
    }

    /// Has the keeper look whether a merge pays off now and then.
    fn note_read(&self, version: &Version<P>, cost: usize) {
        if version.note_read(cost) {
            self.ask_keeper();
        }
    }

    /// Has reads see `view` from now on. Under the lock of maintenance.
    pub(super) fn set_view(&self, view: Arc<View<P>>) {
        self.set_write_rate(view.level0_max());
        let mut reads = self.reads.lock();
        let old = core::mem::replace(&mut reads.view, view.clone());
        let free = match reads.closed {
            true => Vec::new(),
            false => reads.pins.replace(Some(view)),
        };
        // Freeing a memtable takes a while: not under the lock.
        drop(reads);
        drop((old, free));
    }

    /// No read begins any more.
    pub(super) fn end_reads(&self) {
        let mut reads = self.reads.lock();
        reads.closed = true;
        let free = reads.pins.replace(None);
        drop(reads);
        drop(free);
    }

    /// Frees what the last reader of an old view left.
    #[cold]
    fn sweep_views(&self) {
        if let Some(mut reads) = self.reads.try_lock() {
            let free = reads.pins.sweep();
            drop(reads);
            drop(free);
        }
    }

    /// Walks a range as it is now.
    pub(super) fn scan(
        &self,
        keyspace: KeyspaceId,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<Scan<P>> {
        let (view, sequence) = self.snapshot()?;
        let tree = view.tree(keyspace)?.clone();
        self.note_read(&tree.version, SCAN_COST);
        Ok(Scan::new(
            tree,
            sequence,
            self.options.merge_operator,
            start,
            end,
        ))
    }

    /// Whether writers flush and merge as soon as that is needed.
    pub(super) fn is_inline(&self) -> bool {
        self.options.maintenance == Maintenance::Inline && !self.is_kept()
    }

    /// The size at which a writer waits for room in the memtable, or empties it itself.
    pub(super) fn memtable_bytes_max(&self) -> usize {
        match self.is_inline() {
            true => self.options.memtable_bytes,
            false => self.options.memtable_bytes * 2,
        }
    }

    /// Sets the rate of writes from how far level 0 is between twice and three times what it should be.
    pub(super) fn set_write_rate(&self, level0: usize) {
        const RATE_MAX: usize = 32 << 20;
        let slow = self.options.tables_max * 2;
        let rate = match level0.checked_sub(slow) {
            None => 0,
            Some(_) if self.is_inline() || self.is_queue() => 0,
            Some(over) => {
                let over = over.min(self.options.tables_max);
                RATE_MAX - RATE_MAX / 16 * 15 / self.options.tables_max * over
            }
        };
        self.write_rate.store(rate, Ordering::Relaxed);
    }

    /// Whether tables are not merged, small new ones perhaps excepted, so that there may be any number of them.
    pub(super) const fn is_queue(&self) -> bool {
        matches!(
            self.options.compaction,
            Compaction::Fifo { .. } | Compaction::Newest
        )
    }

    /// Most tables at level 0 of a keyspace: whoever would make more of them waits for a merge.
    pub(super) const fn tables_bound(&self) -> usize {
        if self.is_queue() {
            return usize::MAX;
        }
        self.options.tables_max * 3
    }
}

impl<P: Files> Drop for Shared<P> {
    /// Buffered writes go to the system, so that dropping a database loses no more than the end of the process would.
    fn drop(&mut self) {
        let _ = self.sync(WriteLevel::Os);
        self.directory.leave();
    }
}

impl<P: Files> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("directory", &self.directory.path_text())
            .finish_non_exhaustive()
    }
}

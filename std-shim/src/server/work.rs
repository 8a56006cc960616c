//! Work beside the event loop: merging tables, syncing once a second, saving, looking for expired values.
#![forbid(unsafe_code)]

use super::copies::Copies;
use super::store::Sweeps;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::Arc;
use underpin_core::db::{self, Db, WriteLevel};
use underpin_core::platform::{ClockId, Files};

bitflags::bitflags! {
    /// What to do.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Work: u32 {
        /// Let the database flush and merge.
        const MAINTAIN = 1 << 0;
        /// Make what was written durable.
        const SYNC = 1 << 1;
        /// Flush everything to tables and make it durable.
        const SAVE = 1 << 2;
        /// End.
        const STOP = 1 << 3;
        /// Look for values that have expired.
        const SWEEP = 1 << 4;
        /// What nothing waits for and may take minutes, such as a copy to another disk: not on the thread that makes room for writes.
        const LONG = Self::SAVE.bits() | Self::SWEEP.bits();
    }
}

/// How the work went, for `INFO` and `LASTSAVE`. Each field stands alone, so the accesses are relaxed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    last_save_ms: AtomicU64,
    failed: AtomicBool,
    save_failed: AtomicBool,
    /// A save was asked for and has not ended.
    saving: AtomicBool,
    /// How long the last one took; -1 before the first.
    save_seconds: AtomicI64,
    /// The keyspace's writes when the last save that succeeded began.
    changes_saved: AtomicU64,
    /// Those when the one that goes on began.
    changes_saving: AtomicU64,
    /// A sync was asked for and has not begun.
    sync_waits: AtomicBool,
}

impl Progress {
    /// Notes a save at `now_ms`.
    pub(crate) fn saved(&self, now_ms: u64) {
        self.last_save_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When the last save was, in milliseconds since 1970.
    pub(crate) fn last_save_ms(&self) -> u64 {
        self.last_save_ms.load(Ordering::Relaxed)
    }

    /// Notes that a sync is wanted; false if an earlier one still waits behind other work.
    pub(crate) fn want_sync(&self) -> bool {
        !self.sync_waits.swap(true, Ordering::Relaxed)
    }

    /// Notes that a sync that is wanted begins.
    pub(crate) fn begin_sync(&self) {
        self.sync_waits.store(false, Ordering::Relaxed);
    }

    /// Whether a sync is wanted that still waits behind other work.
    pub(crate) fn sync_waits(&self) -> bool {
        self.sync_waits.load(Ordering::Relaxed)
    }

    /// Notes how a sync that the loop did itself went.
    pub(crate) fn synced(&self, succeeded: bool) {
        self.failed.store(!succeeded, Ordering::Relaxed);
    }

    /// Notes that a save is asked for, and of how many writes; false if one goes on already.
    pub(crate) fn begin_save(&self, changes: u64) -> bool {
        let begins = !self.saving.swap(true, Ordering::Relaxed);
        if begins {
            self.changes_saving.store(changes, Ordering::Relaxed);
        }
        begins
    }

    /// Notes how a save went, and how long it took.
    pub(crate) fn end_save(&self, succeeded: bool, seconds: u64) {
        self.save_failed.store(!succeeded, Ordering::Relaxed);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.save_seconds.store(seconds, Ordering::Relaxed);
        if succeeded {
            let changes = self.changes_saving.load(Ordering::Relaxed);
            self.changes_saved.store(changes, Ordering::Relaxed);
        }
        self.saving.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_saving(&self) -> bool {
        self.saving.load(Ordering::Relaxed)
    }

    pub(crate) fn save_failed(&self) -> bool {
        self.save_failed.load(Ordering::Relaxed)
    }

    /// How long the last save took; -1 before the first.
    pub(crate) fn save_seconds(&self) -> i64 {
        match self.last_save_ms() {
            0 => -1,
            _ => self.save_seconds.load(Ordering::Relaxed),
        }
    }

    /// The keyspace's writes when the last save that succeeded began.
    pub(crate) fn changes_saved(&self) -> u64 {
        self.changes_saved.load(Ordering::Relaxed)
    }

    /// Whether the last piece of work failed.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Takes work from the event loop.
pub(crate) trait Housekeeping {
    /// Does `work`, now or soon.
    fn request(&mut self, work: Work);

    /// Waits until nothing is being done any more and lets go of the database.
    fn stop(&mut self);
}

/// Does the work at once, on the event loop's own thread: for platforms without threads, and the simulator.
pub(crate) struct Inline<P: Files>(pub(crate) Option<Worker<P>>);

impl<P: Files> Housekeeping for Inline<P> {
    fn request(&mut self, work: Work) {
        if let Some(worker) = &self.0 {
            worker.perform(work);
        }
    }

    fn stop(&mut self) {
        self.0 = None;
    }
}

/// Does the work, whatever thread it is on.
#[derive(Clone)]
pub(crate) struct Worker<P: Files> {
    pub(crate) platform: P,
    pub(crate) db: Db<P>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) copies: Option<Copies>,
    pub(crate) sweeps: Arc<Sweeps>,
}

/// Makes everything durable and, with a place for it, a copy of the database as it is now; the time, in milliseconds since 1970.
pub(crate) fn save<P: Files>(platform: &P, db: &Db<P>, copies: Option<&Copies>) -> db::Result<u64> {
    db.flush()?;
    db.sync(WriteLevel::Full)?;
    let now_ms = platform.now(ClockId::Real).as_ns() / 1_000_000;
    if let Some(copies) = copies {
        copies.make(platform, db)?;
    }
    Ok(now_ms)
}

impl<P: Files> Worker<P> {
    pub(crate) fn perform(&self, work: Work) {
        if work.is_empty() {
            return;
        }
        if work.contains(Work::SWEEP) {
            self.sweeps.walk(&self.platform, &self.db);
        }
        if work == Work::SWEEP {
            return;
        }
        // A failure poisons the database, which tells every writer; here it is only noted. A save, on a thread of its own, has a note of its own.
        let failed = self.try_perform(work).is_err();
        if !work.contains(Work::SAVE) {
            self.progress.failed.store(failed, Ordering::Relaxed);
        }
    }

    fn save(&self) -> db::Result<()> {
        let now_ms = save(&self.platform, &self.db, self.copies.as_ref())?;
        self.progress.saved(now_ms);
        Ok(())
    }

    fn try_perform(&self, work: Work) -> db::Result<()> {
        // Each part is done, or tried and told of, whatever becomes of those before it.
        let mut result = Ok(());
        if work.contains(Work::SYNC) {
            // Before it begins: a wish that comes meanwhile may be about a later write.
            self.progress.begin_sync();
            result = self.db.sync(WriteLevel::Data);
        }
        if work.contains(Work::SAVE) {
            let start = self.platform.now(ClockId::Monotonic);
            let saved = self.save();
            let end = self.platform.now(ClockId::Monotonic);
            let ns = end.as_ns().saturating_sub(start.as_ns());
            self.progress.end_save(saved.is_ok(), ns / 1_000_000_000);
            result = result.and(saved);
        }
        if work.contains(Work::MAINTAIN) {
            result = result.and(self.db.maintain());
        }
        result
    }
}

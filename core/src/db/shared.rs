//! What the handles of an open database share.
//!
//! Locks are taken in this order: `merging`, `maintenance`, `commit`, `reads`. Reads take only the last, for a moment. `merging`
//! is held for as long as a merge takes; only what must wait for a merge takes it.
#![forbid(unsafe_code)]

use super::cache::BlockCache;
use super::commit::Commit;
use super::directory::Directory;
use super::error::{Error, Result};
use super::maintenance::MaintenanceState;
use super::options::{Maintenance, Options, WriteLevel};
use super::version::View;
use crate::platform::{Condvar, Files, Instant, Mutex};
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::AtomicBool;
use core::time::Duration;

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
    pub(super) maintenance: Mutex<MaintenanceState, P>,
    /// Whoever holds it merges; nobody else does.
    pub(super) merging: Mutex<(), P>,
    /// No merge goes on: [`close`](Self::close) waits for it to end. Says nothing of other memory, so accesses are relaxed.
    pub(super) closing: AtomicBool,
}

/// What a read begins with.
#[derive(Debug)]
pub(super) struct Reads<P: Files> {
    pub(super) view: Arc<View<P>>,
    pub(super) sequence: u64,
    pub(super) closed: bool,
    /// Maintenance failed: when to try again, and how long that is after the failure.
    pub(super) retry: Option<(Instant, Duration)>,
}

impl<P: Files> Shared<P> {
    /// The database at this moment.
    pub(super) fn snapshot(&self) -> Result<(Arc<View<P>>, u64)> {
        let reads = self.reads.lock();
        if reads.closed {
            return Err(Error::Closed);
        }
        Ok((reads.view.clone(), reads.sequence))
    }

    /// The size at which a writer empties the memtable itself.
    pub(super) const fn memtable_bytes_max(&self) -> usize {
        match self.options.maintenance {
            Maintenance::Inline => self.options.memtable_bytes,
            Maintenance::Caller => self.options.memtable_bytes * 2,
        }
    }

    /// Most tables: whoever would make more of them waits for a merge.
    pub(super) const fn tables_bound(&self) -> usize {
        self.options.tables_max * 3
    }
}

impl<P: Files> Drop for Shared<P> {
    /// Buffered writes go to the system, so that dropping a database loses no more than the end of the process would.
    fn drop(&mut self) {
        let _ = self.sync(WriteLevel::Os);
    }
}

impl<P: Files> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("directory", &self.directory.path_text())
            .finish_non_exhaustive()
    }
}

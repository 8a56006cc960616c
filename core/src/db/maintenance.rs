//! Maintenance: memtables go to tables, all keys are dropped, the database is closed; one of these at a time. Merges run beside
//! them, see `merging`.
//!
//! # Flush
//! ```text
//! new log L2 made, durable           (failure: nothing happened)
//! log L1: rest written, sealed, synced; memtable frozen; writes go on in L2   (failure: poisoned)
//! frozen memtable -> table T, synced                (failure: T removed; the frozen memtable and L1 stay for a retry)
//! manifest: + T, recovery starts at L2              (failure: see `version::manifest`)
//! view without the frozen memtable; L1 removed
//! ```
//! # Tables are bounded
//! A flush waits for no merge while it leaves at most three times `tables_max` tables. Past that, whoever wants to flush (and so
//! a writer without room in the memtable) waits for the running merge, or merges itself.
//!
//! # Clear
//! A manifest without tables whose recovery starts at a new log, stored while no writer can append: before it the old state
//! is whole, after it the database is empty.
#![forbid(unsafe_code)]

use super::compact;
use super::error::Result;
use super::file_name::FileName;
use super::iter::Source;
use super::memtable::{Memtable, MemtableCursor};
use super::options::{Maintenance, WriteLevel};
use super::shared::Shared;
use super::table::Table;
use super::version::{Manifest, StoreError, Version, View};
use super::wal::{ActiveLog, SpareLog};
use crate::platform::{ClockId, Files, MutexGuard};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use core::time::Duration;

/// How soon after a failure maintenance is asked for again; doubled up to the other with each more.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(64);

/// What the maintenance lock guards.
#[derive(Debug)]
pub(super) struct MaintenanceState {
    /// As stored.
    pub(super) manifest: Manifest,
    /// Numbers from here on are free; at least the manifest's.
    pub(super) next_number: u64,
    /// A memtable that is to become a table.
    pub(super) frozen: Option<Frozen>,
    /// Logs that the manifest still needs, the active one last.
    pub(super) logs: Vec<u64>,
    /// A log that is done with, whose file the next one takes over.
    pub(super) spare: Option<SpareLog>,
    /// Sealed logs that may become the spare one.
    pub(super) sealed: Vec<SpareLog>,
    pub(super) flushes: u64,
    pub(super) merges: u64,
}

/// A memtable that takes no more writes.
#[derive(Debug)]
pub(super) struct Frozen {
    memtable: Arc<Memtable>,
    /// Its last write, and the log that goes on after it.
    sequence: u64,
    log_number: u64,
}

pub(super) type Guard<'a, P> = MutexGuard<'a, MaintenanceState, P>;

impl MaintenanceState {
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }
}

impl<P: Files> Shared<P> {
    /// Whether a memtable is full, waits to be flushed, or tables wait to be merged, and it is not too early to try again.
    pub(super) fn maintenance_needed(&self) -> bool {
        let reads = self.reads.lock();
        let needed = reads.view.frozen.is_some()
            || reads.view.active.bytes() >= self.options.memtable_bytes
            || reads.view.version.tables.len() > self.options.tables_max;
        let too_early = |(at, _)| self.directory.platform.now(ClockId::Monotonic) < at;
        needed && !reads.retry.is_some_and(too_early)
    }

    /// Does what is needed.
    pub(super) fn maintain(&self) -> Result<()> {
        let result = self.flush_full().and_then(|()| self.merge_if_needed());
        let mut reads = self.reads.lock();
        reads.retry = match (&result, reads.retry) {
            (Ok(()), _) => None,
            (Err(_), last) => {
                let delay = last.map_or(RETRY_MIN, |(_, delay)| RETRY_MAX.min(delay * 2));
                let now = self.directory.platform.now(ClockId::Monotonic);
                Some((now.saturating_add(delay), delay))
            }
        };
        result
    }

    /// Flushes a memtable that is full or waits.
    fn flush_full(&self) -> Result<()> {
        let full = |view: &View<P>| view.active.bytes() >= self.options.memtable_bytes;
        let Some(mut state) = self.lock_to_flush(|view| view.frozen.is_some() || full(view))?
        else {
            return Ok(());
        };
        let both = full(&self.reads.lock().view);
        if both {
            self.flush_locked(&mut state)
        } else {
            self.flush_frozen(&mut state)
        }
    }

    /// Moves all that is in memory to a table.
    pub(super) fn flush(&self) -> Result<()> {
        let anything = |view: &View<P>| view.frozen.is_some() || view.active.entries() > 0;
        if let Some(mut state) = self.lock_to_flush(anything)? {
            self.flush_locked(&mut state)?;
        }
        match self.options.maintenance {
            Maintenance::Inline => self.merge_if_needed(),
            Maintenance::Caller => self.commit.lock().check(),
        }
    }

    /// For a writer that finds the memtable full.
    pub(super) fn make_room(&self) -> Result<()> {
        let full = |view: &View<P>| view.active.bytes() >= self.memtable_bytes_max();
        // Whoever had the lock before may have done it.
        let Some(mut state) = self.lock_to_flush(full)? else {
            return Ok(());
        };
        self.flush_locked(&mut state)?;
        drop(state);
        if self.options.maintenance == Maintenance::Inline {
            // There is room now. That a merge failed matters once there are as many tables as there may be.
            let _ = self.merge_if_needed();
        }
        Ok(())
    }

    /// The maintenance lock, when what is `wanted` of a flush still is and its tables are within the bound; for that alone it
    /// waits for a merge, or merges.
    fn lock_to_flush(&self, wanted: impl Fn(&View<P>) -> bool) -> Result<Option<Guard<'_, P>>> {
        loop {
            let state = self.maintenance.lock();
            if !wanted(&self.reads.lock().view) {
                return Ok(None);
            }
            if self.has_table_room(&state) {
                return Ok(Some(state));
            }
            drop(state);
            self.merge_for_room()?;
        }
    }

    /// Whether a flush may go on: it makes at most two tables.
    pub(super) fn has_table_room(&self, state: &MaintenanceState) -> bool {
        state.manifest.tables.len() + 2 <= self.tables_bound()
    }

    /// Flushes a full memtable while this thread merges, unless somebody else does or there are too many tables.
    pub(super) fn flush_beside_merge(&self) -> Result<()> {
        let full = self.reads.lock().view.active.bytes() >= self.options.memtable_bytes;
        match self.maintenance.try_lock() {
            Some(mut state) if full && self.has_table_room(&state) => self.flush_locked(&mut state),
            _ => Ok(()),
        }
    }

    fn flush_locked(&self, state: &mut Guard<'_, P>) -> Result<()> {
        self.flush_frozen(state)?;
        if self.reads.lock().view.active.entries() == 0 {
            return Ok(());
        }
        self.freeze(state)?;
        self.flush_frozen(state)
    }

    /// Starts a new log and memtable.
    fn freeze(&self, state: &mut Guard<'_, P>) -> Result<()> {
        self.commit.lock().check()?;
        let log_number = state.number();
        let log = ActiveLog::create(&self.directory, log_number, state.spare.take())?;
        let mut commit = self.lock_quiet();
        commit.check()?;
        let seal = commit.log.seal(log_number);
        if let Err(error) = seal.write_and_sync(&self.directory) {
            commit.poison();
            self.committed.notify_all();
            return Err(error);
        }
        commit.counts.log_writes += 1;
        commit.counts.log_syncs += 1;
        state.sealed.push(commit.log.as_spare());
        commit.replace_log(log);
        self.committed.notify_all();
        state.logs.push(log_number);
        let active = Arc::new(Memtable::new());
        let memtable = core::mem::replace(&mut commit.memtable, active.clone());
        state.frozen = Some(Frozen {
            memtable: memtable.clone(),
            sequence: commit.sequence,
            log_number,
        });
        let mut reads = self.reads.lock();
        let version = reads.view.version.clone();
        reads.view = Arc::new(View {
            active,
            frozen: Some(memtable),
            version,
        });
        Ok(())
    }

    /// Turns the frozen memtable, if there is one, into a table.
    fn flush_frozen(&self, state: &mut Guard<'_, P>) -> Result<()> {
        let Some(frozen) = &state.frozen else {
            return Ok(());
        };
        let (log_number, sequence) = (frozen.log_number, frozen.sequence);
        let source = Source::Memtable(MemtableCursor::new(frozen.memtable.clone(), u64::MAX));
        let oldest = state.manifest.tables.is_empty();
        let number = state.number();
        let sources = alloc::vec![source];
        let built = compact::build(&self.directory, number, &self.options, sources, oldest)?;
        let mut manifest = Manifest {
            log_number,
            sequence,
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        let mut tables = self.reads.lock().view.version.tables.clone();
        let fresh = built
            .as_ref()
            .map(|info| self.open_built(info))
            .transpose()?;
        manifest.tables.splice(..0, built);
        self.switch(state, manifest, fresh.as_deref())?;
        tables.splice(..0, fresh);
        state.frozen = None;
        state.flushes += 1;
        self.publish(tables, true);
        self.remove_logs(state);
        Ok(())
    }

    /// Drops all keys. A merge that runs finds its tables gone, and stops.
    pub(super) fn clear(&self) -> Result<()> {
        let mut state = self.maintenance.lock();
        self.commit.lock().check()?;
        let log_number = state.number();
        let log = ActiveLog::create(&self.directory, log_number, None)?;
        let mut commit = self.lock_quiet();
        commit.check()?;
        let manifest = Manifest {
            id: state.manifest.id,
            next_number: state.next_number,
            log_number,
            sequence: commit.sequence,
            tables: Vec::new(),
        };
        if let Err(stored) = manifest.store(&self.directory) {
            if stored.uncertain {
                commit.poison();
                self.committed.notify_all();
            } else {
                self.directory.remove(FileName::Log(log_number));
            }
            return Err(stored.error);
        }
        commit.replace_log(log);
        self.committed.notify_all();
        let active = Arc::new(Memtable::new());
        commit.memtable = active.clone();
        let version = Arc::new(Version { tables: Vec::new() });
        let mut reads = self.reads.lock();
        let old = core::mem::replace(
            &mut reads.view,
            Arc::new(View {
                active,
                frozen: None,
                version,
            }),
        );
        drop((reads, commit));
        state.manifest = manifest;
        state.frozen = None;
        state.logs.push(log_number);
        self.remove_logs(&mut state);
        old.version
            .tables
            .iter()
            .for_each(|table| table.set_obsolete());
        Ok(())
    }

    /// Makes everything durable and says so, then lets go of the directory.
    pub(super) fn close(&self) -> Result<()> {
        // A merge stops soon. It must have ended before another process may be in the directory.
        self.closing.store(true, Ordering::Relaxed);
        let _turn = self.merging.lock();
        let mut state = self.maintenance.lock();
        let commit = self.commit.lock();
        commit.check()?;
        let sequence = commit.sequence;
        let (commit, mut result) = self.persist(commit, sequence, WriteLevel::Full);
        drop(commit);
        let mut commit = self.lock_quiet();
        if result.is_ok() {
            // The mark of the last sync is in the file but not synced; with it, all of the log is told from a torn tail.
            result = commit.log.take(0).write_and_sync(&self.directory);
        }
        if let Some(spare) = state.spare.take() {
            self.directory.remove(FileName::Log(spare.number));
        }
        commit.refusal = Some(super::commit::Refusal::Closed);
        self.committed.notify_all();
        self.reads.lock().closed = true;
        let _ = self.directory.platform.unlock(&self.lock_file);
        result
    }

    /// Opens a table that was just written. If that fails, nothing refers to its file and it is removed.
    pub(super) fn open_built(&self, info: &super::table::TableInfo) -> Result<Arc<Table<P>>> {
        Table::open(&self.directory, info, &self.cache)
            .map(Arc::new)
            .inspect_err(|_| {
                self.directory.remove(FileName::Table(info.number));
            })
    }

    /// Stores a manifest. If it certainly was not stored, the table that is fresh in it goes.
    pub(super) fn switch(
        &self,
        state: &mut Guard<'_, P>,
        manifest: Manifest,
        fresh: Option<&Table<P>>,
    ) -> Result<()> {
        let refused = |error| StoreError {
            error,
            uncertain: false,
        };
        let checked = self.commit.lock().check().map_err(refused);
        match checked.and_then(|()| manifest.store(&self.directory)) {
            Ok(()) => {
                state.manifest = manifest;
                Ok(())
            }
            Err(stored) => {
                if stored.uncertain {
                    self.commit.lock().poison();
                    self.committed.notify_all();
                } else if let Some(table) = fresh {
                    table.set_obsolete();
                }
                Err(stored.error)
            }
        }
    }

    /// Shows reads the new tables.
    pub(super) fn publish(&self, tables: Vec<Arc<Table<P>>>, flushed: bool) {
        let mut reads = self.reads.lock();
        let frozen = if flushed {
            None
        } else {
            reads.view.frozen.clone()
        };
        let version = Arc::new(Version { tables });
        let active = reads.view.active.clone();
        let old = core::mem::replace(
            &mut reads.view,
            Arc::new(View {
                active,
                frozen,
                version,
            }),
        );
        drop(reads);
        // Freeing a memtable takes a while: not under the lock.
        drop(old);
    }

    /// Removes logs that the manifest needs no more, but for one whose file the next log takes over. That one is a leftover if
    /// the power fails.
    fn remove_logs(&self, state: &mut Guard<'_, P>) {
        let needed = state.manifest.log_number;
        let keep_bytes = (self.options.memtable_bytes as u64).saturating_mul(4);
        let state = &mut **state;
        let keep = |log: &SpareLog| {
            self.options.log_preallocate_bytes > 0 && log.number < needed && log.bytes <= keep_bytes
        };
        if state.spare.is_none() {
            state.spare = state.sealed.iter().copied().find(keep);
        }
        state.sealed.retain(|log| log.number >= needed);
        let spare = state.spare.map(|spare| spare.number);
        state.logs.retain(|&number| {
            if number < needed && Some(number) != spare {
                self.directory.remove(FileName::Log(number));
            }
            number >= needed
        });
    }
}

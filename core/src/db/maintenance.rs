//! Maintenance: memtables go to tables, tables are merged, all keys are dropped; one of these at a time.
//!
//! # Flush
//! ```text
//! new log L2 made, durable           (failure: nothing happened)
//! log L1: rest written, sealed, synced; memtable frozen; writes go on in L2   (failure: poisoned)
//! frozen memtable -> table T, synced                (failure: T removed; the frozen memtable and L1 stay for a retry)
//! manifest: + T, recovery starts at L2              (failure: see `version::manifest`)
//! view without the frozen memtable; L1 removed
//! ```
//! # Clear
//! A manifest without tables whose recovery starts at a new log, stored while no writer can append: before it the old state
//! is whole, after it the database is empty.
#![forbid(unsafe_code)]

use super::compact;
use super::error::Result;
use super::file_name::FileName;
use super::iter::Source;
use super::memtable::{Memtable, MemtableCursor};
use super::options::WriteLevel;
use super::shared::Shared;
use super::table::Table;
use super::version::{Manifest, StoreError, Version, View};
use super::wal::ActiveLog;
use crate::platform::{Durability, Files, MutexGuard};
use alloc::sync::Arc;
use alloc::vec::Vec;

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

type Guard<'a, P> = MutexGuard<'a, MaintenanceState, P>;

impl MaintenanceState {
    fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }
}

impl<P: Files> Shared<P> {
    /// Whether a memtable is full, waits to be flushed, or tables wait to be merged.
    pub(super) fn maintenance_needed(&self) -> bool {
        let reads = self.reads.lock();
        reads.view.frozen.is_some()
            || reads.view.active.bytes() >= self.options.memtable_bytes
            || reads.view.version.tables.len() > self.options.tables_max
    }

    /// Does what is needed.
    pub(super) fn maintain(&self) -> Result<()> {
        let mut state = self.maintenance.lock();
        if self.reads.lock().view.active.bytes() >= self.options.memtable_bytes {
            self.flush_locked(&mut state)?;
        } else {
            self.flush_frozen(&mut state)?;
        }
        self.merge_if_needed(&mut state)
    }

    /// Moves all that is in memory to a table.
    pub(super) fn flush(&self) -> Result<()> {
        let mut state = self.maintenance.lock();
        self.flush_locked(&mut state)?;
        self.merge_if_needed(&mut state)
    }

    /// For a writer that finds the memtable full.
    pub(super) fn make_room(&self) -> Result<()> {
        let mut state = self.maintenance.lock();
        // Whoever had the lock before may have done it.
        if self.reads.lock().view.active.bytes() < self.memtable_bytes_max() {
            return Ok(());
        }
        self.flush_locked(&mut state)?;
        // There is room now. That a merge failed matters once there are twice as many tables as there should be.
        match self.merge_if_needed(&mut state) {
            Err(error) if state.manifest.tables.len() > self.options.tables_max * 2 => Err(error),
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
        let log = ActiveLog::create(&self.directory, log_number)?;
        let mut commit = self.lock_quiet();
        commit.check()?;
        let seal = commit.log.seal(log_number);
        if let Err(error) = seal.send(&self.directory, Some(Durability::Data)) {
            commit.poison();
            self.committed.notify_all();
            return Err(error);
        }
        commit.counts.log_writes += 1;
        commit.counts.log_syncs += 1;
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

    /// Merges tables if there are too many.
    pub(super) fn merge_if_needed(&self, state: &mut Guard<'_, P>) -> Result<()> {
        let mut tables = self.reads.lock().view.version.tables.clone();
        let sizes: Vec<u64> = tables.iter().map(|table| table.info().bytes).collect();
        let count = compact::choose(&sizes, self.options.tables_max);
        if count == 0 {
            return Ok(());
        }
        let number = state.number();
        let whole = count == tables.len();
        let sources = compact::sources(&tables[..count]);
        let built = compact::build(&self.directory, number, &self.options, sources, whole)?;
        let fresh = built
            .as_ref()
            .map(|info| self.open_built(info))
            .transpose()?;
        let mut manifest = Manifest {
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        manifest.tables.splice(..count, built);
        self.switch(state, manifest, fresh.as_deref())?;
        state.merges += 1;
        let old: Vec<_> = tables.splice(..count, fresh).collect();
        self.publish(tables, false);
        old.iter().for_each(|table| table.set_obsolete());
        Ok(())
    }

    /// Drops all keys.
    pub(super) fn clear(&self) -> Result<()> {
        let mut state = self.maintenance.lock();
        self.commit.lock().check()?;
        let log_number = state.number();
        let log = ActiveLog::create(&self.directory, log_number)?;
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
        let _state = self.maintenance.lock();
        let commit = self.commit.lock();
        commit.check()?;
        let sequence = commit.sequence;
        let (commit, mut result) = self.persist(commit, sequence, WriteLevel::Full);
        drop(commit);
        let mut commit = self.lock_quiet();
        if result.is_ok() {
            // The mark of the last sync is in the file but not synced; with it, all of the log is told from a torn tail.
            result = commit
                .log
                .take()
                .send(&self.directory, Some(Durability::Full));
        }
        commit.refusal = Some(super::commit::Refusal::Closed);
        self.committed.notify_all();
        self.reads.lock().closed = true;
        let _ = self.directory.platform.unlock(&self.lock_file);
        result
    }

    /// Opens a table that was just written. If that fails, nothing refers to its file and it is removed.
    fn open_built(&self, info: &super::table::TableInfo) -> Result<Arc<Table<P>>> {
        Table::open(&self.directory, info, &self.cache)
            .map(Arc::new)
            .inspect_err(|_| {
                self.directory.remove(FileName::Table(info.number));
            })
    }

    /// Stores a manifest. If it certainly was not stored, the table that is fresh in it goes.
    fn switch(
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
    fn publish(&self, tables: Vec<Arc<Table<P>>>, flushed: bool) {
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

    /// Removes logs that the manifest needs no more.
    fn remove_logs(&self, state: &mut Guard<'_, P>) {
        let needed = state.manifest.log_number;
        state.logs.retain(|&number| {
            if number < needed {
                self.directory.remove(FileName::Log(number));
            }
            number >= needed
        });
    }
}

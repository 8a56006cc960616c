//! Maintenance: memtables go to tables, all keys are dropped, the database is closed; one of these at a time. Merges run beside
//! them, see `merging`.
//!
//! # Flush
//! ```text
//! new log L2 made, durable           (failure: nothing happened)
//! log L1: rest written, sealed, synced; memtables frozen; writes go on in L2   (failure: poisoned)
//! frozen memtables -> a table each, synced          (failure: they are removed; the memtables and L1 stay for a retry)
//! manifest: + tables, recovery starts at L2         (failure: see `version::manifest`)
//! view without the frozen memtables; L1 removed, or kept as the file of the next log
//! ```
//! # Tables are bounded
//! A flush waits for no merge while it leaves at most three times `tables_max` tables at level 0. Past that, whoever wants to flush
//! (and so a writer without room in the memtable) waits for the running merge, or merges itself.
//!
//! # Clear
//! A manifest without tables whose recovery starts at a new log, stored while no writer can append: before it the old state
//! is whole, after it the database is empty.
#![forbid(unsafe_code)]

use super::commit::{self, Refusal};
use super::compact::{self, Build, build};
use super::error::{Error, Result};
use super::file_name::FileName;
use super::iter::Source;
use super::keyspace::KeyspaceId;
use super::memtable::{Memtable, MemtableCursor};
use super::options::WriteLevel;
use super::shared::Shared;
use super::table::{Origin, Table, TableInfo};
use super::version::{LEVELS, Manifest, StoreError, Tree, Version, View};
use super::wal::{ActiveLog, SpareLog};
use crate::platform::{Files, Instant, MutexGuard};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;
use core::time::Duration;

/// How soon after a failure maintenance is asked for again; doubled up to the other with each more.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(64);

/// How long a flush that needs a merge waits between two looks whether the keeper that was sent away has left.
const LEAVING: Duration = Duration::from_millis(1);

/// What the maintenance lock guards.
#[derive(Debug)]
pub(super) struct MaintenanceState {
    /// As stored.
    pub(super) manifest: Manifest,
    /// Numbers from here on are free; at least the manifest's.
    pub(super) next_number: u64,
    /// Memtables that are to become tables.
    pub(super) frozen: Option<Frozen>,
    /// Logs that the manifest still needs, the active one last.
    pub(super) logs: Vec<u64>,
    /// A log that is done with, whose file the next one takes over.
    pub(super) spare: Option<SpareLog>,
    /// Sealed logs that may become the spare one.
    pub(super) sealed: Vec<SpareLog>,
    /// By keyspace and level, the first key of the table that went down last.
    pub(super) turns: BTreeMap<KeyspaceId, [Box<[u8]>; LEVELS]>,
}

/// What happened since the database was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MaintenanceCounts {
    pub(super) flushes: u64,
    pub(super) flush_bytes: u64,
    pub(super) merges: u64,
    pub(super) moves: u64,
    pub(super) drops: u64,
    pub(super) merge_bytes_read: u64,
    pub(super) merge_bytes_written: u64,
}

/// Memtables that take no more writes.
#[derive(Debug)]
pub(super) struct Frozen {
    memtables: Vec<(KeyspaceId, Arc<Memtable>)>,
    /// Their last write, and the log that goes on after it.
    sequence: u64,
    log_number: u64,
}

pub(super) type Guard<'a, P> = MutexGuard<'a, MaintenanceState, P>;

impl MaintenanceState {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self {
            next_number: manifest.next_number,
            frozen: None,
            logs: alloc::vec![manifest.log_number],
            spare: None,
            sealed: Vec::new(),
            turns: BTreeMap::new(),
            manifest,
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }
}

impl<P: Files> Shared<P> {
    fn is_full(&self, view: &View<P>) -> bool {
        view.active_bytes() >= self.options.memtable_bytes
    }

    /// Whether a memtable is full, waits to be flushed, or tables wait to be merged, and it is not too early to try again.
    pub(super) fn maintenance_needed(&self) -> bool {
        self.is_needed(&self.reads.lock().view) && self.is_time_to_retry()
    }

    /// When maintenance that failed is to be tried again. Not if somebody else has done it meanwhile.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        let mut reads = self.reads.lock();
        if !self.is_needed(&reads.view) {
            reads.retry = None;
        }
        reads.retry.map(|(at, _)| at)
    }

    fn is_needed(&self, view: &View<P>) -> bool {
        view.has_frozen()
            || self.is_full(view)
            || view.level0_max() > self.options.tables_max && !self.is_queue()
            || view
                .trees
                .iter()
                .any(|tree| compact::pays_off(&tree.version, &self.options))
    }

    /// Does what is needed; a keeper only until it is to leave.
    pub(super) fn maintain(&self, by_keeper: bool) -> Result<()> {
        // A queue drops first: that takes no space, and gives what a flush needs.
        let dropped = match self.is_queue() {
            true => self.merge_if_needed(),
            false => Ok(()),
        };
        let flushed = self.flush_full(by_keeper);
        let result = dropped.and(flushed).and_then(|()| self.merge_if_needed());
        match &result {
            Ok(()) => self.reads.lock().retry = None,
            Err(error) => self.failed(error),
        }
        result
    }

    /// Tells of a failure, and has it tried again later.
    pub(super) fn failed(&self, error: &Error) {
        self.maintenance_failed(error);
        let now = self.now();
        let mut reads = self.reads.lock();
        let last = reads.retry;
        let delay = last.map_or(RETRY_MIN, |(_, delay)| RETRY_MAX.min(delay * 2));
        reads.retry = Some((now.saturating_add(delay), delay));
    }

    /// Whether what failed is to be tried again.
    pub(super) fn is_time_to_retry(&self) -> bool {
        let retry = self.reads.lock().retry;
        retry.is_none_or(|(at, _)| self.now() >= at)
    }

    /// Flushes memtables that are full or wait.
    fn flush_full(&self, by_keeper: bool) -> Result<()> {
        let wanted = |view: &View<P>| {
            (view.has_frozen() || self.is_full(view)) && !(by_keeper && self.is_leaving())
        };
        let Some(mut state) = self.lock_to_flush(wanted)? else {
            return Ok(());
        };
        let both = self.is_full(&self.reads.lock().view);
        if both {
            self.flush_locked(&mut state)
        } else {
            self.flush_frozen(&mut state)
        }
    }

    /// Moves all that is in memory to tables.
    pub(super) fn flush(&self) -> Result<()> {
        if let Some(mut state) = self.lock_to_flush(View::has_unflushed)? {
            self.flush_locked(&mut state)?;
        }
        if self.is_inline() {
            return self.merge_if_needed();
        }
        self.ask_keeper();
        self.commit.lock().check()
    }

    /// For a writer that finds the memtable full.
    pub(super) fn make_room(&self) -> Result<()> {
        let full = |view: &View<P>| view.active_bytes() >= self.memtable_bytes_max();
        // Whoever had the lock before may have done it.
        let Some(mut state) = self.lock_to_flush(full)? else {
            return Ok(());
        };
        self.flush_locked(&mut state)?;
        drop(state);
        if self.is_inline() {
            self.merge_in_passing();
        }
        Ok(())
    }

    /// The maintenance lock, when what is `wanted` of a flush still is and its tables are within the bound; for that alone it
    /// waits for a merge, or merges.
    pub(super) fn lock_to_flush(
        &self,
        wanted: impl Fn(&View<P>) -> bool,
    ) -> Result<Option<Guard<'_, P>>> {
        loop {
            let state = self.maintenance.lock();
            if !wanted(&self.reads.lock().view) {
                return Ok(None);
            }
            if self.has_table_room(&state) {
                return Ok(Some(state));
            }
            drop(state);
            self.commit.lock().counts.stopped += 1;
            self.merge_for_room()?;
            if self.is_leaving() {
                // Merges end early until the keeper is gone.
                self.pause(LEAVING);
            }
        }
    }

    /// Whether a flush may go on: it makes at most two tables of each keyspace.
    pub(super) fn has_table_room(&self, _state: &MaintenanceState) -> bool {
        self.reads.lock().view.level0_max() + 2 <= self.tables_bound()
    }

    /// Flushes a full memtable while this thread merges, unless somebody else does or there are too many tables.
    pub(super) fn flush_beside_merge(&self) -> Result<()> {
        let full = self.is_full(&self.reads.lock().view);
        match self.maintenance.try_lock() {
            Some(mut state) if full && self.has_table_room(&state) => self.flush_locked(&mut state),
            _ => Ok(()),
        }
    }

    pub(super) fn flush_locked(&self, state: &mut Guard<'_, P>) -> Result<()> {
        self.flush_frozen(state)?;
        if !self.reads.lock().view.has_unflushed() {
            return Ok(());
        }
        self.freeze(state)?;
        self.flush_frozen(state)
    }

    /// Starts a new log and new memtables.
    fn freeze(&self, state: &mut Guard<'_, P>) -> Result<()> {
        self.commit.lock().check()?;
        self.sync_ahead()?;
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
        let mut frozen = Vec::new();
        for (keyspace, memtable) in &mut commit.memtables {
            if !memtable.is_empty() {
                let next = Arc::new(Memtable::new(memtable.entries()));
                let full = core::mem::replace(memtable, next);
                frozen.push((*keyspace, full));
            }
        }
        state.frozen = Some(Frozen {
            memtables: frozen,
            sequence: commit.sequence,
            log_number,
        });
        let fresh = commit.memtables.clone();
        self.publish(|tree| {
            let active = fresh.iter().find(|(id, _)| *id == tree.id);
            if let Some((_, active)) = active
                && !Arc::ptr_eq(active, &tree.active)
            {
                tree.frozen = Some(core::mem::replace(&mut tree.active, active.clone()));
            }
        });
        drop(commit);
        Ok(())
    }

    /// Turns the frozen memtables, if there are any, into tables.
    fn flush_frozen(&self, state: &mut Guard<'_, P>) -> Result<()> {
        let Some(frozen) = &state.frozen else {
            return Ok(());
        };
        // After a close the directory may be somebody else's; nobody closes it while the maintenance lock is held.
        self.commit.lock().check()?;
        let (log_number, sequence) = (frozen.log_number, frozen.sequence);
        let memtables = frozen.memtables.clone();
        let begun = self.now();
        let bytes = memtables.iter().map(|(_, memtable)| memtable.bytes()).sum();
        let view = self.reads.lock().view.clone();
        let mut fresh: Vec<(KeyspaceId, Arc<Table<P>>)> = Vec::new();
        let undo = |fresh: &[(KeyspaceId, Arc<Table<P>>)]| {
            fresh.iter().for_each(|(_, table)| table.set_obsolete());
        };
        for (keyspace, memtable) in memtables {
            // One that was dropped meanwhile needs no table.
            let Ok(tree) = view.tree(keyspace) else {
                continue;
            };
            let bottom = tree.version.is_empty();
            let logs = state.logs.iter().copied();
            let logs = logs.filter(|&log| log < log_number).collect();
            let origin = Origin {
                flushed: sequence,
                ..tree.origin(&state.manifest, logs)
            };
            let built = self
                .build_flush(memtable, bottom, origin, || state.number())
                .and_then(|infos| {
                    let open = |info| Ok((keyspace, self.open_built(info)?));
                    infos.iter().map(open).collect::<Result<Vec<_>>>()
                });
            match built {
                Ok(tables) => fresh.extend(tables),
                Err(error) => {
                    undo(&fresh);
                    return Err(error);
                }
            }
        }
        let mut manifest = Manifest {
            log_number,
            sequence,
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        for (keyspace, table) in &fresh {
            if let Some(keyspace) = manifest.keyspace(*keyspace) {
                keyspace.levels[0].insert(0, table.info().clone());
            }
        }
        let tables: Vec<_> = fresh.iter().map(|(_, table)| table.clone()).collect();
        self.switch(state, manifest, &tables)?;
        state.frozen = None;
        let took = self.since(begun);
        self.note_flush(bytes, took);
        let written = tables.iter().map(|table| table.info().written_bytes());
        let bytes = written.sum::<u64>();
        let mut reads = self.reads.lock();
        reads.counts.flushes += 1;
        reads.counts.flush_bytes += bytes;
        drop(reads);
        self.publish(|tree| {
            tree.frozen = None;
            let mine = fresh.iter().filter(|(id, _)| *id == tree.id);
            let mut mine = mine.map(|(_, table)| table.clone()).peekable();
            if mine.peek().is_some() {
                let mut levels = tree.version.levels.clone();
                levels[0].splice(..0, mine);
                tree.version = Arc::new(Version::new(levels));
            }
        });
        self.remove_logs(state);
        // Last: the program's hook may panic.
        self.flushed(bytes, tables.len(), took);
        Ok(())
    }

    /// One table from a memtable, or none if nothing is left of it.
    fn build_flush(
        &self,
        memtable: Arc<Memtable>,
        bottom: bool,
        origin: Origin,
        number: impl FnMut() -> u64,
    ) -> Result<Vec<TableInfo>> {
        let cursor = MemtableCursor::new(memtable, u64::MAX, self.options.merge_operator);
        let parts = Build {
            directory: &self.directory,
            options: &self.options,
            sources: alloc::vec![Source::Memtable(cursor)],
            level: 0,
            bottom,
            by_sequence: false,
            table_bytes: u64::MAX,
            filtered: false,
            rewritten: BTreeSet::new(),
            origin,
        };
        let go_on = |_| ControlFlow::Continue(());
        Ok(build(parts, number, go_on)?.unwrap_or_default())
    }

    /// Drops all keys of all keyspaces. A merge that runs finds its tables gone, and stops.
    pub(super) fn clear(&self) -> Result<()> {
        let mut state = self.maintenance.lock();
        self.commit.lock().check()?;
        let log_number = state.number();
        let log = ActiveLog::create(&self.directory, log_number, None)?;
        let mut commit = self.lock_quiet();
        commit.check()?;
        let mut manifest = Manifest {
            next_number: state.next_number,
            log_number,
            sequence: commit.sequence,
            ..state.manifest.clone()
        };
        for keyspace in &mut manifest.keyspaces {
            keyspace.levels = Default::default();
        }
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
        for (_, memtable) in &mut commit.memtables {
            *memtable = Arc::new(Memtable::new(0));
        }
        let old = self.reads.lock().view.clone();
        let fresh = commit.memtables.clone();
        self.publish(|tree| {
            if let Some((_, active)) = fresh.iter().find(|(id, _)| *id == tree.id) {
                tree.active = active.clone();
            }
            tree.frozen = None;
            tree.version = Arc::new(Version::empty());
        });
        drop(commit);
        state.manifest = manifest;
        state.frozen = None;
        state.logs.push(log_number);
        self.remove_logs(&mut state);
        old.tables().for_each(|table| table.set_obsolete());
        Ok(())
    }

    /// Makes everything durable and says so, then lets go of the directory.
    pub(super) fn close(&self) -> Result<()> {
        // A merge stops soon. It must have ended before another process may be in the directory.
        // Under the lock that a keeper comes in with: either it sees this, or it is seen and woken.
        let mut commit = self.commit.lock();
        self.closing.store(true, Ordering::Relaxed);
        // They see it soon, and no others begin.
        while commit.ingesting > 0 {
            commit = self.sleep(commit);
        }
        drop(commit);
        self.ask_keeper();
        let _turn = self.merging.lock();
        let mut state = self.maintenance.lock();
        let mut commit = self.commit.lock();
        if commit.refusal == Some(Refusal::ReadOnly) {
            commit.refusal = Some(Refusal::Closed);
            self.end_reads();
            return Ok(());
        }
        if commit.refusal == Some(Refusal::Closed) {
            return Err(Error::Closed);
        }
        // Of a poisoned database nothing can be made durable any more; the directory is given free all the same.
        let sequence = commit.sequence;
        let (commit, mut result) = self.persist(commit, sequence, WriteLevel::Full);
        drop(commit);
        let mut commit = self.lock_quiet();
        result = result.and_then(|()| commit.check());
        if result.is_ok() {
            // The mark of the last sync is in the file but not synced; with it, all of the log is told from a torn tail.
            result = commit.log.take(0).write_and_sync(&self.directory);
        }
        if let Some(spare) = state.spare.take() {
            self.directory.remove(FileName::Log(spare.number));
        }
        commit.refusal = Some(Refusal::Closed);
        self.committed.notify_all();
        self.end_reads();
        self.directory.leave();
        let _ = self.directory.platform.unlock(&self.lock_file);
        result
    }

    /// Opens a table that was just written. If that fails, nothing refers to its file and it is removed.
    pub(super) fn open_built(&self, info: &TableInfo) -> Result<Arc<Table<P>>> {
        Table::open(&self.directory, info, &self.cache)
            .map(Arc::new)
            .inspect_err(|_| {
                self.directory.remove_built(info.number);
            })
    }

    /// Stores a manifest. If it certainly was not stored, the tables that are fresh in it go.
    pub(super) fn switch(
        &self,
        state: &mut Guard<'_, P>,
        manifest: Manifest,
        fresh: &[Arc<Table<P>>],
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
                } else {
                    fresh.iter().for_each(|table| table.set_obsolete());
                }
                Err(stored.error)
            }
        }
    }

    /// As [`switch`](Self::switch), while nobody can write. What becomes of fresh tables is the caller's.
    pub(super) fn switch_held(
        &self,
        state: &mut Guard<'_, P>,
        commit: &mut commit::Guard<'_, P>,
        manifest: Manifest,
    ) -> Result<()> {
        match manifest.store(&self.directory) {
            Ok(()) => {
                state.manifest = manifest;
                Ok(())
            }
            Err(stored) => {
                if stored.uncertain {
                    commit.poison();
                    self.committed.notify_all();
                }
                Err(stored.error)
            }
        }
    }

    /// Shows reads each keyspace as `edit` changes it. Only under the maintenance lock: it alone changes views.
    pub(super) fn publish(&self, edit: impl Fn(&mut Tree<P>)) {
        let old = self.reads.lock().view.clone();
        let edited = old.trees.iter().map(|tree| {
            let mut tree = Tree::clone(tree);
            edit(&mut tree);
            Arc::new(tree)
        });
        self.set_view(Arc::new(View {
            trees: edited.collect(),
        }));
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

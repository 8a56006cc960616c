//! Many pairs at once, past the log and the memtable: straight into tables.
//!
//! ```text
//! maintenance lock: memtables flushed, so that no log that was there before is needed any more, which the new tables say
//! no lock: the pairs -> tables, synced                     (failure, or the end of the process: leftovers)
//! maintenance lock: memtables flushed, so that what was written meanwhile lies in tables too
//! commit lock: the log synced, manifest: + tables, view    (failure: see `version::manifest`)
//! ```
//! The commit lock is held over the switch of the manifest, which is durable at once: no write may come between that a loss of power
//! could take while the pairs stay. Writes that came in since the flush lie above the pairs: they count as later.
//!
//! A table of pairs that no other overlaps goes to the last level, from where it need not move. The others are tables of level 0, as a
//! flush would make them; so are one or two of them while a merge goes on, and for its end more of them wait.
#![forbid(unsafe_code)]

use super::batch::Batch;
use super::compact;
use super::entry::{Entry, Kind};
use super::error::{Error, Result};
use super::keyspace::KeyspaceId;
use super::maintenance::Guard;
use super::options::{Compaction, KEY_BYTES_MAX, VALUE_BYTES_MAX, WriteLevel};
use super::ranges::RemovedRanges;
use super::read;
use super::shared::Shared;
use super::table::{Table, TableBuilder};
use super::version::{LEVELS, Manifest, Version, View};
use crate::platform::{Files, MutexGuard};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

/// With more tables than these it waits for a merge that goes on, so that they need not all become tables of level 0.
const LEVEL0_MAX: usize = 2;

/// A call that goes on. The directory stays ours until it is dropped.
struct Ingesting<'a, P: Files>(&'a Shared<P>);

impl<'a, P: Files> Ingesting<'a, P> {
    fn begin(shared: &'a Shared<P>) -> Result<Self> {
        let mut commit = shared.commit.lock();
        commit.check()?;
        // Set under this lock.
        if shared.closing.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        commit.ingesting += 1;
        Ok(Self(shared))
    }
}

impl<P: Files> Drop for Ingesting<'_, P> {
    fn drop(&mut self) {
        let mut commit = self.0.commit.lock();
        commit.ingesting -= 1;
        self.0.wake_sleepers(&commit);
    }
}

/// Tables that nothing refers to yet. Dropped with them, it has their files removed.
struct Made<P: Files>(Vec<Arc<Table<P>>>);

impl<P: Files> Drop for Made<P> {
    fn drop(&mut self) {
        self.0.iter().for_each(|table| table.set_obsolete());
    }
}

impl<P: Files> Shared<P> {
    /// Brings the pairs in, which ascend, and says how many there were.
    pub(super) fn ingest<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        keyspace: KeyspaceId,
        pairs: impl Iterator<Item = (K, V)>,
    ) -> Result<u64> {
        let _ingesting = Ingesting::begin(self)?;
        let mut pairs = pairs.peekable();
        if pairs.peek().is_none() {
            return Ok(0);
        }
        let sequence = self.own_sequence(keyspace)?;
        // A repair that finds a log which these tables say is needed replays it over them.
        if let Some(mut state) = self.lock_to_flush(|_| true)? {
            self.flush_locked(&mut state)?;
        }
        let mut made = self.build_ingested(keyspace, sequence, pairs)?;
        let (mut state, turn) = loop {
            let Some(mut state) = self.lock_to_flush(|_| true)? else {
                continue;
            };
            self.flush_locked(&mut state)?;
            let mut turn = None;
            if made.0.len() > LEVEL0_MAX {
                drop(state);
                turn = Some(self.merging.lock());
                state = self.maintenance.lock();
            }
            if self.has_table_room(&state) {
                break (state, turn);
            }
        };
        let installed = self.install_ingested(&mut state, turn, keyspace, &made.0);
        drop(state);
        // After a poisoning the manifest may have them or not: the next open tells.
        let keep = installed.is_ok() || self.commit.lock().check() == Err(Error::Poisoned);
        let tables = match keep {
            true => core::mem::take(&mut made.0),
            false => Vec::new(),
        };
        installed?;
        if self.is_inline() {
            self.merge_in_passing();
        } else {
            self.ask_keeper();
        }
        Ok(tables.iter().map(|table| table.info().entries).sum())
    }

    /// A sequence number that no other write has, by a write that says nothing: it removes a key that is not there. So also a repair that knows
    /// no levels can tell that what is ingested is newer than what was there; but not that it also comes over what is written from now
    /// on until it is in. It ends up in a table of one entry, if there are others.
    fn own_sequence(&self, keyspace: KeyspaceId) -> Result<u64> {
        let mut key = Vec::new();
        loop {
            let mut own = 0;
            let is_absent = |view: &View<P>, sequence| {
                own = sequence + 1;
                let tree = view.tree(keyspace)?;
                let operator = self.options.merge_operator;
                let found = read::get_with(tree, sequence, operator, &key, |_| ());
                Ok(matches!(found, Ok(None)))
            };
            let mut batch = Batch::new();
            batch.select(keyspace).remove(&key)?;
            if self.write_if(batch.writes(), WriteLevel::Buffered, Some(is_absent))? {
                return Ok(own);
            }
            key.push(0);
        }
    }

    fn build_ingested<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        keyspace: KeyspaceId,
        sequence: u64,
        pairs: impl Iterator<Item = (K, V)>,
    ) -> Result<Made<P>> {
        let (view, _) = self.snapshot()?;
        let leveled = self.options.compaction == Compaction::Leveled;
        // Over other tables it had better be one at level 0, and elsewhere than in levels it is.
        let table_bytes = match leveled && view.tree(keyspace)?.version.is_empty() {
            true => self.options.table_bytes,
            false => u64::MAX,
        };
        let manifest = self.maintenance.lock().manifest.clone();
        let origin = view.tree(keyspace)?.origin(&manifest, Vec::new());
        drop(view);
        let level = if leveled { LEVELS - 1 } else { 0 };
        let compressed = level >= self.options.compressed_from;
        let mut made = Made(Vec::new());
        let mut builder: Option<TableBuilder<P>> = None;
        let mut last: Option<Vec<u8>> = None;
        let finish = |builder: TableBuilder<P>| {
            let info = builder.finish(&RemovedRanges::default())?;
            self.open_built(&info)
        };
        for (key, value) in pairs {
            if self.closing.load(Ordering::Relaxed) {
                return Err(Error::Closed);
            }
            let (key, value) = (key.as_ref(), value.as_ref());
            for (what, found, max) in [
                ("key", key.len(), KEY_BYTES_MAX),
                ("value", value.len(), VALUE_BYTES_MAX),
            ] {
                if found > max {
                    let (found, max) = (found as u64, max as u64);
                    return Err(Error::Limit { what, found, max });
                }
            }
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(Error::Invalid(
                    "pairs to ingest must ascend by key, each key once; sort them",
                ));
            }
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
            if let Some(full) = builder.take_if(|table| table.is_full(table_bytes)) {
                made.0.push(finish(full)?);
            }
            let table = match &mut builder {
                Some(table) => table,
                none => {
                    let number = self.maintenance.lock().number();
                    let (directory, options) = (&self.directory, &self.options);
                    let origin = origin.clone();
                    let fresh = TableBuilder::new(directory, number, options, compressed, origin)?;
                    none.insert(fresh)
                }
            };
            table.push(Entry {
                key,
                sequence,
                kind: Kind::Put,
                value,
            })?;
        }
        if let Some(rest) = builder {
            made.0.push(finish(rest)?);
        }
        Ok(made)
    }

    fn install_ingested(
        &self,
        state: &mut Guard<'_, P>,
        turn: Option<MutexGuard<'_, (), P>>,
        keyspace: KeyspaceId,
        tables: &[Arc<Table<P>>],
    ) -> Result<()> {
        // The tables that a merge makes may span the gaps between those it takes in: beside one the last level is not for us.
        let no_merge = turn.or_else(|| self.merging.try_lock());
        let mut commit = self.lock_durable()?;
        let view = self.reads.lock().view.clone();
        let tree = view.tree(keyspace)?;
        let mut levels = tree.version.levels.clone();
        let leveled = self.options.compaction == Compaction::Leveled;
        let settles = |fresh: &&Arc<Table<P>>| {
            let mut held = tree.version.tables();
            leveled
                && no_merge.is_some()
                && !held.any(|table| compact::overlap(fresh.info(), table.info()))
        };
        // They overlap none of each other, so each goes where it may.
        let (settled, above): (Vec<_>, Vec<_>) = tables.iter().partition(settles);
        let level = &mut levels[LEVELS - 1];
        level.extend(settled.into_iter().cloned());
        level.sort_unstable_by(|a, b| a.info().smallest.cmp(&b.info().smallest));
        levels[0].splice(..0, above.into_iter().cloned());
        let version = Version::new(levels);
        let mut manifest = Manifest {
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        if let Some(keyspace) = manifest.keyspace(keyspace) {
            keyspace.levels = version.infos();
        }
        self.switch_held(state, &mut commit, manifest)?;
        self.publish(|tree| {
            if tree.id == keyspace {
                tree.version = Arc::new(Version::new(version.levels.clone()));
            }
        });
        Ok(())
    }
}

//! Versions: which tables make up the database at one moment, and how that is switched.
//!
//! A version is never changed: a flush or merge makes a new one, stores it as the manifest, and publishes it. Reads that
//! began on the old one keep its tables open.
//!
//! # Levels
//! Level 0 has flushed memtables, newest first, whose keys overlap. The tables of every other level do not overlap and lie in the order
//! of their keys; for each key, what a level has is newer than what deeper ones have. See `compact` for how tables sink.
#![forbid(unsafe_code)]

mod manifest;

pub(super) use manifest::{KeyspaceInfo, Manifest, StoreError};

use super::cache::BlockCache;
use super::directory::Directory;
use super::error::{Error, Result};
use super::iter::{LevelCursor, LevelTables, Source};
use super::keyspace::KeyspaceId;
use super::memtable::{Memtable, MemtableCursor};
use super::operands::MergeOperator;
use super::table::{Origin, Table, TableCursor, TableInfo};
use crate::platform::Files;
use crate::sync::atomic::{AtomicUsize, Ordering};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Bound, Range};

/// Levels: with each ten times the one above, enough for any disk.
pub(super) const LEVELS: usize = 7;

/// Tables by level.
pub(super) type Levels<T> = [Vec<T>; LEVELS];

/// The tables of a keyspace.
#[derive(Debug)]
pub(super) struct Version<P: Files> {
    pub(super) levels: Levels<Arc<Table<P>>>,
    /// Whether a table of the level has removed ranges: a scan does not ask each of them.
    ranged: [bool; LEVELS],
    /// What reads of it have cost beyond those of one table of level 0. Says nothing of other memory, so accesses are relaxed.
    detours: AtomicUsize,
}

impl<P: Files> Version<P> {
    pub(super) fn new(levels: Levels<Arc<Table<P>>>) -> Self {
        let has_ranges = |table: &Arc<Table<P>>| !table.ranges().is_empty();
        let ranged = core::array::from_fn(|at| levels[at].iter().any(has_ranges));
        Self {
            levels,
            ranged,
            detours: AtomicUsize::new(0),
        }
    }

    pub(super) fn empty() -> Self {
        Self::new(core::array::from_fn(|_| Vec::new()))
    }

    /// A read looks at all tables of level 0, at each for so much. Whether it is time to ask if a merge pays off.
    pub(super) fn note_read(&self, cost: usize) -> bool {
        const BETWEEN_QUESTIONS: usize = 64 << 10;
        let [level0, ..] = &self.levels;
        let Some(detours @ 1..) = level0.len().checked_sub(1) else {
            return false;
        };
        let added = detours.saturating_mul(cost);
        let before = self.detours.fetch_add(added, Ordering::Relaxed);
        before.wrapping_add(added) / BETWEEN_QUESTIONS != before / BETWEEN_QUESTIONS
    }

    /// The sum of what reads cost more than with one table at level 0.
    pub(super) fn detours(&self) -> usize {
        self.detours.load(Ordering::Relaxed)
    }

    pub(super) fn open(
        directory: &Directory<P>,
        levels: &Levels<TableInfo>,
        cache: &Arc<BlockCache<P>>,
    ) -> Result<Self> {
        let mut opened: Levels<Arc<Table<P>>> = core::array::from_fn(|_| Vec::new());
        for (tables, infos) in opened.iter_mut().zip(levels) {
            for info in infos {
                tables.push(Arc::new(Table::open(directory, info, cache)?));
            }
        }
        Ok(Self::new(opened))
    }

    /// Whether a table of the level has removed ranges.
    pub(super) fn has_ranges(&self, level: usize) -> bool {
        self.ranged[level]
    }

    /// The tables of a level other than 0 that a walk over a range is to look at.
    fn overlapping(&self, level: usize, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Range<usize> {
        let tables = &self.levels[level];
        let from = match start {
            Bound::Unbounded => 0,
            Bound::Included(key) => tables.partition_point(|table| *table.info().largest < *key),
            Bound::Excluded(key) => tables.partition_point(|table| *table.info().largest <= *key),
        };
        let to = match end {
            Bound::Unbounded => tables.len(),
            Bound::Included(key) => tables.partition_point(|table| *table.info().smallest <= *key),
            Bound::Excluded(key) => tables.partition_point(|table| *table.info().smallest < *key),
        };
        // A filter may deny the range: most are in one table.
        match tables.get(from..to) {
            Some([table]) if !table.may_have(start, end) => from..from,
            _ => from..to.max(from),
        }
    }

    /// Tables of level 0 that are newer than any that merges leave alone: those that flushes add to.
    pub(super) fn newest(&self) -> &[Arc<Table<P>>] {
        let [level0, ..] = &self.levels;
        let damaged = level0.iter().position(|table| table.is_damaged());
        level0
            .get(..damaged.unwrap_or(level0.len()))
            .unwrap_or_default()
    }

    /// All tables, newer before older for each key.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<Table<P>>> {
        self.levels.iter().flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables().next().is_none()
    }

    /// As the manifest has it.
    pub(super) fn infos(&self) -> Levels<TableInfo> {
        core::array::from_fn(|level| {
            let tables = self.levels.get(level).into_iter().flatten();
            tables.map(|table| table.info().clone()).collect()
        })
    }
}

/// A keyspace as reads see it: newest first the active memtable, the one being flushed, and the tables.
#[derive(Debug)]
pub(super) struct Tree<P: Files> {
    pub(super) id: KeyspaceId,
    pub(super) name: Arc<str>,
    pub(super) active: Arc<Memtable>,
    pub(super) frozen: Option<Arc<Memtable>>,
    pub(super) version: Arc<Version<P>>,
}

impl<P: Files> Clone for Tree<P> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            name: self.name.clone(),
            active: self.active.clone(),
            frozen: self.frozen.clone(),
            version: self.version.clone(),
        }
    }
}

impl<P: Files> Tree<P> {
    pub(super) fn new(id: KeyspaceId, name: &str, version: Version<P>) -> Self {
        Self {
            id,
            name: name.into(),
            active: Arc::new(Memtable::new(0)),
            frozen: None,
            version: Arc::new(version),
        }
    }

    /// What a table of the keyspace says of itself that is made while `manifest` is in force, of tables or of nothing that was here.
    pub(super) fn origin(&self, manifest: &Manifest, made_of: Vec<u64>) -> Origin {
        Origin {
            keyspace: self.id,
            name: self.name.clone(),
            log_from: manifest.log_number,
            sequence_from: manifest.sequence,
            flushed: 0,
            made_of,
        }
    }

    pub(super) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        core::iter::once(&self.active).chain(&self.frozen)
    }

    /// All sources of a range as of `sequence`, newest first.
    pub(super) fn sources(
        &self,
        sequence: u64,
        operator: Option<MergeOperator>,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Vec<Source<P>> {
        let mut sources: Vec<Source<P>> = self
            .memtables()
            // What comes into an empty one is newer.
            .filter(|memtable| !memtable.is_empty())
            .map(|memtable| {
                Source::Memtable(MemtableCursor::new(memtable.clone(), sequence, operator))
            })
            .collect();
        for (level, tables) in self.version.levels.iter().enumerate() {
            if level == 0 {
                let tables = tables.iter().filter(|table| table.may_have(start, end));
                let cursor = |table: &Arc<_>| TableCursor::new(Arc::clone(table), true);
                sources.extend(tables.map(|table| Source::Table(cursor(table))));
            } else if !tables.is_empty() {
                let range = self.version.overlapping(level, start, end);
                if !range.is_empty() {
                    let tables = LevelTables::Level(self.version.clone(), level, range);
                    sources.push(Source::Level(LevelCursor::new(tables, true)));
                }
            }
        }
        sources
    }
}

/// All that a read looks at.
#[derive(Debug)]
pub(super) struct View<P: Files> {
    /// By ascending number; the default keyspace is first.
    pub(super) trees: Vec<Arc<Tree<P>>>,
}

impl<P: Files> View<P> {
    pub(super) fn tree(&self, id: KeyspaceId) -> Result<&Arc<Tree<P>>> {
        // The default keyspace, of most reads, is the first.
        match self.trees.first() {
            Some(tree) if tree.id == id => Ok(tree),
            _ => self
                .trees
                .binary_search_by_key(&id, |tree| tree.id)
                .ok()
                .and_then(|at| self.trees.get(at))
                .ok_or(Error::NoKeyspace),
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<&Arc<Tree<P>>> {
        self.trees.iter().find(|tree| *tree.name == *name)
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<Table<P>>> {
        self.trees.iter().flat_map(|tree| tree.version.tables())
    }

    pub(super) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        self.trees.iter().flat_map(|tree| tree.memtables())
    }

    /// Whether something is in memory that is in no table.
    pub(super) fn has_unflushed(&self) -> bool {
        self.memtables().any(|memtable| !memtable.is_empty())
    }

    pub(super) fn has_frozen(&self) -> bool {
        self.trees.iter().any(|tree| tree.frozen.is_some())
    }

    /// Memory of the active memtables.
    pub(super) fn active_bytes(&self) -> usize {
        let weights = self.trees.iter().map(|tree| tree.active.weight());
        weights.fold(0, usize::saturating_add)
    }

    /// The most tables that a keyspace has at level 0, but for those that cannot be merged.
    pub(super) fn level0_max(&self) -> usize {
        let counts = self.trees.iter().map(|tree| tree.version.newest().len());
        counts.max().unwrap_or_default()
    }
}

/// The names in a manifest, as text.
pub(super) fn name_text(name: &[u8]) -> Option<String> {
    core::str::from_utf8(name).ok().map(String::from)
}

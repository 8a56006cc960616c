//! The sorted sources of a database: a memtable, one table, or a level of tables that do not overlap.
#![forbid(unsafe_code)]

use crate::db::entry::{Entry, Kind};
use crate::db::error::Result;
use crate::db::memtable::MemtableCursor;
use crate::db::ranges::{RemovedRange, RemovedRanges};
use crate::db::table::{Block, Table, TableCursor};
use crate::db::values::Share;
use crate::db::version::Version;
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Bound, Deref, Range};

/// One sorted source, with each key once.
#[derive(Debug)]
pub(in crate::db) enum Source<P: Files> {
    Memtable(MemtableCursor),
    Table(TableCursor<P>),
    Level(LevelCursor<P>),
}

impl<P: Files> Source<P> {
    pub(super) fn seek(&mut self, from: Bound<&[u8]>, reverse: bool) -> Result<()> {
        match self {
            Self::Memtable(cursor) => {
                cursor.seek(from, reverse);
                Ok(())
            }
            Self::Table(cursor) => cursor.seek(from, reverse),
            Self::Level(cursor) => cursor.seek(from, reverse),
        }
    }

    #[inline]
    pub(super) fn step(&mut self, reverse: bool) -> Result<()> {
        match self {
            Self::Memtable(cursor) => {
                cursor.step(reverse);
                Ok(())
            }
            Self::Table(cursor) => cursor.step(reverse),
            Self::Level(cursor) => cursor.step(reverse),
        }
    }

    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        match self {
            Self::Memtable(cursor) => cursor.entry(),
            Self::Table(cursor) => cursor.entry(),
            Self::Level(cursor) => cursor.cursor.as_ref()?.entry(),
        }
    }

    /// The key of the entry.
    #[inline]
    pub(super) fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Memtable(cursor) => cursor.key(),
            Self::Table(cursor) => cursor.key(),
            Self::Level(cursor) => cursor.cursor.as_ref()?.key(),
        }
    }

    /// The key and the kind of the entry.
    #[inline]
    pub(super) fn here(&self) -> Option<(&[u8], Kind)> {
        match self {
            Self::Memtable(cursor) => cursor.here(),
            Self::Table(cursor) => cursor.here(),
            Self::Level(cursor) => cursor.cursor.as_ref()?.here(),
        }
    }

    /// The key and the value of the entry; a reference for a value that lies apart.
    #[inline]
    pub(super) fn pair(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Memtable(cursor) => cursor.pair(),
            Self::Table(cursor) => cursor.pair(),
            Self::Level(cursor) => cursor.cursor.as_ref()?.pair(),
        }
    }

    /// The value that a reference of the entry here leads to.
    pub(super) fn value(&self, reference: &[u8]) -> Result<Option<Arc<Block>>> {
        match self {
            Self::Memtable(_) => Ok(None),
            Self::Table(cursor) => cursor.value(reference).map(Some),
            Self::Level(cursor) => {
                let cursor = cursor.cursor.as_ref();
                cursor.map(|cursor| cursor.value(reference)).transpose()
            }
        }
    }

    /// Adds what its tables refer to in values files.
    pub(in crate::db) fn gather_shares(&self, into: &mut Vec<Share>) {
        let mut add = |table: &Table<P>| into.extend_from_slice(&table.info().values);
        match self {
            Self::Memtable(_) => {}
            Self::Table(cursor) => add(cursor.table()),
            Self::Level(cursor) => cursor.tables.iter().for_each(|table| add(table)),
        }
    }

    /// Whether it has removed ranges.
    pub(super) fn has_ranges(&self) -> bool {
        match self {
            Self::Memtable(cursor) => !cursor.ranges().is_empty(),
            Self::Table(cursor) => !cursor.table().ranges().is_empty(),
            Self::Level(cursor) => cursor.tables.has_ranges(),
        }
    }

    /// The write that removed `key` from older sources, if one of this source did; else 0.
    pub(super) fn covering(&self, key: &[u8]) -> u64 {
        let ranges = match self {
            Self::Memtable(cursor) => cursor.ranges(),
            Self::Table(cursor) => cursor.table().ranges(),
            Self::Level(cursor) => match candidate(&cursor.tables, key) {
                Some(table) => table.ranges(),
                None => return 0,
            },
        };
        ranges.covering(key)
    }

    /// Adds its removed ranges to a list.
    pub(in crate::db) fn gather_ranges(&self, into: &mut Vec<RemovedRange>) {
        let mut add = |ranges: &RemovedRanges| into.extend_from_slice(ranges.pieces());
        match self {
            Self::Memtable(cursor) => add(cursor.ranges()),
            Self::Table(cursor) => add(cursor.table().ranges()),
            Self::Level(cursor) => cursor.tables.iter().for_each(|table| add(table.ranges())),
        }
    }
}

/// The one table of a level that may have `key`, or a removed range that takes it in.
pub(in crate::db) fn candidate<'a, P: Files>(
    tables: &'a [Arc<Table<P>>],
    key: &[u8],
) -> Option<&'a Arc<Table<P>>> {
    let after = tables.partition_point(|table| *table.info().smallest <= *key);
    tables.get(after.checked_sub(1)?)
}

/// Tables that do not overlap, in the order of their keys.
#[derive(Debug)]
pub(in crate::db) enum LevelTables<P: Files> {
    Some(Vec<Arc<Table<P>>>),
    /// Those of a level that lie next to each other: a scan does not count up each of them.
    Level(Arc<Version<P>>, usize, Range<usize>),
}

impl<P: Files> LevelTables<P> {
    /// Whether any of them, or of the whole level, has removed ranges.
    fn has_ranges(&self) -> bool {
        match self {
            Self::Some(tables) => tables.iter().any(|table| !table.ranges().is_empty()),
            Self::Level(version, level, _) => version.has_ranges(*level),
        }
    }
}

impl<P: Files> Deref for LevelTables<P> {
    type Target = [Arc<Table<P>>];

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Some(tables) => tables,
            Self::Level(version, level, range) => &version.levels[*level][range.clone()],
        }
    }
}

/// A place in a level. Starts at no entry.
#[derive(Debug)]
pub(in crate::db) struct LevelCursor<P: Files> {
    tables: LevelTables<P>,
    at: usize,
    cursor: Option<TableCursor<P>>,
    cached: bool,
}

impl<P: Files> LevelCursor<P> {
    pub(in crate::db) const fn new(tables: LevelTables<P>, cached: bool) -> Self {
        Self {
            tables,
            at: 0,
            cursor: None,
            cached,
        }
    }

    fn seek(&mut self, from: Bound<&[u8]>, reverse: bool) -> Result<()> {
        let at = match from {
            Bound::Unbounded if reverse => self.tables.len().checked_sub(1),
            Bound::Unbounded => Some(0),
            Bound::Included(key) | Bound::Excluded(key) if reverse => self
                .tables
                .partition_point(|table| *table.info().smallest <= *key)
                .checked_sub(1),
            Bound::Included(key) => Some(
                self.tables
                    .partition_point(|table| *table.info().largest < *key),
            ),
            // A removed range makes a table end with the very key that the next one begins with.
            Bound::Excluded(key) => Some(
                self.tables
                    .partition_point(|table| *table.info().largest <= *key),
            ),
        };
        self.open(at);
        if let Some(cursor) = &mut self.cursor {
            cursor.seek(from, reverse)?;
        }
        self.skip_empty(reverse)
    }

    #[inline]
    fn step(&mut self, reverse: bool) -> Result<()> {
        match &mut self.cursor {
            None => Ok(()),
            Some(cursor) => {
                cursor.step(reverse)?;
                match cursor.is_at_entry() {
                    true => Ok(()),
                    false => self.skip_empty(reverse),
                }
            }
        }
    }

    fn open(&mut self, at: Option<usize>) {
        self.at = at.unwrap_or_default();
        self.cursor = at
            .and_then(|at| self.tables.get(at))
            .map(|table| TableCursor::new(table.clone(), self.cached));
    }

    fn skip_empty(&mut self, reverse: bool) -> Result<()> {
        while self
            .cursor
            .as_ref()
            .is_some_and(|cursor| !cursor.is_at_entry())
        {
            self.open(if reverse {
                self.at.checked_sub(1)
            } else {
                self.at.checked_add(1)
            });
            if let Some(cursor) = &mut self.cursor {
                cursor.seek(Bound::Unbounded, reverse)?;
            }
        }
        Ok(())
    }
}

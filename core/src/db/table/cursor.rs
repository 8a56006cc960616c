//! Walks a table either way: the index leads from block to block.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use super::data_cursor::DataCursor;
use super::read_ahead::ReadAhead;
use super::reader::Table;
use crate::db::entry::{Entry, Kind};
use crate::db::error::Result;
use crate::platform::Files;
use alloc::sync::Arc;
use core::ops::Bound;

/// A place in a table. Starts at no entry.
#[derive(Debug)]
pub(in crate::db) struct TableCursor<P: Files> {
    table: Arc<Table<P>>,
    /// The part of the index that `at` counts in, and it itself unless the index is in one piece.
    part: usize,
    part_block: Option<Arc<Block>>,
    /// The data block that `data` is of.
    at: usize,
    data: Option<DataCursor>,
    /// Whether blocks that are read go to the cache; a merge's do not.
    cached: bool,
    ahead: ReadAhead,
}

impl<P: Files> TableCursor<P> {
    pub(in crate::db) const fn new(table: Arc<Table<P>>, cached: bool) -> Self {
        Self {
            table,
            part: 0,
            part_block: None,
            at: 0,
            data: None,
            cached,
            ahead: ReadAhead::new(),
        }
    }

    pub(in crate::db) const fn table(&self) -> &Arc<Table<P>> {
        &self.table
    }

    /// The value that a reference of the table leads to.
    pub(in crate::db) fn value(&self, reference: &[u8]) -> Result<Arc<Block>> {
        self.table.value(reference, self.cached)
    }

    /// Goes to the first key at, or after, the bound; in reverse to the last one at, or before, it.
    pub(in crate::db) fn seek(&mut self, from: Bound<&[u8]>, reverse: bool) -> Result<()> {
        let last_part = self.table.part_count().saturating_sub(1);
        match from {
            Bound::Unbounded if reverse => {
                self.enter(last_part)?;
                self.load(self.block_count().checked_sub(1))?;
                if let Some(data) = &mut self.data {
                    data.seek_last()?;
                }
            }
            Bound::Unbounded => {
                self.enter(0)?;
                self.load(Some(0))?;
                self.step_in_block(false)?;
            }
            Bound::Included(key) | Bound::Excluded(key) => {
                // Past the last key there is nothing, or, in reverse, everything.
                let last = self.table.find_part(key) > last_part;
                self.enter(self.table.find_part(key).min(last_part))?;
                let part = self.part_block.as_deref();
                let at = match last {
                    true => self.block_count(),
                    false => self.table.find_block(part, key)?,
                };
                self.load(if reverse {
                    Some(at.min(self.block_count().saturating_sub(1)))
                } else {
                    Some(at)
                })?;
                if let Some(data) = &mut self.data {
                    data.seek(key)?;
                    let found = data.key() == Some(key);
                    let excluded = matches!(from, Bound::Excluded(_));
                    match (found, reverse) {
                        (false, true) => data.step(true)?,
                        (true, _) if excluded => data.step(reverse)?,
                        _ => {}
                    }
                }
            }
        }
        self.skip_empty(reverse)
    }

    /// Goes to the next key, or to the one before.
    #[inline]
    pub(in crate::db) fn step(&mut self, reverse: bool) -> Result<()> {
        match &mut self.data {
            None => Ok(()),
            Some(data) => {
                data.step(reverse)?;
                match data.is_at_entry() {
                    true => Ok(()),
                    false => self.skip_empty(reverse),
                }
            }
        }
    }

    #[inline]
    pub(in crate::db) fn is_at_entry(&self) -> bool {
        self.data.as_ref().is_some_and(DataCursor::is_at_entry)
    }

    /// The key here.
    #[inline]
    pub(in crate::db) fn key(&self) -> Option<&[u8]> {
        self.data.as_ref()?.key()
    }

    /// The key and the kind of the entry here.
    #[inline]
    pub(in crate::db) fn here(&self) -> Option<(&[u8], Kind)> {
        self.data.as_ref()?.here()
    }

    /// The key and the value here; a reference for the value, if it lies apart.
    #[inline]
    pub(in crate::db) fn pair(&self) -> Option<(&[u8], &[u8])> {
        self.data.as_ref()?.pair()
    }

    /// The entry here.
    pub(in crate::db) fn entry(&self) -> Option<Entry<'_>> {
        self.data.as_ref()?.entry()
    }

    fn step_in_block(&mut self, reverse: bool) -> Result<()> {
        let data = self.data.as_mut();
        data.map_or(Ok(()), |data| data.step(reverse))
    }

    /// Goes on to the block after, or before, while there is no entry here.
    fn skip_empty(&mut self, reverse: bool) -> Result<()> {
        while self.data.as_ref().is_some_and(|data| !data.is_at_entry()) {
            if reverse {
                if self.at == 0 && self.part > 0 {
                    self.enter(self.part.saturating_sub(1))?;
                    self.at = self.block_count();
                }
                self.load(self.at.checked_sub(1))?;
                if let Some(data) = &mut self.data {
                    data.seek_last()?;
                }
            } else {
                let next = self.at.saturating_add(1);
                let part = self.part.saturating_add(1);
                if next >= self.block_count() && part < self.table.part_count() {
                    self.enter(part)?;
                    self.load(Some(0))?;
                } else {
                    self.load(Some(next))?;
                }
                self.step_in_block(false)?;
            }
        }
        Ok(())
    }

    /// Goes to a part of the index.
    fn enter(&mut self, part: usize) -> Result<()> {
        if self.part == part && self.part_block.is_some() {
            return Ok(());
        }
        // After an error there is no entry here.
        let last = self.data.take();
        self.part_block = self.table.part(part, self.cached)?;
        self.part = part;
        self.data = last;
        Ok(())
    }

    fn block_count(&self) -> usize {
        self.table.block_count(self.part_block.as_deref())
    }

    /// Opens data block `at`, if there is one.
    fn load(&mut self, at: Option<usize>) -> Result<()> {
        // After an error there is no entry here.
        let last = self.data.take();
        self.at = at.unwrap_or_default();
        let place = match at {
            Some(at) => self.table.place_in(self.part_block.as_deref(), at)?,
            None => None,
        };
        let Some(place) = place else {
            return Ok(());
        };
        let block = self
            .table
            .block_to_walk(place, self.cached, &mut self.ahead)?;
        self.data = Some(DataCursor::new(block, last));
        Ok(())
    }
}

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
        let count = self.table.block_count();
        match from {
            Bound::Unbounded if reverse => {
                self.load(count.checked_sub(1))?;
                if let Some(data) = &mut self.data {
                    data.seek_last()?;
                }
            }
            Bound::Unbounded => {
                self.load(Some(0))?;
                self.step_in_block(false)?;
            }
            Bound::Included(key) | Bound::Excluded(key) => {
                let at = self.table.find_block(key);
                // Past the last key there is nothing, or, in reverse, everything.
                self.load(if reverse {
                    Some(at.min(count.saturating_sub(1)))
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
                self.load(self.at.checked_sub(1))?;
                if let Some(data) = &mut self.data {
                    data.seek_last()?;
                }
            } else {
                self.load(self.at.checked_add(1))?;
                self.step_in_block(false)?;
            }
        }
        Ok(())
    }

    /// Opens data block `at`, if there is one.
    fn load(&mut self, at: Option<usize>) -> Result<()> {
        let place = at.and_then(|at| self.table.place(at));
        self.at = at.unwrap_or_default();
        // After an error there is no entry here.
        let last = self.data.take();
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

//! Walks a table: the index leads from block to block.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::BlockCursor;
use super::reader::Table;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::platform::Files;
use alloc::sync::Arc;
use core::ops::Bound;

/// A place in a table. Starts at no entry.
#[derive(Debug)]
pub(in crate::db) struct TableCursor<P: Files> {
    table: Arc<Table<P>>,
    index: BlockCursor,
    data: Option<BlockCursor>,
    /// Whether blocks that are read go to the cache; a merge's do not.
    cached: bool,
}

impl<P: Files> TableCursor<P> {
    pub(in crate::db) fn new(table: Arc<Table<P>>, cached: bool) -> Self {
        let index = table.index();
        Self {
            table,
            index,
            data: None,
            cached,
        }
    }

    /// Goes to the first key at, or after, the bound.
    pub(in crate::db) fn seek(&mut self, start: Bound<&[u8]>) -> Result<()> {
        self.index = self.table.index();
        match start {
            Bound::Unbounded => {
                self.index.advance()?;
                self.load()?;
                self.next_in_block()
            }
            Bound::Included(key) | Bound::Excluded(key) => {
                self.index.seek(key)?;
                self.load()?;
                if let Some(data) = &mut self.data {
                    data.seek(key)?;
                }
                let excluded = matches!(start, Bound::Excluded(_));
                if excluded && self.entry().is_some_and(|(found, ..)| found == key) {
                    self.next_in_block()?;
                }
                self.skip_empty()
            }
        }
    }

    /// Goes to the next key.
    pub(in crate::db) fn advance(&mut self) -> Result<()> {
        self.next_in_block()?;
        self.skip_empty()
    }

    /// The entry here: key, sequence number, and the value or that the key is gone.
    pub(in crate::db) fn entry(&self) -> Option<crate::db::entry::Entry<'_>> {
        self.data.as_ref()?.entry()
    }

    fn next_in_block(&mut self) -> Result<()> {
        self.data.as_mut().map_or(Ok(()), BlockCursor::advance)
    }

    /// Goes to the first entry of the next block while there is none here.
    fn skip_empty(&mut self) -> Result<()> {
        while self.data.is_some() && self.entry().is_none() {
            self.index.advance()?;
            self.load()?;
            self.next_in_block()?;
        }
        Ok(())
    }

    /// Opens the block that the index is at.
    fn load(&mut self) -> Result<()> {
        self.data = match self.table.place(&self.index)? {
            None => None,
            Some(place) if self.cached => Some(BlockCursor::new(self.table.block(place)?)),
            Some(place) => Some(BlockCursor::new(self.table.read_data(place)?)),
        };
        Ok(())
    }
}

impl<P: Files> Table<P> {
    /// Reads all data past the cache and checks that blocks lie without gaps (T3), keys ascend (T2), index and meta block are
    /// right. Returns the entries read.
    pub(in crate::db) fn verify(&self) -> Result<u64> {
        let name = FileName::Table(self.info().number);
        let corrupt = |offset, what, expected, found| {
            Err(Error::corrupt(name, offset, what, expected, found))
        };
        let mut index = self.index();
        let mut end = 0;
        let mut last: Option<alloc::vec::Vec<u8>> = None;
        let (mut entries, mut removes, mut sequence_max) = (0u64, 0u64, 0);
        loop {
            index.advance()?;
            let Some(place) = self.place(&index)? else {
                break;
            };
            if place.offset != end {
                return corrupt(place.offset, "offset of a block", end, place.offset);
            }
            end = place.end();
            let mut data = BlockCursor::new(self.read_data(place)?);
            loop {
                data.advance()?;
                let Some((key, sequence, value)) = data.entry() else {
                    break;
                };
                if last.as_deref().is_some_and(|last| last >= key) {
                    return corrupt(place.offset, "order of keys", 1, 0);
                }
                if last.is_none() && *self.info().smallest != *key {
                    return corrupt(place.offset, "smallest key", 1, 0);
                }
                last = Some(key.into());
                entries = entries.saturating_add(1);
                removes = removes.saturating_add(u64::from(value.is_none()));
                sequence_max = sequence.max(sequence_max);
            }
            if index.entry().map(|(key, ..)| key) != last.as_deref() {
                return corrupt(place.offset, "last key of a block", 1, 0);
            }
        }
        let info = self.info();
        for (what, expected, found) in [
            ("bytes of data", self.data_bytes(), end),
            ("entries", info.entries, entries),
            ("removes", info.removes, removes),
            ("newest sequence number", info.sequence_max, sequence_max),
        ] {
            if expected != found {
                return corrupt(end, what, expected, found);
            }
        }
        if last.as_deref() != Some(&*info.largest) {
            return corrupt(end, "largest key", 1, 0);
        }
        Ok(entries)
    }
}

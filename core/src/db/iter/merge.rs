//! Merges sorted sources: per key the entry of the newest source.
//!
//! Sources stand newest first and each has a key once. There are few of them (a merge that writers waited
//! for has a few dozen), so all are looked at.
#![forbid(unsafe_code)]

use crate::db::error::Result;
use crate::db::memtable::MemtableCursor;
use crate::db::table::TableCursor;
use crate::platform::Files;
use alloc::vec::Vec;
use core::ops::Bound;

/// One sorted source.
#[derive(Debug)]
pub(in crate::db) enum Source<P: Files> {
    Memtable(MemtableCursor),
    Table(TableCursor<P>),
}

impl<P: Files> Source<P> {
    fn seek(&mut self, start: Bound<&[u8]>) -> Result<()> {
        match self {
            Self::Memtable(cursor) => {
                cursor.seek(start);
                Ok(())
            }
            Self::Table(cursor) => cursor.seek(start),
        }
    }

    fn advance(&mut self) -> Result<()> {
        match self {
            Self::Memtable(cursor) => {
                cursor.advance();
                Ok(())
            }
            Self::Table(cursor) => cursor.advance(),
        }
    }

    fn entry(&self) -> Option<crate::db::entry::Entry<'_>> {
        match self {
            Self::Memtable(cursor) => cursor.entry(),
            Self::Table(cursor) => cursor.entry(),
        }
    }

    fn key(&self) -> Option<&[u8]> {
        self.entry().map(|(key, ..)| key)
    }
}

/// A place in the merged order. Starts at no entry.
#[derive(Debug)]
pub(in crate::db) struct MergeCursor<P: Files> {
    /// Newest first.
    sources: Vec<Source<P>>,
    current: Option<usize>,
    key: Vec<u8>,
}

impl<P: Files> MergeCursor<P> {
    pub(in crate::db) const fn new(sources: Vec<Source<P>>) -> Self {
        Self {
            sources,
            current: None,
            key: Vec::new(),
        }
    }

    /// Goes to the first key at, or after, the bound.
    pub(in crate::db) fn seek(&mut self, start: Bound<&[u8]>) -> Result<()> {
        self.current = None;
        for source in &mut self.sources {
            source.seek(start)?;
        }
        self.choose();
        Ok(())
    }

    /// Goes to the next key.
    pub(in crate::db) fn advance(&mut self) -> Result<()> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        self.key.clear();
        self.key
            .extend_from_slice(self.sources[current].key().unwrap_or_default());
        // Sources before the current one are newer and have no entry of this key, or one would be current.
        for source in &mut self.sources[current..] {
            if source.key() == Some(&self.key) {
                source.advance()?;
            }
        }
        self.choose();
        Ok(())
    }

    /// The entry here: key, sequence number, and the value or that the key is gone.
    pub(in crate::db) fn entry(&self) -> Option<crate::db::entry::Entry<'_>> {
        self.sources[self.current?].entry()
    }

    /// Finds the smallest key, in the newest source that has it.
    fn choose(&mut self) {
        let mut best: Option<(usize, &[u8])> = None;
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(key) = source.key()
                && best.is_none_or(|(_, smallest)| key < smallest)
            {
                best = Some((index, key));
            }
        }
        self.current = best.map(|(index, _)| index);
    }
}

//! A range of the database at one moment, from its first key to its last.
#![forbid(unsafe_code)]

use super::merge::{MergeCursor, Source};
use crate::db::error::Result;
use crate::db::memtable::MemtableCursor;
use crate::db::table::TableCursor;
use crate::db::version::View;
use crate::platform::Files;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Bound;

/// Walks a range as it was when the scan was made: later writes, flushes, merges and [`clear`](crate::db::Db::clear)
/// are not seen. It keeps the tables and memtables of that moment, so do not keep it for long.
#[derive(Debug)]
pub struct Scan<P: Files> {
    merge: MergeCursor<P>,
    end: Bound<Box<[u8]>>,
    started: bool,
    done: bool,
}

impl<P: Files> Scan<P> {
    pub(in crate::db) fn new(
        view: &View<P>,
        sequence: u64,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<Self> {
        let memtables = core::iter::once(&view.active).chain(&view.frozen);
        let mut sources: Vec<_> = memtables
            .map(|memtable| Source::Memtable(MemtableCursor::new(memtable.clone(), sequence)))
            .collect();
        let tables = view.version.tables.iter();
        sources.extend(tables.map(|table| Source::Table(TableCursor::new(table.clone(), true))));
        let mut merge = MergeCursor::new(sources);
        merge.seek(start)?;
        Ok(Self {
            merge,
            end: end.map(Box::from),
            started: false,
            done: false,
        })
    }

    /// The next key and its value, or `None` at the end and ever after.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the scan is then over.
    #[expect(clippy::should_implement_trait, reason = "it lends from the scan")]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        loop {
            if self.done {
                return Ok(None);
            }
            if self.started {
                self.done = true;
                self.merge.advance()?;
                self.done = false;
            }
            self.started = true;
            match self.merge.entry() {
                Some((key, _, value)) if self.contains(key) => {
                    if value.is_some() {
                        break;
                    }
                }
                _ => self.done = true,
            }
        }
        Ok(self
            .merge
            .entry()
            .and_then(|(key, _, value)| Some((key, value?))))
    }

    fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            Bound::Included(end) => key <= &**end,
            Bound::Excluded(end) => key < &**end,
            Bound::Unbounded => true,
        }
    }
}

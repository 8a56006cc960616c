//! Compaction: fewer, larger tables, without what is shadowed.
//!
//! When there are more tables than allowed, the newest few are merged into one. Which: as many as bring the count down to
//! the bound, and then each older one that is at most twice as large as all before it together. So a table of `n` bytes is
//! rewritten about `log n` times, and tables stay ordered by age.
//!
//! # What may go
//! Of each key the newest entry stays. Older ones go at once: a scan that may still want them holds the old tables. An entry
//! that says that a key is gone goes only when the merge takes in the oldest table, since it may hide an older value.
#![forbid(unsafe_code)]

use super::directory::Directory;
use super::error::Result;
use super::iter::{MergeCursor, Source};
use super::options::Options;
use super::table::{Table, TableBuilder, TableCursor, TableInfo};
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Bound, ControlFlow};

/// Bytes of keys and values between two questions whether to go on: a few thousand small entries, some milliseconds.
const QUESTION_BYTES: usize = 256 << 10;
/// What an entry counts besides its key and value.
const ENTRY_BYTES: usize = 32;

/// What became of a table that was to be built.
#[derive(Debug)]
pub(super) enum Built {
    Table(TableInfo),
    /// Nothing was left, so there is no table.
    Empty,
    /// It was told to stop; what there was of the table is removed.
    Cancelled,
}

/// How many of the newest tables, with these sizes in bytes, to merge; 0 for none.
pub(super) fn choose(sizes: &[u64], tables_max: usize) -> usize {
    if sizes.len() <= tables_max {
        return 0;
    }
    let mut count = sizes.len() - tables_max + 1;
    let mut total: u64 = sizes[..count].iter().sum();
    while let Some(&next) = sizes.get(count)
        && next <= total.saturating_mul(2)
    {
        total = total.saturating_add(next);
        count += 1;
    }
    count
}

/// Writes a new table from sorted sources, newest first. None if nothing is left.
pub(super) fn build<P: Files>(
    directory: &Directory<P>,
    number: u64,
    options: &Options,
    sources: Vec<Source<P>>,
    drop_removes: bool,
) -> Result<Option<TableInfo>> {
    let go_on = || ControlFlow::Continue(());
    match build_while(directory, number, options, sources, drop_removes, go_on)? {
        Built::Table(info) => Ok(Some(info)),
        Built::Empty | Built::Cancelled => Ok(None),
    }
}

/// As [`build`], asking `go_on` now and then, and before the table is made durable.
pub(super) fn build_while<P: Files>(
    directory: &Directory<P>,
    number: u64,
    options: &Options,
    sources: Vec<Source<P>>,
    drop_removes: bool,
    mut go_on: impl FnMut() -> ControlFlow<()>,
) -> Result<Built> {
    let mut builder = TableBuilder::new(directory, number, options)?;
    let mut merge = MergeCursor::new(sources);
    merge.seek(Bound::Unbounded)?;
    let mut bytes = 0usize;
    while let Some((key, sequence, value)) = merge.entry() {
        if value.is_some() || !drop_removes {
            builder.push(key, sequence, value)?;
        }
        bytes = bytes.saturating_add(ENTRY_BYTES + key.len() + value.map_or(0, <[u8]>::len));
        merge.advance()?;
        if bytes >= QUESTION_BYTES {
            bytes = 0;
            if go_on().is_break() {
                return Ok(Built::Cancelled);
            }
        }
    }
    if builder.is_empty() {
        Ok(Built::Empty)
    } else if go_on().is_break() {
        Ok(Built::Cancelled)
    } else {
        builder.finish().map(Built::Table)
    }
}

/// The sources of a merge of `tables`.
pub(super) fn sources<P: Files>(tables: &[Arc<Table<P>>]) -> Vec<Source<P>> {
    tables
        .iter()
        .map(|table| Source::Table(TableCursor::new(table.clone(), false)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_bound_is_met_and_large_old_tables_are_left_alone() {
        assert_eq!(choose(&[1, 1, 1], 3), 0);
        assert_eq!(choose(&[1, 1, 100, 1000], 3), 2);
        assert_eq!(choose(&[1, 1, 4, 12, 1000], 4), 4);
        assert_eq!(choose(&[9, 9, 9, 9, 9], 2), 5);
        for len in 0..30usize {
            let count = choose(&alloc::vec![1 << len; len], 5);
            assert!(len - count.saturating_sub(1) <= 5 || count == 0 && len <= 5);
        }
    }
}

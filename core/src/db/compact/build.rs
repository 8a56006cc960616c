//! Writes tables from sorted sources.
//!
//! # What may go
//! Of each key the newest entry stays. Older ones go at once: a scan or snapshot that may still want them holds the old tables. What
//! says that a key or a range is gone goes only at the bottom, where there is nothing older that it might hide.
#![forbid(unsafe_code)]

use crate::db::directory::Directory;
use crate::db::entry::{Entry, Kind};
use crate::db::error::Result;
use crate::db::iter::{MergeCursor, Source};
use crate::db::options::Options;
use crate::db::ranges::RemovedRanges;
use crate::db::table::{Block, Origin, TableBuilder, TableInfo};
use crate::db::values::Reference;
use crate::platform::{ClockId, Files};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::{Bound, ControlFlow};

/// Bytes of keys and values between two questions whether to go on: a few thousand small entries, some milliseconds.
const QUESTION_BYTES: usize = 256 << 10;
/// What an entry counts besides its key and value.
const ENTRY_BYTES: usize = 32;

/// What to build, and how.
pub(in crate::db) struct Build<'a, P: Files> {
    pub(in crate::db) directory: &'a Directory<P>,
    pub(in crate::db) options: &'a Options,
    /// Newest first.
    pub(in crate::db) sources: Vec<Source<P>>,
    /// Where the tables go.
    pub(in crate::db) level: usize,
    /// There is nothing older.
    pub(in crate::db) bottom: bool,
    /// Which source is newer, only the entries' sequence numbers say.
    pub(in crate::db) by_sequence: bool,
    /// Size at which a new table is started, in bytes.
    pub(in crate::db) table_bytes: u64,
    /// Whether the option's filter is asked.
    pub(in crate::db) filtered: bool,
    /// Values files whose values are written anew.
    pub(in crate::db) rewritten: BTreeSet<u64>,
    /// The keyspace, and what the tables replace.
    pub(in crate::db) origin: Origin,
}

/// Builds the tables. `number` gives each its own; `go_on` is asked now and then, with the bytes since it was last asked. `None` if it
/// said no; whatever was made is then removed, as it is after an error.
pub(in crate::db) fn build<P: Files>(
    build: Build<'_, P>,
    mut number: impl FnMut() -> u64,
    mut go_on: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Vec<TableInfo>>> {
    let directory = build.directory.clone();
    let mut made = Made {
        directory: &directory,
        tables: Vec::new(),
    };
    if write(build, &mut number, &mut go_on, &mut made)?.is_break() {
        return Ok(None);
    }
    Ok(Some(core::mem::take(&mut made.tables)))
}

/// Finished tables that nothing refers to yet. Dropped with them, it removes their files.
struct Made<'a, P: Files> {
    directory: &'a Directory<P>,
    tables: Vec<TableInfo>,
}

impl<P: Files> Drop for Made<'_, P> {
    fn drop(&mut self) {
        for table in &self.tables {
            self.directory.remove_built(table.number);
        }
    }
}

fn write<P: Files>(
    build: Build<'_, P>,
    number: &mut impl FnMut() -> u64,
    go_on: &mut impl FnMut(usize) -> ControlFlow<()>,
    made: &mut Made<'_, P>,
) -> Result<ControlFlow<()>> {
    let Build {
        directory,
        options,
        bottom,
        ..
    } = build;
    let compressed = build.level >= options.compressed_from;
    let keep = options.keep_value.filter(|_| build.filtered);
    let now_ns = directory.platform.now(ClockId::Real).as_ns();
    let mut merge = MergeCursor::new(build.sources, options.merge_operator, bottom);
    let mut shares = Vec::new();
    let sources = merge.sources().iter();
    sources.for_each(|source| source.gather_shares(&mut shares));
    let mut ranges = Vec::new();
    if !bottom {
        let sources = merge.sources().iter();
        sources.for_each(|source| source.gather_ranges(&mut ranges));
    }
    let ranges = RemovedRanges::new(&ranges);
    // Ranges before this key are in a table already.
    let mut from: Option<Vec<u8>> = None;
    let mut builder: Option<TableBuilder<P>> = None;
    merge.keep_lost();
    if build.by_sequence {
        merge.go_by_sequence();
    }
    merge.seek(Bound::Unbounded, false)?;
    let mut bytes = 0usize;
    while merge.key().is_some() {
        if merge.kind() == Some(Kind::Reference) {
            rewrite(&mut merge, &build.rewritten)?;
        }
        let Some((key, entry)) = merge.entry() else {
            break;
        };
        bytes += ENTRY_BYTES + key.len() + entry.map_or(0, |entry| entry.value.len());
        let kept = match keep.zip(entry) {
            Some((keep, entry)) => match entry.kind {
                Kind::Put => keep(key, entry.value, now_ns),
                Kind::Reference => match merge.referenced() {
                    Ok(value) => {
                        let value = value.as_deref().map_or(&[][..], Block::value);
                        bytes += value.len();
                        keep(key, value, now_ns)
                    }
                    // Whoever reads it is told.
                    Err(error) if error.is_lost() => true,
                    Err(error) => return Err(error),
                },
                _ => true,
            },
            None => true,
        };
        let entry = entry.map(|entry| match kept {
            false => Entry {
                kind: Kind::Remove,
                value: &[],
                ..entry
            },
            true => entry,
        });
        if let Some(entry) = entry.filter(|entry| !bottom || entry.kind != Kind::Remove) {
            if let Some(full) = builder.take_if(|table| table.is_full(build.table_bytes)) {
                made.tables
                    .push(full.finish(&ranges.between(from.as_deref(), Some(key)))?);
                from = Some(key.into());
            }
            let table = match &mut builder {
                Some(table) => table,
                none => {
                    let origin = build.origin.clone();
                    let mut table =
                        TableBuilder::new(directory, number(), options, compressed, origin)?;
                    table.may_refer_to(&shares);
                    none.insert(table)
                }
            };
            table.push(entry)?;
        }
        merge.step()?;
        if bytes >= QUESTION_BYTES {
            if go_on(bytes).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            bytes = 0;
        }
    }
    if go_on(bytes).is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let rest = ranges.between(from.as_deref(), None);
    if builder.is_none() && !rest.is_empty() {
        let origin = build.origin;
        let table = TableBuilder::new(directory, number(), options, compressed, origin)?;
        builder = Some(table);
    }
    if let Some(table) = builder {
        made.tables.push(table.finish(&rest)?);
    }
    Ok(ControlFlow::Continue(()))
}

/// Takes the value in the place of a reference to a file that is to go. One that cannot be read stays referred to: whoever reads it is told, and
/// nobody else is kept from merging.
fn rewrite<P: Files>(merge: &mut MergeCursor<P>, files: &BTreeSet<u64>) -> Result<()> {
    let entry = merge.entry().and_then(|(_, entry)| entry);
    let reference = entry.and_then(|entry| Reference::read(entry.value));
    if reference.is_some_and(|reference| files.contains(&reference.file)) {
        match merge.follow() {
            Err(error) if error.is_lost() => {}
            followed => return followed,
        }
    }
    Ok(())
}

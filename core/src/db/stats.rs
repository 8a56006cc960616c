//! Counts and sizes of an open database.
#![forbid(unsafe_code)]

use super::shared::Shared;
use crate::platform::Files;

/// What [`Db::stats`](super::Db::stats) tells; counts are since the open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys, estimated: a key that was overwritten lately counts more than once.
    pub keys_estimated: u64,
    /// Tables.
    pub tables: u64,
    /// Their bytes on disk.
    pub table_bytes: u64,
    /// Memory of the tables' indexes and filters, in bytes.
    pub table_memory_bytes: u64,
    /// Memory of writes that are in no table yet, in bytes.
    pub memtable_bytes: u64,
    /// Bytes of the active log's file.
    pub log_bytes: u64,
    /// The last write's sequence number.
    pub sequence: u64,
    /// Batches written.
    pub batches: u64,
    /// Appends to the log.
    pub log_writes: u64,
    /// Syncs of the log.
    pub log_syncs: u64,
    /// Memtables that became tables.
    pub flushes: u64,
    /// Merges of tables.
    pub merges: u64,
    /// Table blocks found in the cache.
    pub cache_hits: u64,
    /// Table blocks read from files.
    pub cache_misses: u64,
}

impl<P: Files> Shared<P> {
    pub(super) fn stats(&self) -> Stats {
        let (flushes, merges) = {
            let state = self.maintenance.lock();
            (state.flushes, state.merges)
        };
        let commit = self.commit.lock();
        let (counts, log_bytes, sequence) = (commit.counts, commit.log.written(), commit.sequence);
        drop(commit);
        let view = self.reads.lock().view.clone();
        let (cache_hits, cache_misses) = self.cache.counts();
        let memtables = core::iter::once(&view.active).chain(&view.frozen);
        let tables = &view.version.tables;
        Stats {
            keys_estimated: self.estimated_keys(),
            tables: tables.len() as u64,
            table_bytes: tables.iter().map(|table| table.info().bytes).sum(),
            table_memory_bytes: tables.iter().map(|table| table.memory_bytes() as u64).sum(),
            memtable_bytes: memtables.map(|memtable| memtable.bytes() as u64).sum(),
            log_bytes,
            sequence,
            batches: counts.batches,
            log_writes: counts.log_writes,
            log_syncs: counts.log_syncs,
            flushes,
            merges,
            cache_hits,
            cache_misses,
        }
    }

    /// Entries, less twice those that say that a key is gone: each hides one other at most.
    pub(super) fn estimated_keys(&self) -> u64 {
        let view = self.reads.lock().view.clone();
        let memtables = core::iter::once(&view.active).chain(&view.frozen);
        let entries: u64 = memtables.map(|memtable| memtable.entries() as u64).sum();
        view.version.tables.iter().fold(entries, |entries, table| {
            let info = table.info();
            (entries + info.entries).saturating_sub(info.removes * 2)
        })
    }
}

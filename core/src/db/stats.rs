//! Counts and sizes of an open database.
#![forbid(unsafe_code)]

use super::compact;
use super::shared::Shared;
use super::values::Usage;
use super::version::LEVELS;
use crate::platform::Files;

/// What [`Db::stats`](super::Db::stats) tells; counts are since the open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys of all keyspaces, estimated: a key that was overwritten lately counts more than once.
    pub keys_estimated: u64,
    /// Keyspaces, the default one included.
    pub keyspaces: u64,
    /// Tables.
    pub tables: u64,
    /// Tables by level.
    pub level_tables: [u64; LEVELS],
    /// Their bytes on disk by level.
    pub level_bytes: [u64; LEVELS],
    /// Bytes of all tables on disk.
    pub table_bytes: u64,
    /// Files of large values.
    pub value_files: u64,
    /// Their bytes on disk.
    pub value_bytes: u64,
    /// Those among them that tables refer to.
    pub value_live_bytes: u64,
    /// Memory of the tables' indexes and filters, in bytes.
    pub table_memory_bytes: u64,
    /// Memory of writes that are in no table yet, in bytes.
    pub memtable_bytes: u64,
    /// Bytes of the active log.
    pub log_bytes: u64,
    /// The last write's sequence number.
    pub sequence: u64,
    /// Batches written.
    pub batches: u64,
    /// Their bytes.
    pub batch_bytes: u64,
    /// Times that a write was slowed down because merges do not keep up.
    pub writes_slowed: u64,
    /// Times that a write waited for a merge.
    pub writes_stopped: u64,
    /// Appends to the log.
    pub log_writes: u64,
    /// Syncs of the log.
    pub log_syncs: u64,
    /// Times that memtables became tables.
    pub flushes: u64,
    /// Bytes of those tables and their values.
    pub flush_bytes: u64,
    /// Merges of tables.
    pub merges: u64,
    /// Tables that went down a level as they were.
    pub moves: u64,
    /// Tables that were dropped because the database is a queue.
    pub drops: u64,
    /// Bytes of tables that merges read.
    pub merge_bytes_read: u64,
    /// Bytes of tables and values that merges wrote.
    pub merge_bytes_written: u64,
    /// Table blocks found in the cache.
    pub cache_hits: u64,
    /// Table blocks read from files.
    pub cache_misses: u64,
    /// Bytes of blocks in the cache.
    pub cache_bytes: u64,
}

impl<P: Files> Shared<P> {
    pub(super) fn stats(&self) -> Stats {
        let commit = self.commit.lock();
        let (counts, log_bytes, sequence) = (commit.counts, commit.log.written(), commit.sequence);
        drop(commit);
        let reads = self.reads.lock();
        let (view, done) = (reads.view.clone(), reads.counts);
        drop(reads);
        let (cache_hits, cache_misses, cache_bytes) = self.cache.counts();
        let (value_files, value_bytes, value_live_bytes) = Usage::of(view.tables()).totals();
        let mut stats = Stats {
            keys_estimated: self.estimated_keys(),
            keyspaces: view.trees.len() as u64,
            tables: view.tables().count() as u64,
            table_bytes: compact::bytes(view.tables()),
            value_files,
            value_bytes,
            value_live_bytes,
            table_memory_bytes: view.tables().map(|table| table.memory_bytes() as u64).sum(),
            memtable_bytes: view.memtables().map(|table| table.bytes() as u64).sum(),
            log_bytes,
            sequence,
            batches: counts.batches,
            batch_bytes: counts.batch_bytes,
            writes_slowed: counts.slowed,
            writes_stopped: counts.stopped,
            log_writes: counts.log_writes,
            log_syncs: counts.log_syncs,
            flushes: done.flushes,
            flush_bytes: done.flush_bytes,
            merges: done.merges,
            moves: done.moves,
            drops: done.drops,
            merge_bytes_read: done.merge_bytes_read,
            merge_bytes_written: done.merge_bytes_written,
            cache_hits,
            cache_misses,
            cache_bytes,
            ..Stats::default()
        };
        for tree in &view.trees {
            for (level, tables) in tree.version.levels.iter().enumerate() {
                stats.level_tables[level] += tables.len() as u64;
                let sum = &mut stats.level_bytes[level];
                *sum = sum.saturating_add(compact::bytes(tables.iter()));
            }
        }
        stats
    }

    /// Entries, less twice those that say that a key is gone: each hides one other at most.
    pub(super) fn estimated_keys(&self) -> u64 {
        let view = self.reads.lock().view.clone();
        let entries: u64 = view.memtables().map(|table| table.entries() as u64).sum();
        view.tables().fold(entries, |entries, table| {
            let info = table.info();
            let entries = entries.saturating_add(info.entries);
            entries.saturating_sub(info.removes.saturating_mul(2))
        })
    }
}

//! What a caller may choose when opening a database or writing to it.
#![forbid(unsafe_code)]

use super::error::{Error, Result};
use super::key_prefix::KeyPrefix;
use super::operands::MergeOperator;
use super::watch::EventHook;
use core::time::Duration;

/// Longest key in bytes: long enough for any path or identifier, short enough that index blocks stay small.
pub const KEY_BYTES_MAX: usize = 64 << 10;
/// Longest value in bytes: the limit of a Redis bulk string.
pub const VALUE_BYTES_MAX: usize = 512 << 20;
/// Largest batch in encoded bytes: the largest value and key fit, and recovery holds one batch in memory.
pub const BATCH_BYTES_MAX: usize = (512 << 20) + (1 << 20);

/// How safe a write is when the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriteLevel {
    /// In this process only: lost with it. The log buffer is bounded, so older writes reach the system soon.
    Buffered,
    /// Handed to the operating system: survives the end of the process, not a loss of power.
    Os,
    /// Synced with `Durability::Data`: survives a loss of power.
    Data,
    /// Synced with `Durability::Full`: survives a loss of power also where the device's cache lies.
    Full,
}

/// Who flushes memtables and merges tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// The writer that finds the memtable full.
    Inline,
    /// The caller, by [`Db::maintain`](super::Db::maintain) when
    /// [`Db::maintenance_needed`](super::Db::maintenance_needed) says so; a writer that finds the memtable at twice
    /// its size flushes nevertheless, and merges at three times `tables_max` tables, so memory and reads stay bounded.
    Caller,
}

/// How tables become fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compaction {
    /// Levels, each `level_factor` times as large as the one above: least space, and reads look at few tables.
    Leveled,
    /// Runs of like size, up to `tables_max` of them: each byte is rewritten a few times less often, for up to three times
    /// the space.
    Tiered,
    /// A queue: nothing is merged, and the oldest tables go with all that is in them. For data that is written once, such as
    /// events; each read looks at all tables, so keep them few by a large `memtable_bytes`. Merge operands do not go with the value that
    /// they build on.
    Fifo {
        /// Bytes that the tables of a keyspace may have together, above 0.
        bytes_max: u64,
        /// How old a table may get, by when its file was made. It goes when maintenance next has something to do, so not
        /// while nothing is written. Both times are the system's clock's; what is restored, or copied, is as old as the copy.
        age_max: Option<Duration>,
    },
    /// For tools that write to a database whose own program has its tables merged in a way that they do not know: tables stay as they are, but
    /// for the newest small ones. When there are more than `tables_max` of them that together are no larger than `memtable_bytes`,
    /// they become one, which takes their place.
    Newest,
}

/// Says of a key, its value and the time (nanoseconds since 1970) whether the value is still needed.
pub type KeepValue = fn(key: &[u8], value: &[u8], now_ns: u64) -> bool;

/// How to open a database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Make the directory and an empty database if there is none. Default: yes.
    pub create: bool,
    /// Read what is there and write nothing, not even a lock: a database that another process has open can be read as it was at the
    /// open. What its logs hold is kept in memory. Default: no.
    pub read_only: bool,
    /// Memory for new writes before they go to a table, in bytes. Default 16 MiB; at least 4 KiB.
    pub memtable_bytes: usize,
    /// Log bytes held back for [`WriteLevel::Buffered`] before they go to the system. Default 256 KiB; at most 64 MiB.
    pub log_buffer_bytes: usize,
    /// Largest step by which a log that is synced grows ahead of its end, in bytes: syncs of a file that keeps its length are
    /// several times faster. Default 1 MiB; at most 64 MiB. 0: logs grow as they are written, and no log takes over an
    /// older one's file.
    pub log_preallocate_bytes: usize,
    /// How tables become fewer. It may change from one open to the next. Default: leveled.
    pub compaction: Compaction,
    /// Tables at level 0 before they are merged into the next, 2 to 1000; fewer of them are merged too, by whoever does maintenance
    /// next, once reads have paid for a merge by looking at each. Default 8. While a merge runs there may be three times as
    /// many, then writers wait; from twice as many on they are slowed down.
    pub tables_max: usize,
    /// Size at which a merge starts a new table, in bytes, 16 KiB to 1 TiB. Default 32 MiB.
    pub table_bytes: u64,
    /// Size of the first level below 0, in bytes, at least 16 KiB; each further one is `level_factor` times as large. Default 128 MiB.
    pub level_bytes: u64,
    /// How much larger each level is than the one above, 2 to 100. Default 10: what is written once is rewritten about as often
    /// in each level, and dead entries take about a tenth of the space.
    pub level_factor: u64,
    /// The first level, 0 to 6, whose tables are compressed with LZ4; 7: none is. A block that would not get an eighth smaller
    /// is left as it is. Default 2.
    pub compressed_from: usize,
    /// Values of at least so many bytes lie in files of their own, which merges of tables do not rewrite: large values are then written
    /// twice, by the log and by the flush, and not again with each level, for up to twice the space when they are overwritten. A read
    /// of one looks at one more file. They are compressed if any level is. At least 16; 0: all values lie in tables. Default 0.
    pub separate_from: usize,
    /// Bytes that merges read in a second, roughly; 0: as many as they can. Default 0.
    pub merge_bytes_per_second: u64,
    /// Makes values of merge operands. Default: none, and then [`merge`](super::Db::merge) is refused.
    pub merge_operator: Option<MergeOperator>,
    /// Asked for each value that a merge of tables copies: false drops it. Which ones it gets to see, and when, is not said: it
    /// is for values that nobody may need any more, such as expired ones. Default: none.
    pub keep_value: Option<KeepValue>,
    /// Size that a table's block is closed at, in bytes, 64 to 1 MiB. Default 4 KiB.
    pub block_bytes: usize,
    /// Bits for each key in a table's filter, 0 (no filter) to 32. Default 10: about 1 % false positives.
    pub filter_bits_per_key: usize,
    /// Prefixes that filters know besides whole keys: a walk over keys of one prefix passes by tables without it. Tables that were written with
    /// another choice are walked as if there were none. Default: none.
    pub key_prefix: Option<KeyPrefix>,
    /// Bytes of index and filter from which a table has them in partitions, which are read when needed and lie in the cache, in place of
    /// memory for as long as the table is open. That costs a read one more look at the cache. 0: every table has. Default 1 MiB, a
    /// table of some 60 MB.
    pub partitioned_from: usize,
    /// Memory for table blocks that were read, in bytes. Default 32 MiB; 0 caches nothing.
    pub cache_bytes: usize,
    /// Who flushes and merges. Default: the writers.
    pub maintenance: Maintenance,
    /// Measure each read and write for [`timings`](super::Db::timings): two looks at the clock, for a read from the cache some
    /// percent of its time. Flushes, merges, stalls and syncs are always measured. Default: no.
    pub timings: bool,
    /// Tell [`events`](Self::events) of each read, write and sync that takes at least so long; they are then measured too. Default: of
    /// none.
    pub slow_after: Option<Duration>,
    /// Told what happens: flushes, merges, stalls, failures and slow calls. Default: nobody is.
    pub events: Option<EventHook>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            read_only: false,
            memtable_bytes: 16 << 20,
            log_buffer_bytes: 256 << 10,
            log_preallocate_bytes: 1 << 20,
            compaction: Compaction::Leveled,
            tables_max: 8,
            table_bytes: 32 << 20,
            level_bytes: 128 << 20,
            level_factor: 10,
            compressed_from: 2,
            separate_from: 0,
            merge_bytes_per_second: 0,
            merge_operator: None,
            keep_value: None,
            block_bytes: 4096,
            filter_bits_per_key: 10,
            key_prefix: None,
            partitioned_from: 1 << 20,
            cache_bytes: 32 << 20,
            maintenance: Maintenance::Inline,
            timings: false,
            slow_after: None,
            events: None,
        }
    }
}

impl Options {
    pub(super) fn check(&self) -> Result<()> {
        let complaint = if self.memtable_bytes < 4096 || self.memtable_bytes > 1 << 30 {
            "memtable_bytes must be 4 KiB to 1 GiB"
        } else if self.log_buffer_bytes > 64 << 20 {
            "log_buffer_bytes must be at most 64 MiB"
        } else if self.log_preallocate_bytes > 64 << 20 {
            "log_preallocate_bytes must be at most 64 MiB"
        } else if !(2..=1000).contains(&self.tables_max) {
            "tables_max must be 2 to 1000"
        } else if matches!(self.compaction, Compaction::Fifo { bytes_max: 0, .. }) {
            "bytes_max of a queue must be above 0"
        } else if !(16 << 10..=1 << 40).contains(&self.table_bytes) {
            "table_bytes must be 16 KiB to 1 TiB"
        } else if self.level_bytes < 16 << 10 {
            "level_bytes must be at least 16 KiB"
        } else if !(2..=100).contains(&self.level_factor) {
            "level_factor must be 2 to 100"
        } else if self.compressed_from > 7 {
            "compressed_from must be at most 7"
        } else if (1..16).contains(&self.separate_from) {
            "separate_from must be 0 or at least 16"
        } else if !(64..=1 << 20).contains(&self.block_bytes) {
            "block_bytes must be 64 to 1 MiB"
        } else if self.slow_after.is_some() && self.events.is_none() {
            "slow_after needs the option events, which is told of slow calls"
        } else if self.key_prefix.is_some_and(|prefix| !prefix.is_sensible()) {
            "key_prefix must have a length of 1 to 64 KiB"
        } else if self.key_prefix.is_some() && self.filter_bits_per_key == 0 {
            "key_prefix needs filters: set filter_bits_per_key above 0"
        } else if self.filter_bits_per_key > 32 {
            "filter_bits_per_key must be at most 32"
        } else {
            return Ok(());
        };
        Err(Error::Invalid(complaint))
    }
}

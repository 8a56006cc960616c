//! A durable, ordered key-value store in one directory, for one process.
//!
//! ```text
//!  write --> wal (group commit) --> memtable --flush--> tables --merge--> fewer tables
//!                                      ^                  ^
//!  get, scan --------------------------+------------------+   newest first
//!                         MANIFEST says which tables and logs count
//! ```
//! | part | what it is |
//! |---|---|
//! | `commit` | the protocol by which writers share one append and one sync, with its proof |
//! | `wal` | the log's format, and how a torn tail is told from damage |
//! | `memtable` | new writes in order: a list, and a tree of hints into it |
//! | `ranges`, `operands` | removed ranges of keys; writes that change a value without reading it |
//! | `table`, `filter`, `cache` | sorted files, and how little of them a read touches |
//! | `values` | large values in files of their own, and what becomes of dead ones |
//! | `read`, `iter`, `snapshot` | point reads, scans both ways and such as go on with new keys, the database as of one write |
//! | `version` | levels of tables, the manifest and the atomic switch to a new one |
//! | `keyspace`, `keyspaces` | separate maps in one database |
//! | `transaction` | reads and writes as if alone |
//! | `maintenance` | flush, clear, close |
//! | `keeper` | a thread that does it, and what writers wait for |
//! | `ingest` | sorted pairs straight into tables |
//! | `merging`, `compact` | merges beside them: which tables, and how the result comes in |
//! | `stats`, `watch` | counts, times and events, for whoever runs it |
//! | `recover`, `verify`, `repair` | opening after a crash; checking every byte; opening after damage |
//! | `checkpoint` | copies of the database in use, sharing its tables or not, and back from them |
//!
//! # Promises
//! - A write that returned at [`WriteLevel::Data`] or stronger survives a loss of power, one at [`WriteLevel::Os`] the end of the
//!   process. What survives is a prefix of history: no write without all before it.
//! - Damage is detected by checksums over every byte and reported with file and offset; it is never data. What damage to a log's very
//!   end can't be told from a write that power cut off stands in `FORMAT.md`.
//! - After a failed write or sync of the log, writes are refused ([`Error::Poisoned`]) until the database is reopened; reads
//!   go on, without those writes that were not acknowledged. A flush or merge that fails leaves everything as it was and is tried again.
//!
//! # Bounds
//! Two memtables ([`Maintenance::Caller`] and with a thread in [`Db::keep`]: four) of `memtable_bytes` and a batch, the log buffer, and `cache_bytes` for blocks, indexes and
//! filters; only if indexes and filters alone need more is that passed. A merge adds eight bytes a key of the table it writes.
//! Each open table has one file handle, and so has each values file. What a [`Scan`], [`Tail`] or [`Snapshot`] holds comes on top: tables and memtables, and 256 KiB of each level and table that is read
//! ahead of a scan. At level 0 there are at most three
//! times `tables_max` tables: a flush waits for no merge until there would be more, and then the writer that needs it does wait;
//! from twice as many on writes are slowed down. Writers wait for a flush when the next memtable is full too.
#![deny(unsafe_code)]

mod batch;
mod cache;
mod checkpoint;
mod commit;
mod compact;
mod directory;
mod entry;
mod error;
mod file_name;
mod filter;
#[cfg(fuzzing)]
pub mod fuzzing;
mod ingest;
mod iter;
mod keeper;
mod key_prefix;
mod keyspace;
mod keyspaces;
mod maintenance;
mod memtable;
mod merging;
mod operands;
mod options;
mod pins;
mod prefix;
mod ranges;
mod read;
mod rebuild;
mod recover;
mod repair;
mod shared;
mod snapshot;
mod stats;
mod table;
mod transaction;
mod values;
mod verify;
mod version;
mod visible;
mod wal;
mod watch;

pub use batch::Batch;
pub use checkpoint::restore;
pub use directory::{create_directory, rename_directory};
pub use error::{Corruption, Error, Result};
pub use file_name::FileName;
pub use iter::{Scan, Tail};
pub use key_prefix::KeyPrefix;
pub use keyspace::{KEYSPACE_NAME_BYTES_MAX, KEYSPACES_MAX, Keyspace, KeyspaceId};
pub use operands::MergeOperator;
pub use options::{
    BATCH_BYTES_MAX, Compaction, KEY_BYTES_MAX, KeepValue, Maintenance, Options, VALUE_BYTES_MAX,
    WriteLevel,
};
pub use repair::{RepairReport, repair};
pub use snapshot::Snapshot;
pub use stats::Stats;
pub use transaction::{Transaction, TransactionScan};
pub use verify::VerifyReport;
pub use watch::{Event, EventHook, Operation, Timing, Timings};

use crate::platform::Files;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use batch::SingleWrite;
use core::fmt;
use core::ops::Bound;
use core::time::Duration;
use shared::Shared;
use version::View;

/// An open database. Clones are the same one; all methods may be called from any thread.
pub struct Db<P: Files> {
    shared: Arc<Shared<P>>,
}

impl<P: Files> Clone for Db<P> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<P: Files> fmt::Debug for Db<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl<P: Files> Db<P> {
    /// Opens the database in `directory`, or makes one if there is none and the options allow it. The directory's parent must exist.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is open already; [`Error::NotADatabase`]; [`Error::Corrupt`]; [`Error::Format`]; [`Error::Invalid`] for
    /// options out of range; [`Error::Io`], also when there is no space to write what the logs hold to a table.
    pub fn open(platform: P, directory: &[u8], options: Options) -> Result<Self> {
        let shared = Arc::new(recover::open(platform, directory, options)?);
        Ok(Self { shared })
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Io`] from a table.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get_with(key, <[u8]>::to_vec)
    }

    /// Calls `read` with the value of `key`, in place: in the memtable or in a block of a table. No lock is held.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        self.shared.get_with(KeyspaceId::DEFAULT, key, read)
    }

    /// The values of several keys as of one moment.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Vec<u8>>>> {
        self.snapshot()?.multi_get(keys)
    }

    /// The database as it is now, for as long as the snapshot is kept.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn snapshot(&self) -> Result<Snapshot<P>> {
        let (view, sequence) = self.shared.snapshot()?;
        let operator = self.shared.options.merge_operator;
        Ok(Snapshot {
            view,
            sequence,
            operator,
        })
    }

    /// The keyspace of this name, which is made if there is none. The empty name is the default keyspace's.
    ///
    /// # Errors
    /// [`Error::Limit`] for a name too long or a keyspace too many; [`Error::Io`]; [`Error::Poisoned`]; [`Error::Closed`].
    pub fn keyspace(&self, name: &str) -> Result<Keyspace<P>> {
        let id = self.shared.keyspace(name)?;
        Ok(Keyspace {
            db: self.clone(),
            id,
            name: name.into(),
        })
    }

    /// The names of all keyspaces, the default one's first.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn keyspace_names(&self) -> Result<Vec<String>> {
        let (view, _) = self.shared.snapshot()?;
        Ok(view
            .trees
            .iter()
            .map(|tree| tree.name.as_ref().into())
            .collect())
    }

    /// Drops a keyspace with all its keys, atomically and durably.
    ///
    /// # Errors
    /// [`Error::NoKeyspace`]; [`Error::Invalid`] for the default one; else as [`keyspace`](Self::keyspace).
    pub fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.shared.drop_keyspace(keyspace)
    }

    /// Brings in many pairs at once, which must ascend by key: they go straight to tables, past the log and the memtable, and come in
    /// all together or not at all, as durable as at [`WriteLevel::Full`]. For a first load, or a large one. Says how many there were.
    ///
    /// Pairs replace what was written before the call, which is flushed for it also if the call then fails. Writes to the same keys while it
    /// goes on may count as later, or as earlier until a [`repair`](crate::db::repair()) without a manifest makes them later; locks of
    /// transactions are not looked at. While `pairs` is walked no lock is held, but [`close`](Self::close) waits for the walk. It takes eight bytes of memory a pair.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the keys do not ascend; [`Error::Limit`]; [`Error::Io`]: nothing came in, or, if the database is then
    /// poisoned, a new open tells; [`Error::Poisoned`]; [`Error::Closed`].
    pub fn ingest<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<u64> {
        self.shared.ingest(KeyspaceId::DEFAULT, pairs.into_iter())
    }

    /// Applies all writes of `batch`, or none. Returns when they are as safe as `level` says. Reads may see them a little
    /// earlier; after an error other than [`Error::Limit`] and `Poisoned`, a later open may or may not find them.
    ///
    /// # Errors
    /// [`Error::Io`] from the log, which also poisons the database, or from a flush that had to make room, which
    /// leaves the batch unapplied; [`Error::Poisoned`]; [`Error::Closed`].
    pub fn write(&self, batch: &Batch, level: WriteLevel) -> Result<()> {
        self.shared.write(batch.writes(), level)
    }

    /// Gives `key` the value `value`.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Limit`].
    pub fn put(&self, key: &[u8], value: &[u8], level: WriteLevel) -> Result<()> {
        let write = SingleWrite::put(key, value)?;
        self.shared.write(write.writes(), level)
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove(&self, key: &[u8], level: WriteLevel) -> Result<()> {
        let write = SingleWrite::remove(key)?;
        self.shared.write(write.writes(), level)
    }

    /// Removes all keys from `start` up to but without `end`: one write, however many there are.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove_range(&self, start: &[u8], end: &[u8], level: WriteLevel) -> Result<()> {
        let mut batch = Batch::new();
        batch.remove_range(start, end)?;
        self.write(&batch, level)
    }

    /// Merges `operand` into the value of `key` by the option's merge operator, when somebody reads it.
    ///
    /// # Errors
    /// As [`put`](Self::put); [`Error::Invalid`] without an operator.
    pub fn merge(&self, key: &[u8], operand: &[u8], level: WriteLevel) -> Result<()> {
        let mut batch = Batch::new();
        batch.merge(key, operand)?;
        self.write(&batch, level)
    }

    /// Gives `key` the value `new`, or removes it, if it has the value `expected`, or none; says whether it did.
    ///
    /// # Errors
    /// As [`put`](Self::put) and [`get`](Self::get).
    pub fn compare_and_set(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
        level: WriteLevel,
    ) -> Result<bool> {
        let mut batch = Batch::new();
        match new {
            Some(value) => batch.put(key, value)?,
            None => batch.remove(key)?,
        }
        let operator = self.shared.options.merge_operator;
        let condition = |view: &View<P>, sequence| {
            let tree = view.tree(KeyspaceId::DEFAULT)?;
            let same = |value: &[u8]| Some(value) == expected;
            let found = read::get_with(tree, sequence, operator, key, same)?;
            Ok(found.unwrap_or(expected.is_none()))
        };
        let writes = batch.writes();
        self.shared.write_if(writes, level, Some(condition))
    }

    /// Begins a transaction that takes no locks: it finds out when it commits whether another was first.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn transaction(&self) -> Result<Transaction<P>> {
        Transaction::new(self, None)
    }

    /// Begins a transaction that locks what it writes and reads for update, and waits so long for each lock.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn locking_transaction(&self, lock_timeout: Duration) -> Result<Transaction<P>> {
        Transaction::new(self, Some(lock_timeout))
    }

    /// Returns when everything written before is at least as safe as `level` says.
    ///
    /// # Errors
    /// [`Error::Io`], which poisons the database; [`Error::Poisoned`].
    pub fn sync(&self, level: WriteLevel) -> Result<()> {
        self.shared.sync(level)
    }

    /// Walks the keys from `start` to `end` as they are now, from either end.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Scan<P>> {
        self.shared.scan(KeyspaceId::DEFAULT, start, end)
    }

    /// Walks the keys from `start` to `end` in order, and goes on with those that are written behind: see [`Tail`].
    #[must_use]
    pub fn tail(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Tail<P> {
        Tail::new(self.shared.clone(), KeyspaceId::DEFAULT, start, end)
    }

    /// Walks the keys that start with `prefix`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan_prefix(&self, prefix: &[u8]) -> Result<Scan<P>> {
        let mut after = prefix.to_vec();
        while after.last() == Some(&u8::MAX) {
            after.pop();
        }
        let end = match after.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(&after[..])
            }
            None => Bound::Unbounded,
        };
        self.scan(Bound::Included(prefix), end)
    }

    /// Drops all keys of all keyspaces, atomically and durably. Waits for no merge: one that runs stops soon.
    ///
    /// # Errors
    /// [`Error::Io`]: nothing is dropped, or, if the database is then poisoned, a new open tells.
    pub fn clear(&self) -> Result<()> {
        self.shared.clear()
    }

    /// Moves what is in memory to a table. Waits for a running merge only if there are three times `tables_max` tables.
    /// With [`Maintenance::Caller`], merging is left to [`maintain`](Self::maintain).
    ///
    /// # Errors
    /// [`Error::Io`]: nothing is lost and the next call tries again.
    pub fn flush(&self) -> Result<()> {
        self.shared.flush()
    }

    /// Flushes, and merges all tables of each keyspace into its last level: nothing that is dead is left on disk. Of a queue
    /// ([`Compaction::Fifo`]) it drops what is over its bounds.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn compact(&self) -> Result<()> {
        self.shared.flush()?;
        self.shared.compact()
    }

    /// Whether [`maintain`](Self::maintain) has something to do; not for some seconds after it failed.
    #[must_use]
    pub fn maintenance_needed(&self) -> bool {
        self.shared.maintenance_needed()
    }

    /// Flushes a full memtable and merges tables, if needed. A merge on another thread is not waited for.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn maintain(&self) -> Result<()> {
        self.shared.maintain(false)
    }

    /// Does maintenance as it becomes needed, until [`close`](Self::close) or [`dismiss_keepers`](Self::dismiss_keepers): for a thread
    /// of its own. While a thread is in here, writers leave flushes and merges to it, and are slowed down, then held up, if they
    /// are faster. A failure shows in the writes that need room, and is tried again.
    pub fn keep(&self) {
        self.shared.keep();
    }

    /// Has the threads in [`keep`](Self::keep) return soon, also from the middle of a merge, which is then begun anew later, and those
    /// that come into it later at once. Writers do the maintenance themselves from then on.
    pub fn dismiss_keepers(&self) {
        self.shared.dismiss_keepers();
    }

    /// Whether writes are refused until the database is reopened.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.commit.lock().refusal == Some(commit::Refusal::Poisoned)
    }

    /// Reads all files and checks every byte of them; of a database that was opened for reading alone, its tables and their values.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first damage found; [`Error::Io`]; [`Error::Poisoned`]: a new open does the checking then.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.shared.verify()
    }

    /// Makes a copy of the database as it is now in `directory`, which must be new or empty: a database of its own that shares the
    /// tables' space as long as neither changes them. Writes go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Invalid`]: there is no checkpoint then, and what was made of it is removed.
    pub fn checkpoint(&self, directory: &[u8]) -> Result<()> {
        self.shared.checkpoint(directory)
    }

    /// Makes a backup in `directory`, which must be new or empty: a database of its own that shares no bytes with this one, its tables
    /// checked before they are copied. Tables that the earlier backup `base` has are shared with that. Writes go on meanwhile.
    /// See [`restore`].
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a damaged table; [`Error::Invalid`] also for a base of another database; else as
    /// [`checkpoint`](Self::checkpoint).
    pub fn backup(&self, directory: &[u8], base: Option<&[u8]>) -> Result<()> {
        self.shared.backup(directory, base)
    }

    /// Counts and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// How long calls and maintenance took so far.
    #[must_use]
    pub fn timings(&self) -> Timings {
        self.shared.timings()
    }

    /// How many keys there are, roughly.
    #[must_use]
    pub fn estimated_keys(&self) -> u64 {
        self.shared.estimated_keys()
    }

    /// Makes everything durable and gives the directory free. A running merge stops soon and is waited for. Other handles then
    /// get [`Error::Closed`]; scans go on. Dropping the last handle instead hands buffered writes to the system and syncs nothing.
    ///
    /// # Errors
    /// As [`sync`](Self::sync); the directory is free also after such an error.
    pub fn close(self) -> Result<()> {
        self.shared.close()
    }
}

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
//! | `memtable` | the skip list of new writes |
//! | `table`, `filter`, `cache` | sorted files, and how little of them a read touches |
//! | `version` | the manifest and the atomic switch to a new one |
//! | `maintenance` | flush, clear, close |
//! | `merging`, `compact` | merges beside them: which tables, and how the result comes in |
//! | `recover`, `verify` | opening after a crash; checking every byte |
//!
//! # Promises
//! - A write that returned at [`WriteLevel::Data`] or stronger survives a loss of power, one at [`WriteLevel::Os`] the end of the
//!   process. What survives is a prefix of history: no write without all before it.
//! - Damage is detected by checksums over every byte and reported with file and offset; it is never data. What damage to a log's very
//!   end can't be told from a write that power cut off stands in `FORMAT.md`.
//! - After a failed write or sync of the log, writes are refused ([`Error::Poisoned`]) until the database is reopened; reads
//!   go on. A flush or merge that fails leaves everything as it was and is tried again.
//!
//! # Bounds
//! Two memtables ([`Maintenance::Caller`]: four) of `memtable_bytes` and a batch, the log buffer, the block cache, an index and a
//! filter for each table; a merge adds eight bytes a key. Each open table has one file handle. What a [`Scan`] holds comes on top.
//! There are at most three times `tables_max` tables: a flush waits for no merge until there would be more, and then the writer
//! that needs it does wait. Writers wait for a flush when the next memtable is full too.
//!
//! # Not here
//! Transactions, snapshots as objects, compression, repair, levels of small tables: a run is one table.
#![deny(unsafe_code)]

mod batch;
mod cache;
mod commit;
mod compact;
mod directory;
mod entry;
mod error;
mod file_name;
mod filter;
#[cfg(fuzzing)]
pub mod fuzzing;
mod iter;
mod maintenance;
mod memtable;
mod merging;
mod options;
mod recover;
mod shared;
mod stats;
mod table;
mod verify;
mod version;
mod wal;

pub use batch::Batch;
pub use error::{Corruption, Error, Result};
pub use file_name::FileName;
pub use iter::Scan;
pub use options::{
    BATCH_BYTES_MAX, KEY_BYTES_MAX, Maintenance, Options, VALUE_BYTES_MAX, WriteLevel,
};
pub use stats::Stats;
pub use verify::VerifyReport;

use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;
use shared::Shared;

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
        let (view, sequence) = self.shared.snapshot()?;
        for memtable in core::iter::once(&view.active).chain(&view.frozen) {
            if let Some(found) = memtable.get(key, sequence) {
                return Ok(found.map(read));
            }
        }
        for table in &view.version.tables {
            if let Some(found) = table.get(key)? {
                return Ok(found.value().map(read));
            }
        }
        Ok(None)
    }

    /// Applies all writes of `batch`, or none. Returns when they are as safe as `level` says. Reads may see them a little
    /// earlier; after an error other than [`Error::Limit`] and `Poisoned`, a later open may or may not find them.
    ///
    /// # Errors
    /// [`Error::Io`] from the log, which also poisons the database, or from a flush that had to make room, which
    /// leaves the batch unapplied; [`Error::Poisoned`]; [`Error::Closed`].
    pub fn write(&self, batch: &Batch, level: WriteLevel) -> Result<()> {
        self.shared.write(batch, level)
    }

    /// Gives `key` the value `value`.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::Limit`].
    pub fn put(&self, key: &[u8], value: &[u8], level: WriteLevel) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(key, value)?;
        self.write(&batch, level)
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove(&self, key: &[u8], level: WriteLevel) -> Result<()> {
        let mut batch = Batch::new();
        batch.remove(key)?;
        self.write(&batch, level)
    }

    /// Returns when everything written before is at least as safe as `level` says.
    ///
    /// # Errors
    /// [`Error::Io`], which poisons the database; [`Error::Poisoned`].
    pub fn sync(&self, level: WriteLevel) -> Result<()> {
        self.shared.sync(level)
    }

    /// Walks the keys from `start` to `end` as they are now.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Scan<P>> {
        let (view, sequence) = self.shared.snapshot()?;
        Scan::new(&view, sequence, start, end)
    }

    /// Drops all keys, atomically and durably. Waits for no merge: one that runs stops soon.
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
        self.shared.maintain()
    }

    /// Whether writes are refused until the database is reopened.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.commit.lock().refusal == Some(commit::Refusal::Poisoned)
    }

    /// Reads all files and checks every byte of them.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first damage found; [`Error::Io`]; [`Error::Poisoned`]: a new open does the checking then.
    pub fn verify(&self) -> Result<VerifyReport> {
        self.shared.verify()
    }

    /// Counts and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
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
    /// As [`sync`](Self::sync); the directory is free also after an error of the sync.
    pub fn close(self) -> Result<()> {
        self.shared.close()
    }
}

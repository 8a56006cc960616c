//! The database with `std`'s types around it.
#![forbid(unsafe_code)]

use super::ancestors::create_directories;
use super::batch::Batch;
use super::error::io_error;
use super::keeper::Keeper;
use super::keyspace::Keyspace;
use super::options::OpenOptions;
use super::range::{KeyRange, Prefix};
use super::scan::{Scan, Tail};
use super::snapshot::Snapshot;
use super::transaction::Transaction;
use crate::sys::{Native, native, path_bytes};
use core::time::Duration;
use std::io;
use std::path::Path;
use std::sync::Arc;
use underpin_core::db::{self, KeyspaceId, Stats, Timings, VerifyReport, WriteLevel};

/// An open database. Clones are the same one; all methods may be called from any thread.
#[derive(Clone, Debug)]
pub struct Db {
    core: db::Db<Native>,
    level: WriteLevel,
    /// Held so that the thread ends with the last handle.
    _keeper: Option<Arc<Keeper>>,
}

impl Db {
    /// Opens the database in `directory`, or makes it, with the defaults.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(directory: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().open(directory)
    }

    pub(super) fn open_with(directory: &Path, options: OpenOptions) -> io::Result<Self> {
        if options.options.create
            && !options.options.read_only
            && let Some(parent) = directory.parent()
            && !parent.as_os_str().is_empty()
        {
            create_directories(parent)?;
        }
        let kept = options.background && !options.options.read_only;
        let core =
            db::Db::open(native(), path_bytes(directory), options.options).map_err(io_error)?;
        Ok(Self {
            _keeper: kept.then(|| Keeper::start(&core)).flatten().map(Arc::new),
            core,
            level: options.level,
        })
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// `InvalidData` for damage, or what the system says.
    pub fn get(&self, key: impl AsRef<[u8]>) -> io::Result<Option<Vec<u8>>> {
        self.core.get(key.as_ref()).map_err(io_error)
    }

    /// Calls `read` with the value of `key`, without copying it.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with<R>(
        &self,
        key: impl AsRef<[u8]>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> io::Result<Option<R>> {
        self.core.get_with(key.as_ref(), read).map_err(io_error)
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> io::Result<bool> {
        Ok(self.get_with(key, |_| ())?.is_some())
    }

    /// Gives `key` the value `value`.
    ///
    /// # Errors
    /// `InvalidInput` for a key or value over the limit, or what the system says.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> io::Result<()> {
        self.core
            .put(key.as_ref(), value.as_ref(), self.level)
            .map_err(io_error)
    }

    /// As [`put`](Self::put).
    ///
    /// # Errors
    /// As `put`.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> io::Result<()> {
        self.put(key, value)
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove(&self, key: impl AsRef<[u8]>) -> io::Result<()> {
        self.core.remove(key.as_ref(), self.level).map_err(io_error)
    }

    /// Removes all keys from `start` up to but without `end`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove_range(&self, start: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> io::Result<()> {
        self.core
            .remove_range(start.as_ref(), end.as_ref(), self.level)
            .map_err(io_error)
    }

    /// Merges `operand` into the value of `key` by the options' merge operator.
    ///
    /// # Errors
    /// As [`put`](Self::put), and `InvalidInput` without an operator.
    pub fn merge(&self, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) -> io::Result<()> {
        self.core
            .merge(key.as_ref(), operand.as_ref(), self.level)
            .map_err(io_error)
    }

    /// Gives `key` the value `new`, or removes it, if it has the value `expected`, or none; says whether it did.
    ///
    /// # Errors
    /// As [`put`](Self::put) and [`get`](Self::get).
    pub fn compare_and_set(
        &self,
        key: impl AsRef<[u8]>,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> io::Result<bool> {
        self.core
            .compare_and_set(key.as_ref(), expected, new, self.level)
            .map_err(io_error)
    }

    /// The values of several keys as of one moment.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> io::Result<Vec<Option<Vec<u8>>>> {
        self.core.multi_get(keys).map_err(io_error)
    }

    /// The database as it is now, for as long as the snapshot is kept.
    ///
    /// # Errors
    /// If the database was closed.
    pub fn snapshot(&self) -> io::Result<Snapshot> {
        self.core.snapshot().map(Snapshot).map_err(io_error)
    }

    /// The keyspace of this name, which is made if there is none.
    ///
    /// # Errors
    /// `InvalidInput` for a name too long or a keyspace too many, or what the system says.
    pub fn keyspace(&self, name: &str) -> io::Result<Keyspace> {
        let core = self.core.keyspace(name).map_err(io_error)?;
        let level = self.level;
        Ok(Keyspace { core, level })
    }

    /// Drops a keyspace, given as `&Keyspace` or its number, with all its keys.
    ///
    /// # Errors
    /// `NotFound` if there is none, `InvalidInput` for the default one, or what the system says.
    pub fn drop_keyspace(&self, keyspace: impl Into<KeyspaceId>) -> io::Result<()> {
        self.core.drop_keyspace(keyspace.into()).map_err(io_error)
    }

    /// Begins a transaction that finds out when it commits whether another was first.
    ///
    /// # Errors
    /// If the database was closed.
    pub fn transaction(&self) -> io::Result<Transaction> {
        let core = self.core.transaction().map_err(io_error)?;
        let level = self.level;
        Ok(Transaction { core, level })
    }

    /// Begins a transaction that locks what it writes and reads for update, and waits so long for each lock.
    ///
    /// # Errors
    /// If the database was closed.
    pub fn locking_transaction(&self, lock_timeout: Duration) -> io::Result<Transaction> {
        let core = self.core.locking_transaction(lock_timeout);
        let (core, level) = (core.map_err(io_error)?, self.level);
        Ok(Transaction { core, level })
    }

    /// Makes a copy of the database as it is now in a new directory.
    ///
    /// # Errors
    /// What the system says; nothing is left of the copy.
    pub fn checkpoint(&self, directory: impl AsRef<Path>) -> io::Result<()> {
        self.core
            .checkpoint(path_bytes(directory.as_ref()))
            .map_err(io_error)
    }

    /// Makes a backup of the database as it is now in a new directory. It shares no bytes with the database, but tables with the
    /// earlier backup `base`, as far as they are the same.
    ///
    /// # Errors
    /// `InvalidData` for a damaged table, `InvalidInput` for a base of another database, and what the system says; nothing is
    /// left of the backup.
    pub fn backup(&self, directory: impl AsRef<Path>, base: Option<&Path>) -> io::Result<()> {
        self.core
            .backup(path_bytes(directory.as_ref()), base.map(path_bytes))
            .map_err(io_error)
    }

    /// Brings in many pairs at once, which must ascend by key: straight into tables, all together or not at all, and durable. For a
    /// first load, or a large one. Says how many there were.
    ///
    /// # Errors
    /// `InvalidInput` if the keys do not ascend or something is too large; what the system says: nothing came in.
    pub fn ingest<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> io::Result<u64> {
        self.core.ingest(pairs).map_err(io_error)
    }

    /// Merges all tables: what was removed or overwritten leaves the disk.
    ///
    /// # Errors
    /// What the system says; nothing is lost.
    pub fn compact(&self) -> io::Result<()> {
        self.core.compact().map_err(io_error)
    }

    /// Applies all writes of `batch`, or none.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn write(&self, batch: &Batch) -> io::Result<()> {
        self.write_with(batch, self.level)
    }

    /// As [`write`](Self::write), and says how safe the writes are to be.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn write_with(&self, batch: &Batch, level: WriteLevel) -> io::Result<()> {
        self.core.write(batch.as_core(), level).map_err(io_error)
    }

    /// Everything written before survives a loss of power once this returns.
    ///
    /// # Errors
    /// What the system says; writes are then refused until the database is opened anew.
    pub fn persist(&self) -> io::Result<()> {
        self.sync(WriteLevel::Full)
    }

    /// Everything written before is at least as safe as `level` says once this returns.
    ///
    /// # Errors
    /// As [`persist`](Self::persist).
    pub fn sync(&self, level: WriteLevel) -> io::Result<()> {
        self.core.sync(level).map_err(io_error)
    }

    /// Walks the keys of `range`, as they are now, in order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&self, range: impl KeyRange) -> io::Result<Scan> {
        let (start, end) = range.bounds();
        self.core.scan(start, end).map(Scan).map_err(io_error)
    }

    /// Walks the keys of `range` in order, and goes on with those that are written behind: see [`Tail`].
    #[must_use]
    pub fn tail(&self, range: impl KeyRange) -> Tail {
        let (start, end) = range.bounds();
        Tail(self.core.tail(start, end))
    }

    /// Walks the keys that start with `prefix`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> io::Result<Scan> {
        self.scan(Prefix::new(prefix.as_ref()))
    }

    /// Drops all keys, atomically and durably.
    ///
    /// # Errors
    /// What the system says.
    pub fn clear(&self) -> io::Result<()> {
        self.core.clear().map_err(io_error)
    }

    /// Moves what is in memory to a table.
    ///
    /// # Errors
    /// What the system says; nothing is lost.
    pub fn flush(&self) -> io::Result<()> {
        self.core.flush().map_err(io_error)
    }

    /// Reads all files and checks every byte of them.
    ///
    /// # Errors
    /// `InvalidData` with file and offset for the first damage.
    pub fn verify(&self) -> io::Result<VerifyReport> {
        self.core.verify().map_err(io_error)
    }

    /// Counts and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// How long calls and maintenance took so far.
    #[must_use]
    pub fn timings(&self) -> Timings {
        self.core.timings()
    }

    /// How many keys there are, roughly.
    #[must_use]
    pub fn estimated_keys(&self) -> u64 {
        self.core.estimated_keys()
    }

    /// The core's database, for code that is generic over platforms.
    #[must_use]
    pub const fn as_core(&self) -> &db::Db<Native> {
        &self.core
    }

    /// Makes everything durable and gives the directory free, also when other handles are left.
    ///
    /// # Errors
    /// What the system says.
    pub fn close(self) -> io::Result<()> {
        self.core.close().map_err(io_error)
    }
}

/// Makes the database that a backup or checkpoint holds in a new directory. Every table is checked on the way.
///
/// # Errors
/// `InvalidData` for damage, `NotFound` if there is no backup, and what the system says; nothing is left of the new directory.
pub fn restore(backup: impl AsRef<Path>, directory: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (path_bytes(backup.as_ref()), path_bytes(directory.as_ref()));
    db::restore(native(), from, to).map_err(io_error)
}

//! Reads and writes as if alone.
#![forbid(unsafe_code)]

use super::error::io_error;
use super::range::KeyRange;
use super::scan::TransactionScan;
use crate::sys::Native;
use std::io;
use underpin_core::db::{self, KeyspaceId, WriteLevel};

/// Reads and writes as if nobody else wrote meanwhile. Dropped without [`commit`](Self::commit), it has done nothing.
///
/// ```
/// use std::io::{self, ErrorKind};
/// use underpin::kv::Db;
///
/// fn increment(db: &Db, key: &str) -> io::Result<u64> {
///     loop {
///         let mut transaction = db.transaction()?;
///         let old = transaction.get(key)?.map_or(0, |bytes| bytes.len() as u64);
///         transaction.put(key, vec![b'|'; old as usize + 1])?;
///         match transaction.commit() {
///             Ok(()) => return Ok(old + 1),
///             Err(error) if error.kind() == ErrorKind::WouldBlock => {} // another was first
///             Err(error) => return Err(error),
///         }
///     }
/// }
/// # fn main() -> io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("underpin-transaction-{}", std::process::id()));
/// # let db = Db::open(&directory)?;
/// assert_eq!(increment(&db, "visits")?, 1);
/// assert_eq!(increment(&db, "visits")?, 2);
/// # db.close()?;
/// # std::fs::remove_dir_all(directory)
/// # }
/// ```
#[derive(Debug)]
pub struct Transaction {
    pub(super) core: db::Transaction<Native>,
    pub(super) level: WriteLevel,
}

impl Transaction {
    /// Turns to another keyspace, by `&Keyspace` or its number, for what follows; at first it is the default one.
    pub fn select(&mut self, keyspace: impl Into<KeyspaceId>) -> &mut Self {
        self.core.select(keyspace.into());
        self
    }

    /// The value of `key`: as the transaction wrote it, or as it was when the transaction began.
    ///
    /// # Errors
    /// `InvalidData` for damage, `NotFound` if the keyspace was not there, or what the system says.
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> io::Result<Option<Vec<u8>>> {
        self.core.get(key.as_ref()).map_err(io_error)
    }

    /// As [`get`](Self::get); a [locking transaction](super::Db::locking_transaction) takes the key's lock first and, if it had not
    /// read the key, gets the value as it is by then.
    ///
    /// # Errors
    /// As `get`, and `WouldBlock` if the lock is not to be had in time.
    pub fn get_for_update(&mut self, key: impl AsRef<[u8]>) -> io::Result<Option<Vec<u8>>> {
        self.core.get_for_update(key.as_ref()).map_err(io_error)
    }

    /// Gives `key` the value `value` when the transaction commits.
    ///
    /// # Errors
    /// `InvalidInput` for a key or value over the limit; `WouldBlock` if a locking transaction does not get the key's lock in time.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> io::Result<()> {
        self.core
            .put(key.as_ref(), value.as_ref())
            .map_err(io_error)
    }

    /// Removes `key` when the transaction commits.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> io::Result<()> {
        self.core.remove(key.as_ref()).map_err(io_error)
    }

    /// Walks the keys of `range` in order, the transaction's own writes among them.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&mut self, range: impl KeyRange) -> io::Result<TransactionScan<'_>> {
        let (start, end) = range.bounds();
        let scan = self.core.scan(start, end);
        scan.map(TransactionScan).map_err(io_error)
    }

    /// Remembers the writes so far, for [`rollback_to_savepoint`](Self::rollback_to_savepoint). They nest.
    pub fn savepoint(&mut self) {
        self.core.savepoint();
    }

    /// Takes back what was written since the last savepoint, which is then gone. Reads and locks stay. False if there was none.
    pub fn rollback_to_savepoint(&mut self) -> bool {
        self.core.rollback_to_savepoint()
    }

    /// Applies the writes, if everything that was read is still as it was read, as safely as the [`Db`](super::Db) does.
    ///
    /// # Errors
    /// `WouldBlock` if it is not: nothing was written, and the caller may begin anew. `InvalidInput` for more writes than a batch
    /// holds; or what the system says.
    pub fn commit(self) -> io::Result<()> {
        let level = self.level;
        self.commit_with(level)
    }

    /// As [`commit`](Self::commit), and says how safe the writes are to be.
    ///
    /// # Errors
    /// As `commit`.
    pub fn commit_with(self, level: WriteLevel) -> io::Result<()> {
        self.core.commit(level).map_err(io_error)
    }

    /// Ends the transaction without a trace.
    pub fn rollback(self) {}
}

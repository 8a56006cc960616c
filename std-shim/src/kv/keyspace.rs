//! One of the maps of a database.
#![forbid(unsafe_code)]

use super::error::io_error;
use super::range::{KeyRange, Prefix};
use super::scan::{Scan, Tail};
use crate::sys::Native;
use std::io;
use underpin_core::db::{self, KeyspaceId, WriteLevel};

/// One of the ordered maps of a database, by [`Db::keyspace`](super::Db::keyspace). Its writes are as safe as those of the [`Db`](super::Db)
/// that it is of. After the keyspace was dropped, calls say `NotFound`.
///
/// ```
/// use underpin::kv::{Batch, Db};
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("underpin-keyspace-{}", std::process::id()));
/// let db = Db::open(&directory)?;
/// let users = db.keyspace("users")?;
/// users.put("bob", "1")?;
/// // Both maps at once, or neither.
/// let mut batch = Batch::new();
/// batch.put("users", "2")?;
/// batch.select(&users).put("eve", "2")?;
/// db.write(&batch)?;
/// assert_eq!(users.scan_prefix("e")?.count(), 1);
/// # db.close()?;
/// # std::fs::remove_dir_all(directory)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Keyspace {
    pub(super) core: db::Keyspace<Native>,
    pub(super) level: WriteLevel,
}

impl From<&Keyspace> for KeyspaceId {
    fn from(keyspace: &Keyspace) -> Self {
        keyspace.id()
    }
}

impl Keyspace {
    /// Its number, which is never used again.
    #[must_use]
    pub const fn id(&self) -> KeyspaceId {
        self.core.id()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// `InvalidData` for damage, `NotFound` if the keyspace was dropped, or what the system says.
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
    /// `InvalidInput` for a key or value over the limit, `NotFound` if the keyspace was dropped, or what the system says.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> io::Result<()> {
        self.core
            .put(key.as_ref(), value.as_ref(), self.level)
            .map_err(io_error)
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

    /// Brings in many pairs at once, as [`Db::ingest`](super::Db::ingest) does.
    ///
    /// # Errors
    /// As there, and `NotFound` if the keyspace was dropped.
    pub fn ingest<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> io::Result<u64> {
        self.core.ingest(pairs).map_err(io_error)
    }

    /// Walks the keys of `range`, as they are now, in order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&self, range: impl KeyRange) -> io::Result<Scan> {
        let (start, end) = range.bounds();
        self.core.scan(start, end).map(Scan).map_err(io_error)
    }

    /// Walks the keys that start with `prefix`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> io::Result<Scan> {
        self.scan(Prefix::new(prefix.as_ref()))
    }

    /// Walks the keys of `range` in order, and goes on with those that are written behind: see [`Tail`].
    #[must_use]
    pub fn tail(&self, range: impl KeyRange) -> Tail {
        let (start, end) = range.bounds();
        Tail(self.core.tail(start, end))
    }

    /// The core's keyspace, for code that is generic over platforms.
    #[must_use]
    pub const fn as_core(&self) -> &db::Keyspace<Native> {
        &self.core
    }
}

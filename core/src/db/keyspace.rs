//! Keyspaces: separate ordered maps in one database, which share its log and so its batches.
#![forbid(unsafe_code)]

use super::Db;
use super::batch::Batch;
use super::error::Result;
use super::iter::{Scan, Tail};
use super::options::WriteLevel;
use crate::platform::Files;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

/// Most keyspaces of a database, the default one included.
pub const KEYSPACES_MAX: usize = 256;
/// Longest name in bytes.
pub const KEYSPACE_NAME_BYTES_MAX: usize = 255;

/// A keyspace's number: never used again once the keyspace is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub(super) u32);

impl KeyspaceId {
    /// The keyspace that every database has and that the methods of [`Db`] work on.
    pub const DEFAULT: Self = Self(0);
}

/// One keyspace of an open database. All methods may be called from any thread; after the keyspace was dropped they say
/// [`NoKeyspace`](super::Error::NoKeyspace).
#[derive(Clone, Debug)]
pub struct Keyspace<P: Files> {
    pub(super) db: Db<P>,
    pub(super) id: KeyspaceId,
    pub(super) name: String,
}

impl<P: Files> Keyspace<P> {
    /// For [`Batch::select`].
    #[must_use]
    pub const fn id(&self) -> KeyspaceId {
        self.id
    }

    /// Its name; empty for the default one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`Db::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get_with(key, <[u8]>::to_vec)
    }

    /// As [`Db::get_with`].
    ///
    /// # Errors
    /// As there.
    pub fn get_with<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        self.db.shared.get_with(self.id, key, read)
    }

    /// As [`Db::scan`].
    ///
    /// # Errors
    /// As there.
    pub fn scan(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Scan<P>> {
        self.db.shared.scan(self.id, start, end)
    }

    /// As [`Db::tail`].
    #[must_use]
    pub fn tail(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Tail<P> {
        Tail::new(self.db.shared.clone(), self.id, start, end)
    }

    /// As [`Db::put`].
    ///
    /// # Errors
    /// As there.
    pub fn put(&self, key: &[u8], value: &[u8], level: WriteLevel) -> Result<()> {
        self.write(level, |batch| batch.put(key, value))
    }

    /// As [`Db::ingest`].
    ///
    /// # Errors
    /// As there, and [`NoKeyspace`](super::Error::NoKeyspace).
    pub fn ingest<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<u64> {
        self.db.shared.ingest(self.id, pairs.into_iter())
    }

    /// As [`Db::remove`].
    ///
    /// # Errors
    /// As there.
    pub fn remove(&self, key: &[u8], level: WriteLevel) -> Result<()> {
        self.write(level, |batch| batch.remove(key))
    }

    /// As [`Db::remove_range`].
    ///
    /// # Errors
    /// As there.
    pub fn remove_range(&self, start: &[u8], end: &[u8], level: WriteLevel) -> Result<()> {
        self.write(level, |batch| batch.remove_range(start, end))
    }

    /// As [`Db::merge`].
    ///
    /// # Errors
    /// As there.
    pub fn merge(&self, key: &[u8], operand: &[u8], level: WriteLevel) -> Result<()> {
        self.write(level, |batch| batch.merge(key, operand))
    }

    fn write(&self, level: WriteLevel, fill: impl FnOnce(&mut Batch) -> Result<()>) -> Result<()> {
        let mut batch = Batch::new();
        batch.select(self.id);
        fill(&mut batch)?;
        self.db.write(&batch, level)
    }
}

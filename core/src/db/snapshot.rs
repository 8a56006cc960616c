//! Snapshots: the whole database as of one write.
//!
//! A snapshot keeps the memtables and tables of its moment, and the number of the last write before it. Merges drop what newer
//! writes hide without asking for snapshots: the tables that a snapshot still needs stay on disk until it is dropped. So a snapshot
//! costs writers nothing, and whoever keeps one pays in space.
#![forbid(unsafe_code)]

use super::error::Result;
use super::iter::Scan;
use super::keyspace::KeyspaceId;
use super::operands::MergeOperator;
use super::read;
use super::version::View;
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;

/// The database as it was when [`Db::snapshot`](super::Db::snapshot) was called. Clones are the same one. It does not keep the database
/// open, and can be read after it was closed.
pub struct Snapshot<P: Files> {
    pub(super) view: Arc<View<P>>,
    pub(super) sequence: u64,
    pub(super) operator: Option<MergeOperator>,
}

impl<P: Files> Clone for Snapshot<P> {
    fn clone(&self) -> Self {
        Self {
            view: self.view.clone(),
            ..*self
        }
    }
}

impl<P: Files> fmt::Debug for Snapshot<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl<P: Files> Snapshot<P> {
    /// The number of the last write that it sees.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The value of `key` in the default keyspace.
    ///
    /// # Errors
    /// As [`Db::get`](super::Db::get).
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get_in(KeyspaceId::DEFAULT, key)
    }

    /// The values of several keys in the default keyspace. They are looked for in order, and blocks that lie close are read together.
    ///
    /// # Errors
    /// As [`Db::get`](super::Db::get).
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Vec<u8>>>> {
        self.multi_get_in(KeyspaceId::DEFAULT, keys)
    }

    /// The values of several keys in a keyspace.
    ///
    /// # Errors
    /// As [`Db::get`](super::Db::get), and [`NoKeyspace`](super::Error::NoKeyspace).
    pub fn multi_get_in<K: AsRef<[u8]>>(
        &self,
        keyspace: KeyspaceId,
        keys: &[K],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let tree = self.view.tree(keyspace)?;
        read::get_many(tree, self.sequence, self.operator, keys)
    }

    /// The value of `key` in a keyspace.
    ///
    /// # Errors
    /// As [`Db::get`](super::Db::get), and [`NoKeyspace`](super::Error::NoKeyspace).
    pub fn get_in(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let tree = self.view.tree(keyspace)?;
        read::get_with(tree, self.sequence, self.operator, key, <[u8]>::to_vec)
    }

    /// Walks the keys of the default keyspace.
    ///
    /// # Errors
    /// As [`Db::scan`](super::Db::scan).
    pub fn scan(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Scan<P>> {
        self.scan_in(KeyspaceId::DEFAULT, start, end)
    }

    /// Walks the keys of a keyspace.
    ///
    /// # Errors
    /// As [`Db::scan`](super::Db::scan), and [`NoKeyspace`](super::Error::NoKeyspace).
    pub fn scan_in(
        &self,
        keyspace: KeyspaceId,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<Scan<P>> {
        let tree = self.view.tree(keyspace)?.clone();
        Ok(Scan::new(tree, self.sequence, self.operator, start, end))
    }

    /// How many keys the default keyspace has: exact, by a walk over all of them. For a thread that may take its time.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn count(&self) -> Result<u64> {
        let mut scan = self.scan(Bound::Unbounded, Bound::Unbounded)?;
        let mut count = 0;
        while scan.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

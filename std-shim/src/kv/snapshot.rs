//! The database as of one moment.
#![forbid(unsafe_code)]

use super::error::io_error;
use super::range::{KeyRange, Prefix};
use super::scan::Scan;
use crate::sys::Native;
use std::io;
use underpin_core::db::{self, KeyspaceId};

/// The database as it was when [`Db::snapshot`](super::Db::snapshot) was called. Clones are the same one. It does not keep the database
/// open, and can be read after it was closed; what it sees stays on disk until it is dropped.
#[derive(Clone, Debug)]
pub struct Snapshot(pub(super) db::Snapshot<Native>);

impl Snapshot {
    /// The number of the last write that it sees.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.0.sequence()
    }

    /// The value of `key` in the default keyspace.
    ///
    /// # Errors
    /// `InvalidData` for damage, or what the system says.
    pub fn get(&self, key: impl AsRef<[u8]>) -> io::Result<Option<Vec<u8>>> {
        self.0.get(key.as_ref()).map_err(io_error)
    }

    /// The value of `key` in a keyspace.
    ///
    /// # Errors
    /// As [`get`](Self::get), and `NotFound` if there was no such keyspace.
    pub fn get_in(
        &self,
        keyspace: impl Into<KeyspaceId>,
        key: impl AsRef<[u8]>,
    ) -> io::Result<Option<Vec<u8>>> {
        self.0
            .get_in(keyspace.into(), key.as_ref())
            .map_err(io_error)
    }

    /// Walks the keys of `range` in the default keyspace, in order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&self, range: impl KeyRange) -> io::Result<Scan> {
        self.scan_in(KeyspaceId::DEFAULT, range)
    }

    /// Walks the keys that start with `prefix` in the default keyspace.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> io::Result<Scan> {
        self.scan(Prefix::new(prefix.as_ref()))
    }

    /// Walks the keys of `range` in a keyspace, in order.
    ///
    /// # Errors
    /// As [`get_in`](Self::get_in).
    pub fn scan_in(
        &self,
        keyspace: impl Into<KeyspaceId>,
        range: impl KeyRange,
    ) -> io::Result<Scan> {
        let (start, end) = range.bounds();
        let scan = self.0.scan_in(keyspace.into(), start, end);
        scan.map(Scan).map_err(io_error)
    }

    /// How many keys the default keyspace has: exact, by a walk over all of them.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn count(&self) -> io::Result<u64> {
        self.0.count().map_err(io_error)
    }

    /// The core's snapshot, for code that is generic over platforms.
    #[must_use]
    pub const fn as_core(&self) -> &db::Snapshot<Native> {
        &self.0
    }
}

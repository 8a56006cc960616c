//! The database with `std`'s types around it.
#![forbid(unsafe_code)]

use super::error::io_error;
use super::options::OpenOptions;
use crate::sys::{Native, native, path_bytes};
use core::ops::{Bound, RangeBounds};
use std::fs;
use std::io;
use std::path::Path;
use underpin_core::db::{self, Batch, Stats, VerifyReport, WriteLevel};

/// An open database. Clones are the same one; all methods may be called from any thread.
#[derive(Clone, Debug)]
pub struct Db {
    core: db::Db<Native>,
    level: WriteLevel,
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
            && let Some(parent) = directory.parent()
            && !parent.as_os_str().is_empty()
        {
            fs::create_dir_all(parent)?;
        }
        let core = db::Db::open(native(), path_bytes(directory), options.options);
        Ok(Self {
            core: core.map_err(io_error)?,
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
        self.core.write(batch, level).map_err(io_error)
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
    pub fn scan<'a>(&self, range: impl RangeBounds<&'a [u8]>) -> io::Result<Scan> {
        let plain = |bound: Bound<&&'a [u8]>| bound.map(|key| *key);
        let scan = self
            .core
            .scan(plain(range.start_bound()), plain(range.end_bound()));
        scan.map(Scan).map_err(io_error)
    }

    /// Walks the keys that start with `prefix`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> io::Result<Scan> {
        let prefix = prefix.as_ref();
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
        self.scan((Bound::Included(prefix), end))
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

/// Keys and values of a range, in order. Ends after an error.
#[derive(Debug)]
pub struct Scan(db::Scan<Native>);

impl Iterator for Scan {
    type Item = io::Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.next().map_err(io_error).transpose()?;
        Some(next.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }
}

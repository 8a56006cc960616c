//! The key-value database.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "the log and the tables attach next")]

mod batch;
mod error;
mod file_name;
mod options;

pub use batch::Batch;
pub use error::{Corruption, Error, Result};
pub use file_name::FileName;
pub use options::{
    BATCH_BYTES_MAX, KEY_BYTES_MAX, Maintenance, Options, VALUE_BYTES_MAX, WriteLevel,
};

use crate::platform::{Files, Mutex};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::marker::PhantomData;
use core::ops::Bound;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// An open database; clones are the same one.
#[derive(Clone, Debug)]
pub struct Db<P: Files> {
    map: Arc<Mutex<Map, P>>,
}

/// Counts and sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys, estimated.
    pub keys_estimated: u64,
}

/// What a check of all files found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Entries read.
    pub entries: u64,
}

impl<P: Files> Db<P> {
    /// Opens.
    pub fn open(platform: P, _directory: &[u8], options: Options) -> Result<Self> {
        options.check()?;
        Ok(Self {
            map: Arc::new(Mutex::new(Map::new(), platform)),
        })
    }
    /// Gets.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.map.lock().get(key).cloned())
    }
    /// Gets.
    pub fn get_with<R>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        Ok(self.map.lock().get(key).map(|value| read(value)))
    }
    /// Writes.
    pub fn write(&self, batch: &Batch, _level: WriteLevel) -> Result<()> {
        let mut map = self.map.lock();
        for (key, value) in batch.iter() {
            match value {
                Some(value) => map.insert(key.to_vec(), value.to_vec()),
                None => map.remove(key),
            };
        }
        Ok(())
    }
    /// Puts one.
    pub fn put(&self, key: &[u8], value: &[u8], level: WriteLevel) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(key, value)?;
        self.write(&batch, level)
    }
    /// Removes one.
    pub fn remove(&self, key: &[u8], level: WriteLevel) -> Result<()> {
        let mut batch = Batch::new();
        batch.remove(key)?;
        self.write(&batch, level)
    }
    /// Syncs.
    pub fn sync(&self, _level: WriteLevel) -> Result<()> {
        Ok(())
    }
    /// Scans.
    pub fn scan(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Scan<P>> {
        let map = self.map.lock();
        let range: Vec<_> = map
            .range::<[u8], _>((start, end))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Ok(Scan {
            range: range.into_iter(),
            current: Default::default(),
            platform: PhantomData,
        })
    }
    /// Drops all keys.
    pub fn clear(&self) -> Result<()> {
        self.map.lock().clear();
        Ok(())
    }
    /// Flushes.
    pub fn flush(&self) -> Result<()> {
        Ok(())
    }
    /// Whether [`maintain`](Self::maintain) has something to do.
    pub fn maintenance_needed(&self) -> bool {
        false
    }
    /// Flushes and merges.
    pub fn maintain(&self) -> Result<()> {
        Ok(())
    }
    /// Checks all files.
    pub fn verify(&self) -> Result<VerifyReport> {
        Ok(VerifyReport::default())
    }
    /// Counts.
    pub fn stats(&self) -> Stats {
        Stats {
            keys_estimated: self.estimated_keys(),
        }
    }
    /// Keys, estimated.
    pub fn estimated_keys(&self) -> u64 {
        self.map.lock().len() as u64
    }
    /// Closes.
    pub fn close(self) -> Result<()> {
        Ok(())
    }
}

/// A range at one moment.
#[derive(Debug)]
pub struct Scan<P: Files> {
    range: vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    current: (Vec<u8>, Vec<u8>),
    platform: PhantomData<P>,
}

impl<P: Files> Scan<P> {
    /// The next pair.
    #[expect(clippy::should_implement_trait, reason = "it lends from the scan")]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let Some(next) = self.range.next() else {
            return Ok(None);
        };
        self.current = next;
        Ok(Some((&self.current.0, &self.current.1)))
    }
}

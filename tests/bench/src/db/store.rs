//! What every embedded store is asked to do, in words that all of them have.

use crate::cost;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory for new writes before they go to a table, for every store that has such a bound.
pub(super) const MEMTABLE_BYTES: usize = 16 << 20;
/// Memory for what was read, for every store that opens from now on.
static CACHE_BYTES: AtomicUsize = AtomicUsize::new(32 << 20);

pub(super) fn cache_bytes() -> usize {
    CACHE_BYTES.load(Ordering::Relaxed)
}

/// For a case of its own process.
pub(super) fn set_cache_bytes(bytes: usize) {
    CACHE_BYTES.store(bytes, Ordering::Relaxed);
}

/// How safe a write is when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// With the operating system: it outlives the process.
    Os,
    /// On the device: it outlives a loss of power.
    Synced,
}

/// A key and its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// An open store.
pub(super) trait Store: Send + Sync {
    /// Writes one pair.
    fn put(&self, pair: &Pair, level: Level) -> Result<(), String>;
    /// Writes all of `pairs`, or none.
    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String>;
    /// Removes a key; with the system when it returns.
    fn remove(&self, key: &[u8]) -> Result<(), String>;
    /// Reads one value in place and says what `read` says; false if there is none.
    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String>;
    /// Reads several values in place, in any order, and says of how many `read` says true; of those that have a call for it, by that.
    fn get_all(
        &self,
        keys: &[&[u8]],
        read: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<u64, String> {
        let mut found = 0;
        for (index, key) in keys.iter().enumerate() {
            found += u64::from(self.get(key, &mut |value| read(index, value))?);
        }
        Ok(found)
    }
    /// Visits pairs from `from` on until `visit` says false; without a key, from the first one or, in reverse, the last.
    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String>;
}

/// A store whose calls are counted, and timed where that is wanted.
pub(super) struct Metered<S>(S);

impl<S: Store + 'static> Metered<S> {
    pub(super) fn over(store: S) -> Box<dyn Store> {
        Box::new(Self(store))
    }
}

impl<S: Store> Store for Metered<S> {
    fn put(&self, pair: &Pair, level: Level) -> Result<(), String> {
        cost::given(pair.0.len() + pair.1.len());
        cost::call(|| self.0.put(pair, level))
    }

    fn put_all(&self, pairs: &[Pair], level: Level) -> Result<(), String> {
        cost::given(
            pairs
                .iter()
                .map(|(key, value)| key.len() + value.len())
                .sum(),
        );
        cost::call(|| self.0.put_all(pairs, level))
    }

    fn remove(&self, key: &[u8]) -> Result<(), String> {
        cost::given(key.len());
        cost::call(|| self.0.remove(key))
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        cost::call(|| self.0.get(key, read))
    }

    fn get_all(
        &self,
        keys: &[&[u8]],
        read: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<u64, String> {
        cost::call(|| self.0.get_all(keys, read))
    }

    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String> {
        cost::call(|| self.0.scan(from, reverse, visit))
    }
}

/// Opens or makes a store in an existing directory.
pub(super) type Open = fn(&Path) -> Result<Box<dyn Store>, String>;

//! What every embedded store is asked to do, in words that all of them have.

use std::path::Path;

/// Memory for new writes before they go to a table, for every store that has such a bound.
pub(super) const MEMTABLE_BYTES: usize = 16 << 20;
/// Memory for what was read, for every store.
pub(super) const CACHE_BYTES: usize = 32 << 20;

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
    /// Visits pairs from `from` on until `visit` says false; without a key, from the first one or, in reverse, the last.
    fn scan(
        &self,
        from: Option<&[u8]>,
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), String>;
}

/// Opens or makes a store in an existing directory.
pub(super) type Open = fn(&Path) -> Result<Box<dyn Store>, String>;

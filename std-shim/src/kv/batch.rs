//! Several writes as one.
#![forbid(unsafe_code)]

use super::error::io_error;
use std::io;
use underpin_core::db::{self, KeyspaceId};

/// Writes that [`Db::write`](super::Db::write) applies all together or not at all, in their order.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let mut batch = underpin::kv::Batch::new();
/// batch.put("apple", "red")?;
/// batch.remove("pear")?;
/// assert_eq!(batch.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(db::Batch);

impl Batch {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(db::Batch::new())
    }

    /// Turns to another keyspace, by `&Keyspace` or its number, for what follows; at first it is the default one.
    pub fn select(&mut self, keyspace: impl Into<KeyspaceId>) -> &mut Self {
        self.0.select(keyspace.into());
        self
    }

    /// Gives `key` the value `value`.
    ///
    /// # Errors
    /// `InvalidInput` for a key, value or batch over the limit.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.put(key.as_ref(), value.as_ref()).map_err(io_error)
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.remove(key.as_ref()).map_err(io_error)
    }

    /// Merges `operand` into the value of `key` by the options' merge operator.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn merge(&mut self, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) -> io::Result<()> {
        self.0
            .merge(key.as_ref(), operand.as_ref())
            .map_err(io_error)
    }

    /// Removes all keys from `start` up to but without `end`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove_range(
        &mut self,
        start: impl AsRef<[u8]>,
        end: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        self.0
            .remove_range(start.as_ref(), end.as_ref())
            .map_err(io_error)
    }

    /// How many writes it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the writes and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The core's batch, for code that is generic over platforms.
    #[must_use]
    pub const fn as_core(&self) -> &db::Batch {
        &self.0
    }
}

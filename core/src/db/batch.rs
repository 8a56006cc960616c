//! A batch: writes that take effect together or not at all.
//!
//! Held as the very bytes that the log stores (see `FORMAT.md`): per write a kind byte, a length and the key, and for
//! a put a length and the value. Reading them back is [`BatchIter`], which trusts nothing.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::error::{Error, Result};
use super::options::{BATCH_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::codec::{Reader, varint};
use alloc::vec::Vec;

const REMOVE: u8 = 0;
const PUT: u8 = 1;

/// Writes in the order in which they apply; a later one on the same key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    count: u32,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
        }
    }

    /// Adds: `key` gets `value`.
    ///
    /// # Errors
    /// [`Error::Limit`]; the batch is then as before.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check("value", value.len(), VALUE_BYTES_MAX)?;
        self.start(PUT, key, value.len().saturating_add(varint::BYTES_MAX))?;
        varint::push(&mut self.bytes, value.len() as u64);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Adds: `key` is removed, if it is there.
    ///
    /// # Errors
    /// [`Error::Limit`]; the batch is then as before.
    pub fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.start(REMOVE, key, 0)
    }

    fn start(&mut self, kind: u8, key: &[u8], more: usize) -> Result<()> {
        check("key", key.len(), KEY_BYTES_MAX)?;
        let bytes = self
            .bytes
            .len()
            .saturating_add(key.len())
            .saturating_add(more)
            .saturating_add(1 + varint::BYTES_MAX);
        check("batch", bytes, BATCH_BYTES_MAX)?;
        self.count = self.count.saturating_add(1);
        self.bytes.push(kind);
        varint::push(&mut self.bytes, key.len() as u64);
        self.bytes.extend_from_slice(key);
        Ok(())
    }

    /// How many writes it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets the writes; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Memory that it holds, also when it is empty.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The encoded writes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The writes in order.
    pub(super) fn iter(&self) -> BatchIter<'_> {
        BatchIter(Reader::new(&self.bytes))
    }
}

fn check(what: &'static str, found: usize, max: usize) -> Result<()> {
    if found > max {
        return Err(Error::Limit {
            what,
            found: found as u64,
            max: max as u64,
        });
    }
    Ok(())
}

/// Reads encoded writes: key, and the value of a put. Ends early at bytes that are not a write; see
/// [`BatchIter::is_whole`].
#[derive(Clone, Debug)]
pub(super) struct BatchIter<'a>(Reader<'a>);

impl<'a> BatchIter<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// After the last `next`: whether all bytes were read.
    pub(super) const fn is_whole(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for BatchIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = self.0.clone();
        let kind = reader.u8()?;
        let key = reader.string().filter(|key| key.len() <= KEY_BYTES_MAX)?;
        let value = match kind {
            REMOVE => None,
            PUT => Some(
                reader
                    .string()
                    .filter(|value| value.len() <= VALUE_BYTES_MAX)?,
            ),
            _ => return None,
        };
        self.0 = reader;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn writes_come_back_in_order_and_cuts_are_seen() {
        let mut batch = Batch::new();
        batch.put(b"a", b"1").unwrap();
        batch.remove(b"b").unwrap();
        batch.put(b"", b"").unwrap();
        let writes: Vec<_> = batch.iter().collect();
        assert_eq!(
            writes,
            [(&b"a"[..], Some(&b"1"[..])), (b"b", None), (b"", Some(b""))]
        );
        for cut in 1..batch.bytes.len() {
            let mut iter = BatchIter::new(&batch.bytes[..cut]);
            let count = iter.by_ref().count();
            assert!(count < 3, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_and_leaves_the_batch_alone() {
        let mut batch = Batch::new();
        let long = vec![0; KEY_BYTES_MAX + 1];
        assert!(matches!(
            batch.put(&long, b""),
            Err(Error::Limit { what: "key", .. })
        ));
        assert!(matches!(batch.remove(&long), Err(Error::Limit { .. })));
        assert!(batch.is_empty() && batch.as_bytes().is_empty());
        batch.put(&long[1..], b"").unwrap();
    }
}

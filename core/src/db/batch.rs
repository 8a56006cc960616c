//! A batch: writes that take effect together or not at all.
//!
//! Held as the very bytes that the log stores (see `FORMAT.md`): per write a kind byte, the keyspace if it is not the default one, a
//! length and the key, and but for a remove a length and the value. Reading them back is [`BatchIter`], which trusts nothing.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::entry::Kind;
use super::error::{Error, Result};
use super::keyspace::KeyspaceId;
use super::options::{BATCH_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::codec::{Reader, varint};
use alloc::vec::Vec;

/// Most removed ranges in a batch.
const BATCH_RANGES_MAX: usize = 1000;

const REMOVE: u8 = 0;
const PUT: u8 = 1;
const MERGE: u8 = 2;
const REMOVE_RANGE: u8 = 3;
/// A keyspace's number follows the kind.
const IN_KEYSPACE: u8 = 0x10;

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Set(Kind),
    /// The key is where the range starts, the value where it ends.
    RemoveRange,
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Write<'a> {
    pub(super) keyspace: KeyspaceId,
    pub(super) action: Action,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

/// Writes in the order in which they apply; a later one on the same key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    count: u32,
    /// Removed ranges among them.
    ranges: usize,
    /// Where the next writes go.
    keyspace: KeyspaceId,
    /// Whether some go elsewhere than to the default keyspace, or are merges.
    special: bool,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
            ranges: 0,
            keyspace: KeyspaceId::DEFAULT,
            special: false,
        }
    }

    /// Sends the writes that are added from here on to `keyspace`; at first they go to the default one.
    pub const fn select(&mut self, keyspace: KeyspaceId) -> &mut Self {
        self.keyspace = keyspace;
        self
    }

    /// Adds: `key` gets `value`.
    ///
    /// # Errors
    /// [`Error::Limit`]; the batch is then as before.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check("value", value.len(), VALUE_BYTES_MAX)?;
        self.push(PUT, key, Some(value))
    }

    /// Adds: `key` is removed, if it is there.
    ///
    /// # Errors
    /// [`Error::Limit`]; the batch is then as before.
    pub fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.push(REMOVE, key, None)
    }

    /// Adds: what `key` has is merged with `operand` by the database's merge operator, when somebody reads it.
    ///
    /// # Errors
    /// [`Error::Limit`]; the batch is then as before.
    pub fn merge(&mut self, key: &[u8], operand: &[u8]) -> Result<()> {
        check("operand", operand.len(), VALUE_BYTES_MAX)?;
        self.special = true;
        self.push(MERGE, key, Some(operand))
    }

    /// Adds: all keys from `start` up to but without `end` are removed. If `end` is not greater, nothing is added. Each read looks at all
    /// ranges that are in memory, so a batch may have 1000 of them.
    ///
    /// # Errors
    /// [`Error::Limit`]; the batch is then as before.
    pub fn remove_range(&mut self, start: &[u8], end: &[u8]) -> Result<()> {
        check("key", end.len(), KEY_BYTES_MAX)?;
        if start >= end {
            return Ok(());
        }
        let ranges = self.ranges.saturating_add(1);
        check(
            "number of removed ranges in a batch",
            ranges,
            BATCH_RANGES_MAX,
        )?;
        self.push(REMOVE_RANGE, start, Some(end))?;
        self.ranges = ranges;
        Ok(())
    }

    fn push(&mut self, kind: u8, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        check("key", key.len(), KEY_BYTES_MAX)?;
        let bytes = self
            .bytes
            .len()
            .saturating_add(key.len())
            .saturating_add(value.map_or(0, <[u8]>::len))
            .saturating_add(1 + 3 * varint::BYTES_MAX);
        check("batch", bytes, BATCH_BYTES_MAX)?;
        self.count = self.count.saturating_add(1);
        if self.keyspace == KeyspaceId::DEFAULT {
            self.bytes.push(kind);
        } else {
            self.special = true;
            self.bytes.push(kind | IN_KEYSPACE);
            varint::push(&mut self.bytes, self.keyspace.0.into());
        }
        varint::push(&mut self.bytes, key.len() as u64);
        self.bytes.extend_from_slice(key);
        if let Some(value) = value {
            varint::push(&mut self.bytes, value.len() as u64);
            self.bytes.extend_from_slice(value);
        }
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

    /// Forgets the writes and the selected keyspace; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.ranges = 0;
        self.keyspace = KeyspaceId::DEFAULT;
        self.special = false;
    }

    /// Memory that it holds, also when it is empty.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The writes in order.
    #[cfg(test)]
    pub(super) fn iter(&self) -> BatchIter<'_> {
        BatchIter::new(&self.bytes)
    }

    /// For the log and the memtables.
    pub(super) fn writes(&self) -> Writes<'_> {
        Writes {
            pieces: [&self.bytes, &[], &[], &[]],
            count: self.count,
            special: self.special,
            single: None,
        }
    }
}

/// What is written at once: a batch, or one write that was never copied into one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writes<'a> {
    /// The encoded writes, one piece after the other.
    pub(super) pieces: [&'a [u8]; 4],
    pub(super) count: u32,
    /// Whether some write needs more than the default keyspace and no operator.
    pub(super) special: bool,
    single: Option<Write<'a>>,
}

impl<'a> Writes<'a> {
    /// Bytes of the encoded writes.
    pub(super) fn bytes(&self) -> usize {
        let lengths = self.pieces.iter().map(|piece| piece.len());
        lengths.fold(0, usize::saturating_add)
    }

    /// The writes in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Write<'a>> + use<'a> {
        let [batch, ..] = self.pieces;
        let batch = if self.single.is_some() { &[] } else { batch };
        self.single.into_iter().chain(BatchIter::new(batch))
    }
}

/// A put or a remove in the default keyspace, encoded around its key and value, which stay where they are: a large value is
/// not copied, and a small one needs no memory.
#[derive(Debug)]
pub(super) struct SingleWrite<'a> {
    head: [u8; 1 + varint::BYTES_MAX],
    head_bytes: usize,
    value_head: [u8; varint::BYTES_MAX],
    value_head_bytes: usize,
    write: Write<'a>,
}

impl<'a> SingleWrite<'a> {
    /// # Errors
    /// [`Error::Limit`].
    pub(super) fn put(key: &'a [u8], value: &'a [u8]) -> Result<Self> {
        check("value", value.len(), VALUE_BYTES_MAX)?;
        Self::new(Kind::Put, key, value)
    }

    /// # Errors
    /// [`Error::Limit`].
    pub(super) fn remove(key: &'a [u8]) -> Result<Self> {
        Self::new(Kind::Remove, key, &[])
    }

    fn new(kind: Kind, key: &'a [u8], value: &'a [u8]) -> Result<Self> {
        check("key", key.len(), KEY_BYTES_MAX)?;
        let mut head = [0; 1 + varint::BYTES_MAX];
        let [first, rest @ ..] = &mut head;
        *first = if kind == Kind::Put { PUT } else { REMOVE };
        let head_bytes = varint::write(rest, key.len() as u64).saturating_add(1);
        let mut value_head = [0; varint::BYTES_MAX];
        let value_head_bytes = match kind {
            Kind::Put => varint::write(&mut value_head, value.len() as u64),
            _ => 0,
        };
        Ok(Self {
            head,
            head_bytes,
            value_head,
            value_head_bytes,
            write: Write {
                keyspace: KeyspaceId::DEFAULT,
                action: Action::Set(kind),
                key,
                value,
            },
        })
    }

    pub(super) fn writes(&self) -> Writes<'_> {
        Writes {
            pieces: [
                self.head.get(..self.head_bytes).unwrap_or_default(),
                self.write.key,
                self.value_head
                    .get(..self.value_head_bytes)
                    .unwrap_or_default(),
                self.write.value,
            ],
            count: 1,
            special: false,
            single: Some(self.write),
        }
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

/// Reads encoded writes. Ends early at bytes that are not a write; see [`BatchIter::is_whole`].
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
    type Item = Write<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = self.0.clone();
        let kind = reader.u8()?;
        let keyspace = if kind & IN_KEYSPACE == 0 {
            KeyspaceId::DEFAULT
        } else {
            KeyspaceId(u32::try_from(reader.varint()?).ok()?)
        };
        let kind = kind & !IN_KEYSPACE;
        let key = reader.string().filter(|key| key.len() <= KEY_BYTES_MAX)?;
        let value = match kind {
            REMOVE => &[],
            _ => reader
                .string()
                .filter(|value| value.len() <= VALUE_BYTES_MAX)?,
        };
        let action = match kind {
            REMOVE => Action::Set(Kind::Remove),
            PUT => Action::Set(Kind::Put),
            MERGE => Action::Set(Kind::Merge),
            REMOVE_RANGE if key < value && value.len() <= KEY_BYTES_MAX => Action::RemoveRange,
            _ => return None,
        };
        self.0 = reader;
        Some(Write {
            keyspace,
            action,
            key,
            value,
        })
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
        batch.select(KeyspaceId(300)).merge(b"m", b"+1").unwrap();
        batch.remove_range(b"z", b"a").unwrap();
        batch.remove_range(b"a", b"z").unwrap();
        let write = |keyspace, action, key, value| Write {
            keyspace: KeyspaceId(keyspace),
            action,
            key,
            value,
        };
        let writes: Vec<_> = batch.iter().collect();
        let expected: [Write<'_>; 5] = [
            write(0, Action::Set(Kind::Put), b"a", b"1"),
            write(0, Action::Set(Kind::Remove), b"b", b""),
            write(0, Action::Set(Kind::Put), b"", b""),
            write(300, Action::Set(Kind::Merge), b"m", b"+1"),
            write(300, Action::RemoveRange, b"a", b"z"),
        ];
        assert_eq!(writes, expected);
        for cut in 1..batch.bytes.len() {
            let mut iter = BatchIter::new(&batch.bytes[..cut]);
            let count = iter.by_ref().count();
            assert!(count < 5, "cut at {cut}");
        }
    }

    #[test]
    fn a_single_write_is_the_batch_of_it() {
        let long = vec![7; 300];
        for (key, value) in [(&b""[..], &b""[..]), (b"k", b"v"), (&long, &long)] {
            let mut batch = Batch::new();
            batch.put(key, value).unwrap();
            let single = SingleWrite::put(key, value).unwrap();
            let writes = single.writes();
            assert_eq!(writes.pieces.concat(), batch.bytes);
            assert_eq!(writes.bytes(), batch.bytes.len());
            assert!(writes.iter().eq(batch.iter()) && writes.iter().eq(batch.writes().iter()));
            batch.clear();
            batch.remove(key).unwrap();
            let single = SingleWrite::remove(key).unwrap();
            assert_eq!(single.writes().pieces.concat(), batch.bytes);
            assert!(single.writes().iter().eq(batch.iter()));
        }
        let long = vec![0; KEY_BYTES_MAX + 1];
        assert!(SingleWrite::put(&long, b"").is_err() && SingleWrite::remove(&long).is_err());
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
        assert!(batch.is_empty() && batch.bytes.is_empty());
        batch.put(&long[1..], b"").unwrap();
        for _ in 0..BATCH_RANGES_MAX {
            batch.remove_range(b"a", b"b").unwrap();
        }
        let refused = batch.remove_range(b"a", b"b").unwrap_err();
        let text = "number of removed ranges in a batch, 1001, is over the limit of 1000";
        assert_eq!(alloc::format!("{refused}"), text);
        assert_eq!(batch.len(), BATCH_RANGES_MAX + 1);
        batch.clear();
        batch.remove_range(b"a", b"b").unwrap();
    }
}

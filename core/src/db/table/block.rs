//! Reads a block: search by halves over the restart keys, then entry by entry.
//!
//! The checksum was right before a block gets here, but nothing relies on that: what makes no sense is
//! `Corrupt` with the entry's offset.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::codec::Reader;
use crate::db::entry::{Entry, Kind};
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

/// The bytes of a block, without its trailer, and where they are from.
#[derive(Debug)]
pub(in crate::db) struct Block {
    bytes: Vec<u8>,
    /// Where the entries end and the restart places begin.
    entries_end: usize,
    restart_count: usize,
    file: FileName,
    offset: u64,
    /// Of the table: version 1 has no merges.
    version: u32,
}

/// An entry's parts. The key is its own end only; `shared` bytes of the key before come first.
struct Parts<'a> {
    shared: usize,
    suffix: &'a [u8],
    sequence: u64,
    kind: Kind,
    value: Range<usize>,
    end: usize,
}

impl Block {
    pub(in crate::db) fn new(
        bytes: Vec<u8>,
        file: FileName,
        offset: u64,
        version: u32,
    ) -> Result<Self> {
        let restarts = bytes.split_last_chunk::<4>().and_then(|(rest, count)| {
            let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
            let end = rest.len().checked_sub(count.checked_mul(4)?)?;
            // The index of a table with nothing but removed ranges is empty.
            (count > 0 || end == 0).then_some((count, end))
        });
        let Some((restart_count, entries_end)) = restarts else {
            return Err(Error::corrupt(
                file,
                offset,
                "restart count of a block",
                1,
                0,
            ));
        };
        Ok(Self {
            bytes,
            entries_end,
            restart_count,
            file,
            offset,
            version,
        })
    }

    /// Memory in use.
    pub(in crate::db) const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn corrupt(&self, at: usize, what: &'static str) -> Error {
        Error::corrupt(self.file, self.offset.saturating_add(at as u64), what, 1, 0)
    }

    /// Where entry `index` of those with whole keys is.
    fn restart(&self, index: usize) -> Result<usize> {
        let at = self.entries_end.saturating_add(index.saturating_mul(4));
        let place = self
            .bytes
            .get(at..at.saturating_add(4))
            .and_then(|bytes| bytes.first_chunk::<4>())
            .and_then(|bytes| usize::try_from(u32::from_le_bytes(*bytes)).ok())
            .filter(|place| *place < self.entries_end);
        place.ok_or_else(|| self.corrupt(at, "restart place"))
    }

    fn entry(&self, at: usize) -> Result<Parts<'_>> {
        let bytes = self.bytes.get(at..self.entries_end).unwrap_or_default();
        let mut reader = Reader::new(bytes);
        let mut read = || {
            let shared = reader.length()?;
            let suffix = reader.length()?;
            let tag = reader.varint()?;
            let (sequence, kind) = match self.version {
                1 => (tag >> 1, Kind::from_bits(tag & 1)?),
                _ => (tag >> 2, Kind::from_bits(tag & 3)?),
            };
            let value = match kind {
                Kind::Remove => 0,
                Kind::Put | Kind::Merge => reader.length()?,
            };
            let suffix = reader.bytes(suffix)?;
            let start = at.saturating_add(reader.offset());
            reader.bytes(value)?;
            let end = at.saturating_add(reader.offset());
            Some(Parts {
                shared,
                suffix,
                sequence,
                kind,
                value: start..end,
                end,
            })
        };
        read().ok_or_else(|| self.corrupt(at, "entry of a block"))
    }
}

/// A place in a block. Starts at no entry.
#[derive(Debug)]
pub(super) struct BlockCursor {
    block: Arc<Block>,
    /// Where the entry here starts, and where it ends.
    at: usize,
    next: usize,
    valid: bool,
    key: Vec<u8>,
    sequence: u64,
    kind: Kind,
    value: Range<usize>,
}

impl BlockCursor {
    pub(super) const fn new(block: Arc<Block>) -> Self {
        Self {
            block,
            at: 0,
            next: 0,
            valid: false,
            key: Vec::new(),
            sequence: 0,
            kind: Kind::Remove,
            value: 0..0,
        }
    }

    /// Goes to the next entry, the first at the start.
    pub(super) fn advance(&mut self) -> Result<()> {
        self.valid = false;
        if self.next >= self.block.entries_end {
            return Ok(());
        }
        let entry = self.block.entry(self.next)?;
        if entry.shared > self.key.len() {
            return Err(self.block.corrupt(self.next, "shared length of a key"));
        }
        self.key.truncate(entry.shared);
        self.key.extend_from_slice(entry.suffix);
        self.sequence = entry.sequence;
        self.kind = entry.kind;
        self.value = entry.value;
        self.at = self.next;
        self.next = entry.end;
        self.valid = true;
        Ok(())
    }

    /// Goes to the first entry whose key is not less than `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.next = self.block.restart_before(key)?;
        self.key.clear();
        loop {
            self.advance()?;
            if !self.valid || self.key.as_slice() >= key {
                return Ok(());
            }
        }
    }

    /// Goes to the entry before, or to none at the first.
    pub(super) fn retreat(&mut self) -> Result<()> {
        let target = if self.valid {
            self.at
        } else {
            self.block.entries_end
        };
        self.valid = false;
        if target == 0 {
            return Ok(());
        }
        // The last restart before the entry; from there on forward.
        let (mut low, mut high) = (0, self.block.restart_count);
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.block.restart(middle)? < target {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.next = self.block.restart(low)?;
        self.key.clear();
        loop {
            let start = self.next;
            self.advance()?;
            if !self.valid || self.next >= target {
                return Ok(());
            }
            if self.next <= start {
                return Err(self.block.corrupt(start, "entry of a block"));
            }
        }
    }

    /// Goes to the last entry.
    pub(super) fn seek_last(&mut self) -> Result<()> {
        self.valid = false;
        self.retreat()
    }

    /// The entry here.
    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        self.valid.then(|| Entry {
            key: self.key.as_slice(),
            sequence: self.sequence,
            kind: self.kind,
            value: self.slice(&self.value),
        })
    }

    /// The key here.
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.valid.then_some(self.key.as_slice())
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.block.bytes.get(range.clone()).unwrap_or_default()
    }
}

impl Block {
    /// The last restart whose key is not greater than `key`, or the first.
    fn restart_before(&self, key: &[u8]) -> Result<usize> {
        let (mut low, mut high) = (0, self.restart_count);
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            let entry = self.entry(self.restart(middle)?)?;
            match entry.suffix.cmp(key) {
                Ordering::Greater => high = middle,
                Ordering::Equal | Ordering::Less => low = middle,
            }
        }
        self.restart(low)
    }

    /// What the entry of `key` says, and where its value is. No key is put together: of each entry it is known how many bytes it
    /// has in common with `key`, and so whether its suffix needs a look.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<(Kind, Range<usize>)>> {
        if self.restart_count == 0 {
            return Ok(None);
        }
        let mut at = self.restart_before(key)?;
        // Bytes that the entry before, which is less, has in common with `key`.
        let mut common = 0;
        while at < self.entries_end {
            let entry = self.entry(at)?;
            match entry.shared.cmp(&common) {
                // It differs from `key` where the one before did.
                Ordering::Greater => {}
                // It differs from the one before, upwards, in what that had in common with `key`.
                Ordering::Less => return Ok(None),
                Ordering::Equal => {
                    let rest = key.get(common..).unwrap_or_default();
                    let pairs = entry.suffix.iter().zip(rest);
                    let same = pairs.take_while(|(a, b)| a == b).count();
                    match (entry.suffix.get(same), rest.get(same)) {
                        (None, None) => return Ok(Some((entry.kind, entry.value))),
                        (None, Some(_)) => {}
                        (Some(_), None) => return Ok(None),
                        (Some(found), Some(wanted)) if found > wanted => return Ok(None),
                        _ => {}
                    }
                    common = common.saturating_add(same);
                }
            }
            at = entry.end;
        }
        Ok(None)
    }

    /// Bytes of the block, such as a value that a cursor found.
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::block_builder::BlockBuilder;
    use super::*;
    use alloc::format;

    fn block(interval: usize, count: usize) -> Arc<Block> {
        let mut builder = BlockBuilder::new(interval);
        for index in 0..count {
            let key = format!("key{:05}", index * 2);
            builder.push(
                key.as_bytes(),
                index as u64,
                if index % 3 == 0 {
                    Kind::Remove
                } else {
                    Kind::Put
                },
                if index % 3 == 0 { b"" } else { key.as_bytes() },
            );
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        Arc::new(Block::new(bytes, FileName::Table(1), 0, 2).unwrap())
    }

    #[test]
    fn every_key_is_found_and_every_gap_leads_to_the_next() {
        for (interval, count) in [(1, 1), (1, 40), (16, 1), (16, 16), (16, 17), (16, 100)] {
            let mut cursor = BlockCursor::new(block(interval, count));
            for wanted in 0..=count * 2 {
                cursor.seek(format!("key{wanted:05}").as_bytes()).unwrap();
                let index = wanted.div_ceil(2);
                let entry = cursor
                    .entry()
                    .map(|entry| (entry.key.to_vec(), entry.sequence));
                let expected = (index < count)
                    .then(|| (format!("key{:05}", index * 2).into_bytes(), index as u64));
                assert_eq!(entry, expected);
                let key = format!("key{wanted:05}");
                let found = cursor.block.find(key.as_bytes()).unwrap();
                let held = wanted % 2 == 0 && index < count;
                assert_eq!(found.is_some(), held, "{key}");
                if let Some((kind, value)) = found {
                    let removed = index % 3 == 0;
                    assert_eq!(kind == Kind::Remove, removed);
                    let expected = if removed { "" } else { &key };
                    assert_eq!(cursor.block.slice(value), expected.as_bytes());
                }
                for other in ["", "ke", "key", &key[..7], &format!("{key}0")] {
                    assert!(cursor.block.find(other.as_bytes()).unwrap().is_none());
                }
                cursor.retreat().unwrap();
                let before = index.min(count).checked_sub(1);
                assert_eq!(
                    cursor.key().map(<[u8]>::to_vec),
                    before.map(|index| format!("key{:05}", index * 2).into_bytes())
                );
            }
        }
    }

    #[test]
    fn a_changed_byte_never_panics() {
        let whole = block(4, 12);
        for at in 0..whole.bytes.len() {
            for bit in 0..8 {
                let mut bytes = whole.bytes.clone();
                bytes[at] ^= 1 << bit;
                let Ok(block) = Block::new(bytes, FileName::Table(1), 0, 2) else {
                    continue;
                };
                let mut cursor = BlockCursor::new(Arc::new(block));
                let _ = cursor.seek(b"key00010");
                let _ = cursor.block.find(b"key00010");
                let _ = cursor.retreat();
                for _ in 0..40 {
                    if cursor.advance().is_err() {
                        break;
                    }
                }
            }
        }
    }
}

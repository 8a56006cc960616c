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
}

/// An entry's parts. The key is its own end only; `shared` bytes of the key before come first.
struct Entry<'a> {
    shared: usize,
    suffix: &'a [u8],
    tag: u64,
    value: Range<usize>,
    end: usize,
}

impl Block {
    pub(in crate::db) fn new(bytes: Vec<u8>, file: FileName, offset: u64) -> Result<Self> {
        let restarts = bytes.split_last_chunk::<4>().and_then(|(rest, count)| {
            let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
            let end = rest.len().checked_sub(count.checked_mul(4)?)?;
            (count > 0).then_some((count, end))
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

    fn entry(&self, at: usize) -> Result<Entry<'_>> {
        let bytes = self.bytes.get(at..self.entries_end).unwrap_or_default();
        let mut reader = Reader::new(bytes);
        let mut read = || {
            let shared = reader.length()?;
            let suffix = reader.length()?;
            let tag = reader.varint()?;
            let value = if tag & 1 == 1 { reader.length()? } else { 0 };
            let suffix = reader.bytes(suffix)?;
            let start = at.saturating_add(reader.offset());
            reader.bytes(value)?;
            let end = at.saturating_add(reader.offset());
            Some(Entry {
                shared,
                suffix,
                tag,
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
    next: usize,
    valid: bool,
    key: Vec<u8>,
    tag: u64,
    value: Range<usize>,
}

impl BlockCursor {
    pub(super) const fn new(block: Arc<Block>) -> Self {
        Self {
            block,
            next: 0,
            valid: false,
            key: Vec::new(),
            tag: 0,
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
        self.tag = entry.tag;
        self.value = entry.value;
        self.next = entry.end;
        self.valid = true;
        Ok(())
    }

    /// Goes to the first entry whose key is not less than `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<()> {
        // The last restart whose key is not greater than `key` lies in low..high.
        let (mut low, mut high) = (0, self.block.restart_count);
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            let entry = self.block.entry(self.block.restart(middle)?)?;
            match entry.suffix.cmp(key) {
                Ordering::Greater => high = middle,
                Ordering::Equal | Ordering::Less => low = middle,
            }
        }
        self.next = self.block.restart(low)?;
        self.key.clear();
        loop {
            self.advance()?;
            if !self.valid || self.key.as_slice() >= key {
                return Ok(());
            }
        }
    }

    /// The entry here: key, sequence number, and the value or that the key is gone.
    pub(super) fn entry(&self) -> Option<crate::db::entry::Entry<'_>> {
        let value = (self.tag & 1 == 1).then(|| self.slice(&self.value));
        self.valid
            .then_some((self.key.as_slice(), self.tag >> 1, value))
    }

    /// Where in the block the value here is.
    pub(super) fn value_range(&self) -> Range<usize> {
        self.value.clone()
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.block.bytes.get(range.clone()).unwrap_or_default()
    }
}

impl Block {
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
                (index % 3 != 0).then_some(key.as_bytes()),
            );
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        Arc::new(Block::new(bytes, FileName::Table(1), 0).unwrap())
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
                    .map(|(key, sequence, _)| (key.to_vec(), sequence));
                let expected = (index < count)
                    .then(|| (format!("key{:05}", index * 2).into_bytes(), index as u64));
                assert_eq!(entry, expected);
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
                let Ok(block) = Block::new(bytes, FileName::Table(1), 0) else {
                    continue;
                };
                let mut cursor = BlockCursor::new(Arc::new(block));
                let _ = cursor.seek(b"key00010");
                for _ in 0..40 {
                    if cursor.advance().is_err() {
                        break;
                    }
                }
            }
        }
    }
}

//! A block in memory, as it is on disk or laid [flat](super::flat): its entries, and the one of a key, found in the former by halves over the
//! restart keys and then entry by entry.
//!
//! The checksum was right before a block gets here, but nothing relies on that: what makes no sense is
//! `Corrupt` with the entry's offset.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::flat::Flat;
use crate::codec::varint;
use crate::db::entry::Kind;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

/// The bytes of a block, without its trailer, and where they are from. One that is laid flat has no entries or restarts as they are on disk.
#[derive(Debug)]
pub(in crate::db) struct Block {
    bytes: Vec<u8>,
    /// Where the entries end and the restart places begin.
    entries_end: usize,
    restart_count: usize,
    file: FileName,
    offset: u64,
    /// Of the table: tags differ.
    version: u32,
    flat: Flat,
    /// It is flat, or is to stay as it is.
    is_settled: bool,
}

/// An entry's parts. The key is its own end only; `shared` bytes of the key before come first.
pub(super) struct Parts<'a> {
    pub(super) shared: usize,
    pub(super) suffix: &'a [u8],
    pub(super) sequence: u64,
    pub(super) kind: Kind,
    pub(super) value: Range<usize>,
    pub(super) end: usize,
}

impl Block {
    pub(in crate::db) fn new(
        bytes: Vec<u8>,
        file: FileName,
        offset: u64,
        version: u32,
    ) -> Result<Self> {
        let (restart_count, entries_end) = restarts(&bytes, file, offset)?;
        Ok(Self {
            bytes,
            entries_end,
            restart_count,
            file,
            offset,
            version,
            flat: Flat::NONE,
            is_settled: false,
        })
    }

    /// A partition: the index of some data blocks, their filter, and the filter's length.
    pub(super) fn of_partition(
        bytes: Vec<u8>,
        file: FileName,
        offset: u64,
        version: u32,
    ) -> Result<Self> {
        let index = bytes.split_last_chunk::<4>().and_then(|(rest, filter)| {
            let filter = usize::try_from(u32::from_le_bytes(*filter)).ok()?;
            rest.len().checked_sub(filter)
        });
        let index = index
            .ok_or_else(|| Error::corrupt(file, offset, "length of a partition's filter", 1, 0))?;
        let (restart_count, entries_end) =
            restarts(bytes.get(..index).unwrap_or_default(), file, offset)?;
        Ok(Self {
            bytes,
            entries_end,
            restart_count,
            file,
            offset,
            version,
            flat: Flat::NONE,
            is_settled: true,
        })
    }

    /// The filter of a partition.
    pub(super) fn filter(&self) -> &[u8] {
        let restarts = self.restart_count.saturating_mul(4).saturating_add(4);
        let start = self.entries_end.saturating_add(restarts);
        let end = self.bytes.len().saturating_sub(4);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Which of the entries, all with whole keys, is the first whose key is not less than `key`; their number if none is.
    pub(super) fn first_not_less(&self, key: &[u8]) -> Result<usize> {
        let (mut low, mut high) = (0, self.restart_count);
        while low < high {
            let middle = low.midpoint(high);
            match self.whole(middle)?.suffix < key {
                true => low = middle.saturating_add(1),
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Entry `index` of those with whole keys.
    pub(super) fn whole(&self, index: usize) -> Result<Parts<'_>> {
        let at = self.restart(index)?;
        let entry = self.entry(at)?;
        match entry.shared {
            0 => Ok(entry),
            _ => Err(self.corrupt(at, "key of an index")),
        }
    }

    /// A value as a block, so that it may lie in the cache: one without entries.
    pub(in crate::db) const fn of_value(value: Vec<u8>, file: FileName, offset: u64) -> Self {
        Self {
            bytes: value,
            entries_end: 0,
            restart_count: 0,
            file,
            offset,
            version: 0,
            flat: Flat::NONE,
            is_settled: true,
        }
    }

    /// All of it.
    #[inline]
    pub(in crate::db) fn value(&self) -> &[u8] {
        &self.bytes
    }

    /// The same block in the form in which it is to stay in the cache.
    pub(in crate::db) fn settled(&self) -> Result<Self> {
        let flat = Flat::new(self)?;
        let is_flat = flat.is_some();
        let (bytes, flat) = flat.unwrap_or_else(|| (self.bytes.clone(), Flat::NONE));
        Ok(Self {
            bytes,
            entries_end: if is_flat { 0 } else { self.entries_end },
            restart_count: if is_flat { 0 } else { self.restart_count },
            flat,
            is_settled: true,
            ..*self
        })
    }

    pub(super) const fn is_settled(&self) -> bool {
        self.is_settled
    }

    #[inline]
    pub(super) const fn is_flat(&self) -> bool {
        self.flat.len() > 0
    }

    #[inline]
    pub(super) const fn flat(&self) -> &Flat {
        &self.flat
    }

    /// Memory in use.
    pub(in crate::db) const fn bytes(&self) -> usize {
        self.bytes.len().saturating_add(self.flat.memory_bytes())
    }

    /// Where the entries end.
    pub(super) const fn entries_end(&self) -> usize {
        self.entries_end
    }

    pub(super) const fn restart_count(&self) -> usize {
        self.restart_count
    }

    pub(super) fn corrupt(&self, at: usize, what: &'static str) -> Error {
        Error::corrupt(self.file, self.offset.saturating_add(at as u64), what, 1, 0)
    }

    /// Where entry `index` of those with whole keys is.
    pub(super) fn restart(&self, index: usize) -> Result<usize> {
        let at = self.entries_end.saturating_add(index.saturating_mul(4));
        let place = self
            .bytes
            .get(at..at.saturating_add(4))
            .and_then(|bytes| bytes.first_chunk::<4>())
            .and_then(|bytes| usize::try_from(u32::from_le_bytes(*bytes)).ok())
            .filter(|place| *place < self.entries_end);
        place.ok_or_else(|| self.corrupt(at, "restart place"))
    }

    /// The entry that starts at `at`.
    #[inline]
    pub(super) fn entry(&self, at: usize) -> Result<Parts<'_>> {
        self.parts(at)
            .ok_or_else(|| self.corrupt(at, "entry of a block"))
    }

    #[inline]
    fn parts(&self, at: usize) -> Option<Parts<'_>> {
        let bytes = self.bytes.get(at..self.entries_end)?;
        let (shared, rest) = length(bytes)?;
        let (suffix, rest) = length(rest)?;
        let (tag, rest) = varint::read(rest)?;
        let (sequence, kind) = match self.version {
            1 => (tag >> 1, Kind::from_bits(tag & 1)?),
            2 => (tag >> 2, Kind::from_bits(tag & 3)?),
            _ => (tag >> 3, Kind::from_bits(tag & 7)?),
        };
        let (value, rest) = match kind {
            Kind::Remove => (0, rest),
            Kind::Put | Kind::Merge | Kind::Refused | Kind::Reference => length(rest)?,
        };
        let (suffix, rest) = rest.split_at_checked(suffix)?;
        let start = self.entries_end.checked_sub(rest.len())?;
        rest.get(..value)?;
        let end = start.checked_add(value)?;
        Some(Parts {
            shared,
            suffix,
            sequence,
            kind,
            value: start..end,
            end,
        })
    }

    /// The last restart whose key is not greater than `key`, or the first.
    pub(super) fn restart_before(&self, key: &[u8]) -> Result<usize> {
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

    /// What the entry of `key` says, and where its value is.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<(Kind, Range<usize>)>> {
        if self.is_flat() {
            return Ok(self.flat.find(&self.bytes, key));
        }
        self.find_by_restarts(key)
    }

    /// As [`find`](Self::find), in a block as it is on disk. No key is put together: of each entry it is known how many bytes it
    /// has in common with `key`, and so whether its suffix needs a look.
    fn find_by_restarts(&self, key: &[u8]) -> Result<Option<(Kind, Range<usize>)>> {
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
    #[inline]
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }
}

/// How many restarts a block has, and where its entries end.
fn restarts(bytes: &[u8], file: FileName, offset: u64) -> Result<(usize, usize)> {
    let restarts = bytes.split_last_chunk::<4>().and_then(|(rest, count)| {
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let end = rest.len().checked_sub(count.checked_mul(4)?)?;
        // The index of a table with nothing but removed ranges is empty.
        (count > 0 || end == 0).then_some((count, end))
    });
    restarts.ok_or_else(|| Error::corrupt(file, offset, "restart count of a block", 1, 0))
}

/// A length and what follows it. Most take one byte.
#[inline]
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..0x80, rest @ ..] => Some((usize::from(*short), rest)),
        _ => {
            let (length, rest) = varint::read(bytes)?;
            Some((usize::try_from(length).ok()?, rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::block_builder::BlockBuilder;
    use super::super::data_cursor::DataCursor;
    use super::*;
    use alloc::format;
    use alloc::sync::Arc;

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
        Arc::new(Block::new(bytes, FileName::Table(1), 0, 3).unwrap())
    }

    /// As it is on disk, and flat.
    fn forms(block: Arc<Block>) -> [Arc<Block>; 2] {
        let flat = block.settled().unwrap();
        assert!(flat.is_flat() && flat.is_settled() && !block.is_flat());
        [block, Arc::new(flat)]
    }

    #[test]
    fn every_key_is_found_and_every_gap_leads_to_the_next() {
        let counts = [(1, 1), (1, 40), (16, 1), (16, 16), (16, 17), (16, 100)];
        let blocks = counts.map(|(interval, count)| (count, forms(block(interval, count))));
        for (count, block) in blocks
            .iter()
            .flat_map(|(count, forms)| forms.each_ref().map(|block| (*count, block)))
        {
            let mut cursor = DataCursor::new(block.clone(), None);
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
                let found = block.find(key.as_bytes()).unwrap();
                let held = wanted % 2 == 0 && index < count;
                assert_eq!(found.is_some(), held, "{key}");
                if let Some((kind, value)) = found {
                    let removed = index % 3 == 0;
                    assert_eq!(kind == Kind::Remove, removed);
                    let expected = if removed { "" } else { &key };
                    assert_eq!(block.slice(value), expected.as_bytes());
                }
                for other in ["", "ke", "key", &key[..7], &format!("{key}0")] {
                    assert!(block.find(other.as_bytes()).unwrap().is_none());
                }
                cursor.step(true).unwrap();
                let before = index.min(count).checked_sub(1);
                assert_eq!(
                    cursor.key().map(<[u8]>::to_vec),
                    before.map(|index| format!("key{:05}", index * 2).into_bytes())
                );
            }
        }
    }

    #[test]
    fn a_cursor_that_turns_around_sees_what_lies_there() {
        let counts = [(1, 9), (4, 30), (16, 16), (16, 50)];
        let blocks = counts.map(|(interval, count)| (count, forms(block(interval, count))));
        for (count, block) in blocks
            .iter()
            .flat_map(|(count, forms)| forms.each_ref().map(|block| (*count, block)))
        {
            let mut cursor = DataCursor::new(block.clone(), None);
            let mut random = 1u32;
            let mut at = count;
            cursor.seek_last().unwrap();
            for _ in 0..2000 {
                at -= 1;
                let key = format!("key{:05}", at * 2).into_bytes();
                let entry = cursor.entry().unwrap();
                assert_eq!((entry.key, entry.sequence), (&key[..], at as u64));
                assert_eq!(entry.kind == Kind::Remove, at % 3 == 0);
                assert!(entry.value.is_empty() || entry.value == key);
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                if random.is_multiple_of(5) && at + 2 < count {
                    cursor.step(false).unwrap();
                    at += 2;
                } else if at == 0 {
                    cursor.step(true).unwrap();
                    assert!(cursor.entry().is_none() && !cursor.is_at_entry());
                    cursor.seek_last().unwrap();
                    at = count;
                } else {
                    cursor.step(true).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_flat_block_finds_what_restarts_find() {
        let ends: &[&[u8]] = &[
            b"",
            b"\0",
            b"\0\0",
            b"a",
            b"abcdefgh",
            b"abcdefgh\0",
            b"abcdefghijklmnop",
            b"abcdefghijklmnoq",
            b"b",
            b"ba",
            b"bb",
            b"bbbbbbbb1",
            b"bbbbbbbb2",
            b"bbbbbbbb3",
            b"bbbbbbbb4",
            b"bbbbbbbb5",
            b"bbbbbbbb6",
            b"bbbbbbbb7",
        ];
        for common in [&b""[..], b"p", b"a long beginning/"] {
            for interval in [1, 3, 16] {
                for step in 1..3 {
                    let keys: Vec<_> = ends.iter().map(|end| [common, end].concat()).collect();
                    let mut builder = BlockBuilder::new(interval);
                    for (index, key) in keys.iter().enumerate().step_by(step) {
                        builder.push(key, index as u64, Kind::Put, key);
                    }
                    let mut bytes = Vec::new();
                    builder.finish(&mut bytes);
                    let plain = Block::new(bytes, FileName::Table(1), 0, 3).unwrap();
                    let indexed = plain.settled().unwrap();
                    assert!(indexed.is_flat());
                    assert!(indexed.bytes() > plain.bytes());
                    let found = |block: &Block, key: &[u8]| {
                        let found = block.find(key).unwrap();
                        found.map(|(kind, place)| (kind, block.slice(place).to_vec()))
                    };
                    for (index, key) in keys.iter().enumerate() {
                        let held = (index % step == 0).then(|| (Kind::Put, key.clone()));
                        assert_eq!(found(&indexed, key), held);
                        assert_eq!(found(&plain, key), held);
                        for end in [&b"\0"[..], b"x", b"bbbbbbbb9"] {
                            let other = [key, end].concat();
                            assert_eq!(found(&indexed, &other), found(&plain, &other));
                        }
                    }
                    assert_eq!(found(&indexed, b""), found(&plain, b""));
                }
            }
        }
    }

    #[test]
    fn a_block_that_would_grow_much_stays_as_it_is() {
        let mut builder = BlockBuilder::new(16);
        let keys: Vec<_> = (0..64)
            .map(|index| format!("{}{index:02}", "long".repeat(100)))
            .collect();
        for key in &keys {
            builder.push(key.as_bytes(), 1, Kind::Put, b"value");
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        let block = Block::new(bytes, FileName::Table(1), 0, 3).unwrap();
        let settled = block.settled().unwrap();
        assert!(settled.is_settled() && !settled.is_flat());
        assert_eq!(settled.bytes(), block.bytes());
        let found = settled.find(keys[40].as_bytes()).unwrap().unwrap();
        assert_eq!(settled.slice(found.1), b"value");
    }

    #[test]
    fn a_changed_byte_never_panics() {
        let whole = block(4, 12);
        for at in 0..whole.bytes.len() {
            for bit in 0..8 {
                let mut bytes = whole.bytes.clone();
                bytes[at] ^= 1 << bit;
                let Ok(block) = Block::new(bytes, FileName::Table(1), 0, 3) else {
                    continue;
                };
                let block = Arc::new(block);
                for block in [block.clone(), block.settled().map_or(block, Arc::new)] {
                    let mut cursor = DataCursor::new(block.clone(), None);
                    let _ = cursor.seek(b"key00010");
                    let _ = block.find(b"key00010");
                    let _ = cursor.step(true);
                    for _ in 0..40 {
                        if cursor.step(false).is_err() {
                            break;
                        }
                    }
                }
            }
        }
    }
}

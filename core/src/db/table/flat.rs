//! How a block lies in memory once it was found in the cache, or is walked: whole keys, each followed by its value, and a row for each entry.
//!
//! On disk a key leaves out what it has in common with the one before, which saves space and costs whoever walks the block a copy of each
//! key, and whoever searches it a walk. So a block that is used again is laid out anew: a search goes by halves over numbers
//! that lie together and then looks at one entry, a step either way adds or takes one, and keys and values are borrowed where they lie.
//!
//! # Bounds
//! A row and its number take twenty bytes. A block that would take more than three times its memory, for long keys that
//! have nearly all in common, stays as it is.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use crate::codec::{Reader, varint};
use crate::db::entry::{Entry, Kind};
use crate::db::error::Result;
use crate::db::options::KEY_BYTES_MAX;
use crate::db::prefix::{self, prefix};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

/// What small blocks may take besides.
const SMALL_BYTES: usize = 256;
/// Of a row and its number.
const ROW_BYTES: usize = size_of::<Row>() + size_of::<u64>();
/// Bits of a row that are its kind's.
const KIND_BITS: u32 = 3;

/// An entry: its key, its value and its sequence number follow each other.
#[derive(Clone, Copy, Debug)]
struct Row {
    start: u32,
    /// The key's bytes, and below them the kind.
    key: u32,
    value_bytes: u32,
}

/// Where the entries of a block are. Empty for a block as it is on disk.
#[derive(Clone, Debug)]
pub(super) struct Flat {
    /// Bytes that all keys start with.
    common: usize,
    /// The next bytes of each key, as a number; ascending.
    prefixes: Vec<u64>,
    rows: Vec<Row>,
}

impl Row {
    fn new(start: usize, key_bytes: usize, kind: Kind, value_bytes: usize) -> Option<Self> {
        let key_bytes = u32::try_from(key_bytes).ok()?;
        Some(Self {
            start: u32::try_from(start).ok()?,
            key: key_bytes.checked_shl(KIND_BITS)? | kind as u32,
            value_bytes: u32::try_from(value_bytes).ok()?,
        })
    }

    #[inline]
    const fn key(self) -> Range<usize> {
        let start = self.start as usize;
        start..start.saturating_add((self.key >> KIND_BITS) as usize)
    }

    #[inline]
    const fn kind(self) -> Kind {
        match Kind::from_bits((self.key & 7) as u64) {
            Some(kind) => kind,
            None => Kind::Remove,
        }
    }

    #[inline]
    const fn value(self) -> Range<usize> {
        let start = self.key().end;
        start..start.saturating_add(self.value_bytes as usize)
    }
}

impl Flat {
    pub(super) const NONE: Self = Self {
        common: 0,
        prefixes: Vec::new(),
        rows: Vec::new(),
    };

    /// The bytes of a block as they are laid out here, and where what is; `None` inside if it is to stay as it is.
    pub(super) fn new(block: &Block) -> Result<Option<(Vec<u8>, Self)>> {
        let packed = block.entries_end();
        let most = packed.saturating_mul(3).saturating_add(SMALL_BYTES);
        let mut bytes = Vec::with_capacity(packed.saturating_add(packed / 8));
        let mut rows = Vec::<Row>::new();
        let mut last = 0..0usize;
        let mut at = 0usize;
        while at < packed {
            let entry = block.entry(at)?;
            let key_bytes = entry.shared.saturating_add(entry.suffix.len());
            if entry.shared > last.len() || key_bytes > KEY_BYTES_MAX || entry.end <= at {
                return Err(block.corrupt(at, "length of a key"));
            }
            let start = bytes.len();
            bytes.extend_from_within(last.start..last.start.saturating_add(entry.shared));
            bytes.extend_from_slice(entry.suffix);
            let Some(row) = Row::new(start, key_bytes, entry.kind, entry.value.len()) else {
                return Ok(None);
            };
            last = row.key();
            bytes.extend_from_slice(block.slice(entry.value));
            varint::push(&mut bytes, entry.sequence);
            rows.push(row);
            let of_rows = rows.len().saturating_mul(ROW_BYTES);
            if bytes.len().saturating_add(of_rows) > most {
                return Ok(None);
            }
            at = entry.end;
        }
        bytes.shrink_to_fit();
        rows.shrink_to_fit();
        let key = |row: &Row| bytes.get(row.key()).unwrap_or_default();
        let (first, last) = (rows.first().map(key), rows.last().map(key));
        let pairs = first.into_iter().flatten().zip(last.into_iter().flatten());
        let common = pairs.take_while(|(a, b)| a == b).count();
        let prefixes = rows
            .iter()
            .map(|row| prefix(key(row).get(common..).unwrap_or_default()))
            .collect();
        let flat = Self {
            common,
            prefixes,
            rows,
        };
        Ok(Some((bytes, flat)))
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Memory in use.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.rows.len().saturating_mul(ROW_BYTES)
    }

    #[inline]
    fn key<'a>(&self, bytes: &'a [u8], row: usize) -> Option<&'a [u8]> {
        bytes.get(self.rows.get(row)?.key())
    }

    /// The first entry whose key is not less than `key`.
    fn first_not_less(&self, bytes: &[u8], key: &[u8]) -> usize {
        let key_at = |row| self.key(bytes, row).unwrap_or_default();
        let common = key_at(0).get(..self.common).unwrap_or_default();
        prefix::first_not_less(common, &self.prefixes, key, key_at)
    }

    /// As [`Block::find`].
    pub(super) fn find(&self, bytes: &[u8], key: &[u8]) -> Option<(Kind, Range<usize>)> {
        let row = self.rows.get(self.first_not_less(bytes, key))?;
        (bytes.get(row.key())? == key).then(|| (row.kind(), row.value()))
    }
}

/// A place in a block that is laid out so. Starts before the first entry.
#[derive(Debug)]
pub(super) struct FlatCursor {
    block: Arc<Block>,
    /// No entry's at either end.
    row: usize,
}

impl FlatCursor {
    pub(super) const fn new(block: Arc<Block>) -> Self {
        Self {
            block,
            row: usize::MAX,
        }
    }

    /// Goes to the next entry, or to the one before. Before the first one is the same place as behind all that there could be.
    #[inline]
    pub(super) const fn step(&mut self, reverse: bool) {
        self.row = if reverse {
            self.row.wrapping_sub(1)
        } else {
            self.row.wrapping_add(1)
        };
    }

    /// Goes to the first entry whose key is not less than `key`.
    pub(super) fn seek(&mut self, key: &[u8]) {
        self.row = self.block.flat().first_not_less(self.block.value(), key);
    }

    /// Goes to the last entry.
    pub(super) fn seek_last(&mut self) {
        self.row = self.block.flat().len().wrapping_sub(1);
    }

    #[inline]
    pub(super) fn is_at_entry(&self) -> bool {
        self.row < self.block.flat().len()
    }

    #[inline]
    fn row(&self) -> Option<Row> {
        self.block.flat().rows.get(self.row).copied()
    }

    /// The key and the kind of the entry here.
    #[inline]
    pub(super) fn here(&self) -> Option<(&[u8], Kind)> {
        let row = self.row()?;
        Some((self.block.value().get(row.key())?, row.kind()))
    }

    /// The key here.
    #[inline]
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.block.value().get(self.row()?.key())
    }

    /// The key and the value here.
    #[inline]
    pub(super) fn pair(&self) -> Option<(&[u8], &[u8])> {
        let (row, bytes) = (self.row()?, self.block.value());
        Some((bytes.get(row.key())?, bytes.get(row.value())?))
    }

    /// The entry here.
    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        let row = self.row()?;
        let (key, value) = self.pair()?;
        let mut rest = Reader::new(self.block.value().get(row.value().end..)?);
        Some(Entry {
            key,
            sequence: rest.varint()?,
            kind: row.kind(),
            value,
        })
    }
}

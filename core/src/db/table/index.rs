//! A table's index in memory: per data block its last key and its place, laid out for searching.
//!
//! What all keys have in common at their start is held once; of the rest, the first eight bytes stand as a number in an array of
//! their own, so that a search touches few cache lines and seldom a key.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use super::block_cursor::BlockCursor;
use super::layout::BlockPlace;
use crate::db::error::Result;
use crate::db::prefix::{self, prefix};
use alloc::sync::Arc;
use alloc::vec::Vec;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Bytes that all keys start with.
    common: usize,
    prefixes: Vec<u64>,
    /// All keys, one after the other, and where each ends.
    keys: Vec<u8>,
    ends: Vec<usize>,
    places: Vec<BlockPlace>,
}

impl Index {
    /// Reads an index block. `place` reads where a block is, and says `None` if that makes no sense; then so does this.
    pub(super) fn read(
        block: Arc<Block>,
        mut place: impl FnMut(&[u8]) -> Option<BlockPlace>,
    ) -> Result<Option<Self>> {
        let mut index = Self::default();
        let bytes_max = block.bytes();
        let mut cursor = BlockCursor::new(block);
        loop {
            cursor.advance()?;
            let Some(entry) = cursor.entry() else {
                break;
            };
            let Some(place) = place(entry.value) else {
                return Ok(None);
            };
            let ascends =
                index.places.is_empty() || index.key(index.len().wrapping_sub(1)) < entry.key;
            if !ascends {
                return Ok(None);
            }
            // Each of its keys is whole, so all of them together are no longer than the block.
            if index.keys.len().saturating_add(entry.key.len()) > bytes_max {
                return Ok(None);
            }
            index.keys.extend_from_slice(entry.key);
            index.ends.push(index.keys.len());
            index.places.push(place);
        }
        let last = index.key(index.len().wrapping_sub(1));
        index.common = index
            .key(0)
            .iter()
            .zip(last)
            .take_while(|(a, b)| a == b)
            .count();
        index.prefixes = (0..index.len())
            .map(|at| prefix(index.key(at).get(index.common..).unwrap_or_default()))
            .collect();
        Ok(Some(index))
    }

    /// Data blocks.
    pub(super) const fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn place(&self, at: usize) -> Option<BlockPlace> {
        self.places.get(at).copied()
    }

    /// The last key of block `at`.
    pub(super) fn key(&self, at: usize) -> &[u8] {
        let end = self.ends.get(at).copied().unwrap_or_default();
        let start = at
            .checked_sub(1)
            .and_then(|before| self.ends.get(before).copied())
            .unwrap_or_default();
        self.keys.get(start..end).unwrap_or_default()
    }

    /// The first block whose last key is not less than `key`: the only one that may have it.
    pub(super) fn find(&self, key: &[u8]) -> usize {
        let common = self.key(0).get(..self.common).unwrap_or_default();
        prefix::first_not_less(common, &self.prefixes, key, |at| self.key(at))
    }

    /// Memory in use.
    pub(super) const fn memory_bytes(&self) -> usize {
        const BLOCK_BYTES: usize = size_of::<(u64, usize, BlockPlace)>();
        self.keys
            .len()
            .saturating_add(self.len().saturating_mul(BLOCK_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::super::block_builder::BlockBuilder;
    use super::*;
    use crate::db::entry::Kind;
    use crate::db::file_name::FileName;

    #[test]
    fn the_block_of_every_key_is_found() {
        let ending: &[&[u8]] = &[
            b"",
            b"\0",
            b"\0\0",
            b"a",
            b"ab",
            b"abcdefgh",
            b"abcdefghi",
            b"abcdefghj",
            b"b",
        ];
        for common in [&b""[..], b"prefix/"] {
            let keys: Vec<Vec<u8>> = ending.iter().map(|end| [common, end].concat()).collect();
            for step in 1..4 {
                let held: Vec<_> = keys.iter().step_by(step).collect();
                let mut builder = BlockBuilder::new(1);
                for key in &held {
                    let mut place = Vec::new();
                    BlockPlace::default().push(&mut place);
                    builder.push(key, 0, Kind::Put, &place);
                }
                let mut bytes = Vec::new();
                builder.finish(&mut bytes);
                let block = Block::new(bytes, FileName::Table(1), 0, 3).unwrap();
                let index = Index::read(Arc::new(block), BlockPlace::read)
                    .unwrap()
                    .unwrap();
                let strangers = [
                    b"".to_vec(),
                    b"pref".to_vec(),
                    b"prefix0".to_vec(),
                    b"z".to_vec(),
                ];
                for key in keys.iter().chain(&strangers) {
                    let expected = held.iter().position(|held| *held >= key);
                    assert_eq!(index.find(key), expected.unwrap_or(held.len()), "{key:?}");
                }
            }
        }
    }
}

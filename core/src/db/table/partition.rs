//! The index of a table in the making, in one piece or in partitions.
//!
//! ```text
//! | data block | ... | partition | ... | filter block, empty | ranges block | index block | ...
//! partition: index of some neighbouring data blocks, their filter, length of the filter u32
//! ```
//! A large table's index and filter would lie in memory for as long as it is open. In partitions they lie in the cache, as data does, and
//! only the index of the partitions is kept: a read finds its partition by that, asks its filter, and finds the data block by its index. One
//! block has both, so that is one more look at the cache, and one more read at most.
#![forbid(unsafe_code)]

use super::block_builder::BlockBuilder;
use super::layout::BlockPlace;
use crate::codec::{Reader, varint};
use crate::db::entry::Kind;
use alloc::vec::Vec;
use core::ops::Range;

/// How much longer than a data block a partition gets: with both as they are by default one brings some 200 data blocks' worth.
const BLOCKS: usize = 2;
/// What an entry of the index takes besides its key: lengths, tag, place and restart.
const ENTRY_BYTES: usize = 13;

/// Some neighbouring data blocks, and which of the filter's keys are theirs.
pub(super) struct Part {
    pub(super) blocks: Range<usize>,
    pub(super) keys: Range<usize>,
}

/// Each data block's last key and place.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    /// Bytes of index and filter at which a partition ends.
    partition_bytes: usize,
    /// All keys, one after the other, and where each ends.
    keys: Vec<u8>,
    ends: Vec<usize>,
    places: Vec<BlockPlace>,
    /// How many blocks, and keys of the filter, there were where each partition ended.
    cuts: Vec<(usize, usize)>,
}

impl IndexBuilder {
    pub(super) fn new(block_bytes: usize) -> Self {
        Self {
            partition_bytes: block_bytes.saturating_mul(BLOCKS),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, last_key: &[u8], place: BlockPlace) {
        self.keys.extend_from_slice(last_key);
        self.ends.push(self.keys.len());
        self.places.push(place);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        &self.keys[self.end_before(at)..self.ends[at]]
    }

    fn end_before(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// Bytes of the blocks from `from` on, roughly.
    fn bytes_from(&self, from: usize) -> usize {
        let blocks = self.places.len() - from;
        self.keys.len() - self.end_before(from) + blocks * ENTRY_BYTES
    }

    /// Bytes of all, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes_from(0)
    }

    /// Ends a partition here if it is long enough; `filter_bytes` says how long a filter of so many keys is, and there were `keys` so far. Whether
    /// it did.
    pub(super) fn cut(&mut self, keys: usize, filter_bytes: impl FnOnce(usize) -> usize) -> bool {
        let (block, key) = self.cuts.last().copied().unwrap_or_default();
        let full = self.bytes_from(block) + filter_bytes(keys - key) >= self.partition_bytes;
        if full {
            self.cuts.push((self.places.len(), keys));
        }
        full
    }

    /// The partitions, when the filter has `keys`.
    pub(super) fn parts(&self, keys: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut block, mut key) = (0, 0);
        let end = (self.places.len(), keys);
        for (blocks_end, keys_end) in self.cuts.iter().copied().chain([end]) {
            if blocks_end > block {
                parts.push(Part {
                    blocks: block..blocks_end,
                    keys: key..keys_end,
                });
            }
            (block, key) = (blocks_end, keys_end);
        }
        parts
    }

    /// Puts the index of some blocks into `out`, which is empty.
    pub(super) fn encode(&self, blocks: Range<usize>, out: &mut Vec<u8>) {
        let mut builder = BlockBuilder::new(1);
        let mut place = Vec::new();
        for at in blocks {
            place.clear();
            self.places[at].push(&mut place);
            builder.push(self.key(at), 0, Kind::Put, &place);
        }
        builder.finish(out);
    }
}

/// Adds the filter of a partition to its index.
pub(super) fn push_filter(filter: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(filter);
    out.extend_from_slice(&(filter.len() as u32).to_le_bytes());
}

/// What the index block says of a partition: where it is, and how many data blocks it has.
pub(super) fn push_place(place: BlockPlace, blocks: usize, out: &mut Vec<u8>) {
    place.push(out);
    varint::push(out, blocks as u64);
}

/// Reads it back.
pub(super) fn read_place(bytes: &[u8]) -> Option<(BlockPlace, u64)> {
    let mut reader = Reader::new(bytes);
    let place = BlockPlace {
        offset: reader.varint()?,
        bytes: reader.varint()?,
    };
    let blocks = reader.varint()?;
    reader.is_empty().then_some((place, blocks))
}

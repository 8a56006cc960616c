//! Where in a block each entry is, by the first bytes of its key: for blocks in the cache that point reads come back to.
//!
//! Searching by restarts walks half of sixteen entries, each some cache lines on from the last. This takes a search by halves over
//! numbers that lie together, and then one entry. It costs twelve bytes an entry, so a block gets it when it is found in the cache, not
//! when it is read.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use crate::db::entry::Kind;
use crate::db::error::Result;
use crate::db::prefix::{PREFIX_BYTES, prefix};
use alloc::vec::Vec;
use core::ops::Range;

/// Entries with the same number that are looked at one by one: more, and restarts are the better way.
const SAME_MAX: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Lookup {
    /// What all keys start with.
    common: Vec<u8>,
    /// The next bytes of each key, as a number; ascending.
    prefixes: Vec<u64>,
    places: Vec<u32>,
}

impl Lookup {
    pub(super) fn new(block: &Block) -> Result<Self> {
        let mut keys = Vec::new();
        let mut ends = Vec::new();
        let mut places = Vec::new();
        let (mut at, mut start) = (0usize, 0usize);
        while at < block.entries_end() {
            let entry = block.entry(at)?;
            let end = keys.len();
            let shared_end = start.saturating_add(entry.shared);
            if shared_end > end || entry.end <= at {
                return Err(block.corrupt(at, "shared length of a key"));
            }
            keys.extend_from_within(start..shared_end);
            keys.extend_from_slice(entry.suffix);
            ends.push(keys.len());
            // A block's places are 32 bits wide on disk too.
            places.push(u32::try_from(at).map_err(|_| block.corrupt(at, "entry of a block"))?);
            (start, at) = (end, entry.end);
        }
        let key = |index: usize| -> &[u8] {
            let end = ends.get(index).copied().unwrap_or_default();
            let start = index.checked_sub(1).and_then(|before| ends.get(before));
            keys.get(start.copied().unwrap_or_default()..end)
                .unwrap_or_default()
        };
        let last = key(ends.len().saturating_sub(1));
        let pairs = key(0).iter().zip(last);
        let common = pairs.take_while(|(a, b)| a == b).count();
        let prefixes = (0..ends.len()).map(|at| prefix(key(at).get(common..).unwrap_or_default()));
        Ok(Self {
            common: last.get(..common).unwrap_or_default().into(),
            prefixes: prefixes.collect(),
            places,
        })
    }

    /// Memory in use.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.places
            .len()
            .saturating_mul(size_of::<(u64, u32)>())
            .saturating_add(self.common.len())
    }

    /// As [`Block::find`].
    pub(super) fn find(&self, block: &Block, key: &[u8]) -> Result<Option<(Kind, Range<usize>)>> {
        let Some(rest) = key.strip_prefix(&self.common[..]) else {
            return Ok(None);
        };
        let wanted = prefix(rest);
        let first = self.prefixes.partition_point(|&prefix| prefix < wanted);
        let known = self.common.len().saturating_add(PREFIX_BYTES);
        let places = self.places.get(first..).unwrap_or_default().iter();
        let prefixes = self.prefixes.get(first..).unwrap_or_default().iter();
        for (same, (_, &place)) in prefixes
            .zip(places)
            .take_while(|(prefix, _)| **prefix == wanted)
            .enumerate()
        {
            let entry = block.entry(place as usize)?;
            if same == SAME_MAX || entry.shared > known {
                return block.find_by_restarts(key);
            }
            // With equal lengths, equal numbers mean equal bytes up to `known`, and so as far as the entry leaves its key out.
            let bytes = entry.shared.saturating_add(entry.suffix.len());
            if bytes == key.len() && key.get(entry.shared..) == Some(entry.suffix) {
                return Ok(Some((entry.kind, entry.value)));
            }
        }
        Ok(None)
    }
}

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
use crate::db::options::KEY_BYTES_MAX;
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
        // Twice over the keys, one at a time: all of them together may be far longer than the block.
        let (mut first, mut key) = (None, Vec::new());
        let mut places = Vec::new();
        walk(block, &mut key, |at, key| {
            first.get_or_insert_with(|| key.to_vec());
            // A block's places are 32 bits wide on disk too.
            places.push(u32::try_from(at).map_err(|_| block.corrupt(at, "entry of a block"))?);
            Ok(())
        })?;
        let first = first.unwrap_or_default();
        let pairs = first.iter().zip(&key);
        let common = pairs.take_while(|(a, b)| a == b).count();
        let mut prefixes = Vec::with_capacity(places.len());
        walk(block, &mut key, |_, key| {
            prefixes.push(prefix(key.get(common..).unwrap_or_default()));
            Ok(())
        })?;
        Ok(Self {
            common: first.get(..common).unwrap_or_default().into(),
            prefixes,
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

/// Calls `visit` with the place and the key of each entry; the last key stays in `key`.
fn walk(
    block: &Block,
    key: &mut Vec<u8>,
    mut visit: impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    key.clear();
    let mut at = 0usize;
    while at < block.entries_end() {
        let entry = block.entry(at)?;
        let key_bytes = entry.shared.saturating_add(entry.suffix.len());
        if entry.shared > key.len() || key_bytes > KEY_BYTES_MAX || entry.end <= at {
            return Err(block.corrupt(at, "length of a key"));
        }
        key.truncate(entry.shared);
        key.extend_from_slice(entry.suffix);
        visit(at, key)?;
        at = entry.end;
    }
    Ok(())
}

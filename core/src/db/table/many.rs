//! Reads of several keys: a block that has more than one of them is looked for once, and blocks that lie close are read together.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use super::layout::BlockPlace;
use super::reader::{Found, Table};
use crate::db::error::Result;
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Keys that are looked for together: it bounds the blocks that are held.
const KEYS: usize = 128;
/// Bytes between two blocks that are rather read than a second call made.
const GAP_BYTES: u64 = 8 << 10;
/// Longest read of several blocks.
const READ_BYTES_MAX: u64 = 256 << 10;

impl<P: Files> Table<P> {
    /// As [`get`](Self::get) for ascending keys, each with its hash: calls `found` with the place and the entry of each.
    pub(in crate::db) fn get_sorted(
        &self,
        keys: &[(&[u8], u64)],
        mut found: impl FnMut(usize, Option<Found>) -> Result<()>,
    ) -> Result<()> {
        let mut at = 0usize;
        for keys in keys.chunks(KEYS) {
            let mut places = Vec::with_capacity(keys.len());
            for (key, hash) in keys {
                places.push(self.place_of(key, *hash)?);
            }
            let mut blocks = self.blocks(&places)?.into_iter().peekable();
            for ((key, _), place) in keys.iter().zip(&places) {
                let entry = match place {
                    None => None,
                    Some(place) => {
                        while blocks.peek().is_some_and(|(other, _)| other != place) {
                            blocks.next();
                        }
                        match blocks.peek() {
                            Some((_, block)) => self.find_in(block.clone(), key)?,
                            None => None,
                        }
                    }
                };
                found(at, entry)?;
                at = at.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The blocks at the places, each once.
    fn blocks(&self, places: &[Option<BlockPlace>]) -> Result<Vec<(BlockPlace, Arc<Block>)>> {
        let mut blocks: Vec<(BlockPlace, Arc<Block>)> = Vec::new();
        let mut missing: Vec<BlockPlace> = Vec::new();
        let mut last = None;
        for place in places.iter().flatten().copied() {
            if last.replace(place) == Some(place) {
                continue;
            }
            if let Some(block) = self.cached(place)? {
                self.read_together(&mut missing, &mut blocks)?;
                blocks.push((place, block));
                continue;
            }
            let (first, end) = match (missing.first(), missing.last()) {
                (Some(first), Some(last)) => (first.offset, last.end()),
                _ => (place.offset, place.offset),
            };
            let far = place.offset.saturating_sub(end) > GAP_BYTES
                || place.end().saturating_sub(first) > READ_BYTES_MAX;
            if far {
                self.read_together(&mut missing, &mut blocks)?;
            }
            missing.push(place);
        }
        self.read_together(&mut missing, &mut blocks)?;
        Ok(blocks)
    }

    fn read_together(
        &self,
        missing: &mut Vec<BlockPlace>,
        blocks: &mut Vec<(BlockPlace, Arc<Block>)>,
    ) -> Result<()> {
        match &missing[..] {
            [] => {}
            [place] => blocks.push((*place, self.block(*place)?)),
            places => {
                let read = self.blocks_together(places)?;
                blocks.extend(places.iter().copied().zip(read));
            }
        }
        missing.clear();
        Ok(())
    }
}

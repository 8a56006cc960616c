//! Reads blocks of a table that are walked one after the other by several at once.
//!
//! The first block is read alone: most searches want no more. From the second on, a read takes in what comes next in the direction of the
//! walk, twice as much each time. Blocks that come from the cache go along: they neither end a walk nor start one.
//!
//! # Bounds
//! What is read ahead is held by the cursor, at most [`WINDOW_MAX`] bytes. A read ahead that fails says nothing: the block is then read alone.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::layout::BlockPlace;
use crate::db::error::Result;
use alloc::vec::Vec;
use core::ops::Range;

const WINDOW_MIN: usize = 16 << 10;
/// Reads of this size cost little more than their bytes.
const WINDOW_MAX: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Nowhere,
    On,
    Back,
}

#[derive(Debug)]
pub(super) struct ReadAhead {
    /// Where the walk is in the file, and where it goes.
    here: Range<u64>,
    way: Way,
    /// What was read, and from which offset on.
    start: u64,
    bytes: Vec<u8>,
    window: usize,
}

impl ReadAhead {
    pub(super) const fn new() -> Self {
        Self {
            here: 0..0,
            way: Way::Nowhere,
            start: 0,
            bytes: Vec::new(),
            window: 0,
        }
    }

    /// The walk comes to a block.
    pub(super) fn come_to(&mut self, place: BlockPlace) {
        let next = place.offset..place.end();
        let was_somewhere = self.here.end > 0;
        self.way = match self.way {
            Way::On | Way::Nowhere if was_somewhere && next.start == self.here.end => Way::On,
            Way::Back | Way::Nowhere if was_somewhere && next.end == self.here.start => Way::Back,
            _ => {
                self.window = 0;
                Way::Nowhere
            }
        };
        self.here = next;
    }

    /// The bytes of the block here, with its trailer, if they were read ahead or are now. Blocks lie before `end`.
    pub(super) fn block(
        &mut self,
        end: u64,
        read: impl FnOnce(&mut [u8], u64) -> Result<()>,
    ) -> Option<&[u8]> {
        if self.held().is_none() {
            self.fill(end, read)?;
        }
        self.bytes.get(self.held()?)
    }

    /// Where in `bytes` the block here is.
    fn held(&self) -> Option<Range<usize>> {
        let place = |offset: u64| usize::try_from(offset.checked_sub(self.start)?).ok();
        let range = place(self.here.start)?..place(self.here.end)?;
        (range.end <= self.bytes.len()).then_some(range)
    }

    fn fill(&mut self, end: u64, read: impl FnOnce(&mut [u8], u64) -> Result<()>) -> Option<()> {
        self.window = self.window.saturating_mul(2).clamp(WINDOW_MIN, WINDOW_MAX);
        let window = self.window as u64;
        let (start, end) = match self.way {
            Way::Nowhere => {
                self.window = 0;
                return None;
            }
            Way::On => (
                self.here.start,
                self.here.start.saturating_add(window).min(end),
            ),
            Way::Back => (self.here.end.saturating_sub(window), self.here.end),
        };
        let bytes = usize::try_from(end.saturating_sub(start)).ok()?;
        // Nothing of it is to be taken for the block if the read fails.
        self.bytes.clear();
        if start > self.here.start || end < self.here.end {
            return None;
        }
        self.bytes.resize(bytes, 0);
        self.start = start;
        if read(&mut self.bytes, start).is_err() {
            self.bytes.clear();
            self.way = Way::Nowhere;
            return None;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::error::Error;

    const BLOCK: u64 = 4_000;
    const COUNT: u64 = 500;

    fn place(at: u64) -> BlockPlace {
        // With the trailer's five bytes it is `BLOCK` long.
        BlockPlace {
            offset: at * BLOCK,
            bytes: BLOCK - 5,
        }
    }

    /// The bytes of block `at`, read alone if need be, and how many reads there were.
    fn walk(
        ahead: &mut ReadAhead,
        order: impl Iterator<Item = u64>,
        cached: impl Fn(u64) -> bool,
    ) -> usize {
        let file: Vec<u8> = (0..COUNT * BLOCK).map(|at| (at / BLOCK) as u8).collect();
        let mut reads = 0;
        for at in order {
            ahead.come_to(place(at));
            if cached(at) {
                continue;
            }
            let mut wide = 0;
            let block = ahead.block(COUNT * BLOCK, |buffer, offset| {
                wide += 1;
                assert!(buffer.len() <= WINDOW_MAX);
                buffer.copy_from_slice(&file[offset as usize..][..buffer.len()]);
                Ok(())
            });
            match block {
                Some(block) => assert_eq!(block, alloc::vec![at as u8; BLOCK as usize]),
                None => reads += 1,
            }
            reads += wide;
        }
        reads
    }

    #[test]
    fn walks_either_way_take_few_reads_and_jumps_one_each() {
        let all = |_| false;
        let on = walk(&mut ReadAhead::new(), 0..COUNT, all);
        let back = walk(&mut ReadAhead::new(), (0..COUNT).rev(), all);
        assert!(on < 20 && back < 20, "{on} {back}");
        let jumps = (0..COUNT).map(|at| at * 7 % COUNT);
        assert_eq!(walk(&mut ReadAhead::new(), jumps, all), COUNT as usize);
        let turns = (0..COUNT / 2).flat_map(|at| [at, at + 1]);
        walk(&mut ReadAhead::new(), turns, all);
        let some = walk(&mut ReadAhead::new(), 0..COUNT, |at| at % 3 == 0);
        assert!(some < 20, "{some}");
        assert_eq!(walk(&mut ReadAhead::new(), 0..COUNT, |_| true), 0);
    }

    #[test]
    fn a_block_is_not_read_ahead_twice_nor_taken_from_a_read_that_failed() {
        let mut ahead = ReadAhead::new();
        ahead.come_to(place(0));
        assert!(ahead.block(COUNT * BLOCK, |_, _| Ok(())).is_none());
        ahead.come_to(place(1));
        let failed = ahead.block(COUNT * BLOCK, |_, _| Err(Error::Closed));
        assert!(failed.is_none());
        assert!(ahead.held().is_none());
        // A block longer than the window is read alone.
        let long = BlockPlace {
            offset: 2 * BLOCK,
            bytes: 1 << 20,
        };
        ahead.come_to(long);
        ahead.come_to(BlockPlace {
            offset: long.end(),
            ..long
        });
        let none = ahead.block(long.end() * 4, |_, _| Ok(()));
        assert!(none.is_none() && ahead.bytes.is_empty());
    }
}

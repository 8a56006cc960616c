//! Holes: pages of a slab on which every block is free, given back to the system while the rest of the slab stays in use.
//!
//! ```text
//! pages    |  0   |  1   |  2   |  3   | ...        # used, . free
//! blocks   |#.|..|....|.#|..                        page 1 is a hole: its blocks, and those that reach into it, are in no list
//! ```
//!
//! A slab with holes goes on as any other. When all its other blocks are out, a hole is filled: its blocks are put back into the
//! list, and the system backs the page again at the first touch.
//!
//! # Invariants
//! - I1: blocks that touch a hole are free and in no list. They do not count as used.
//! - I2: nothing is carved while there are holes, so that I1 speaks of carved blocks alone.
//! - I3: the flag `HOLES` says whether there are any.
//!
//! Who: the owner when asked to trim; the purger for slabs without an owner, which it takes out of their list first.
#![allow(unsafe_code, reason = "discards pages and links blocks")]

use super::slab::{Block, SLICE_BYTES, Slab, flag};
use super::space::Space;
use crate::platform::Platform;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::Relaxed;

/// Most blocks of a slab.
const BLOCKS_MAX: usize = SLICE_BYTES / 16;
/// Most pages that the bits have room for.
const PAGES_MAX: usize = 16;

/// A slab's geometry.
#[derive(Clone, Copy)]
struct Grid {
    page_bytes: usize,
    block_bytes: usize,
    carved: usize,
}

impl Grid {
    /// `None` if slabs have no pages to give back, or more than there are bits.
    fn of<P: Platform>(space: &Space<P>, slab: &Slab) -> Option<Self> {
        let page_bytes = space.page_mask.load(Relaxed) + 1;
        (2..=PAGES_MAX)
            .contains(&(SLICE_BYTES / page_bytes))
            .then(|| Self {
                page_bytes,
                block_bytes: slab.block_bytes() as usize,
                carved: slab.carved.load(Relaxed) as usize,
            })
    }

    /// Bits of pages `first..=last`.
    fn bits(first: usize, last: usize) -> u16 {
        ((2_u32 << last) - (1 << first)) as u16
    }

    /// Bits of the pages that block `index` touches.
    fn pages(self, index: usize) -> u16 {
        let start = index * self.block_bytes;
        let end = start + self.block_bytes - 1;
        Self::bits(start / self.page_bytes, end / self.page_bytes)
    }
}

/// How many blocks are in no list because of holes.
pub(super) fn block_count<P: Platform>(space: &Space<P>, slab: &Slab) -> u32 {
    if !slab.has(flag::HOLES) {
        return 0;
    }
    let holes = slab.holes().load(Relaxed);
    Grid::of(space, slab).map_or(0, |grid| {
        (0..grid.carved)
            .filter(|index| grid.pages(*index) & holes != 0)
            .count() as u32
    })
}

/// Whether `block`, a carved block of the slab, touches a hole; such a block is free.
pub(super) fn has<P: Platform>(space: &Space<P>, slab: &Slab, block: *mut u8) -> bool {
    slab.has(flag::HOLES)
        && Grid::of(space, slab).is_some_and(|grid| {
            let offset = block.addr() % SLICE_BYTES;
            grid.pages(offset / grid.block_bytes) & slab.holes().load(Relaxed) != 0
        })
}

/// Gives back the pages whose blocks are all in the local list; returns how many bytes.
///
/// The slab is the caller's, its local list is whole, and no other list has blocks of it that count as free.
pub(super) fn punch<P: Platform>(space: &Space<P>, slab: &Slab) -> usize {
    let Some(grid) = Grid::of(space, slab) else {
        return 0;
    };
    let start = space.start(slab);
    let mut free = [0_u64; BLOCKS_MAX / 64];
    let mut block = slab.local.load(Relaxed);
    while !block.is_null() {
        let index = block.addr().wrapping_sub(start.addr()) / grid.block_bytes;
        free[index / 64] |= 1 << (index % 64);
        // SAFETY: slab I3.
        block = unsafe { Block(block).next() };
    }
    let is_free = |index: usize| free[index / 64] >> (index % 64) & 1 == 1;
    let old = slab.holes().load(Relaxed);
    let (mut busy, mut reached) = (0, 0);
    for index in 0..grid.carved {
        let pages = grid.pages(index);
        reached |= pages;
        if !is_free(index) && pages & old == 0 {
            busy |= pages;
        }
    }
    let wanted = reached & !busy & !old;
    if wanted == 0 {
        return 0;
    }
    let mut holes = old;
    let mut first = 0;
    while first < PAGES_MAX {
        let length = (wanted >> first).trailing_ones() as usize;
        if length > 0 {
            let at = start.wrapping_add(first * grid.page_bytes);
            if discard(space, slab, at, length * grid.page_bytes) {
                holes |= Grid::bits(first, first + length - 1);
            }
        }
        first += length.max(1);
    }
    slab.holes().store(holes, Relaxed);
    slab.set(flag::HOLES);
    // The list again, in the order of addresses, without what is gone.
    let mut list = null_mut();
    for index in (0..grid.carved).rev() {
        if is_free(index) && grid.pages(index) & holes == 0 {
            let block = start.wrapping_add(index * grid.block_bytes);
            // SAFETY: a free block of the slab, the caller's.
            unsafe { Block(block).set_next(list) };
            list = block;
        }
    }
    slab.local.store(list, Relaxed);
    let bytes = (holes & !old).count_ones() as usize * grid.page_bytes;
    space.counters.purged.fetch_add(bytes, Relaxed);
    bytes
}

/// Whether the pages are to be left alone from now on: given back, or in a state that nobody knows.
fn discard<P: Platform>(space: &Space<P>, slab: &Slab, at: *mut u8, bytes: usize) -> bool {
    NonNull::new(at).is_some_and(|at| {
        // SAFETY: committed pages of the slab, whose blocks are all free.
        unsafe {
            if space.platform.discard(at, bytes).is_ok() {
                return true;
            }
            // What it holds is lost, and it may not be committed any more.
            if space.platform.commit(at, bytes).is_err() {
                slab.set(flag::UNSURE);
            }
        }
        true
    })
}

/// Puts the blocks of a hole back into the local list, which is empty; false if there is no hole that can be filled. Owner only.
#[cold]
pub(super) fn fill<P: Platform>(space: &Space<P>, slab: &Slab) -> bool {
    let holes = slab.holes().load(Relaxed);
    let Some(grid) = Grid::of(space, slab) else {
        return false;
    };
    let Some(first) = (0..grid.carved).find(|index| grid.pages(*index) & holes != 0) else {
        return false;
    };
    let cleared = grid.pages(first) & holes;
    let start = space.start(slab);
    if slab.has(flag::UNSURE) {
        for page in (0..PAGES_MAX).filter(|page| cleared >> page & 1 == 1) {
            let at = NonNull::new(start.wrapping_add(page * grid.page_bytes));
            // SAFETY: a page of the slab; committing what is committed changes nothing.
            if at.is_none_or(|at| unsafe { space.platform.commit(at, grid.page_bytes) }.is_err()) {
                return false;
            }
        }
    }
    let left = holes & !cleared;
    let mark = slab.mark();
    let mut list = slab.local.load(Relaxed);
    for index in (first..grid.carved).rev() {
        let pages = grid.pages(index);
        if pages & cleared != 0 && pages & left == 0 {
            let block = start.wrapping_add(index * grid.block_bytes);
            // SAFETY: I1: free, and in no list.
            unsafe {
                Block(block).set_next(list);
                Block(block).set_mark(mark);
            }
            list = block;
        }
    }
    slab.local.store(list, Relaxed);
    slab.holes().store(left, Relaxed);
    if left == 0 {
        slab.clear(flag::HOLES);
    }
    true
}

//! A heap over memory that is there already: a static array, the RAM that the linker script leaves, a page frame. Bounded time,
//! no operating system, no atomics, no other allocator.
//!
//! ```
//! use core::mem::MaybeUninit;
//! use underpin_core::allocator::region::Region;
//!
//! let memory: &'static mut [MaybeUninit<u8>] = Box::leak(Box::new_uninit_slice(64 * 1024));
//! let mut region = Region::new();
//! region.add(memory);
//! let block = region.allocate(100, 8).unwrap();
//! // SAFETY: allocated above, and not used any more.
//! unsafe { region.free(block) };
//! assert_eq!(region.stats().used_bytes, 0);
//! ```
//!
//! Algorithm: two-level segregated fit (Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic memory allocator for real-time
//! systems", 2004). Free blocks are in lists by size: a power of two, cut in [`STEPS`] equal steps. A bit for each finds in a few
//! instructions the smallest list all of whose blocks are large enough. A free block merges with both neighbours at once.
//!
//! There is no second level of bits: the lists' fit into three words of 64 bits, and looking through these takes less than keeping up
//! to date which of them are empty. Twice as many steps would use one or two in a hundred bytes more of the memory before a request
//! fails, and take that much of a small region for the lists.
//!
//! # A block
//! ```text
//! | word: size, bit 0 this block is free, bit 1 the one before is | payload ...                             |
//! | the same                                                      | next | previous | ... | size, last word | free
//! ```
//! The first block of a list has the list's place where others have the previous block, so that who takes it out need not compute it.
//!
//! One word per block in use. The end of a region is a block of size zero that is in use.
//!
//! # Invariants
//! - I1: sizes are multiples of [`UNIT`], the header included; headers lie a word before a multiple of it.
//! - I2: no two free blocks touch; a free block's last word is its size, and the block after it says that it is free.
//! - I3: a free block is in the list of its size; a bit is set where a list is not empty, and behind the lists' bits.
//!
//! # Bounds
//! `free` runs no loop. `allocate` runs one over the words of the lists' bits, of which there are three with 64 bits and six with 32; alignments
//! above [`UNIT`] split off a block in front. Neither depends on how many blocks there are.
//!
//! One user at a time: [`SharedRegion`] is for several cores, threads or interrupt handlers.
#![allow(unsafe_code, reason = "headers lie between the blocks")]

mod shared;
#[cfg(test)]
mod tests;

#[cfg(feature = "critical-section-v1")]
pub use shared::Critical;
#[cfg(target_has_atomic = "8")]
pub use shared::Spinning;
pub use shared::{Exclusion, PIECES, SharedRegion};

use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};

const WORD: usize = size_of::<usize>();
/// Sizes and payload addresses are multiples of this: two words.
pub const UNIT: usize = 2 * WORD;
/// Room for header, links and the size at the end.
const BLOCK_BYTES_MIN: usize = 4 * WORD;
/// log2 of [`STEPS`].
const STEPS_LOG2: u32 = 3;
/// Lists per power of two.
pub const STEPS: usize = 1 << STEPS_LOG2;
/// Sizes below `UNIT * STEPS` have a list each: they are the first level's row 0.
const LINEAR_LOG2: u32 = UNIT.ilog2() + STEPS_LOG2;
/// Powers of two up to the largest block: 2^(ROWS - 1 + LINEAR_LOG2) bytes, 256 MiB with words of 8 bytes.
const ROWS: usize = 22;
const LISTS: usize = ROWS * STEPS;
const BITS: usize = usize::BITS as usize;
const WORDS: usize = LISTS.div_ceil(BITS);
/// Largest block, header included.
const BLOCK_BYTES_MAX: usize = (1 << (ROWS as u32 - 1 + LINEAR_LOG2)) - UNIT;

const FREE: usize = 1;
const BEFORE_FREE: usize = 2;
const FLAGS: usize = FREE | BEFORE_FREE;

/// A block's first word, and the links of a free one.
#[repr(C)]
struct Header {
    size: usize,
    next: *mut Header,
    previous: *mut Header,
}

/// How much is in use, and how it is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegionStats {
    /// Bytes that the regions hold, less their ends.
    pub total_bytes: usize,
    /// Bytes in blocks in use, headers included.
    pub used_bytes: usize,
    /// The most that `used_bytes` has been.
    pub used_bytes_max: usize,
    /// Free blocks.
    pub free_count: usize,
    /// The largest of them: what a request of a word less is served from.
    pub free_bytes_max: usize,
}

/// A heap over given memory.
#[derive(Debug)]
pub struct Region {
    /// A bit for each list that is not empty, and one behind them, where each search ends.
    words: [usize; WORDS + 1],
    lists: [*mut Header; LISTS],
    total_bytes: usize,
    used_bytes: usize,
    used_bytes_max: usize,
}

// SAFETY: the memory is the heap's alone, and belongs to no thread.
unsafe impl Send for Region {}

impl Region {
    /// A heap without memory.
    #[must_use]
    pub const fn new() -> Self {
        let mut words = [0; WORDS + 1];
        words[WORDS] = 1;
        Self {
            words,
            lists: [null_mut(); LISTS],
            total_bytes: 0,
            used_bytes: 0,
            used_bytes_max: 0,
        }
    }

    /// Gives the heap memory, for ever; may be called again with more. What is too small, or misaligned at its ends, is not used.
    pub fn add(&mut self, memory: &'static mut [MaybeUninit<u8>]) {
        let start: *mut u8 = memory.as_mut_ptr().cast();
        // The first header lies a word before a multiple of the unit; the last word is the end's header.
        let skip = (start.addr() + WORD).next_multiple_of(UNIT) - WORD - start.addr();
        let Some(mut room) = memory.len().checked_sub(skip + WORD) else {
            return;
        };
        room &= !(UNIT - 1);
        let mut at = start.wrapping_add(skip);
        while room >= BLOCK_BYTES_MIN + UNIT {
            // Pieces end with a header of their own.
            let bytes = (room - UNIT * usize::from(room > BLOCK_BYTES_MAX)).min(BLOCK_BYTES_MAX);
            // SAFETY: at + bytes + WORD lies within the memory, which is this heap's alone.
            unsafe {
                let block: *mut Header = at.cast();
                (*block).size = bytes;
                let end: *mut Header = at.add(bytes).cast();
                (&raw mut (*end).size).write(0);
                self.total_bytes += bytes;
                self.insert(block, bytes);
                mark_free(block, bytes);
            }
            at = at.wrapping_add(bytes + UNIT);
            room = room.saturating_sub(bytes + UNIT);
        }
    }

    /// A block of at least `size` bytes at a multiple of `align`, a power of two; `None` if there is none.
    #[inline]
    pub fn allocate(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        if size > BLOCK_BYTES_MAX - UNIT {
            return None;
        }
        let bytes = ((size + WORD + UNIT - 1) & !(UNIT - 1)).max(BLOCK_BYTES_MIN);
        if align > UNIT {
            return self.allocate_aligned(bytes, align);
        }
        let block = self.take_fitting(bytes)?;
        // SAFETY: taken just now, of at least `bytes`; what is before a free block is in use (I2).
        unsafe { self.cut(block, (*block).size - FREE, bytes, 0) };
        // SAFETY: never null.
        Some(unsafe { NonNull::new_unchecked(payload(block)) })
    }

    fn allocate_aligned(&mut self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        // Room for a free block in front.
        let wanted = bytes.checked_add(align)?.checked_add(BLOCK_BYTES_MIN)?;
        if !align.is_power_of_two() || wanted > BLOCK_BYTES_MAX {
            return None;
        }
        let block = self.take_fitting(wanted)?;
        // SAFETY: taken just now, of at least `wanted`: the block in front and the aligned one lie inside.
        unsafe {
            let start = payload(block);
            let mut skip = start.addr().wrapping_neg() & (align - 1);
            if skip != 0 && skip < BLOCK_BYTES_MIN {
                skip += align;
            }
            let size = (*block).size - FREE;
            let aligned: *mut Header = block.byte_add(skip);
            let mut before = 0;
            if skip != 0 {
                (*block).size = skip + FREE;
                aligned.cast::<usize>().sub(1).write(skip);
                self.insert(block, skip);
                before = BEFORE_FREE;
            }
            self.cut(aligned, size - skip, bytes, before);
            Some(NonNull::new_unchecked(payload(aligned)))
        }
    }

    /// Takes a free block of at least `bytes` out of its list.
    #[inline]
    fn take_fitting(&mut self, bytes: usize) -> Option<*mut Header> {
        // The smallest list all of whose blocks fit.
        let place = place_above(bytes);
        let mut index = place / BITS;
        // SAFETY: places are `LISTS` at most, so that there is a word; the bit behind the lists' is always set.
        let mut word = unsafe { *self.words.get_unchecked(index) } & (usize::MAX << (place % BITS));
        while word == 0 {
            index += 1;
            // SAFETY: as above.
            word = unsafe { *self.words.get_unchecked(index) };
        }
        let place = index * BITS + word.trailing_zeros() as usize;
        if place >= WORDS * BITS {
            return None;
        }
        // SAFETY: I3: the bit is set, so the list is there and has a block.
        unsafe {
            let list = self.list(place);
            let block = *list;
            let next = (*block).next;
            *list = next;
            if next.is_null() {
                self.clear(place);
            } else {
                (*next).previous = first_of(place);
            }
            Some(block)
        }
    }

    /// The list at a place.
    ///
    /// # Safety
    /// `place` is below [`LISTS`].
    #[inline(always)]
    unsafe fn list(&mut self, place: usize) -> &mut *mut Header {
        debug_assert!(place < LISTS);
        // SAFETY: the caller's promise.
        unsafe { self.lists.get_unchecked_mut(place) }
    }

    /// # Safety
    /// As for [`list`](Self::list).
    #[inline]
    unsafe fn clear(&mut self, place: usize) {
        // SAFETY: the caller's promise.
        unsafe { *self.words.get_unchecked_mut(place / BITS) &= !(1 << (place % BITS)) };
    }

    /// Makes the first `bytes` of a taken block of `size` a block in use, and the rest, if it can be one, a free block; `before` is the flag
    /// that says what is before it.
    ///
    /// # Safety
    /// The block is in no list and has at least `bytes`.
    #[inline]
    unsafe fn cut(&mut self, block: *mut Header, size: usize, bytes: usize, before: usize) {
        // SAFETY: the caller's promise; I1 puts the rest and the block after inside the region.
        unsafe {
            let rest = size - bytes;
            let mut used = size;
            if rest >= BLOCK_BYTES_MIN {
                used = bytes;
                // The block after it knows already that what is before it is free.
                let tail: *mut Header = block.byte_add(bytes);
                (*tail).size = rest + FREE;
                tail.byte_add(rest).cast::<usize>().sub(1).write(rest);
                self.insert(tail, rest);
            } else {
                let after: *mut Header = block.byte_add(size);
                (*after).size &= !BEFORE_FREE;
            }
            (*block).size = used | before;
            self.used_bytes += used;
            if self.used_bytes > self.used_bytes_max {
                self.used_bytes_max = self.used_bytes;
            }
        }
    }

    /// Enters a free block into its list.
    ///
    /// # Safety
    /// The block is free, of `bytes`, and in no list.
    #[inline]
    unsafe fn insert(&mut self, block: *mut Header, bytes: usize) {
        let place = place(bytes);
        // SAFETY: the caller's promise; blocks have at most `BLOCK_BYTES_MAX`, whose place is the last; what the list heads is a free
        // block.
        unsafe {
            let list = self.list(place);
            let head = core::mem::replace(list, block);
            (*block).next = head;
            (*block).previous = first_of(place);
            if !head.is_null() {
                (*head).previous = block;
                return;
            }
            *self.words.get_unchecked_mut(place / BITS) |= 1 << (place % BITS);
        }
    }

    /// Takes a free block out of its list.
    ///
    /// # Safety
    /// The block is free and in its list.
    #[inline]
    unsafe fn remove(&mut self, block: *mut Header) {
        // SAFETY: the caller's promise, and I3.
        unsafe {
            let (next, previous) = ((*block).next, (*block).previous);
            if !next.is_null() {
                (*next).previous = previous;
            }
            let Some(place) = place_of_first(previous) else {
                (*previous).next = next;
                return;
            };
            *self.list(place) = next;
            if next.is_null() {
                self.clear(place);
            }
        }
    }

    /// Frees a block.
    ///
    /// # Safety
    /// `address` came from this heap's [`allocate`](Self::allocate), is not free, and nothing uses it any more.
    #[inline]
    pub unsafe fn free(&mut self, address: NonNull<u8>) {
        // SAFETY: I2: the neighbours' headers say what they are; the caller's promise.
        unsafe {
            let mut block: *mut Header = address.as_ptr().byte_sub(WORD).cast();
            let word = (*block).size;
            let mut size = word & !FLAGS;
            self.used_bytes -= size;
            let after: *mut Header = block.byte_add(size);
            let after_word = (*after).size;
            if after_word & FREE != 0 {
                let bytes = after_word & !FLAGS;
                self.remove(after);
                size += bytes;
            } else {
                (*after).size = after_word | BEFORE_FREE;
            }
            if word & BEFORE_FREE != 0 {
                let bytes = block.cast::<usize>().sub(1).read();
                block = block.byte_sub(bytes);
                self.remove(block);
                size += bytes;
            }
            // The block before a free block is in use.
            (*block).size = size + FREE;
            block.byte_add(size).cast::<usize>().sub(1).write(size);
            self.insert(block, size);
        }
    }

    /// How many bytes the block at `address` holds.
    ///
    /// # Safety
    /// `address` is a live block of this heap.
    #[must_use]
    pub unsafe fn usable_size(&self, address: NonNull<u8>) -> usize {
        // SAFETY: a header lies a word before each block.
        (unsafe { address.as_ptr().byte_sub(WORD).cast::<usize>().read() } & !FLAGS) - WORD
    }

    /// What is in use. Looks at every list: bounded, and not constant.
    #[must_use]
    pub fn stats(&self) -> RegionStats {
        let mut stats = RegionStats {
            total_bytes: self.total_bytes,
            used_bytes: self.used_bytes,
            used_bytes_max: self.used_bytes_max,
            ..RegionStats::default()
        };
        for mut block in self.lists.iter().copied() {
            while !block.is_null() {
                stats.free_count += 1;
                // SAFETY: I3: lists link free blocks.
                unsafe {
                    stats.free_bytes_max = stats.free_bytes_max.max((*block).size & !FLAGS);
                    block = (*block).next;
                }
            }
        }
        stats
    }
}

impl Default for Region {
    fn default() -> Self {
        Self::new()
    }
}

fn payload(block: *mut Header) -> *mut u8 {
    block.cast::<u8>().wrapping_add(WORD)
}

/// What the first block of a list has for a previous one: headers lie at even addresses.
#[inline(always)]
fn first_of(place: usize) -> *mut Header {
    core::ptr::without_provenance_mut(place << 1 | 1)
}

/// The list's place, if that is what a block has for a previous one.
#[inline(always)]
fn place_of_first(previous: *mut Header) -> Option<usize> {
    (previous.addr() & 1 != 0).then_some(previous.addr() >> 1)
}

/// Sets a free block's bit and last word, and the bit in the block after it; keeps what it says of the block before.
///
/// # Safety
/// The block has `bytes`, and a header follows.
#[inline]
unsafe fn mark_free(block: *mut Header, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        (*block).size |= FREE;
        let after: *mut Header = block.byte_add(bytes);
        after.cast::<usize>().sub(1).write(bytes);
        (*after).size |= BEFORE_FREE;
    }
}

/// The list of blocks of `bytes`: its row times [`STEPS`] and its step.
#[inline(always)]
fn place(bytes: usize) -> usize {
    // One rule for all rows: the linear row and the first above it have steps of the same width, so that what is left of the size counts
    // on from one to the other; above, each row's leading bit counts for the row before.
    let log2 = (bytes | (1 << LINEAR_LOG2)).ilog2();
    let steps = (bytes << STEPS_LOG2) >> log2;
    steps + ((log2 as usize) << STEPS_LOG2) - ((LINEAR_LOG2 as usize) << STEPS_LOG2)
}

/// The first list all of whose blocks have at least `bytes`: the one after that of the largest size which is too small.
#[inline(always)]
fn place_above(bytes: usize) -> usize {
    place(bytes - 1) + 1
}

//! Which keys a memtable may have, so that a read of another one seldom searches the list: a search misses the processor's caches at
//! each step, this once.
//!
//! A Bloom filter with all bits of a key in one word, in the arena. It begins with a few nodes, and is made anew, four times as large,
//! when there are more than it is for, or at once for as many as the memtable before had; readers may still look at an older one, which has all that was written before they began.
//!
//! # Invariants
//! - F1: a filter is complete before the pointer to it is stored with release, and stays where it is as long as the arena.
//! - F2: whoever sees a write as visible sees its bits: one thread sets them, before it makes the write visible with release.
#![allow(
    unsafe_code,
    reason = "words behind a header in the arena's raw memory"
)]

use super::arena::{ALIGN, Arena};
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Nodes from which on there is a filter: fewer are searched as fast.
pub(super) const NODES_MIN: usize = 64;
/// Words for each node that a filter is made for: eight bits, and on average twice as many.
const NODES_PER_WORD: usize = usize::BITS as usize / 8;

const _: () = assert!(align_of::<KeyFilter>() <= ALIGN && align_of::<AtomicUsize>() <= ALIGN);
const _: () = assert!(size_of::<KeyFilter>().is_multiple_of(align_of::<AtomicUsize>()));

/// The head of a filter; its words follow.
#[repr(C)]
pub(super) struct KeyFilter {
    nodes_max: usize,
    /// One less than the number of words, a power of two.
    mask: usize,
}

impl KeyFilter {
    /// An empty filter in the arena.
    pub(super) fn new(arena: &mut Arena, nodes_max: usize) -> *mut Self {
        let words = (nodes_max / NODES_PER_WORD).next_power_of_two();
        let piece = arena.piece(size_of::<Self>() + words * size_of::<AtomicUsize>());
        let filter = piece.cast::<Self>().as_ptr();
        // SAFETY: the piece is fresh, aligned for both, and as long as the head and all words.
        unsafe {
            filter.write(Self {
                nodes_max,
                mask: words - 1,
            });
            for at in 0..words {
                let word = filter.add(1).cast::<AtomicUsize>().add(at);
                word.write(AtomicUsize::new(0));
            }
        }
        filter
    }

    /// How many nodes it is for.
    ///
    /// # Safety
    /// `filter` is from [`new`](Self::new) (F1).
    pub(super) const unsafe fn nodes_max(filter: *const Self) -> usize {
        // SAFETY: F1, as the caller says.
        unsafe { (*filter).nodes_max }
    }

    /// Adds the key of `hash`. Only one thread at a time does so.
    ///
    /// # Safety
    /// As for [`nodes_max`](Self::nodes_max).
    pub(super) unsafe fn add(filter: *const Self, hash: u64) {
        // SAFETY: F1, as the caller says.
        let word = unsafe { Self::word(filter, hash) };
        let bits = word.load(Ordering::Relaxed) | bits(hash);
        word.store(bits, Ordering::Relaxed);
    }

    /// Whether the key of `hash` may have been added.
    ///
    /// # Safety
    /// As for [`nodes_max`](Self::nodes_max).
    pub(super) unsafe fn may_have(filter: *const Self, hash: u64) -> bool {
        // SAFETY: F1, as the caller says.
        let word = unsafe { Self::word(filter, hash) };
        let bits = bits(hash);
        word.load(Ordering::Relaxed) & bits == bits
    }

    /// # Safety
    /// As for [`nodes_max`](Self::nodes_max).
    unsafe fn word<'a>(filter: *const Self, hash: u64) -> &'a AtomicUsize {
        // SAFETY: F1, as the caller says; the place is masked to be one of the words, which follow the head.
        unsafe {
            let at = (hash >> 32) as usize & (*filter).mask;
            &*filter.add(1).cast::<AtomicUsize>().add(at)
        }
    }
}

/// Three bits of a word, from bits of the hash that do not choose the word.
const fn bits(hash: u64) -> usize {
    const fn bit(number: u64) -> usize {
        1 << (number as u32 % usize::BITS)
    }
    bit(hash) | bit(hash >> 8) | bit(hash >> 16)
}

//! Items of an exact source, each written to its place in one vector.
//!
//! # Invariants
//! - V1: an exact source's part at offset `o` of weight `n` gives at most `n` items; parts do not overlap.
//! - V2: the vector's length is set only after every item was written. If something panics before, items that were written are leaked,
//!   not dropped.
#![allow(unsafe_code, reason = "writes into reserved capacity")]

use super::drive::{Consumer, drive};
use super::source::Source;
use crate::pool::{Env, Worker};
use alloc::vec::Vec;
use core::mem::MaybeUninit;

struct Places<T> {
    first: *mut MaybeUninit<T>,
    count: usize,
}

// SAFETY: each place is written by one thread (V1), with a value that may be sent.
unsafe impl<T: Send> Sync for Places<T> {}

impl<T: Send> Consumer<T> for Places<T> {
    /// How many were written.
    type Acc = usize;

    fn start(&self) -> usize {
        0
    }

    fn eat(&self, mut acc: usize, offset: usize, items: impl Iterator<Item = T>) -> usize {
        let mut index = offset;
        items.for_each(|item| {
            // A source that breaks its promise must not write out of bounds.
            assert!(index < self.count, "an exact source gave too many items");
            // SAFETY: the index is inside the reserved capacity, and this part's own (V1).
            unsafe { self.first.add(index).write(MaybeUninit::new(item)) };
            index += 1;
        });
        acc += index - offset;
        acc
    }

    fn merge(&self, left: usize, right: usize) -> usize {
        left + right
    }
}

/// All items of `source`, in order, appended to `vector`.
///
/// # Panics
/// If the source is not [exact](Source::EXACT), gives fewer or more items than its weight, or if one of its closures panics.
pub fn collect<E, S>(worker: Worker<'_, E>, source: S, vector: &mut Vec<S::Item>)
where
    E: Env,
    S: Source,
{
    assert!(S::EXACT, "only an exact source has places for its items");
    let (before, count) = (vector.len(), source.weight());
    vector.reserve(count);
    let places = Places {
        first: vector.spare_capacity_mut().as_mut_ptr(),
        count,
    };
    let written = drive(worker, source, &places);
    assert_eq!(written, count, "an exact source gave too few items");
    // SAFETY: all were written (V2).
    unsafe { vector.set_len(before + count) };
}

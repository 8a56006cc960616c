//! Parallel sorts on top of the standard library's sequential ones, which the caller passes in with the order.
//!
//! * [`unstable`]: quicksort's partition until parts are small, then the sequential sort. In place, no memory.
//! * [`stable`]: the sequential sort on as many parts as there are threads, then merges, each split in two by binary search for as long as it
//!   is long. Takes a buffer as long as the slice.
//!
//! With one thread both are the sequential sort and nothing else.
//!
//! # Invariants
//! - M1: a merge reads the slice and writes the buffer. The slice is overwritten only by a complete merge, so a comparison that panics
//!   leaves every item in the slice exactly once.
//! - M2: parts of a merge read and write ranges that do not overlap, and write as many items as they read, whatever the comparison says.
#![allow(unsafe_code, reason = "merges copy items bit by bit")]

use super::{Env, Worker};
use alloc::vec::Vec;
use core::mem::MaybeUninit;

/// Parts of this length are sorted by one thread: some 0.3 ms of work for numbers.
const SEQUENTIAL_LEN: usize = 16 * 1024;

/// Merges of this length are done by one thread.
const MERGE_LEN: usize = 16 * 1024;

/// Sorts `slice` by `less`; `sequential` does the same for a part.
pub fn unstable<E, T, L, S>(worker: Worker<'_, E>, slice: &mut [T], less: &L, sequential: &S)
where
    E: Env,
    T: Send,
    L: Fn(&T, &T) -> bool + Sync,
    S: Fn(&mut [T]) + Sync,
{
    if worker.num_threads() <= 1
        || slice.len() <= SEQUENTIAL_LEN
        || slice.is_sorted_by(|a, b| !less(b, a))
        || slice.is_sorted_by(|a, b| less(b, a))
    {
        // The sequential sort sees an order that is there already, too, and makes use of it.
        return sequential(slice);
    }
    // Twice the depth of an even tree: an input that defeats the choice of pivots ends in the sequential sort.
    let depth = 2 * slice.len().ilog2();
    quicksort(worker, slice, less, sequential, depth);
}

fn quicksort<E, T, L, S>(
    worker: Worker<'_, E>,
    mut slice: &mut [T],
    less: &L,
    sequential: &S,
    mut depth: u32,
) where
    E: Env,
    T: Send,
    L: Fn(&T, &T) -> bool + Sync,
    S: Fn(&mut [T]) + Sync,
{
    loop {
        if slice.len() <= SEQUENTIAL_LEN || depth == 0 {
            return sequential(slice);
        }
        let pivot = choose_pivot(slice, less);
        slice.swap(0, pivot);
        let middle = partition(slice, |item, pivot| less(item, pivot));
        if middle == 0 {
            // Nothing is less than the pivot: what equals it is in place at the front.
            let equal = partition(slice, |item, pivot| !less(pivot, item));
            slice = &mut slice[equal + 1..];
            depth -= 1;
            continue;
        }
        let (left, right) = slice.split_at_mut(middle);
        let right = &mut right[1..];
        worker.join(
            |worker| quicksort(worker, left, less, sequential, depth - 1),
            |worker| quicksort(worker, right, less, sequential, depth - 1),
        );
        return;
    }
}

/// Moves items that `goes_left` of the first one to the left of it, and returns its place. Each step swaps, whether or not the item goes left, so
/// that no branch depends on the items.
fn partition<T>(slice: &mut [T], goes_left: impl Fn(&T, &T) -> bool) -> usize {
    let Some((pivot, rest)) = slice.split_first_mut() else {
        return 0;
    };
    let mut left = 0;
    for index in 0..rest.len() {
        let goes = goes_left(&rest[index], pivot);
        rest.swap(index, left);
        left += usize::from(goes);
    }
    slice.swap(0, left);
    left
}

/// The middle one of 27 items, roughly: medians of three, of medians of three, of medians of three.
fn choose_pivot<T>(slice: &[T], less: &impl Fn(&T, &T) -> bool) -> usize {
    fn middle<T>(
        slice: &[T],
        first: usize,
        step: usize,
        depth: u32,
        less: &impl Fn(&T, &T) -> bool,
    ) -> usize {
        if depth == 0 {
            return first;
        }
        let inner = step / 3;
        let [a, b, c] =
            [0, 1, 2].map(|part| middle(slice, first + part * step, inner, depth - 1, less));
        let (ab, bc, ac) = (
            less(&slice[a], &slice[b]),
            less(&slice[b], &slice[c]),
            less(&slice[a], &slice[c]),
        );
        if ab == bc {
            b
        } else if ab == ac {
            c
        } else {
            a
        }
    }
    middle(slice, 0, slice.len() / 3, 3, less)
}

/// Sorts `slice` by `less`, equal items in their order; `sequential` does the same for a part.
pub fn stable<E, T, L, S>(worker: Worker<'_, E>, slice: &mut [T], less: &L, sequential: &S)
where
    E: Env,
    T: Send,
    L: Fn(&T, &T) -> bool + Sync,
    S: Fn(&mut [T]) + Sync,
{
    let threads = worker.num_threads();
    if threads <= 1
        || slice.len() <= SEQUENTIAL_LEN
        || size_of::<T>() == 0
        || slice.is_sorted_by(|a, b| !less(b, a))
        || slice.is_sorted_by(|a, b| less(b, a))
    {
        return sequential(slice);
    }
    let mut buffer = Vec::new();
    if buffer.try_reserve_exact(slice.len()).is_err() {
        // Without a buffer as long as the slice, the sequential sort may still do with half of that.
        return sequential(slice);
    }
    let part = slice
        .len()
        .div_ceil(threads.next_power_of_two())
        .max(SEQUENTIAL_LEN);
    let buffer = &mut buffer.spare_capacity_mut()[..slice.len()];
    merge_sort(worker, slice, buffer, part, less, sequential);
}

fn merge_sort<E, T, L, S>(
    worker: Worker<'_, E>,
    slice: &mut [T],
    buffer: &mut [MaybeUninit<T>],
    part: usize,
    less: &L,
    sequential: &S,
) where
    E: Env,
    T: Send,
    L: Fn(&T, &T) -> bool + Sync,
    S: Fn(&mut [T]) + Sync,
{
    if slice.len() <= part {
        return sequential(slice);
    }
    let middle = slice.len() / 2;
    {
        let (left, right) = slice.split_at_mut(middle);
        let (left_buffer, right_buffer) = buffer.split_at_mut(middle);
        worker.join(
            |worker| merge_sort(worker, left, left_buffer, part, less, sequential),
            |worker| merge_sort(worker, right, right_buffer, part, less, sequential),
        );
    }
    if !less(&slice[middle], &slice[middle - 1]) {
        return;
    }
    let (left, right) = slice.split_at(middle);
    merge(worker, Bits(left), Bits(right), buffer, less);
    copy_back(worker, slice, buffer);
}

/// Items that are copied bit by bit to another thread's buffer: sent, though behind a shared reference.
struct Bits<'a, T>(&'a [T]);

// SAFETY: the comparison takes `&T` on another thread only while this one's `&mut` is lent to the sort: as with `&mut [T]` sent there
// for `T: Send`, at most one thread looks at any item at a time but for the binary search, which one thread does before others start.
unsafe impl<T: Send> Send for Bits<'_, T> {}

/// Merges two sorted parts into the buffer, which is as long as both.
fn merge<E, T, L>(
    worker: Worker<'_, E>,
    left: Bits<'_, T>,
    right: Bits<'_, T>,
    buffer: &mut [MaybeUninit<T>],
    less: &L,
) where
    E: Env,
    T: Send,
    L: Fn(&T, &T) -> bool + Sync,
{
    let (l, r) = (left.0, right.0);
    debug_assert_eq!(l.len() + r.len(), buffer.len());
    if buffer.len() <= MERGE_LEN {
        return merge_sequential(l, r, buffer, less);
    }
    // Halve the longer one; what equals the item there stays on its own side of it.
    let (at_left, at_right) = if l.len() >= r.len() {
        let middle = l.len() / 2;
        (middle, r.partition_point(|item| less(item, &l[middle])))
    } else {
        let middle = r.len() / 2;
        (l.partition_point(|item| !less(&r[middle], item)), middle)
    };
    let (l0, l1) = l.split_at(at_left);
    let (r0, r1) = r.split_at(at_right);
    let (b0, b1) = buffer.split_at_mut(at_left + at_right);
    if b0.is_empty() || b1.is_empty() {
        return merge_sequential(l, r, buffer, less);
    }
    let (first, second) = ((Bits(l0), Bits(r0)), (Bits(l1), Bits(r1)));
    worker.join(
        move |worker| merge(worker, first.0, first.1, b0, less),
        move |worker| {
            let second = second;
            merge(worker, second.0, second.1, b1, less);
        },
    );
}

fn merge_sequential<T>(
    left: &[T],
    right: &[T],
    buffer: &mut [MaybeUninit<T>],
    less: &impl Fn(&T, &T) -> bool,
) {
    assert_eq!(left.len() + right.len(), buffer.len());
    let (mut l, mut r) = (left.as_ptr_range(), right.as_ptr_range());
    let mut out = buffer.as_mut_ptr().cast::<T>();
    while l.start != l.end && r.start != r.end {
        // SAFETY: both are inside their slices; out has room for all items of both (the assertion); the copies are bits in a
        // buffer that drops nothing (M1).
        unsafe {
            let takes_right = less(&*r.start, &*l.start);
            let from = if takes_right { r.start } else { l.start };
            core::ptr::copy_nonoverlapping(from, out, 1);
            r.start = r.start.add(usize::from(takes_right));
            l.start = l.start.add(usize::from(!takes_right));
            out = out.add(1);
        }
    }
    // SAFETY: what is left of one of the two fits into what is left of the buffer.
    unsafe {
        let rest = l.end.offset_from_unsigned(l.start);
        core::ptr::copy_nonoverlapping(l.start, out, rest);
        out = out.add(rest);
        core::ptr::copy_nonoverlapping(r.start, out, r.end.offset_from_unsigned(r.start));
    }
}

/// Moves a complete merge back.
fn copy_back<E: Env, T: Send>(
    worker: Worker<'_, E>,
    slice: &mut [T],
    buffer: &mut [MaybeUninit<T>],
) {
    if slice.len() > 8 * MERGE_LEN {
        let middle = slice.len() / 2;
        let (s0, s1) = slice.split_at_mut(middle);
        let (b0, b1) = buffer.split_at_mut(middle);
        worker.join(
            |worker| copy_back(worker, s0, b0),
            |worker| copy_back(worker, s1, b1),
        );
        return;
    }
    assert_eq!(slice.len(), buffer.len());
    // SAFETY: the merge is complete (M1, M2): the buffer holds the slice's items, each once, and they take its place without a drop.
    unsafe {
        core::ptr::copy_nonoverlapping(
            buffer.as_ptr().cast::<T>(),
            slice.as_mut_ptr(),
            slice.len(),
        );
    }
}

//! The deque over two kinds of buffer: one that doubles, one of a fixed size inside the type.
//!
//! # Bounds
//! [`ChaseLev`] keeps outgrown buffers until it is dropped, so that a slow thief never reads freed memory: with the newest of N
//! slots, the old ones have fewer than N together. [`FixedDeque`] refuses a push when full.
//!
//! # Invariants
//! - B1: the current buffer is one of `buffers`, which only grows until drop; its address is stored with release after its
//!   slots were copied.
#![allow(
    unsafe_code,
    reason = "the growing deque reads its buffer through an atomic pointer; owner calls are promises of the caller"
)]

use super::protocol::{Ends, Steal};
use super::slot::{Cell, Slot};
#[cfg(feature = "alloc")]
use crate::sync::atomic::{AtomicPtr, Ordering};
#[cfg(feature = "alloc")]
use alloc::{boxed::Box, vec::Vec};
#[cfg(feature = "alloc")]
use core::cell::UnsafeCell;
use core::marker::PhantomData;

/// A deque of a fixed capacity that allocates nothing. `CAPACITY` is a power of two.
#[derive(Debug)]
pub struct FixedDeque<T, const CAPACITY: usize> {
    ends: Ends,
    slots: [Cell; CAPACITY],
    values: PhantomData<fn(T) -> T>,
}

impl<T: Slot, const CAPACITY: usize> FixedDeque<T, CAPACITY> {
    /// An empty deque.
    #[must_use]
    pub fn new() -> Self {
        const { assert!(CAPACITY.is_power_of_two()) };
        Self {
            ends: Ends::new(),
            slots: core::array::from_fn(|_| Cell::new()),
            values: PhantomData,
        }
    }

    /// Adds a value at the bottom.
    ///
    /// # Errors
    /// The value, if the deque is full.
    ///
    /// # Safety
    /// No other `push` or `pop` of this deque runs at the same time.
    pub unsafe fn push(&self, value: T) -> Result<(), T> {
        if self.ends.is_full(CAPACITY) {
            return Err(value);
        }
        self.ends.push(&self.slots, value);
        Ok(())
    }

    /// Takes the newest value.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    pub unsafe fn pop(&self) -> Option<T> {
        self.ends.pop(&self.slots)
    }

    /// Takes the oldest value, from any thread.
    pub fn steal(&self) -> Steal<T> {
        self.ends.steal(|| &self.slots[..], |_| true)
    }

    /// How many values it holds; out of date at once.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds nothing; out of date at once.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Slot, const CAPACITY: usize> Default for FixedDeque<T, CAPACITY> {
    fn default() -> Self {
        Self::new()
    }
}

/// A deque that grows.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct ChaseLev<T> {
    ends: Ends,
    current: AtomicPtr<Vec<Cell>>,
    /// Every buffer so far; boxed, so that their addresses stay.
    #[allow(clippy::vec_box, reason = "thieves hold the addresses")]
    buffers: UnsafeCell<Vec<Box<Vec<Cell>>>>,
    values: PhantomData<fn(T) -> T>,
}

// SAFETY: the owner's calls, which alone touch `buffers`, are unsafe and promised to be one at a time; all else is atomic.
#[cfg(feature = "alloc")]
unsafe impl<T: Slot> Sync for ChaseLev<T> {}
// SAFETY: nothing belongs to a thread; values are `Send` by `Slot`.
#[cfg(feature = "alloc")]
unsafe impl<T: Slot> Send for ChaseLev<T> {}

#[cfg(feature = "alloc")]
impl<T: Slot> ChaseLev<T> {
    /// An empty deque with room for `capacity` values, rounded up to a power of two.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let mut first = Box::new(cells(capacity.max(2).next_power_of_two()));
        let current = AtomicPtr::new(&raw mut *first);
        Self {
            ends: Ends::new(),
            current,
            buffers: UnsafeCell::new(alloc::vec![first]),
            values: PhantomData,
        }
    }

    /// Adds a value at the bottom. Amortised constant time.
    ///
    /// # Safety
    /// No other `push` or `pop` of this deque runs at the same time.
    pub unsafe fn push(&self, value: T) {
        let mut buffer = self.buffer();
        if self.ends.is_full(buffer.len()) {
            // SAFETY: the caller's promise.
            buffer = unsafe { self.grow(buffer) };
        }
        self.ends.push(buffer, value);
    }

    /// Takes the newest value.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    pub unsafe fn pop(&self) -> Option<T> {
        self.ends.pop(self.buffer())
    }

    /// See [`Ends::pop_unless_alone`].
    ///
    /// # Safety
    /// As for [`push`](Self::push); and `alone` tells the truth.
    #[inline(always)]
    pub(super) unsafe fn pop_unless_alone(&self, alone: impl FnOnce() -> bool) -> Option<T> {
        self.ends.pop_unless_alone(self.buffer(), alone)
    }

    /// Takes the oldest value, from any thread.
    pub fn steal(&self) -> Steal<T> {
        self.steal_if(|_| true)
    }

    /// Takes the oldest value if `wanted` accepts it. The value that `wanted` sees may be stale or torn between its two words; it
    /// must look at the words alone.
    pub fn steal_if(&self, wanted: impl FnOnce(T) -> bool) -> Steal<T> {
        self.ends.steal(|| self.buffer(), wanted)
    }

    /// Whether `wanted` accepts one of the values, from any thread. It may see values that are gone or torn between their two words;
    /// one that is there throughout is seen whole. Linear in the length.
    pub fn holds(&self, wanted: impl Fn(T) -> bool) -> bool {
        self.ends.holds(usize::MAX, || self.buffer(), wanted)
    }

    /// As [`holds`](Self::holds), of the oldest value alone.
    pub fn offers(&self, wanted: impl Fn(T) -> bool) -> bool {
        self.ends.holds(1, || self.buffer(), wanted)
    }

    /// Steals up to half of the values, at most `limit`, oldest first, and hands each to `take`. Returns how many.
    pub fn steal_batch(&self, limit: usize, mut take: impl FnMut(T)) -> usize {
        let wanted = self.len().div_ceil(2).min(limit);
        let mut taken = 0;
        while taken < wanted {
            match self.steal() {
                Steal::Success(value) => {
                    take(value);
                    taken += 1;
                }
                Steal::Empty => break,
                Steal::Retry => crate::sync::spin_hint(),
            }
        }
        taken
    }

    /// How many values it holds; out of date at once.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds nothing; out of date at once.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn buffer(&self) -> &[Cell] {
        // SAFETY: B1: the buffer lives until the deque is dropped, and is only read (its cells are atomics).
        unsafe { &*self.current.load(Ordering::Acquire) }
    }

    /// Doubles the buffer.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[cold]
    unsafe fn grow<'a>(&'a self, old: &[Cell]) -> &'a [Cell] {
        let mut new = Box::new(cells(old.len() * 2));
        let (top, bottom) = self.ends.range();
        let mut index = top;
        while index != bottom {
            new[index & (new.len() - 1)].copy_from(&old[index & (old.len() - 1)]);
            index = index.wrapping_add(1);
        }
        self.current.store(&raw mut *new, Ordering::Release);
        // SAFETY: only the owner touches the list, and this is its call.
        unsafe { &mut *self.buffers.get() }.push(new);
        self.buffer()
    }
}

#[cfg(feature = "alloc")]
fn cells(count: usize) -> Vec<Cell> {
    (0..count).map(|_| Cell::new()).collect()
}

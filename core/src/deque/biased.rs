//! A deque whose owner pays no fence and no read-modify-write while no thief is at it.
//!
//! In [`ChaseLev`](super::ChaseLev) each pop has a fence, since a thief might read the two ends at this moment. Here a thief says first
//! that it is there, and then has every thread of the process pass a fence, the owner too, wherever it is. So the owner
//! looks for visitors after it lowered `bottom`, and a plain look will do: see `README.md`.
//!
//! # Invariants
//! - V1: a thief touches the ends only between its arrival, which is a rise of `visitors` and then a fence of all threads, and its departure.
//! - V2: an owner that finds no visitor after it lowered `bottom` has the value below it: thieves that arrive see the lowered `bottom`.
#![allow(
    unsafe_code,
    reason = "owner calls and the fence of all threads are promises of the caller"
)]

use super::ChaseLev;
use super::protocol::{Line, Steal};
use super::slot::Slot;
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::light_fence;

/// Where no thread can have others pass a fence, this bit of the visitors is set for good, and each pop has a fence of its own.
const FENCED: usize = 1 << (usize::BITS - 1);

/// A growing deque for an owner that mostly works alone.
#[derive(Debug)]
pub struct BiasedDeque<T> {
    deque: ChaseLev<T>,
    visitors: Line<AtomicUsize>,
}

impl<T: Slot> BiasedDeque<T> {
    /// An empty deque with room for `capacity` values. Without `asymmetric` it is a [`ChaseLev`], and visits are free.
    #[must_use]
    pub fn with_capacity(capacity: usize, asymmetric: bool) -> Self {
        Self {
            deque: ChaseLev::with_capacity(capacity),
            visitors: Line(AtomicUsize::new(if asymmetric { 0 } else { FENCED })),
        }
    }

    /// Adds a value at the bottom. Amortised constant time.
    ///
    /// # Safety
    /// No other `push` or `pop` of this deque runs at the same time.
    #[inline]
    pub unsafe fn push(&self, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.deque.push(value) };
    }

    /// Takes the newest value.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn pop(&self) -> Option<T> {
        let alone = || {
            light_fence();
            // Whoever left is seen with all that it took.
            let alone = self.visitors.0.load(Ordering::Acquire) == 0;
            if !alone {
                fence(Ordering::SeqCst);
            }
            alone
        };
        // SAFETY: the caller's promise.
        unsafe { self.deque.pop_unless_alone(alone) }
    }

    /// Arrives as a thief, and stays one until it [leaves](Self::leave).
    ///
    /// # Safety
    /// `fence_all` has every thread of the process pass a sequentially consistent fence before it returns. It is not called on a deque that is
    /// not asymmetric.
    pub unsafe fn arrive(&self, fence_all: impl FnOnce()) {
        if self.visitors.0.load(Ordering::Relaxed) & FENCED == 0 {
            self.visitors.0.fetch_add(1, Ordering::SeqCst);
            fence_all();
        }
    }

    /// Ends a visit.
    ///
    /// # Safety
    /// The caller [arrived](Self::arrive) and has not left since.
    pub unsafe fn leave(&self) {
        if self.visitors.0.load(Ordering::Relaxed) & FENCED == 0 {
            self.visitors.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// From now on the owner has a fence in each pop, from its next look on. What it did just before may still take its course: see the caller.
    pub fn fence_for_good(&self) {
        // A visitor who never leaves.
        self.visitors.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes the oldest value.
    ///
    /// # Safety
    /// As for [`leave`](Self::leave).
    pub unsafe fn steal(&self) -> Steal<T> {
        self.deque.steal()
    }

    /// See [`ChaseLev::steal_if`].
    ///
    /// # Safety
    /// As for [`leave`](Self::leave).
    pub unsafe fn steal_if(&self, wanted: impl FnOnce(T) -> bool) -> Steal<T> {
        self.deque.steal_if(wanted)
    }

    /// See [`ChaseLev::holds`]. Needs no visit.
    pub fn holds(&self, wanted: impl Fn(T) -> bool) -> bool {
        self.deque.holds(wanted)
    }

    /// Whether `wanted` accepts the oldest value; out of date at once. Needs no visit.
    pub fn offers(&self, wanted: impl Fn(T) -> bool) -> bool {
        self.deque.offers(wanted)
    }

    /// Whether it holds nothing; out of date at once.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.deque.is_empty()
    }
}

//! The Chase-Lev protocol over any buffer: where the two ends are and who may move them.
//!
//! Algorithm: Chase and Lev, SPAA 2005; orderings after Le, Pop, Cohen and Zappa Nardelli, PPoPP 2013.
//!
//! ```text
//!             top (thieves and the last pop, by compare-exchange)
//!              v
//!   | taken | T | . | . | . | B |  free ...
//!                               ^
//!                            bottom (the owner alone, by store)
//! ```
//!
//! # Invariants
//! - I1: only the owner writes `bottom` and slots; `top` only rises, each step by one compare-exchange, and whoever does it has the value.
//! - I2: a slot between `top` and `bottom` holds what was pushed at that index, in the buffer that holds the bottom's newest push.
//! - I3: `bottom - top` is at most the capacity, or -1 for the moment in which a pop finds the deque empty.
//! - Indices wrap; they are compared by signed difference.
#![forbid(unsafe_code)]

use super::slot::{Cell, Slot};
use crate::sync::atomic::{AtomicUsize, Ordering, fence};

/// What came of an attempt to steal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steal<T> {
    /// There was nothing (or, with a filter, nothing that passed it).
    Empty,
    /// The oldest value.
    Success(T),
    /// Another took it first: try again.
    Retry,
}

impl<T> Steal<T> {
    /// The value, if there is one.
    pub fn success(self) -> Option<T> {
        match self {
            Self::Success(value) => Some(value),
            Self::Empty | Self::Retry => None,
        }
    }
}

/// Keeps the two ends on lines of their own: thieves write one, the owner the other.
#[repr(align(128))]
#[derive(Debug)]
pub(super) struct Line<T>(pub(super) T);

/// The two ends.
#[derive(Debug)]
pub(super) struct Ends {
    top: Line<AtomicUsize>,
    bottom: Line<AtomicUsize>,
}

/// `a - b` as a signed number.
fn distance(a: usize, b: usize) -> isize {
    a.wrapping_sub(b).cast_signed()
}

impl Ends {
    pub(super) fn new() -> Self {
        Self {
            top: Line(AtomicUsize::new(0)),
            bottom: Line(AtomicUsize::new(0)),
        }
    }

    /// How many values there are, as seen from any thread; out of date at once.
    pub(super) fn len(&self) -> usize {
        let bottom = self.bottom.0.load(Ordering::Acquire);
        let top = self.top.0.load(Ordering::Acquire);
        distance(bottom, top).max(0).cast_unsigned()
    }

    /// Owner: the range in use, to be copied when the buffer grows. `top` may rise meanwhile, which only makes copies idle.
    pub(super) fn range(&self) -> (usize, usize) {
        (
            self.top.0.load(Ordering::Acquire),
            self.bottom.0.load(Ordering::Relaxed),
        )
    }

    /// Owner: whether a buffer of `capacity` has no room.
    pub(super) fn is_full(&self, capacity: usize) -> bool {
        let (top, bottom) = self.range();
        distance(bottom, top) >= capacity.cast_signed()
    }

    /// Owner: adds a value; the buffer has room.
    pub(super) fn push<T: Slot>(&self, buffer: &[Cell], value: T) {
        let bottom = self.bottom.0.load(Ordering::Relaxed);
        buffer[bottom & (buffer.len() - 1)].store(value);
        // Whoever sees the new bottom sees the slot, and what the value points to.
        self.bottom
            .0
            .store(bottom.wrapping_add(1), Ordering::Release);
    }

    /// Owner: takes the newest value.
    pub(super) fn pop<T: Slot>(&self, buffer: &[Cell]) -> Option<T> {
        self.pop_unless_alone(buffer, || {
            fence(Ordering::SeqCst);
            false
        })
    }

    /// Owner: takes the newest value. `alone` says whether no thief can be between its two reads now, and passes a fence if one can.
    #[inline(always)]
    pub(super) fn pop_unless_alone<T: Slot>(
        &self,
        buffer: &[Cell],
        alone: impl FnOnce() -> bool,
    ) -> Option<T> {
        let bottom = self.bottom.0.load(Ordering::Relaxed);
        // Empty is the common case for a worker that looks around; it needs no fence, since top never falls.
        if distance(bottom, self.top.0.load(Ordering::Relaxed)) <= 0 {
            return None;
        }
        let last = bottom.wrapping_sub(1);
        self.bottom.0.store(last, Ordering::Relaxed);
        // Between lowering bottom and reading top, as a thief's fence is between reading top and reading bottom: one of the two
        // sees the other's write, so both cannot take the last value unawares.
        let alone = alone();
        let top = self.top.0.load(Ordering::Relaxed);
        let value = || buffer[last & (buffer.len() - 1)].load();
        match distance(last, top) {
            1.. => Some(value()),
            // Nobody else can want it, and bottom stays lowered.
            0 if alone => Some(value()),
            0 => {
                let value = value();
                let won = self
                    .top
                    .0
                    .compare_exchange(
                        top,
                        top.wrapping_add(1),
                        Ordering::SeqCst,
                        Ordering::Relaxed,
                    )
                    .is_ok();
                self.bottom.0.store(bottom, Ordering::Relaxed);
                won.then_some(value)
            }
            _ => {
                self.bottom.0.store(bottom, Ordering::Relaxed);
                None
            }
        }
    }

    /// Anyone: whether one of the oldest `depth` values is `wanted`, seen as in [`steal`](Self::steal).
    #[cfg(feature = "alloc")]
    pub(super) fn holds<'a, T: Slot>(
        &self,
        depth: usize,
        buffer: impl FnOnce() -> &'a [Cell],
        wanted: impl Fn(T) -> bool,
    ) -> bool {
        let top = self.top.0.load(Ordering::Acquire);
        let bottom = self.bottom.0.load(Ordering::Acquire);
        let buffer = buffer();
        let count = distance(bottom, top).max(0).unsigned_abs();
        (0..count.min(buffer.len()).min(depth))
            .any(|step| wanted(buffer[top.wrapping_add(step) & (buffer.len() - 1)].load()))
    }

    /// Anyone: takes the oldest value if `wanted` says so. `buffer` is called after the ends were read.
    pub(super) fn steal<'a, T: Slot>(
        &self,
        buffer: impl FnOnce() -> &'a [Cell],
        wanted: impl FnOnce(T) -> bool,
    ) -> Steal<T> {
        let top = self.top.0.load(Ordering::Acquire);
        fence(Ordering::SeqCst);
        let bottom = self.bottom.0.load(Ordering::Acquire);
        if distance(bottom, top) <= 0 {
            return Steal::Empty;
        }
        let buffer = buffer();
        let value: T = buffer[top & (buffer.len() - 1)].load();
        // A torn value may fail the filter; it then looks empty for now, which is true for a moment later too.
        if !wanted(value) {
            return Steal::Empty;
        }
        match self.top.0.compare_exchange(
            top,
            top.wrapping_add(1),
            Ordering::SeqCst,
            Ordering::Relaxed,
        ) {
            Ok(_) => Steal::Success(value),
            Err(_) => Steal::Retry,
        }
    }
}

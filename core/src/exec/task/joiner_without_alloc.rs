//! As `joiner.rs`, for machines without an allocator: the waker itself.
#![allow(unsafe_code, reason = "a cell that foreign code cannot enter")]

use core::cell::UnsafeCell;
use core::task::{RawWakerVTable, Waker};

/// The owner's.
pub(super) struct Joiner(UnsafeCell<Option<Waker>>);

impl Joiner {
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Whether `waker` is in it.
    pub(super) fn is(&self, waker: &Waker, _: &'static RawWakerVTable) -> bool {
        // SAFETY: one thread, and no reference into the cell is held while foreign code runs.
        unsafe { (*self.0.get()).as_ref() }.is_some_and(|kept| kept.will_wake(waker))
    }

    /// Puts a waker in, or none, and gives the one that was.
    pub(super) fn replace(
        &self,
        waker: Option<Waker>,
        _: &'static RawWakerVTable,
    ) -> Option<Waker> {
        // SAFETY: as in `is`.
        core::mem::replace(unsafe { &mut *self.0.get() }, waker)
    }
}

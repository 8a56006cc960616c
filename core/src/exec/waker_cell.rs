//! A place for one waker, on one thread.
#![allow(unsafe_code, reason = "a cell that foreign code cannot enter")]

use core::cell::UnsafeCell;
use core::task::Waker;

/// Who is to be woken. Not `Sync`.
pub(super) struct WakerCell(UnsafeCell<Option<Waker>>);

impl WakerCell {
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Stores `waker` in place of what was there.
    #[inline]
    pub(super) fn set(&self, waker: &Waker) {
        // SAFETY: one thread, and no reference into the cell is held while foreign code (a waker's clone or drop) runs: the clone
        // is made before the cell is touched, and the old waker is dropped after.
        unsafe {
            if let Some(old) = &*self.0.get()
                && old.will_wake(waker)
            {
                return;
            }
            let new = waker.clone();
            drop((*self.0.get()).replace(new));
        }
    }

    /// Takes what is there.
    #[inline]
    pub(super) fn take(&self) -> Option<Waker> {
        // SAFETY: as in `set`.
        unsafe { (*self.0.get()).take() }
    }

    /// Wakes, once, who is there.
    #[inline]
    pub(super) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }
}

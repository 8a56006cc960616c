//! As `joiner.rs`, for machines without an allocator: who waits as it is.
#![allow(unsafe_code, reason = "a cell that foreign code cannot enter")]

use super::header::TaskPtr;
use super::join_handle::Waiting;
use core::cell::UnsafeCell;
use core::task::Waker;

/// The owner's.
pub(super) struct Joiner(UnsafeCell<Waiting>);

impl Joiner {
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new(Waiting::Task(None)))
    }

    /// Whether the task is in it.
    pub(super) fn is_task(&self, task: TaskPtr) -> bool {
        // SAFETY: one thread, and no reference into the cell is held while foreign code runs.
        matches!(unsafe { &*self.0.get() }, Waiting::Task(Some(kept)) if *kept == task)
    }

    /// Whether the waker, which is not that of a task here, is in it.
    pub(super) fn is_other(&self, waker: &Waker) -> bool {
        // SAFETY: as in `is_task`.
        matches!(unsafe { &*self.0.get() }, Waiting::Other(kept) if kept.will_wake(waker))
    }

    /// Puts somebody in, or nobody, and gives who was.
    pub(super) fn replace(&self, waiting: Waiting) -> Waiting {
        // SAFETY: as in `is_task`.
        core::mem::replace(unsafe { &mut *self.0.get() }, waiting)
    }
}

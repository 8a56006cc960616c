//! The tasks that want a poll: first come, first served, linked through their headers.
#![allow(unsafe_code, reason = "an intrusive list")]

use super::cell::Cell;
use super::task::{Header, TaskPtr};
use core::ptr::{NonNull, null};

/// The queue; the owner's thread alone uses it. A task stands in it at most once (its `scheduled` flag).
pub(super) struct RunQueue {
    head: Cell<*const Header>,
    /// The last one, unless it is empty.
    tail: Cell<*const Header>,
}

macro_rules! constructor {
    ($($const:ident)?) => {
        pub(super) $($const)? fn new() -> Self {
            Self {
                head: Cell::new(null()),
                tail: Cell::new(null()),
            }
        }
    };
}

impl RunQueue {
    #[cfg(not(loom))]
    constructor!(const);
    #[cfg(loom)]
    constructor!();

    /// Tasks in the queue, which are gone through for it.
    pub(super) fn count(&self) -> usize {
        let (mut count, mut next) = (0, self.head.get());
        // SAFETY: what stands in the queue is alive.
        while let Some(task) = unsafe { next.as_ref() } {
            count += 1;
            next = task.queue_next.get();
        }
        count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// # Safety
    /// The owner's thread; the task is alive, not in the queue, and stays alive until it is popped.
    #[inline]
    pub(super) unsafe fn push(&self, task: TaskPtr) {
        // SAFETY: the caller's word; what stands in the queue is alive, and the last one does unless it is empty.
        unsafe {
            task.as_ref().queue_next.set(null());
            if self.is_empty() {
                self.head.set(task.as_ptr());
            } else {
                (*self.tail.get()).queue_next.set(task.as_ptr());
            }
        }
        self.tail.set(task.as_ptr());
    }

    /// # Safety
    /// The owner's thread.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<TaskPtr> {
        let task = NonNull::new(self.head.get().cast_mut())?;
        // SAFETY: a task in the queue is alive.
        self.head.set(unsafe { task.as_ref() }.queue_next.get());
        Some(task)
    }
}

//! Who waits for a task's output, in one word, since every task has room for it and most who wait are tasks of the same executor.
#![allow(unsafe_code, reason = "a waker as a tagged pointer")]

use super::header::{Header, TaskPtr};
use super::join_handle::Waiting;
use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr::{NonNull, null};
use core::task::Waker;

/// In the pointer: it is a box with a waker rather than a task.
const OTHER: usize = 1;

/// The owner's. Whoever lets it go takes out who waits before: the handle that put him in does when it is dropped.
pub(super) struct Joiner(Cell<*const ()>);

impl Joiner {
    pub(super) const fn new() -> Self {
        Self(Cell::new(null()))
    }

    /// Whether the task is in it.
    #[inline]
    pub(super) fn is_task(&self, task: TaskPtr) -> bool {
        self.0.get() == task.as_ptr().cast_const().cast()
    }

    /// Whether the waker, which is not that of a task here, is in it.
    pub(super) fn is_other(&self, waker: &Waker) -> bool {
        let kept = self.0.get();
        // SAFETY: the tag says that it is a box with a waker, which is only borrowed for a comparison of words.
        kept.addr() & OTHER != 0 && unsafe { &*untagged(kept) }.will_wake(waker)
    }

    /// Puts somebody in, or nobody, and gives who was.
    #[inline]
    pub(super) fn replace(&self, waiting: Waiting) -> Waiting {
        let new = match waiting {
            Waiting::Task(None) => null(),
            Waiting::Task(Some(task)) => task.as_ptr().cast_const().cast(),
            Waiting::Other(waker) => Box::into_raw(Box::new(waker))
                .map_addr(|address| address | OTHER)
                .cast_const()
                .cast(),
        };
        let old = self.0.replace(new);
        if old.addr() & OTHER == 0 {
            return Waiting::Task(NonNull::new(old.cast::<Header>().cast_mut()));
        }
        // SAFETY: the tag tells the two apart, and each goes out as it came in, once.
        Waiting::Other(*unsafe { Box::from_raw(untagged(old)) })
    }
}

/// The box behind a tagged pointer.
fn untagged(kept: *const ()) -> *mut Waker {
    let kept = kept.map_addr(|address| address & !OTHER);
    kept.cast::<Waker>().cast_mut()
}

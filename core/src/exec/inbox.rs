//! What other threads leave for the executor: a stack in one word, which also says whether the executor sleeps.
//!
//! Algorithm: Treiber's stack with the whole taken at once, so there is no ABA problem; the taker reverses it. The two low bits of
//! the head are flags, so "push and learn whether it sleeps" is one compare-and-swap and needs no fence against the sleeper.
//!
//! ```text
//!   push: (list, flags) -> (node+list, no ASLEEP)    rings if ASLEEP was set
//!   sleep: (empty, none) -> (empty, ASLEEP)          fails if anything is there
//!   take: anything -> (empty, none)
//!   close: anything -> CLOSED                        pushes fail from then on
//! ```
//!
//! # Invariants
//! B1: a node's link is written by the thread that pushes it, before the exchange that publishes it, and read by the owner after
//!     the exchange that takes it.
//! B2: exactly one push after each sleep sees `ASLEEP`, so the doorbell rings once.
#![allow(unsafe_code, reason = "an intrusive list")]

use super::task::{Header, TaskPtr};
use crate::sync::atomic::{AtomicPtr, Ordering};
use core::ptr::{NonNull, null_mut};

const ASLEEP: usize = 1;
const CLOSED: usize = 2;
const FLAGS: usize = ASLEEP | CLOSED;

/// The stack. See the [module](self).
pub(super) struct Inbox(AtomicPtr<Header>);

/// What came of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The executor is awake and will look.
    Quiet,
    /// The executor sleeps: the caller must ring.
    Ring,
    /// The executor is gone; nothing was pushed.
    Closed,
}

fn flags(head: *mut Header) -> usize {
    head.addr() & FLAGS
}

fn flag(bits: usize) -> *mut Header {
    core::ptr::without_provenance_mut(bits)
}

impl Inbox {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Puts a task in. `before_ring` is called, once, before a push that will have to ring.
    ///
    /// # Safety
    /// The caller set the task's `POSTED` bit.
    pub(super) unsafe fn push(&self, task: TaskPtr, mut before_ring: impl FnMut()) -> Pushed {
        let mut head = self.0.load(Ordering::Acquire);
        let mut prepared = false;
        loop {
            let bits = flags(head);
            if bits & CLOSED != 0 {
                return Pushed::Closed;
            }
            if bits & ASLEEP != 0 && !prepared {
                before_ring();
                prepared = true;
            }
            let list = head.map_addr(|address| address & !FLAGS);
            // SAFETY: B1: the bit is this thread's alone to set, so the link is too.
            unsafe { task.as_ref() }.inbox_next.set(list.cast_const());
            match self.0.compare_exchange_weak(
                head,
                task.as_ptr(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) if bits & ASLEEP != 0 => return Pushed::Ring,
                Ok(_) => return Pushed::Quiet,
                Err(now) => head = now,
            }
        }
    }

    /// Whether `take` would find nothing.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Takes everything, oldest first, and wakes up.
    pub(super) fn take(&self) -> Taken {
        Taken::reversed(self.0.swap(null_mut(), Ordering::AcqRel))
    }

    /// Goes to sleep, if nothing is there. The caller then waits for its doorbell, and calls [`take`](Self::take).
    pub(super) fn try_sleep(&self) -> bool {
        self.0
            .compare_exchange(
                null_mut(),
                flag(ASLEEP),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Takes everything, and refuses what comes later.
    pub(super) fn close(&self) -> Taken {
        Taken::reversed(self.0.swap(flag(CLOSED), Ordering::AcqRel))
    }
}

/// Tasks taken out, oldest first.
pub(super) struct Taken(*const Header);

impl Taken {
    fn reversed(head: *mut Header) -> Self {
        let mut node = head.map_addr(|address| address & !FLAGS).cast_const();
        let mut list = core::ptr::null();
        // SAFETY: B1: the exchange that took the list made the caller its owner.
        while let Some(header) = unsafe { node.as_ref() } {
            let next = header.inbox_next.get();
            header.inbox_next.set(list);
            list = node;
            node = next;
        }
        Self(list)
    }
}

impl Iterator for Taken {
    type Item = TaskPtr;

    fn next(&mut self) -> Option<TaskPtr> {
        let task = NonNull::new(self.0.cast_mut())?;
        // SAFETY: B1; the task is alive, and its link its own, until the receiver clears `POSTED`, which comes after this.
        self.0 = unsafe { task.as_ref() }.inbox_next.get();
        Some(task)
    }
}

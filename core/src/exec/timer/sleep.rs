//! A future that ends at a deadline.
#![allow(unsafe_code, reason = "hands a pinned entry to the wheel")]

use super::wheel::{Entry, TimerSource};
use crate::platform::Instant;
use core::fmt;
use core::marker::PhantomPinned;
use core::pin::Pin;
use core::task::{Context, Poll};

/// Ends at its deadline. Cancel-safe: dropping it removes it from the wheel, in constant time.
///
/// After the executor of the timers was dropped it ends at once, whatever its deadline: nobody would wake it.
///
/// It enters the wheel with its first poll, without allocation and without a system call. `D` leads to the executor's timers.
pub struct Sleep<D: TimerSource> {
    timers: D,
    deadline: Instant,
    entry: Entry,
    _pinned: PhantomPinned,
}

impl<D: TimerSource> Sleep<D> {
    /// A future that ends when `timers` have come to `deadline`; at once if they have.
    pub const fn new(timers: D, deadline: Instant) -> Self {
        Self {
            timers,
            deadline,
            entry: Entry::new(),
            _pinned: PhantomPinned,
        }
    }

    /// When it ends.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the timers' executor is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.timers.timers().is_closed()
    }

    /// Gives it another deadline, also after it ended. The next poll counts.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        // SAFETY: nothing is moved; the deadline is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        this.timers.timers().remove(&this.entry);
        this.deadline = deadline;
    }
}

impl<D: TimerSource> Future for Sleep<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.into_ref().get_ref();
        let timers = this.timers.timers();
        let is_over =
            || this.entry.has_fired() || this.entry.is_idle() && timers.is_due(this.deadline);
        if is_over() {
            return Poll::Ready(());
        }
        // A waker of somebody else's may have run the executor, and so the wheel, while it was cloned.
        if this.entry.set_waker(cx.waker()) && is_over() {
            this.entry.forget_waker();
            return Poll::Ready(());
        }
        if this.entry.is_idle() {
            // SAFETY: the entry is in no slot; `self` is pinned, and its drop removes the entry.
            unsafe { timers.insert(&this.entry, this.deadline) };
        }
        Poll::Pending
    }
}

impl<D: TimerSource> Drop for Sleep<D> {
    fn drop(&mut self) {
        if !self.entry.is_idle() {
            self.timers.timers().remove(&self.entry);
        }
    }
}

impl<D: TimerSource> fmt::Debug for Sleep<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("fired", &self.entry.has_fired())
            .finish_non_exhaustive()
    }
}

//! Permits: the lock under most of the others.
#![allow(unsafe_code, reason = "hands pinned nodes to the queue")]

use super::wait_queue::{Node, Turn, WaitQueue};
use core::cell::Cell;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

/// What was waited for will not come: the other side is gone, or closed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed")
    }
}

impl core::error::Error for Closed {}

/// A number of permits. Whoever asks for many is not overtaken by those who ask for few.
pub struct Semaphore {
    permits: Cell<usize>,
    closed: Cell<bool>,
    waiters: WaitQueue,
}

impl Semaphore {
    /// `permits` permits.
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        Self {
            permits: Cell::new(permits),
            closed: Cell::new(false),
            waiters: WaitQueue::new(),
        }
    }

    /// Permits that are free.
    #[must_use]
    pub fn available(&self) -> usize {
        self.permits.get()
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Waits for `count` permits. Cancel-safe.
    pub fn acquire(&self, count: usize) -> Acquire<'_> {
        Acquire {
            semaphore: self,
            node: Node::new(count),
        }
    }

    /// `count` permits, if they are free and nobody waits.
    #[must_use]
    pub fn try_acquire(&self, count: usize) -> Option<Permit<'_>> {
        // Not `then_some`: it would make, and drop, a permit that was not taken.
        self.take(count).then(|| Permit {
            semaphore: self,
            count,
        })
    }

    #[inline]
    pub(super) fn take(&self, count: usize) -> bool {
        let free = self.permits.get();
        if free < count || self.closed.get() || !self.waiters.is_empty() {
            return false;
        }
        self.permits.set(free - count);
        true
    }

    /// Adds permits, at most up to `usize::MAX`.
    #[inline]
    pub fn release(&self, count: usize) {
        self.permits.set(self.permits.get().saturating_add(count));
        if !self.waiters.is_empty() {
            self.grant();
        }
    }

    /// Takes `count` permits away for good, or as many as are free; returns how many.
    pub fn forget(&self, count: usize) -> usize {
        let taken = count.min(self.permits.get());
        self.permits.set(self.permits.get() - taken);
        taken
    }

    /// Gives free permits to those who wait, in turn.
    #[inline(never)]
    fn grant(&self) {
        while let Some(amount) = self.waiters.first_amount() {
            let Some(left) = self.permits.get().checked_sub(amount) else {
                return;
            };
            self.permits.set(left);
            self.waiters.call_first(Turn::Called);
        }
    }

    /// Refuses everybody from now on, those who wait included.
    pub fn close(&self) {
        self.closed.set(true);
        while self.waiters.call_first(Turn::Refused) {}
    }
}

/// Waits for permits; see [`Semaphore::acquire`].
#[must_use = "futures do nothing unless polled"]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
    node: Node,
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.into_ref().get_ref();
        let permit = || Permit {
            semaphore: this.semaphore,
            count: this.node.amount,
        };
        loop {
            match this.node.turn() {
                Turn::Called => {
                    this.node.reset();
                    return Poll::Ready(Ok(permit()));
                }
                Turn::Refused => return Poll::Ready(Err(Closed)),
                Turn::Idle if this.semaphore.closed.get() => return Poll::Ready(Err(Closed)),
                Turn::Idle if this.semaphore.take(this.node.amount) => {
                    return Poll::Ready(Ok(permit()));
                }
                // SAFETY: pinned, and removed when dropped.
                Turn::Idle => unsafe { this.semaphore.waiters.push(&this.node) },
                Turn::Waiting => {}
            }
            if this.node.set_waker(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        match self.node.turn() {
            Turn::Waiting => {
                self.semaphore.waiters.remove(&self.node);
                // It may have held up others who ask for less.
                self.semaphore.grant();
            }
            Turn::Called => self.semaphore.release(self.node.amount),
            Turn::Idle | Turn::Refused => {}
        }
    }
}

/// Permits that are given back when this is dropped.
#[must_use = "dropping it gives the permits back"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

impl Permit<'_> {
    /// Keeps the permits out of the semaphore for good.
    pub fn forget(self) {
        core::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.release(self.count);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.permits.get())
            .field("closed", &self.closed.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("turn", &self.node.turn())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

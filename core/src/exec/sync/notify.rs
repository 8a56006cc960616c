//! "Something happened", without a value.
#![allow(unsafe_code, reason = "hands pinned nodes to the queue")]

use super::wait_queue::{Node, Turn, WaitQueue};
use core::cell::Cell;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

/// Wakes tasks that wait. A notification that finds nobody waiting is kept for the next who comes; more than one are one.
pub struct Notify {
    kept: Cell<bool>,
    waiters: WaitQueue,
}

impl Notify {
    /// Nothing happened yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            kept: Cell::new(false),
            waiters: WaitQueue::new(),
        }
    }

    /// Wakes the first who waits.
    pub fn notify_one(&self) {
        if !self.waiters.call_first(Turn::Called) {
            self.kept.set(true);
        }
    }

    /// Wakes all who wait now; keeps nothing.
    pub fn notify_all(&self) {
        // Refused: a dropped waiter has nothing to hand on.
        self.waiters.call_all(Turn::Refused);
    }

    /// Waits for a notification. Cancel-safe: one that was given to a dropped waiter goes to the next.
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            node: Node::new(1),
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits; see [`Notify::notified`].
#[must_use = "futures do nothing unless polled"]
pub struct Notified<'a> {
    notify: &'a Notify,
    node: Node,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.into_ref().get_ref();
        loop {
            match this.node.turn() {
                Turn::Called | Turn::Refused => {
                    this.node.reset();
                    return Poll::Ready(());
                }
                Turn::Idle if this.notify.kept.replace(false) => return Poll::Ready(()),
                // SAFETY: pinned, and removed when dropped.
                Turn::Idle => unsafe { this.notify.waiters.push(&this.node) },
                Turn::Waiting => {}
            }
            if this.node.set_waker(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        match self.node.turn() {
            Turn::Waiting => self.notify.waiters.remove(&self.node),
            Turn::Called => self.notify.notify_one(),
            Turn::Idle | Turn::Refused => {}
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify")
            .field("kept", &self.kept.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified")
            .field("turn", &self.node.turn())
            .finish_non_exhaustive()
    }
}

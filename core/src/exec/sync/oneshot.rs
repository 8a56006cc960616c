//! One value, once.
#![forbid(unsafe_code)]

use super::semaphore::Closed;
use crate::exec::waker_cell::WakerCell;
use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

struct Shared<T> {
    value: Cell<Option<T>>,
    /// One of the two ends is gone.
    closed: Cell<bool>,
    receiver: WakerCell,
    sender: WakerCell,
}

/// The end that sends.
pub struct OneshotSender<T>(Rc<Shared<T>>);

/// The end that waits for the value. Cancel-safe: poll it through `&mut` to come back later.
pub struct OneshotReceiver<T>(Rc<Shared<T>>);

/// A channel for one value. One allocation.
#[must_use]
pub fn oneshot<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let shared = Rc::new(Shared {
        value: Cell::new(None),
        closed: Cell::new(false),
        receiver: WakerCell::new(),
        sender: WakerCell::new(),
    });
    (OneshotSender(Rc::clone(&shared)), OneshotReceiver(shared))
}

impl<T> OneshotSender<T> {
    /// Sends.
    ///
    /// # Errors
    /// The value, if the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        if self.0.closed.get() {
            return Err(value);
        }
        self.0.value.set(Some(value));
        Ok(())
    }

    /// Whether the receiver is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.get()
    }

    /// Waits until the receiver is gone. Cancel-safe. (Exclusive, since one waiter is remembered.)
    pub async fn closed(&mut self) {
        core::future::poll_fn(|cx| {
            if self.0.closed.get() {
                return Poll::Ready(());
            }
            // A waker of somebody else's may have dropped the receiver while it was cloned.
            if self.0.sender.set(cx.waker()) && self.0.closed.get() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        self.0.closed.set(true);
        self.0.receiver.wake();
    }
}

impl<T> OneshotReceiver<T> {
    /// The value, if it was sent.
    pub fn try_recv(&mut self) -> Option<T> {
        self.0.value.take()
    }
}

impl<T> Unpin for OneshotReceiver<T> {}

impl<T> Future for OneshotReceiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(value) = self.0.value.take() {
                return Poll::Ready(Ok(value));
            }
            if self.0.closed.get() {
                return Poll::Ready(Err(Closed));
            }
            // A waker of somebody else's may have run the sender while it was cloned.
            if !self.0.receiver.set(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl<T> Drop for OneshotReceiver<T> {
    fn drop(&mut self) {
        self.0.closed.set(true);
        drop(self.0.value.take());
        self.0.sender.wake();
    }
}

impl<T> fmt::Debug for OneshotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotSender")
            .field("closed", &self.0.closed.get())
            .finish()
    }
}

impl<T> fmt::Debug for OneshotReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotReceiver")
            .field("closed", &self.0.closed.get())
            .finish()
    }
}

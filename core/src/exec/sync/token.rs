//! A token that says "stop": for graceful shutdown.
#![forbid(unsafe_code)]

use super::notify::Notify;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

#[derive(Default)]
struct Shared {
    cancelled: Cell<bool>,
    told: Notify,
    children: RefCell<Vec<Weak<Shared>>>,
}

/// Says whether to stop, to all who have a clone, and to its children.
#[derive(Clone, Default)]
pub struct CancellationToken(Rc<Shared>);

/// The token said stop before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl core::error::Error for Cancelled {}

impl CancellationToken {
    /// A token that has not said stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that stops when this one does, or on its own.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        if self.is_cancelled() {
            child.cancel();
        } else {
            let mut children = self.0.children.borrow_mut();
            children.retain(|child| child.strong_count() > 0);
            children.push(Rc::downgrade(&child.0));
        }
        child
    }

    /// Says stop.
    pub fn cancel(&self) {
        if self.0.cancelled.replace(true) {
            return;
        }
        self.0.told.notify_all();
        for child in self.0.children.take() {
            if let Some(child) = child.upgrade() {
                Self(child).cancel();
            }
        }
    }

    /// Whether it said stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.get()
    }

    /// Waits until it says stop. Cancel-safe.
    pub async fn cancelled(&self) {
        while !self.is_cancelled() {
            self.0.told.notified().await;
        }
    }

    /// Runs `future` until the token says stop, and drops it then.
    ///
    /// # Errors
    /// [`Cancelled`] if the token was first.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, Cancelled> {
        let mut future = pin!(future);
        let mut cancelled = pin!(self.cancelled());
        poll_fn(|cx| {
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Cancelled));
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

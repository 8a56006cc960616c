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

/// So many children are kept without a look at which of them were dropped.
const CHILDREN_MIN: usize = 16;

#[derive(Default)]
struct Shared {
    cancelled: Cell<bool>,
    told: Notify,
    children: RefCell<Children>,
}

#[derive(Default)]
struct Children {
    list: Vec<Weak<Shared>>,
    /// How many there were alive when the dropped ones were last cleared out.
    alive: usize,
}

impl Children {
    /// Adds one. Dropped ones are cleared out when the list has doubled, so that each addition costs a constant on average.
    fn add(&mut self, child: &Rc<Shared>) {
        if self.list.len() >= (2 * self.alive).max(CHILDREN_MIN) {
            self.list.retain(|child| child.strong_count() > 0);
            self.alive = self.list.len();
        }
        self.list.push(Rc::downgrade(child));
    }
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

    /// A token that stops when this one does, or on its own. Constant time on average.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        if self.is_cancelled() {
            child.cancel();
        } else {
            self.0.children.borrow_mut().add(&child.0);
        }
        child
    }

    /// Says stop.
    pub fn cancel(&self) {
        // A list rather than recursion: tokens may be nested deeper than the stack is.
        let mut open = alloc::vec![self.0.clone()];
        while let Some(shared) = open.pop() {
            if !shared.cancelled.replace(true) {
                shared.told.notify_all();
                let children = shared.children.take().list;
                open.extend(children.iter().filter_map(Weak::upgrade));
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

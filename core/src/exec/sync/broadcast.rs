//! Every value to every receiver, with a bound: who is too slow is told how much was missed.
#![forbid(unsafe_code)]

use super::notify::Notify;
use super::semaphore::Closed;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;

struct Shared<T> {
    values: RefCell<VecDeque<T>>,
    capacity: usize,
    /// Number of the value that will be sent next.
    next: Cell<u64>,
    closed: Cell<bool>,
    sent: Notify,
}

/// Sends to all receivers. When it is dropped, receivers get what is left and then the end.
pub struct Broadcast<T>(Rc<Shared<T>>);

/// Receives every value that was sent since it was made.
pub struct BroadcastReceiver<T> {
    shared: Rc<Shared<T>>,
    /// Number of the value that it receives next.
    next: u64,
}

/// The receiver was too slow: so many values were overwritten. The next `recv` gives the oldest that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values were missed", self.0)
    }
}

impl core::error::Error for Lagged {}

impl<T: Clone> Broadcast<T> {
    /// A channel that keeps the last `capacity` values (at least 1).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Rc::new(Shared {
            values: RefCell::new(VecDeque::new()),
            capacity: capacity.max(1),
            next: Cell::new(0),
            closed: Cell::new(false),
            sent: Notify::new(),
        }))
    }

    /// Sends; never waits.
    pub fn send(&self, value: T) {
        let old = {
            let mut values = self.0.values.borrow_mut();
            let old = if values.len() == self.0.capacity {
                values.pop_front()
            } else {
                None
            };
            values.push_back(value);
            old
        };
        self.0.next.set(self.0.next.get() + 1);
        self.0.sent.notify_all();
        // Last, since it may run code of the value's that receives.
        drop(old);
    }

    /// A receiver of what is sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> BroadcastReceiver<T> {
        BroadcastReceiver {
            shared: Rc::clone(&self.0),
            next: self.0.next.get(),
        }
    }
}

impl<T: Clone> BroadcastReceiver<T> {
    /// The next value, if it is there.
    ///
    /// # Errors
    /// `Lagged` if values were missed.
    pub fn try_recv(&mut self) -> Result<Option<T>, Lagged> {
        let values = self.shared.values.borrow();
        let end = self.shared.next.get();
        let first = end - values.len() as u64;
        if self.next < first {
            let missed = first - self.next;
            self.next = first;
            return Err(Lagged(missed));
        }
        let index = usize::try_from(self.next - first).unwrap_or(usize::MAX);
        let value = values.get(index).cloned();
        self.next += u64::from(value.is_some());
        Ok(value)
    }

    /// Waits for the next value. Cancel-safe.
    ///
    /// # Errors
    /// `Closed` when the sender is gone and all was received; inside, `Lagged` if values were missed.
    pub async fn recv(&mut self) -> Result<Result<T, Lagged>, Closed> {
        loop {
            match self.try_recv() {
                Ok(Some(value)) => return Ok(Ok(value)),
                Err(lagged) => return Ok(Err(lagged)),
                Ok(None) if self.shared.closed.get() => return Err(Closed),
                Ok(None) => self.shared.sent.notified().await,
            }
        }
    }
}

impl<T> Drop for Broadcast<T> {
    fn drop(&mut self) {
        self.0.closed.set(true);
        self.0.sent.notify_all();
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("sent", &self.0.next.get())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for BroadcastReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastReceiver")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

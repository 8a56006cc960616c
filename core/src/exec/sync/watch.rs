//! The latest value, to whoever looks; who waits is told when it changes.
#![forbid(unsafe_code)]

use super::notify::Notify;
use super::semaphore::Closed;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;

struct Shared<T> {
    value: RefCell<T>,
    version: Cell<u64>,
    closed: Cell<bool>,
    changed: Notify,
}

/// Sets the value.
pub struct Watch<T>(Rc<Shared<T>>);

/// Sees the value.
pub struct WatchReceiver<T> {
    shared: Rc<Shared<T>>,
    seen: u64,
}

impl<T> Watch<T> {
    /// With a first value, which receivers count as seen.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Rc::new(Shared {
            value: RefCell::new(value),
            version: Cell::new(0),
            closed: Cell::new(false),
            changed: Notify::new(),
        }))
    }

    /// Sets another value and returns the one before.
    ///
    /// # Panics
    /// From inside of [`WatchReceiver::with`].
    pub fn send(&self, value: T) -> T {
        let before = self.0.value.replace(value);
        self.0.version.set(self.0.version.get() + 1);
        self.0.changed.notify_all();
        before
    }

    /// One more who sees the value.
    #[must_use]
    pub fn subscribe(&self) -> WatchReceiver<T> {
        WatchReceiver {
            shared: Rc::clone(&self.0),
            seen: self.0.version.get(),
        }
    }
}

impl<T> WatchReceiver<T> {
    /// Calls `look` with the value, which counts as seen.
    pub fn with<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        self.seen = self.shared.version.get();
        look(&self.shared.value.borrow())
    }

    /// A copy of the value, which counts as seen.
    pub fn get(&mut self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Waits until the value is one that was not seen; marks it as seen. Cancel-safe. Changes in between are one change.
    ///
    /// # Errors
    /// `Closed` when the sender is gone and nothing is unseen.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            let version = self.shared.version.get();
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            if self.shared.closed.get() {
                return Err(Closed);
            }
            self.shared.changed.notified().await;
        }
    }
}

impl<T> Clone for WatchReceiver<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Rc::clone(&self.shared),
            seen: self.seen,
        }
    }
}

impl<T> Drop for Watch<T> {
    fn drop(&mut self) {
        self.0.closed.set(true);
        self.0.changed.notify_all();
    }
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("version", &self.0.version.get())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WatchReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchReceiver")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

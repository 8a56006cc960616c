//! The number of the last write that reads see: set by one writer at a time, read by everybody without waiting for it.
#![forbid(unsafe_code)]

#[cfg(any(loom, target_has_atomic = "64"))]
use crate::sync::atomic::{AtomicU64, Ordering};
use core::fmt;
#[cfg(any(loom, target_has_atomic = "64"))]
use core::marker::PhantomData;

use crate::platform::Park;

/// See the [module](self).
pub(super) struct Visible<P: Park> {
    #[cfg(any(loom, target_has_atomic = "64"))]
    number: AtomicU64,
    #[cfg(any(loom, target_has_atomic = "64"))]
    lock: PhantomData<fn() -> P>,
    /// Without such atomics, as on small boards.
    #[cfg(not(any(loom, target_has_atomic = "64")))]
    number: crate::platform::Mutex<u64, P>,
}

#[cfg(any(loom, target_has_atomic = "64"))]
impl<P: Park> Visible<P> {
    pub(super) fn new(number: u64, _platform: P) -> Self {
        Self {
            number: AtomicU64::new(number),
            lock: PhantomData,
        }
    }

    /// Whoever sees the number sees the writes up to it.
    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Only under the commit lock.
    #[inline]
    pub(super) fn set(&self, number: u64) {
        self.number.store(number, Ordering::Release);
    }
}

#[cfg(not(any(loom, target_has_atomic = "64")))]
impl<P: Park> Visible<P> {
    pub(super) fn new(number: u64, platform: P) -> Self {
        Self {
            number: crate::platform::Mutex::new(number, platform),
        }
    }

    /// Whoever sees the number sees the writes up to it.
    pub(super) fn get(&self) -> u64 {
        *self.number.lock()
    }

    /// Only under the commit lock.
    pub(super) fn set(&self, number: u64) {
        *self.number.lock() = number;
    }
}

impl<P: Park> fmt::Debug for Visible<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Visible").field(&self.get()).finish()
    }
}

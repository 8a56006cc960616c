//! A lock that is held across await points.
#![allow(unsafe_code, reason = "the permit excludes everyone else")]

use super::semaphore::{Permit, Semaphore};
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// A value that one task uses at a time. Where no await lies between, a `RefCell` does.
pub struct Mutex<T: ?Sized> {
    semaphore: Semaphore,
    value: UnsafeCell<T>,
}

impl<T> Mutex<T> {
    /// An open lock around `value`.
    pub const fn new(value: T) -> Self {
        Self {
            semaphore: Semaphore::new(1),
            value: UnsafeCell::new(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock. Cancel-safe.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        match self.semaphore.acquire(1).await {
            Ok(permit) => MutexGuard {
                value: &self.value,
                _permit: permit,
            },
            Err(_) => unreachable!("this semaphore is never closed"),
        }
    }

    /// The lock, if it is free and nobody waits for it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        Some(MutexGuard {
            _permit: self.semaphore.try_acquire(1)?,
            value: &self.value,
        })
    }

    /// The value; there is no other user.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The lock, held. Dropping it opens the lock.
#[must_use = "dropping it opens the lock"]
pub struct MutexGuard<'a, T: ?Sized> {
    value: &'a UnsafeCell<T>,
    _permit: Permit<'a>,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the one permit is this guard's.
        unsafe { &*self.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the one permit is this guard's.
        unsafe { &mut *self.value.get() }
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("locked", &(self.semaphore.available() == 0))
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

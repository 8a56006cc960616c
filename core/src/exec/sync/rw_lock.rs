//! Many readers or one writer, in the order in which they came.
#![allow(
    unsafe_code,
    reason = "permits exclude writers and readers from each other"
)]

use super::semaphore::{Permit, Semaphore};
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// Permits of a writer: all. A reader takes one.
const ALL: usize = usize::MAX >> 1;

/// A value with many readers or one writer. A writer that waits holds up readers that come after it.
pub struct RwLock<T: ?Sized> {
    semaphore: Semaphore,
    value: UnsafeCell<T>,
}

impl<T> RwLock<T> {
    /// An open lock around `value`.
    pub const fn new(value: T) -> Self {
        Self {
            semaphore: Semaphore::new(ALL),
            value: UnsafeCell::new(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    async fn acquire(&self, count: usize) -> Permit<'_> {
        match self.semaphore.acquire(count).await {
            Ok(permit) => permit,
            Err(_) => unreachable!("this semaphore is never closed"),
        }
    }

    /// Waits until nobody writes. Cancel-safe.
    pub async fn read(&self) -> ReadGuard<'_, T> {
        ReadGuard {
            _permit: self.acquire(1).await,
            value: &self.value,
        }
    }

    /// Waits until nobody reads or writes. Cancel-safe.
    pub async fn write(&self) -> WriteGuard<'_, T> {
        WriteGuard {
            _permit: self.acquire(ALL).await,
            value: &self.value,
        }
    }

    /// To read, if nobody writes or waits.
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        Some(ReadGuard {
            _permit: self.semaphore.try_acquire(1)?,
            value: &self.value,
        })
    }

    /// To write, if nobody reads, writes or waits.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        Some(WriteGuard {
            _permit: self.semaphore.try_acquire(ALL)?,
            value: &self.value,
        })
    }
}

/// The value, to read.
#[must_use = "dropping it opens the lock"]
pub struct ReadGuard<'a, T: ?Sized> {
    value: &'a UnsafeCell<T>,
    _permit: Permit<'a>,
}

/// The value, to write.
#[must_use = "dropping it opens the lock"]
pub struct WriteGuard<'a, T: ?Sized> {
    value: &'a UnsafeCell<T>,
    _permit: Permit<'a>,
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: a reader's permit excludes writers.
        unsafe { &*self.value.get() }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: all permits are this guard's.
        unsafe { &*self.value.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: all permits are this guard's.
        unsafe { &mut *self.value.get() }
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

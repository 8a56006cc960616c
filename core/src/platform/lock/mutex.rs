//! Mutual exclusion in one word.
//!
//! Algorithm: the third mutex of Drepper, "Futexes Are Tricky" (2011), with a short spin before the first sleep.
//!
//! ```text
//!             lock: 0 -> 1                    lock while held: -> 2, sleep while 2
//!   FREE (0) -------------> HELD (1) ------------------------------> CONTENDED (2)
//!      ^                       | unlock: -> 0, nobody to wake             |
//!      +-----------------------+------------------------------------------+ unlock: -> 0, wake one
//! ```
//!
//! # Invariants
//! - I1: whoever changes the word from `FREE` to another value holds the lock until it stores `FREE` (acquire, release).
//! - I2: a thread sleeps only on `CONTENDED`, having stored it itself or seen it; whoever frees a `CONTENDED` lock
//!   wakes one sleeper, which stores `CONTENDED` again when it takes the lock, since others may sleep still.
//!
//! # Not here
//! Poisoning: a panic while the lock is held frees it, and the data is as the panic left it. Fairness: a running thread
//! may overtake a woken one.
#![allow(
    unsafe_code,
    reason = "a lock hands out exclusive references to what it guards"
)]

use crate::platform::Park;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::spin_hint;
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// Looks at the word this often before sleeping: about as long as a short critical section, far less than a sleep and a wake.
/// None under loom: there a spinning thread gives way until the others are done, and the sleep would never be seen.
const SPINS: u32 = if cfg!(loom) { 0 } else { 100 };

/// A lock around a value.
pub struct Mutex<T: ?Sized, P: Park> {
    word: AtomicU32,
    platform: P,
    value: UnsafeCell<T>,
}

// SAFETY: the value moves between threads with the lock (I1), so it must be `Send`; the platform is
// used through `&P` from any of them.
unsafe impl<T: ?Sized + Send, P: Park + Sync> Sync for Mutex<T, P> {}

impl<T, P: Park> Mutex<T, P> {
    /// A free lock around `value`.
    #[cfg(not(loom))]
    pub const fn new(value: T, platform: P) -> Self {
        Self {
            word: AtomicU32::new(FREE),
            platform,
            value: UnsafeCell::new(value),
        }
    }

    /// A free lock around `value`.
    #[cfg(loom)]
    pub fn new(value: T, platform: P) -> Self {
        Self {
            word: AtomicU32::new(FREE),
            platform,
            value: UnsafeCell::new(value),
        }
    }

    /// The value, of a lock that nobody can hold any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, P: Park> Mutex<T, P> {
    /// Takes the lock, waiting as long as it takes. Locking again on the same thread waits for ever.
    pub fn lock(&self) -> MutexGuard<'_, T, P> {
        if self
            .word
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            self.lock_contended();
        }
        MutexGuard { lock: self }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T, P>> {
        self.word
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then(|| MutexGuard { lock: self })
    }

    /// The value, by exclusive reference: nobody can hold the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[cold]
    fn lock_contended(&self) {
        for _ in 0..SPINS {
            match self.word.load(Ordering::Relaxed) {
                FREE => {
                    if self
                        .word
                        .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
                        .is_ok()
                    {
                        return;
                    }
                }
                HELD => spin_hint(),
                // Others sleep already: join them.
                _ => break,
            }
        }
        while self.word.swap(CONTENDED, Ordering::Acquire) != FREE {
            self.platform.wait(&self.word, CONTENDED, None);
        }
    }

    /// Frees the lock in the place of a guard that was forgotten, as around a fork.
    ///
    /// # Safety
    /// The calling thread holds the lock, by a guard that will not be dropped.
    pub unsafe fn force_unlock(&self) {
        self.unlock();
    }

    /// The value, for whoever holds the lock by a forgotten guard.
    pub const fn data(&self) -> *mut T {
        self.value.get()
    }

    /// Frees the lock (I2).
    fn unlock(&self) {
        if self.word.swap(FREE, Ordering::Release) == CONTENDED {
            self.platform.wake(&raw const self.word, 1);
        }
    }
}

impl<T: ?Sized + fmt::Debug, P: Park> fmt::Debug for Mutex<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Mutex").field(&&*guard).finish(),
            None => f.write_str("Mutex(<locked>)"),
        }
    }
}

/// The right to use what a [`Mutex`] guards; dropping it frees the lock.
#[must_use = "the lock is freed when the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized, P: Park> {
    lock: &'a Mutex<T, P>,
}

// SAFETY: a shared guard gives `&T` and nothing else.
unsafe impl<T: ?Sized + Sync, P: Park + Sync> Sync for MutexGuard<'_, T, P> {}

impl<'a, T: ?Sized, P: Park> MutexGuard<'a, T, P> {
    /// The lock, once this guard has freed it.
    pub(super) fn into_lock(self) -> &'a Mutex<T, P> {
        self.lock
    }
}

impl<T: ?Sized, P: Park> Deref for MutexGuard<'_, T, P> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: I1: the guard exists, so this thread holds the lock and nobody writes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, P: Park> DerefMut for MutexGuard<'_, T, P> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: I1, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized, P: Park> Drop for MutexGuard<'_, T, P> {
    fn drop(&mut self) {
        self.lock.unlock();
    }
}

impl<T: ?Sized + fmt::Debug, P: Park> fmt::Debug for MutexGuard<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

//! Waiting, under a lock, for something to change.
//!
//! One word counts notifications. A waiter reads it while it holds the lock, frees the lock and sleeps while the
//! count stands; a notifier raises the count, then wakes. A notification between the reading and the sleep changes the word,
//! so [`Park::wait`] does not sleep. The count may wrap: a waiter that sleeps through exactly
//! 2^32 notifications between its reading and its sleep would miss them.
#![forbid(unsafe_code)]

use super::mutex::MutexGuard;
use crate::platform::{Instant, Park, Woken};
use crate::sync::atomic::{AtomicU32, Ordering};
use core::fmt;

/// A condition variable. All its waiters use one mutex at a time.
pub struct Condvar<P: Park> {
    notifications: AtomicU32,
    platform: P,
}

impl<P: Park> Condvar<P> {
    /// One that nobody waits on.
    #[cfg(not(loom))]
    pub const fn new(platform: P) -> Self {
        Self {
            notifications: AtomicU32::new(0),
            platform,
        }
    }

    /// One that nobody waits on.
    #[cfg(loom)]
    pub fn new(platform: P) -> Self {
        Self {
            notifications: AtomicU32::new(0),
            platform,
        }
    }

    /// Frees the lock, waits for a notification, takes the lock again. May return without one.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T, P>) -> MutexGuard<'a, T, P> {
        self.wait_until(guard, None).0
    }

    /// As [`wait`](Self::wait), at most until the monotonic clock reaches `until`. Says whether time ran out; a notification
    /// may have come at the same moment, so look at the condition first.
    pub fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T, P>,
        until: Option<Instant>,
    ) -> (MutexGuard<'a, T, P>, bool) {
        let seen = self.notifications.load(Ordering::Relaxed);
        let lock = guard.into_lock();
        let woken = self.platform.wait(&self.notifications, seen, until);
        (lock.lock(), woken == Woken::TimedOut)
    }

    /// Wakes one waiter, if there is one.
    pub fn notify_one(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        self.platform.wake(&raw const self.notifications, 1);
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        self.platform.wake(&raw const self.notifications, u32::MAX);
    }
}

impl<P: Park> fmt::Debug for Condvar<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condvar")
    }
}

//! One-shot signals between the thread that runs a job and the thread that waits for it.
//!
//! ```text
//!   PENDING ------------------- set ----------------------> DONE
//!      |  waiter: PENDING -> ASLEEP, then sleeps               ^
//!      +----> ASLEEP ---------- set, and wakes the waiter -----+
//! ```
//!
//! # Invariants
//! - L1: the setter's last access to the latch is the swap to `DONE`: right after it the waiter may return and its frame be gone. The
//!   wake that may follow uses an address, or a word that lives as long as the pool.
//! - L2: a waiter sleeps only after an exchange to `ASLEEP` that fails if `DONE` is there.
#![forbid(unsafe_code)]

use super::sleep::Parker;
use crate::platform::Park;
use crate::sync::atomic::{AtomicU32, Ordering};

const PENDING: u32 = 0;
const ASLEEP: u32 = 1;
const DONE: u32 = 2;

/// A signal that is set once and waited for by one thread.
#[derive(Debug)]
pub(super) struct Latch(AtomicU32);

impl Latch {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(PENDING))
    }

    /// Whether it is set; then everything before the set is visible.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) == DONE
    }

    /// Sets it; true if the waiter sleeps and has to be woken. The latch may be gone when this returns (L1).
    #[must_use]
    pub(super) fn set(&self) -> bool {
        self.0.swap(DONE, Ordering::AcqRel) == ASLEEP
    }

    /// Waiter, having [prepared](Parker::prepare) its parker: says that it is about to sleep. False if it is set already.
    pub(super) fn announce_sleep(&self) -> bool {
        let first = self
            .0
            .compare_exchange(PENDING, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        first != Err(DONE)
    }

    /// Sets it and wakes a waiter that sleeps in [`wait`](Self::wait).
    pub(super) fn set_and_wake<P: Park>(&self, platform: &P) {
        let word: *const AtomicU32 = &raw const self.0;
        if self.set() {
            platform.wake(word, 1);
        }
    }

    /// Sleeps until it is set. For threads that are no workers.
    pub(super) fn wait<P: Park>(&self, platform: &P) {
        if self.announce_sleep() {
            while !self.is_set() {
                platform.wait(&self.0, ASLEEP, None);
            }
        }
    }

    /// Sets it and wakes a worker that sleeps on its own `parker`, which outlives the latch.
    pub(super) fn set_and_unpark<P: Park>(&self, parker: &Parker, platform: &P) {
        if self.set() {
            parker.unpark(platform);
        }
    }
}

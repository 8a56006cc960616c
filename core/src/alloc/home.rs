//! The part of a heap that other threads reach.
#![forbid(unsafe_code)]

use super::run_slots::RunSlots;
use super::slab::Slab;
use core::sync::atomic::AtomicPtr;

/// Beside each heap; never unmapped, so that a late look at it finds a home, if another thread's.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub(super) struct Home {
    /// Full slabs that other threads have freed blocks of, linked by `ready_next`.
    pub(super) ready: AtomicPtr<Slab>,
    /// Links of the list of live homes, or of those to be used again; under the space's lock.
    pub(super) next: AtomicPtr<Home>,
    pub(super) previous: AtomicPtr<Home>,
    /// Of a thread's heap: the thread's words, and the next home in its list in [`ThreadHomes`](super::thread_homes::ThreadHomes); under the
    /// space's lock.
    pub(super) words: AtomicPtr<*mut u8>,
    pub(super) words_next: AtomicPtr<Home>,
    /// Large blocks of a heap that is a value.
    pub(super) runs: AtomicPtr<Slab>,
    /// Large blocks at hand.
    pub(super) slots: RunSlots,
}

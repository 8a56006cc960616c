//! The part of a heap that other threads reach.
#![allow(unsafe_code, reason = "a lock of its own around the cache of runs")]

use super::run_cache::RunCache;
use super::slab::Slab;
use crate::sync::spin_hint;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};

/// Beside each heap; never unmapped, so that a late look at it finds a home, if another thread's.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub(super) struct Home {
    /// Full slabs that other threads have freed blocks of, linked by `ready_next`.
    pub(super) ready: AtomicPtr<Slab>,
    /// Links of the list of live homes, or of those to be used again; under the space's lock.
    pub(super) next: AtomicPtr<Home>,
    pub(super) previous: AtomicPtr<Home>,
    /// Whether somebody is at the cache.
    busy: AtomicBool,
    runs: UnsafeCell<RunCache>,
}

// SAFETY: the cache is used by whoever made `busy` true.
unsafe impl Sync for Home {}

impl Home {
    /// The heap's cache of runs. Its owner waits for the purger, which is there for moments, and never the other way round.
    pub(super) fn runs(&self) -> RunsGuard<'_> {
        loop {
            if let Some(guard) = self.try_runs() {
                return guard;
            }
            spin_hint();
        }
    }

    /// The same, if nobody is at it.
    pub(super) fn try_runs(&self) -> Option<RunsGuard<'_>> {
        (!self.busy.swap(true, Acquire)).then_some(RunsGuard(self))
    }

    /// The same, of a thread that is gone, in the only thread of a child process.
    pub(super) fn runs_of_the_dead(&self) -> RunsGuard<'_> {
        self.busy.store(true, Relaxed);
        RunsGuard(self)
    }
}

/// Access to a cache of runs.
#[derive(Debug)]
pub(super) struct RunsGuard<'h>(&'h Home);

impl Deref for RunsGuard<'_> {
    type Target = RunCache;
    fn deref(&self) -> &RunCache {
        // SAFETY: the guard is the only one.
        unsafe { &*self.0.runs.get() }
    }
}

impl DerefMut for RunsGuard<'_> {
    fn deref_mut(&mut self) -> &mut RunCache {
        // SAFETY: the guard is the only one.
        unsafe { &mut *self.0.runs.get() }
    }
}

impl Drop for RunsGuard<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Release);
    }
}

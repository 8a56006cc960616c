//! The slot whose hook tells an allocator that a thread ends, for embedders over [`ThreadSlots`].
//!
//! The first heap makes it, since threads may start and allocate before anything else of a program runs: those that libraries'
//! constructors start, or those of a program in C that calls into a library for the first time.
//!
//! ```text
//! NONE -> IN_WORK -> the slot, or REFUSED        IN_WORK -> NONE in the child of a fork
//! ```
#![allow(unsafe_code, reason = "thread slots have hooks")]

use crate::platform::{Instant, SlotHook, SlotKey, ThreadSlots};
use core::ptr::without_provenance_mut;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use core::time::Duration;

const NONE: usize = 0;
const IN_WORK: usize = 1;
const REFUSED: usize = 2;
/// What a slot's number is stored with.
const FIRST: usize = 3;

/// Between two looks for a slot that another thread makes, a matter of a few instructions; and how many looks at most.
const WAIT: Duration = Duration::from_micros(50);
const LOOKS_MAX: u32 = 10_000;

/// A slot that is set on every thread with a heap.
#[derive(Debug)]
pub struct ExitSlot(AtomicUsize);

impl ExitSlot {
    /// One that is yet to be made.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicUsize::new(NONE))
    }

    /// Arranges that `hook` runs at the calling thread's end; makes the slot at the first call. False if there is none. May allocate, and
    /// must not be called again by what that runs.
    ///
    /// # Safety
    /// The hook is the same at every call, takes any value, and does not unwind.
    pub unsafe fn set<P: ThreadSlots>(
        &self,
        platform: &P,
        hook: SlotHook,
        now: fn() -> Instant,
    ) -> bool {
        if self
            .0
            .compare_exchange(NONE, IN_WORK, AcqRel, Acquire)
            .is_ok()
        {
            // SAFETY: the caller's promise.
            let made = unsafe { platform.slot_create(Some(hook)) };
            let state = made.map_or(REFUSED, |key| key.as_raw() + FIRST);
            self.0.store(state, Release);
        }
        let mut looks = 0;
        while self.0.load(Acquire) == IN_WORK && looks < LOOKS_MAX {
            looks += 1;
            let until = now().saturating_add(WAIT);
            platform.wait(&AtomicU32::new(0), 0, Some(until));
        }
        let Some(raw) = self.0.load(Acquire).checked_sub(FIRST) else {
            return false;
        };
        // SAFETY: a live slot, which is never deleted; the hook takes any value.
        unsafe { platform.slot_set(SlotKey::from_raw(raw), without_provenance_mut(1)) }.is_ok()
    }

    /// In the child of a fork: a thread that was making the slot has stayed behind.
    pub fn after_fork(&self) {
        let _ = self.0.compare_exchange(IN_WORK, NONE, AcqRel, Relaxed);
    }
}

impl Default for ExitSlot {
    fn default() -> Self {
        Self::new()
    }
}

//! Blocks of up to 4 MiB that a thread freed lately, so that the next of their length needs no lock and no fresh pages: a list per
//! length in slices.
//!
//! # Protocol
//! The owner pushes and pops; the purger takes whole lists. Whoever wants blocks swaps null in and has the list to itself;
//! the owner stores back what it does not need. Nobody else makes a slot non-null, so the owner never overwrites anything.
//! The purger marks the lists that it finds, by the pointer's lowest bit, and takes those that it finds marked: what the owner
//! touches in between is without a mark again.
//!
//! # Invariants
//! - I1: a slot links, by `next`, runs of kind `CACHED` of its length, which keep the owner's key; each one's `extra` is how many
//!   there are from it on.
//! - I2: `pushed` is written by the owner, `cleared` by whoever holds the space's lock; their difference, which wraps, is how many
//!   slices are kept.
#![allow(unsafe_code, reason = "entries are lines of the table")]

use super::slab::{Slab, kind};
use super::space::{Space, State};
use crate::platform::Platform;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};

/// Longest run kept here, in slices: 4 MiB.
pub(super) const SLOTS: usize = 64;
/// A slot keeps this many runs.
const RUNS_MAX: u32 = 8;
/// All slots together keep this many slices, 12 MiB: a full slot of 1 MiB runs beside what shorter ones hold.
const SLICES_MAX: u32 = 192;

/// A heap's slots.
#[derive(Debug)]
pub(super) struct RunSlots {
    slots: [AtomicPtr<Slab>; SLOTS],
    pushed: AtomicU32,
    cleared: AtomicU32,
}

impl Default for RunSlots {
    fn default() -> Self {
        Self {
            slots: [const { AtomicPtr::new(null_mut()) }; SLOTS],
            pushed: AtomicU32::new(0),
            cleared: AtomicU32::new(0),
        }
    }
}

impl RunSlots {
    /// A run of `slices`, at least one. Owner only.
    #[inline]
    pub(super) fn take(&self, slices: usize) -> Option<&'static Slab> {
        let slot = self.slots.get(slices - 1)?;
        if slot.load(Relaxed).is_null() {
            return None;
        }
        // SAFETY: null, or a line of the table, which outlives every heap.
        let run = unsafe { unmarked(slot.swap(null_mut(), Acquire)).as_ref() }?;
        let rest = run.next.load(Relaxed);
        if !rest.is_null() {
            slot.store(rest, Release);
        }
        self.pushed.store(
            self.pushed.load(Relaxed).wrapping_sub(slices as u32),
            Relaxed,
        );
        Some(run)
    }

    /// Keeps a run of kind `CACHED` and returns how many slices are kept; `None` if it is too long or there is enough. Owner only.
    #[inline(always)]
    pub(super) fn push(&self, run: &Slab) -> Option<u32> {
        let slices = run.slices().load(Relaxed);
        let slot = self.slots.get(slices as usize - 1)?;
        let pushed = self.pushed.load(Relaxed).wrapping_add(slices);
        let kept = pushed.wrapping_sub(self.cleared.load(Relaxed));
        if kept > SLICES_MAX {
            return None;
        }
        let mut first = slot.load(Relaxed);
        let mut count = 0;
        if !first.is_null() {
            first = unmarked(slot.swap(null_mut(), Acquire));
            // SAFETY: as in `take`.
            count = unsafe { first.as_ref() }.map_or(0, |first| first.extra.load(Relaxed));
            if count >= RUNS_MAX {
                slot.store(first, Release);
                return None;
            }
        }
        run.extra.store(count + 1, Relaxed);
        run.next.store(first, Relaxed);
        slot.store(core::ptr::from_ref(run).cast_mut(), Release);
        self.pushed.store(pushed, Relaxed);
        Some(kept)
    }

    /// Gives back what the owner did not touch since the last time; whether anything is kept.
    pub(super) fn age<P: Platform>(&self, space: &Space<P>, state: &mut State) -> bool {
        let mut kept = false;
        for slot in &self.slots {
            let first = slot.load(Relaxed);
            if is_marked(first) {
                self.give_back(space, state, slot);
            } else if !first.is_null() {
                // If the owner came in between, the list is not old.
                let _ = slot.compare_exchange(first, marked(first), AcqRel, Relaxed);
                kept = true;
            }
        }
        kept
    }

    /// Gives all back.
    pub(super) fn clear<P: Platform>(&self, space: &Space<P>, state: &mut State) {
        for slot in &self.slots {
            if !slot.load(Relaxed).is_null() {
                self.give_back(space, state, slot);
            }
        }
    }

    fn give_back<P: Platform>(&self, space: &Space<P>, state: &mut State, slot: &AtomicPtr<Slab>) {
        let mut next = unmarked(slot.swap(null_mut(), Acquire));
        // SAFETY: as in `take`; the kind is looked at for the sake of threads that a fork stopped anywhere.
        while let Some(run) = unsafe { next.as_ref() } {
            next = run.next.load(Relaxed);
            let slices = run.slices().load(Relaxed);
            let cleared = self.cleared.load(Relaxed).wrapping_add(slices);
            self.cleared.store(cleared, Relaxed);
            if run.is(kind::CACHED) {
                space.give(state, space.index(run), slices, false);
            }
        }
    }
}

fn marked(first: *mut Slab) -> *mut Slab {
    first.map_addr(|address| address | 1)
}

#[inline(always)]
fn unmarked(first: *mut Slab) -> *mut Slab {
    first.map_addr(|address| address & !1)
}

fn is_marked(first: *mut Slab) -> bool {
    first.addr() & 1 != 0
}

//! Blocks of up to 4 MiB that a thread freed lately, so that the next of their length needs no lock and no fresh pages: a list per
//! length in slices.
//!
//! # Protocol
//! The owner pushes and pops; the purger takes whole lists. Whoever wants blocks swaps null in and has the list to itself;
//! the owner stores back what it does not need. Nobody else makes a slot non-null, so the owner never overwrites anything.
//!
//! # Invariants
//! - I1: a slot links, by `next`, runs of kind `CACHED` of its length; each one's `left` is how many there are from it on.
//! - I2: `pushed` is written by the owner, `cleared` by whoever holds the space's lock; their difference, which wraps, is how many
//!   slices are kept.
#![allow(unsafe_code, reason = "entries are lines of the table")]

use super::slab::{Slab, kind};
use super::space::{Space, State};
use crate::platform::Platform;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

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
    /// Slots, modulo the bits of a word, that had a hit since somebody last looked: a hint, whose updates may be lost.
    hits: AtomicUsize,
    pushed: AtomicU32,
    cleared: AtomicU32,
}

impl Default for RunSlots {
    fn default() -> Self {
        Self {
            slots: [const { AtomicPtr::new(null_mut()) }; SLOTS],
            hits: AtomicUsize::new(0),
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
        let run = unsafe { slot.swap(null_mut(), Acquire).as_ref() }?;
        let rest = run.next.load(Relaxed);
        if !rest.is_null() {
            slot.store(rest, Release);
        }
        self.pushed.store(
            self.pushed.load(Relaxed).wrapping_sub(slices as u32),
            Relaxed,
        );
        let hit = 1_usize.wrapping_shl(slices as u32);
        self.hits.store(self.hits.load(Relaxed) | hit, Relaxed);
        Some(run)
    }

    /// Keeps a run of kind `CACHED`; false if it is too long or there is enough. Owner only.
    #[inline]
    pub(super) fn push(&self, run: &Slab) -> bool {
        let slices = run.slices.load(Relaxed);
        let Some(slot) = self.slots.get(slices as usize - 1) else {
            return false;
        };
        let pushed = self.pushed.load(Relaxed).wrapping_add(slices);
        if pushed.wrapping_sub(self.cleared.load(Relaxed)) > SLICES_MAX {
            return false;
        }
        let mut first = slot.load(Relaxed);
        let mut count = 0;
        if !first.is_null() {
            first = slot.swap(null_mut(), Acquire);
            // SAFETY: as in `take`.
            count = unsafe { first.as_ref() }.map_or(0, |first| first.left.load(Relaxed));
            if count >= RUNS_MAX {
                slot.store(first, Release);
                return false;
            }
        }
        run.left.store(count + 1, Relaxed);
        run.next.store(first, Relaxed);
        slot.store(core::ptr::from_ref(run).cast_mut(), Release);
        self.pushed.store(pushed, Relaxed);
        true
    }

    /// Gives back what had no hit since the last time; whether anything is kept.
    pub(super) fn age<P: Platform>(&self, space: &Space<P>, state: &mut State) -> bool {
        let hits = self.hits.swap(0, Relaxed);
        self.give_back(space, state, !hits);
        let mut slots = self.slots.iter();
        slots.any(|slot| !slot.load(Relaxed).is_null())
    }

    /// Gives all back.
    pub(super) fn clear<P: Platform>(&self, space: &Space<P>, state: &mut State) {
        self.give_back(space, state, usize::MAX);
    }

    /// Gives back the slots whose bit is in `which`.
    fn give_back<P: Platform>(&self, space: &Space<P>, state: &mut State, which: usize) {
        for (place, slot) in self.slots.iter().enumerate() {
            let bit = 1_usize.wrapping_shl(place as u32 + 1);
            if which & bit == 0 || slot.load(Relaxed).is_null() {
                continue;
            }
            let mut next = slot.swap(null_mut(), Acquire);
            // SAFETY: as in `take`; the kind is looked at for the sake of threads that a fork stopped anywhere.
            while let Some(run) = unsafe { next.as_ref() } {
                next = run.next.load(Relaxed);
                let slices = run.slices.load(Relaxed);
                let cleared = self.cleared.load(Relaxed).wrapping_add(slices);
                self.cleared.store(cleared, Relaxed);
                if run.is(kind::CACHED) {
                    space.give(state, space.index(run), slices, false);
                }
            }
        }
    }
}

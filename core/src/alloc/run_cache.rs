//! Large blocks that a thread freed lately, so that the next of their size needs no lock and no fresh pages.
//!
//! Bounded by count and bytes. Each tick of the owner that passes without a hit lets the oldest go; the purger empties the caches of
//! idle threads.
#![allow(unsafe_code, reason = "entries are lines of the table")]

use super::slab::{SLICE_SHIFT, Slab, kind};
use super::space::{Space, State};
use crate::platform::Platform;
use core::ptr::null;
use core::sync::atomic::Ordering::Relaxed;

const ENTRIES: usize = 16;
/// Longer runs are not kept: 4 MiB.
pub(super) const RUN_SLICES_MAX: u32 = 64;
/// All entries together: 8 MiB.
const SLICES_MAX: u32 = 128;

/// Runs of kind `CACHED`, oldest first.
#[derive(Debug)]
pub(super) struct RunCache {
    entries: [*const Slab; ENTRIES],
    count: usize,
    slices: u32,
    /// Whether there was a hit since the last tick.
    hit: bool,
}

impl Default for RunCache {
    fn default() -> Self {
        Self::new()
    }
}

impl RunCache {
    pub(super) const fn new() -> Self {
        Self {
            entries: [null(); ENTRIES],
            count: 0,
            slices: 0,
            hit: false,
        }
    }

    /// Keeps a run; gives older ones back if there is no room.
    pub(super) fn push<P: Platform>(&mut self, space: &Space<P>, run: &Slab) {
        let slices = run.slices.load(Relaxed);
        while self.count == ENTRIES || (self.count > 0 && self.slices + slices > SLICES_MAX) {
            self.evict(space);
        }
        self.entries[self.count] = run;
        self.count += 1;
        self.slices += slices;
    }

    /// A run of at least `slices` and not much more, the latest first.
    pub(super) fn take<'a, P: Platform>(
        &mut self,
        space: &'a Space<P>,
        slices: u32,
    ) -> Option<&'a Slab> {
        for place in (0..self.count).rev() {
            // SAFETY: entries are lines of the table.
            let run = unsafe { &*self.entries[place] };
            let length = run.slices.load(Relaxed);
            if length >= slices && length <= slices + slices / 8 {
                self.entries.copy_within(place + 1..self.count, place);
                self.count -= 1;
                self.slices -= length;
                self.hit = true;
                return Some(space.line(space.index(run)));
            }
        }
        None
    }

    fn evict<P: Platform>(&mut self, space: &Space<P>) {
        self.evict_into(space, &mut space.lock());
    }

    fn evict_into<P: Platform>(&mut self, space: &Space<P>, state: &mut State) {
        // SAFETY: entries are lines of the table.
        let run = unsafe { &*self.entries[0] };
        self.entries.copy_within(1..self.count, 0);
        self.count -= 1;
        let slices = run.slices.load(Relaxed);
        self.slices -= slices;
        debug_assert!(slices << SLICE_SHIFT > 0);
        let index = space.index(run);
        space.give(state, index, slices, false);
    }

    /// A second or so has passed: gives all back if there was no hit in it. Returns whether anything is kept.
    pub(super) fn age_into<P: Platform>(&mut self, space: &Space<P>, state: &mut State) -> bool {
        if !core::mem::take(&mut self.hit) {
            while self.count > 0 {
                self.evict_into(space, state);
            }
        }
        self.count > 0
    }

    /// The owner has been busy.
    pub(super) fn age<P: Platform>(&mut self, space: &Space<P>) {
        if !core::mem::take(&mut self.hit) && self.count > 0 {
            self.evict(space);
        }
    }

    /// Gives back what a thread that stopped anywhere had: an entry may be there twice.
    pub(super) fn salvage<P: Platform>(&mut self, space: &Space<P>) {
        for entry in &self.entries[..self.count.min(ENTRIES)] {
            // SAFETY: null, or a line of the table.
            if let Some(run) = unsafe { entry.as_ref() }
                && run.is(kind::CACHED)
            {
                let (index, slices) = (space.index(run), run.slices.load(Relaxed));
                space.give(&mut space.lock(), index, slices, false);
            }
        }
        *self = Self::new();
    }

    /// Gives all back.
    pub(super) fn clear<P: Platform>(&mut self, space: &Space<P>) {
        while self.count > 0 {
            self.evict(space);
        }
    }
}

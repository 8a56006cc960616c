//! Giving memory back to the system: free runs that have been free for a while, and pages within slabs that nobody owns.
//!
//! Runs go in the order in which they became free. Each is taken out of the bins first, so that the system call runs without the
//! lock, and comes back as memory that reads as zero.
//!
//! Who does it: threads in their slow paths, and the *purger*, a thread that the embedder starts when there is something to do for
//! the first time and that sleeps when there is nothing.
//!
//! ```text
//! NONE -> RUNNING <-> ASLEEP        UNAVAILABLE (it could not be started; threads do it alone)
//! ```
#![allow(unsafe_code, reason = "discards memory")]

use super::size_class::CLASSES;
use super::slab::{SLICE_SHIFT, flag, kind};
use super::space::{Space, age};
use super::{heap, holes};
use crate::platform::Platform;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering::*};
use core::time::Duration;

/// Below this, looking is not worth a clock read.
pub(super) const DIRTY_BYTES_MIN: usize = 1 << 20;
/// Time between two looks of the purger.
const PERIOD: Duration = Duration::from_millis(400);

const NONE: u32 = 0;
const RUNNING: u32 = 1;
const ASLEEP: u32 = 2;
const UNAVAILABLE: u32 = 3;

impl<P: Platform> Space<P> {
    /// Gives back what has been free for longer than the option says, unless the purger does.
    pub(super) fn purge_old(&self) {
        if self.returnable_bytes() >= DIRTY_BYTES_MIN {
            let delay = self.settings.purge_delay_ms.load(Relaxed);
            if delay == 0 || !self.has_purger() {
                self.purge(delay);
            }
        }
    }

    /// A time for what becomes free now, by the clock or later. Where the purger is at work, its last look tells, so that churn of large
    /// blocks reads no clock. (While a look takes longer than a period, the time is earlier than the clock's: what is freed then goes back
    /// that much sooner.)
    pub(super) fn stamp_now(&self) -> u32 {
        if self.has_purger() {
            let period = PERIOD.as_millis() as u32;
            return self.looked_ms.load(Relaxed).wrapping_add(period);
        }
        self.now_ms()
    }

    /// What could go back soon, roughly.
    #[inline]
    pub(super) fn returnable_bytes(&self) -> usize {
        self.dirty_bytes.load(Relaxed) + (self.unpunched.load(Relaxed) << SLICE_SHIFT)
    }

    /// There is something to give back, in a while: starts or wakes the purger.
    #[cold]
    pub(super) fn call_purger(&self, start: fn() -> bool) {
        let exchange = |from, to| {
            self.purger
                .compare_exchange(from, to, AcqRel, Relaxed)
                .is_ok()
        };
        let purger = self.purger.load(Relaxed);
        let can_start = purger == NONE && self.settings.background.load(Relaxed);
        if !can_start && purger != ASLEEP {
            // Without a purger nobody asks when it looked.
            return;
        }
        self.looked_ms.store(self.now_ms(), Relaxed);
        match purger {
            NONE if exchange(NONE, RUNNING) && !start() => {
                self.purger.store(UNAVAILABLE, Relaxed);
            }
            ASLEEP if exchange(ASLEEP, RUNNING) => {
                self.platform.wake(&raw const self.purger, 1);
            }
            _ => {}
        }
    }

    /// Whether the purger is at work.
    pub(super) fn has_purger(&self) -> bool {
        self.purger.load(Relaxed) == RUNNING
    }

    /// In a child process: the purger stayed behind.
    pub(super) fn forget_purger(&self) {
        if self.purger.load(Relaxed) != UNAVAILABLE {
            self.purger.store(NONE, Relaxed);
        }
    }

    /// The purger's life. It keeps no reference to anything that a thread owns.
    pub(super) fn run_purger(&self) -> ! {
        let never = AtomicU32::new(0);
        loop {
            let until = self.now().saturating_add(PERIOD);
            self.platform.wait(&never, 0, Some(until));
            if self.look_for_old() {
                continue;
            }
            self.purger.store(ASLEEP, SeqCst);
            // Somebody may have freed during the look, seen a purger at work, and called nobody: a last look, later.
            let until = self.now().saturating_add(PERIOD);
            self.platform.wait(&self.purger, ASLEEP, Some(until));
            if self.purger.load(Acquire) == ASLEEP && !self.look_for_old() {
                self.platform.wait(&self.purger, ASLEEP, None);
            }
            self.purger.store(RUNNING, Release);
        }
    }

    /// Gives back what is old; whether anything is there that will be.
    fn look_for_old(&self) -> bool {
        self.looked_ms.store(self.now_ms(), Relaxed);
        let kept = self.age_caches();
        self.purge(self.settings.purge_delay_ms.load(Relaxed));
        kept || self.returnable_bytes() > 0
    }

    /// Empties the caches of large blocks that were of no use since the last time; whether any block is still kept.
    fn age_caches(&self) -> bool {
        let mut state = self.lock();
        let mut kept = false;
        let mut next = state.homes;
        // SAFETY: homes are never unmapped, and the list is kept under the lock.
        while let Some(home) = unsafe { next.as_ref() } {
            kept |= home.slots.age(self, &mut state);
            next = home.next.load(Relaxed);
        }
        kept
    }

    /// Gives back what has been free for `age_ms`; returns how many bytes.
    pub(super) fn purge(&self, age_ms: u32) -> usize {
        self.punch_abandoned(age_ms) + self.purge_runs(age_ms)
    }

    /// Looks for holes in slabs that were left `age_ms` ago or before.
    fn punch_abandoned(&self, age_ms: u32) -> usize {
        let (mut bytes, mut class) = (0, 0);
        let now = self.now_ms();
        while self.unpunched.load(Relaxed) > 0 && class < CLASSES {
            let mut state = self.lock();
            // SAFETY: the list links lines of the table.
            let oldest = unsafe { state.abandoned[class].front().as_ref() };
            let Some(slab) = oldest.filter(|slab| age(now, slab.stamp().load(Relaxed)) >= age_ms)
            else {
                class += 1;
                continue;
            };
            // In no list, and without the mark that makes whoever frees its last block give it away: it is this thread's.
            self.unlist_abandoned(&mut state, slab);
            slab.remote().set_abandoned(false);
            drop(state);
            heap::collect(self, slab);
            if slab.used() > 0 {
                bytes += holes::punch(self, slab);
            }
            heap::leave(self, &mut self.lock(), slab, flag::PUNCHED);
        }
        bytes
    }

    fn purge_runs(&self, age_ms: u32) -> usize {
        let now = self.now_ms();
        let mut total = 0;
        loop {
            let Some((first, count)) = self.take_dirty(&mut self.lock(), now, age_ms) else {
                return total;
            };
            let bytes = (count as usize) << SLICE_SHIFT;
            let at = NonNull::new(self.slice(first));
            // SAFETY: the run is committed, and taken out, so that nobody needs its contents. After a failure it may not be
            // committed any more; committing what is committed changes nothing.
            let (gone, usable) = at.map_or((false, false), |at| unsafe {
                let gone = self.platform.discard(at, bytes).is_ok();
                (gone, gone || self.platform.commit(at, bytes).is_ok())
            });
            if gone {
                total += bytes;
                self.counters.purged.fetch_add(bytes, Relaxed);
            }
            if usable {
                self.give(&mut self.lock(), first, count, gone);
            } else {
                // Addresses without memory: nobody may have them.
                self.line(first).kind.store(kind::OWN, Relaxed);
            }
            if !gone {
                // It went to the end of the list, if anywhere; trying again at once would not help.
                return total;
            }
        }
    }
}

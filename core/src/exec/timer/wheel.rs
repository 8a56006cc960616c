//! The wheel: 6 levels of 64 slots, insertion, removal and finding the next deadline in constant time, no memory of its own but the
//! slots.
//!
//! Algorithm: Varghese and Lauck, SOSP 1987, scheme 7, with a map of occupied slots per level. An entry stands on the level of the
//! highest group of 6 bits in which its tick differs from the wheel's, in the slot of that group's value:
//!
//! ```text
//!   tick      aaaaaa bbbbbb cccccc dddddd eeeeee ffffff       level 5 ... level 0
//!   wheel     aaaaaa bbbbbb CCCCCC ......                     differs first in c: level 3, slot c
//! ```
//!
//! When the wheel comes to a slot of a higher level, its entries move to lower ones; each moves at most 5 times.
//!
//! # Lanes
//! With a million timers every entry is a miss of the cache, and in one list each miss waits for the one before. So a slot has several
//! lists, filled by turns and emptied by turns: taking an entry out writes to the one behind it, which fetches it while the other lanes
//! are at work.
//!
//! # Units
//! A tick is 2^16 ns, about 65.5 us. Deadlines are rounded up, so nothing fires early, and at most a tick late.
//! What lies further away than the top level (about 50 days) waits in its farthest slot and is placed again from there.
//!
//! # Invariants
//! W1: an entry that stands in a lane of slot s of level l is in the doubly linked list of that lane, and `place` says so. Its memory stays
//!     where it is until it is removed: the future that holds it is pinned and removes it when dropped.
//! W2: bit s of `occupied[l]` is set exactly if a lane of slot s of level l is not empty.
//! W3: no entry in the wheel has a tick that the wheel has passed.
//! W4: foreign code (a waker) runs only while the wheel is consistent, so it may insert and remove.
#![allow(unsafe_code, reason = "an intrusive list")]

use crate::exec::waker_cell::WakerCell;
use crate::platform::Instant;
use core::cell::Cell;
use core::fmt;
use core::ptr::{NonNull, null};
use core::task::Waker;

const LEVELS: usize = 6;
const SLOTS: usize = 64;
const SLOT_BITS: u32 = 6;
/// Lists of a slot. Small machines have few timers, little memory and no cache.
const LANES: usize = if cfg!(target_pointer_width = "64") {
    4
} else {
    1
};
const LISTS: usize = LEVELS * SLOTS * LANES;
const TICK_SHIFT: u32 = 16;
/// Slots ahead that the top level can name.
const TOP_AHEAD_MAX: u64 = SLOTS as u64 - 1;
const TOP_SHIFT: u32 = SLOT_BITS * (LEVELS as u32 - 1);

/// `place` of an entry in no slot: it never was, or was removed.
const IDLE: u64 = 0xffff;
/// `place` of an entry that fired.
const FIRED: u64 = 0xfffe;
const PLACE_BITS: u32 = 16;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

/// An entry: 40 bytes on a 64-bit machine.
pub(super) struct Entry {
    previous: Cell<*const Entry>,
    next: Cell<*const Entry>,
    /// The tick, and in the low 16 bits the list ((level * 64 + slot) * lanes + lane), `IDLE` or `FIRED`.
    place: Cell<u64>,
    waker: WakerCell,
}

impl Entry {
    pub(super) const fn new() -> Self {
        Self {
            previous: Cell::new(null()),
            next: Cell::new(null()),
            place: Cell::new(IDLE),
            waker: WakerCell::new(),
        }
    }

    pub(super) fn has_fired(&self) -> bool {
        self.place.get() & PLACE_MASK == FIRED
    }

    pub(super) fn is_idle(&self) -> bool {
        self.place.get() & PLACE_MASK == IDLE
    }

    /// Stores who is to be woken, in place of who was. Says whether foreign code ran.
    #[inline]
    pub(super) fn set_waker(&self, waker: &Waker) -> bool {
        self.waker.set(waker)
    }

    /// Nobody is to be woken.
    pub(super) fn forget_waker(&self) {
        drop(self.waker.take());
    }
}

/// Leads to the timers of one executor.
///
/// # Safety
/// Always to the same ones, which stay where they are for as long as this value lives.
pub unsafe trait TimerSource {
    /// The timers.
    fn timers(&self) -> &Timers;
}

// SAFETY: a shared reference keeps its target in place.
unsafe impl TimerSource for &Timers {
    fn timers(&self) -> &Timers {
        self
    }
}

/// The timers of one executor.
pub struct Timers {
    lists: [Cell<*const Entry>; LISTS],
    occupied: [Cell<u64>; LEVELS],
    /// The tick that the wheel has come to.
    elapsed: Cell<u64>,
    count: Cell<usize>,
    /// The lane that comes next.
    lane: Cell<usize>,
    /// Nobody will move the wheel again.
    closed: Cell<bool>,
}

/// The last tick there is: `place` has 48 bits for it. The end of time is rounded down to it.
const TICK_MAX: u64 = (1 << (64 - PLACE_BITS)) - 1;

/// The first tick at or after `deadline`.
fn tick_of(deadline: Instant) -> u64 {
    deadline.as_ns().div_ceil(1 << TICK_SHIFT).min(TICK_MAX)
}

impl Timers {
    /// An empty wheel at time zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lists: [const { Cell::new(null()) }; LISTS],
            occupied: [const { Cell::new(0) }; LEVELS],
            elapsed: Cell::new(0),
            count: Cell::new(0),
            lane: Cell::new(0),
            closed: Cell::new(false),
        }
    }

    /// Timers that wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.get()
    }

    /// Nobody will move the wheel again: ends what waits, and all that comes later, what comes from within a wake of this included.
    #[cfg(feature = "alloc")]
    pub(in crate::exec) fn close(&self) {
        self.closed.set(true);
        self.advance(Instant::MAX);
    }

    /// Whether the wheel was [closed](Self::close).
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether the wheel has come to `deadline`, or never will.
    pub(super) fn is_due(&self, deadline: Instant) -> bool {
        self.closed.get() || tick_of(deadline) <= self.elapsed.get()
    }

    /// The level and slot for a tick that lies ahead.
    fn place(&self, tick: u64) -> usize {
        let elapsed = self.elapsed.get();
        debug_assert!(tick > elapsed);
        let ahead = (tick >> TOP_SHIFT) - (elapsed >> TOP_SHIFT);
        if ahead > 0 {
            // On the top level by distance, since that level wraps around.
            let slot = ((elapsed >> TOP_SHIFT) + ahead.min(TOP_AHEAD_MAX)) % SLOTS as u64;
            return (LEVELS - 1) * SLOTS + slot as usize;
        }
        let level = (63 - (elapsed ^ tick).leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        level as usize * SLOTS + slot
    }

    /// Puts an entry in. The deadline lies ahead.
    ///
    /// # Safety
    /// The entry is in no slot, and W1's promise about its memory.
    #[inline]
    pub(super) unsafe fn insert(&self, entry: &Entry, deadline: Instant) {
        // SAFETY: the caller's word.
        unsafe { self.link(entry, tick_of(deadline)) }
        self.count.set(self.count.get() + 1);
    }

    unsafe fn link(&self, entry: &Entry, tick: u64) {
        let place = self.place(tick);
        let (level, slot) = (place / SLOTS, place % SLOTS);
        let lane = self.lane.get();
        self.lane.set((lane + 1) % LANES);
        let list = place * LANES + lane;
        let first = self.lists[list].get();
        entry.previous.set(null());
        entry.next.set(first);
        entry.place.set((tick << PLACE_BITS) | list as u64);
        // SAFETY: W1.
        match unsafe { first.as_ref() } {
            Some(first) => first.previous.set(entry),
            None => {
                let occupied = &self.occupied[level];
                occupied.set(occupied.get() | 1 << slot);
            }
        }
        self.lists[list].set(entry);
    }

    /// Takes an entry out of its slot, if it is in one, and forgets whom it was to wake.
    #[inline]
    pub(super) fn remove(&self, entry: &Entry) {
        let list = (entry.place.get() & PLACE_MASK) as usize;
        if list < LISTS {
            self.unlink(entry, list);
            self.count.set(self.count.get() - 1);
        }
        entry.place.set(IDLE);
        drop(entry.waker.take());
    }

    fn unlink(&self, entry: &Entry, list: usize) {
        let (previous, next) = (entry.previous.get(), entry.next.get());
        // SAFETY: W1: neighbours in a list are alive.
        unsafe {
            if let Some(next) = next.as_ref() {
                next.previous.set(previous);
            }
            if let Some(previous) = previous.as_ref() {
                previous.next.set(next);
                return;
            }
        }
        self.lists[list].set(next);
        if next.is_null() {
            let place = list / LANES;
            if Self::lanes(place).any(|list| !self.lists[list].get().is_null()) {
                return;
            }
            let occupied = &self.occupied[place / SLOTS];
            occupied.set(occupied.get() & !(1 << (place % SLOTS)));
        }
    }

    /// The lists of a slot.
    fn lanes(place: usize) -> core::ops::Range<usize> {
        place * LANES..(place + 1) * LANES
    }

    /// Whether a slot has entries.
    fn is_occupied(&self, place: usize) -> bool {
        self.occupied[place / SLOTS].get() >> (place % SLOTS) & 1 == 1
    }

    /// The next slot that has entries, and the tick at which it begins.
    fn next_slot(&self) -> Option<(usize, u64)> {
        let elapsed = self.elapsed.get();
        for level in 0..LEVELS {
            let occupied = self.occupied[level].get();
            if occupied == 0 {
                continue;
            }
            let shift = level as u32 * SLOT_BITS;
            let here = elapsed >> shift;
            let ahead = u64::from(
                occupied
                    .rotate_right((here % SLOTS as u64) as u32)
                    .trailing_zeros(),
            );
            let slot = (here + ahead) % SLOTS as u64;
            return Some((level * SLOTS + slot as usize, (here + ahead) << shift));
        }
        None
    }

    /// When [`advance`](Self::advance) has something to do next; it may turn out to be nothing but moving entries to lower levels.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let (_, tick) = self.next_slot()?;
        Some(Instant::from_ns(tick.saturating_mul(1 << TICK_SHIFT)))
    }

    /// Moves the wheel to `now` and wakes what is due. Returns how many timers fired. Time that runs backwards is ignored.
    pub fn advance(&self, now: Instant) -> usize {
        let now = now.as_ns() >> TICK_SHIFT;
        let mut fired = 0;
        while let Some((place, tick)) = self.next_slot() {
            if tick > now {
                break;
            }
            self.elapsed.set(tick.max(self.elapsed.get()));
            // One at a time, from the lists themselves: W4.
            while self.is_occupied(place) {
                for list in Self::lanes(place) {
                    fired += usize::from(self.take_first(list));
                }
            }
        }
        self.elapsed.set(now.max(self.elapsed.get()));
        fired
    }

    /// Takes the first entry out of a list of a slot that the wheel has come to, and fires it or gives it its next slot. Says whether it
    /// fired.
    #[inline]
    fn take_first(&self, list: usize) -> bool {
        let Some(entry) = NonNull::new(self.lists[list].get().cast_mut()) else {
            return false;
        };
        // SAFETY: W1.
        let entry = unsafe { entry.as_ref() };
        self.unlink(entry, list);
        let due = entry.place.get() >> PLACE_BITS;
        if due > self.elapsed.get() {
            // SAFETY: it was just taken out, and W1 holds for it as before.
            unsafe { self.link(entry, due) }
            return false;
        }
        entry.place.set(FIRED);
        self.count.set(self.count.get() - 1);
        if let Some(waker) = entry.waker.take() {
            waker.wake();
        }
        true
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("count", &self.count.get())
            .field("next", &self.next_deadline())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::platform::sim::Rng;
    use alloc::boxed::Box;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    const TICK: u64 = 1 << TICK_SHIFT;

    /// W2 and the counter.
    fn check(timers: &Timers) {
        let mut count = 0;
        for place in 0..LEVELS * SLOTS {
            let mut lanes = Timers::lanes(place);
            let some = lanes.any(|list| !timers.lists[list].get().is_null());
            assert_eq!(timers.is_occupied(place), some, "slot {place}");
        }
        for (list, first) in timers.lists.iter().enumerate() {
            let mut next = first.get();
            // SAFETY: W1.
            while let Some(entry) = unsafe { next.as_ref() } {
                assert_eq!(entry.place.get() & PLACE_MASK, list as u64);
                assert!(entry.place.get() >> PLACE_BITS > timers.elapsed.get(), "W3");
                count += 1;
                next = entry.next.get();
            }
        }
        assert_eq!(count, timers.count());
    }

    /// Random insertions, removals and steps of time against a sorted map.
    #[test]
    fn it_fires_what_a_sorted_map_would_and_when() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let timers = Timers::new();
            let mut now = rng.below(1 << 60);
            timers.advance(Instant::from_ns(now));
            let mut entries: Vec<Box<Entry>> = Vec::new();
            let mut model: BTreeMap<(u64, usize), ()> = BTreeMap::new();
            for _ in 0..2_000 {
                match rng.below(4) {
                    0 | 1 => {
                        let bits = rng.below(62);
                        let deadline = now.saturating_add(rng.below(1 << bits));
                        if timers.is_due(Instant::from_ns(deadline)) {
                            assert!(deadline <= now, "due before its time");
                            continue;
                        }
                        entries.push(Box::new(Entry::new()));
                        let index = entries.len() - 1;
                        // SAFETY: boxed, and removed below or left with the wheel.
                        unsafe { timers.insert(&entries[index], Instant::from_ns(deadline)) };
                        model.insert((deadline, index), ());
                    }
                    2 => {
                        let Some((&key, ())) = model.iter().nth(rng.below(8) as usize) else {
                            continue;
                        };
                        timers.remove(&entries[key.1]);
                        assert!(entries[key.1].is_idle());
                        model.remove(&key);
                    }
                    _ => {
                        let bits = rng.below(50);
                        now = now.saturating_add(rng.below(1 << bits));
                        let fired = timers.advance(Instant::from_ns(now));
                        let before = model.len();
                        let whole = now >> TICK_SHIFT << TICK_SHIFT;
                        model.retain(|&(deadline, index), ()| {
                            let late = deadline <= whole;
                            assert_eq!(entries[index].has_fired(), late, "{deadline} at {now}");
                            !late
                        });
                        assert_eq!(before - model.len(), fired);
                    }
                }
                check(&timers);
                match (timers.next_deadline(), model.first_key_value()) {
                    (None, None) => {}
                    (Some(next), Some((&(first, _), ()))) => {
                        assert!(next.as_ns() < first.saturating_add(TICK), "oversleeps");
                    }
                    (next, first) => panic!("{next:?} {first:?}"),
                }
            }
        }
    }

    #[test]
    fn the_end_of_time_is_a_deadline_like_any() {
        let timers = Timers::new();
        let entry = Entry::new();
        // SAFETY: it stays where it is until removed.
        unsafe { timers.insert(&entry, Instant::MAX) };
        assert_eq!(timers.advance(Instant::from_ns(1 << 62)), 0);
        check(&timers);
        assert_eq!(timers.advance(Instant::MAX), 1);
        assert!(entry.has_fired());
        check(&timers);
    }
}

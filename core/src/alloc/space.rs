//! The range: one reservation of address space, cut in slices, with a table of lines beside it.
//!
//! ```text
//! base                                top                committed        base + total
//! | slabs, runs and free runs of slices | committed, unused | reserved only     |
//! ```
//!
//! One range, committed by a mark that only grows, costs the system two mappings whatever the program does. Free runs of slices
//! are kept by size in bins with a bitmap, and coalesce with both neighbours at once, by the lengths that their first and last
//! lines hold. What is freed stays backed by memory, and remembers since when, so that it can be given back later (`purge.rs`).
//!
//! # Finding a line
//! The base is a multiple of the range's size, which is a power of two. So the line of an address is `table[(address / slice) &
//! mask]` for any mask that covers the lines in use, and an address that is not ours finds some line whose key it does not match.
//!
//! # Invariants
//! - I1: lines `0..=mask` are readable; lines of slices below `top` are below `mask`.
//! - I2: the first and the last line of a free run hold its length and the kind `FREE`; the lines between are `FREE` too.
//!   No two free runs touch.
//! - I3: a free run is in the bin of its length; it is in the list of dirty runs, oldest first, unless it reads as zero.
//! - I4: all of this changes only under the lock.
//!
//! # Failure
//! A range that the system refuses is halved until it is granted. A commit that fails changes nothing and makes the allocation fail.
#![allow(unsafe_code, reason = "the table is raw memory")]

use super::home::Home;
use super::options::{Options, Settings};
use super::size_class::CLASSES;
use super::slab::{KEY_NOBODY, LINE_SHIFT, SLICE_BYTES, SLICE_SHIFT, Slab, SlabList, flag, kind};
use super::stats::Counters;
use super::thread_homes::ThreadHomes;
use crate::platform::{ClockId, Instant, Mutex, MutexGuard, Platform};
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

/// Runs shorter than this have a bin per length, longer ones four bins per doubling.
const EXACT_BINS: u32 = 64;
const BINS: usize = 64 * 3;
/// Runs of a coarse bin that are looked at for one that fits.
const BIN_TRIES: u32 = 32;
/// Slices committed at a time, at least: 1 MiB.
const COMMIT_SLICES: u32 = 16;
/// Lines committed first: those of 32 MiB.
const TABLE_LINES_MIN: u32 = 512;
/// The range is not halved below this.
const RANGE_BYTES_MIN: usize = 1 << 22;

/// The line that every address finds before there is a table.
static NOWHERE: Slab = Slab::new();

/// The range and everything that is shared between threads.
#[derive(Debug)]
pub(super) struct Space<P: Platform> {
    /// Read by every free: first line and mask, in bytes.
    pub(super) table: AtomicPtr<Slab>,
    pub(super) mask: AtomicUsize,
    base: AtomicPtr<u8>,
    bytes: AtomicUsize,
    /// The system's page size less one.
    pub(super) page_mask: AtomicUsize,
    /// Abandoned slabs whose holes nobody has looked for.
    pub(super) unpunched: AtomicUsize,
    /// Abandoned slabs in all, so that nobody takes the lock to find none.
    pub(super) abandoned: AtomicUsize,
    /// Bytes of dirty free runs.
    pub(super) dirty_bytes: AtomicUsize,
    /// Runs with the flag `GROWING`.
    pub(super) growing_count: AtomicUsize,
    state: Mutex<State, P>,
    pub(super) platform: P,
    clock: Option<fn() -> Instant>,
    pub(super) settings: Settings,
    /// What the purger does: see `purge.rs`.
    pub(super) purger: AtomicU32,
    /// When it looked last, or was called.
    pub(super) looked_ms: AtomicU32,
    pub(super) counters: Counters,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    total: u32,
    pub(super) top: u32,
    committed: u32,
    bins: [SlabList; BINS],
    bits: [u64; BINS / 64],
    /// Dirty free runs, linked by the lines' `owned` links.
    dirty_first: *const Slab,
    dirty_last: *const Slab,
    /// Slabs without an owner, by class: the longest there first.
    pub(super) abandoned: [SlabList; CLASSES],
    /// Those of them whose holes have been looked for.
    pub(super) punched: [SlabList; CLASSES],
    /// Homes of live heaps, and those to be used again.
    pub(super) homes: *mut Home,
    pub(super) homes_free: *mut Home,
    /// The live ones that are threads'.
    pub(super) thread_homes: ThreadHomes,
    /// Unused rest of the slice that heaps are cut from.
    pub(super) heaps_rest: (*mut u8, usize),
}

// SAFETY: the pointers are into the table and the range, which belong to no thread.
unsafe impl Send for State {}

fn bin_of(slices: u32) -> usize {
    if slices < EXACT_BINS {
        return slices as usize;
    }
    let log2 = slices.ilog2();
    (EXACT_BINS + (log2 - 6) * 4 + (slices >> (log2 - 2) & 3)) as usize
}

impl<P: Platform> Space<P> {
    pub(super) const fn new(
        platform: P,
        for_lock: P,
        options: Options,
        clock: Option<fn() -> Instant>,
    ) -> Self {
        Self {
            table: AtomicPtr::new((&raw const NOWHERE).cast_mut()),
            mask: AtomicUsize::new(0),
            base: AtomicPtr::new(null_mut()),
            bytes: AtomicUsize::new(0),
            page_mask: AtomicUsize::new(0),
            unpunched: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            dirty_bytes: AtomicUsize::new(0),
            growing_count: AtomicUsize::new(0),
            state: Mutex::new(
                State {
                    total: 0,
                    top: 0,
                    committed: 0,
                    bins: [const { SlabList::new() }; BINS],
                    bits: [0; BINS / 64],
                    dirty_first: null(),
                    dirty_last: null(),
                    abandoned: [const { SlabList::new() }; CLASSES],
                    punched: [const { SlabList::new() }; CLASSES],
                    homes: null_mut(),
                    homes_free: null_mut(),
                    thread_homes: ThreadHomes::new(),
                    heaps_rest: (null_mut(), 0),
                },
                for_lock,
            ),
            platform,
            clock,
            settings: Settings::new(&options),
            purger: AtomicU32::new(0),
            looked_ms: AtomicU32::new(0),
            counters: Counters::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State, P> {
        self.state.lock()
    }

    pub(super) fn mutex(&self) -> &Mutex<State, P> {
        &self.state
    }

    /// The monotonic clock.
    pub(super) fn now(&self) -> Instant {
        match self.clock {
            Some(clock) => clock(),
            None => self.platform.now(ClockId::Monotonic),
        }
    }

    /// Milliseconds of that clock; wraps after 49 days.
    pub(super) fn now_ms(&self) -> u32 {
        (self.now().as_ns() / 1_000_000) as u32
    }

    /// The offset of `address` in the range, if it is in it.
    #[inline]
    pub(super) fn offset(&self, address: usize) -> Option<usize> {
        let offset = address.wrapping_sub(self.base.load(Acquire).addr());
        (offset < self.bytes.load(Relaxed)).then_some(offset)
    }

    /// The line that `address` finds: its own, or some other (see the head).
    #[inline(always)]
    pub(super) fn line_for(&self, address: usize) -> &Slab {
        let offset = address >> (SLICE_SHIFT - LINE_SHIFT) & self.mask.load(Acquire);
        // SAFETY: I1; the mask's low bits are zero, so that it is a whole line.
        unsafe { &*self.table.load(Relaxed).byte_add(offset) }
    }

    /// The line of slice `index`, which is below `top`.
    #[inline]
    pub(super) fn line(&self, index: u32) -> &Slab {
        debug_assert!((index as usize) << LINE_SHIFT <= self.mask.load(Relaxed));
        // SAFETY: I1.
        unsafe { &*self.table.load(Relaxed).add(index as usize) }
    }

    /// Which slice a line is of.
    #[inline]
    pub(super) fn index(&self, line: &Slab) -> u32 {
        let offset = core::ptr::from_ref(line).addr() - self.table.load(Relaxed).addr();
        (offset >> LINE_SHIFT) as u32
    }

    /// The first byte of slice `index`.
    #[inline]
    pub(super) fn slice(&self, index: u32) -> *mut u8 {
        let base = self.base.load(Relaxed);
        base.wrapping_add((index as usize) << SLICE_SHIFT)
    }

    /// How many bytes the large block at `run` holds: whole pages.
    #[inline]
    pub(super) fn bytes_of_run(&self, run: &Slab) -> usize {
        let page_mask = self.page_mask.load(Relaxed);
        (run.run_bytes().load(Relaxed) + page_mask) & !page_mask
    }

    /// The first byte of a line's slice.
    #[inline]
    pub(super) fn start(&self, line: &Slab) -> *mut u8 {
        self.slice(self.index(line))
    }

    /// Whether there is a range; makes it at the first call.
    pub(super) fn ensure(&self, state: &mut State) -> bool {
        state.total != 0 || self.reserve(state).is_some()
    }

    fn reserve(&self, state: &mut State) -> Option<()> {
        let page = self.platform.memory_info().page_bytes.max(1);
        let granularity = self.platform.memory_info().granularity_bytes;
        let wanted = self.settings.reserve_bytes.load(Relaxed);
        let mut bytes = wanted.min(1 << (usize::BITS - 1)).next_power_of_two();
        let base = loop {
            match self.platform.reserve(bytes, bytes) {
                Ok(base) => break base,
                Err(_) if bytes > RANGE_BYTES_MIN => bytes /= 2,
                Err(_) => return None,
            }
        };
        let total = (bytes >> SLICE_SHIFT) as u32;
        let table_bytes = ((total as usize) << LINE_SHIFT).next_multiple_of(granularity);
        let first = total.min(TABLE_LINES_MIN);
        let first_bytes = ((first as usize) << LINE_SHIFT).next_multiple_of(page);
        let table = self.platform.reserve(table_bytes, granularity);
        let table = table.ok().and_then(|table| {
            // SAFETY: the start of a reservation made just now.
            match unsafe { self.platform.commit(table, first_bytes) } {
                Ok(()) => Some(table),
                Err(_) => {
                    // SAFETY: nobody knows the reservation.
                    let _ = unsafe { self.platform.release(table, table_bytes) };
                    None
                }
            }
        });
        let Some(table) = table else {
            // SAFETY: nobody knows the reservation.
            let _ = unsafe { self.platform.release(base, bytes) };
            return None;
        };
        state.total = total;
        self.page_mask.store(page - 1, Relaxed);
        self.counters.reserved.store(bytes, Relaxed);
        // The mask follows the table: with the old one and the new table, every address finds line 0.
        self.table.store(table.as_ptr().cast(), Release);
        self.mask
            .store(((first as usize) - 1) << LINE_SHIFT, Release);
        self.bytes.store(bytes, Relaxed);
        self.base.store(base.as_ptr(), Release);
        Some(())
    }

    /// Gives the range and the table back.
    ///
    /// # Safety
    /// Nothing refers into them any more.
    pub(super) unsafe fn release(&mut self) {
        let (base, bytes) = (self.base.load(Relaxed), self.bytes.load(Relaxed));
        let table = self.table.load(Relaxed).cast::<u8>();
        let granularity = self.platform.memory_info().granularity_bytes;
        if let (Some(base), Some(table)) = (NonNull::new(base), NonNull::new(table)) {
            let lines = (bytes >> SLICE_SHIFT << LINE_SHIFT).next_multiple_of(granularity);
            // SAFETY: the two reservations made in `reserve`; the caller's promise.
            unsafe {
                let _ = self.platform.release(base, bytes);
                let _ = self.platform.release(table, lines);
            }
        }
    }

    /// Makes slices up to `end` usable.
    fn commit(&self, state: &mut State, end: u32) -> Option<()> {
        if end > state.total {
            return None;
        }
        let page = self.platform.memory_info().page_bytes;
        let lines = (self.mask.load(Relaxed) >> LINE_SHIFT) as u32 + 1;
        if end > lines {
            let wanted = end.next_power_of_two().min(state.total);
            let bytes = ((wanted as usize) << LINE_SHIFT).next_multiple_of(page);
            let table = NonNull::new(self.table.load(Relaxed))?.cast();
            // SAFETY: within the table's reservation; committing what is committed changes nothing.
            unsafe { self.platform.commit(table, bytes) }.ok()?;
            self.mask
                .store(((wanted as usize) - 1) << LINE_SHIFT, Release);
        }
        if end > state.committed {
            let ahead = COMMIT_SLICES.max(state.committed / 8);
            let mut until = end.saturating_add(ahead).min(state.total);
            let at = NonNull::new(self.slice(state.committed))?;
            let bytes = |until: u32| ((until - state.committed) as usize) << SLICE_SHIFT;
            // SAFETY: within the range's reservation.
            if unsafe { self.platform.commit(at, bytes(until)) }.is_err() {
                until = end;
                // SAFETY: as above.
                unsafe { self.platform.commit(at, bytes(until)) }.ok()?;
            }
            if self.settings.huge_pages.load(Relaxed) {
                // A hint: a system without huge pages goes on with others.
                // SAFETY: committed just now.
                let _ = unsafe { self.platform.advise_huge(at, bytes(until), true) };
            }
            state.committed = until;
            self.counters
                .committed
                .store((until as usize) << SLICE_SHIFT, Relaxed);
        }
        Some(())
    }

    /// Takes `count` slices, the first a multiple of `align` (a power of two), and says whether they read as zero. Their first
    /// line is of no kind yet, their last of kind `TAIL`.
    pub(super) fn take(&self, state: &mut State, count: u32, align: u32) -> Option<(&Slab, bool)> {
        if !self.ensure(state) {
            return None;
        }
        let wanted = count.checked_add(align - 1)?;
        if align > state.total {
            // The range itself lies at a multiple of its size only.
            return None;
        }
        if let Some(run) = self.find(state, wanted) {
            return Some(self.carve(state, run, count, align));
        }
        let first = state.top.checked_next_multiple_of(align)?;
        let end = first.checked_add(count)?;
        self.commit(state, end)?;
        if first > state.top {
            let (start, gap) = (state.top, first - state.top);
            state.top = first;
            self.put(state, start, gap, true);
        }
        state.top = end;
        Some((self.taken(first, count), true))
    }

    /// Takes `count` slices of a free run that is long enough for it.
    fn carve(&self, state: &mut State, run: &Slab, count: u32, align: u32) -> (&Slab, bool) {
        let (start, slices) = (self.index(run), run.slices().load(Relaxed));
        let (zero, stamp) = (run.has(flag::ZERO), run.stamp().load(Relaxed));
        self.unlist(state, run);
        let first = start.next_multiple_of(align);
        if first > start {
            self.list(state, start, first - start, zero, stamp);
        }
        let (end, rest) = (first + count, start + slices - first - count);
        if rest > 0 {
            self.list(state, end, rest, zero, stamp);
        }
        (self.taken(first, count), zero)
    }

    /// As [`take`](Self::take), at the start of a free run of `room` slices; `None` if there is none.
    pub(super) fn take_roomy(
        &self,
        state: &mut State,
        count: u32,
        room: u32,
    ) -> Option<(&Slab, bool)> {
        let run = self.find(state, room)?;
        Some(self.carve(state, run, count, 1))
    }

    /// Takes up to `most` slices side by side: of the shortest free run, so that the range does not grow while there are any.
    pub(super) fn take_some(&self, state: &mut State, most: u32) -> Option<(&Slab, u32)> {
        let count = match self.find(state, 1) {
            Some(run) => run.slices().load(Relaxed).min(most),
            None => most,
        };
        let taken = self.take(state, count, 1).map(|(run, _)| (run, count));
        taken.or_else(|| self.take(state, 1, 1).map(|(run, _)| (run, 1)))
    }

    fn taken(&self, first: u32, count: u32) -> &Slab {
        let line = self.line(first);
        line.kind.store(kind::NONE, Relaxed);
        line.flags.store(0, Relaxed);
        line.key.store(KEY_NOBODY, Relaxed);
        line.slices().store(count, Relaxed);
        if count > 1 {
            let tail = self.line(first + count - 1);
            tail.key.store(KEY_NOBODY, Relaxed);
            tail.kind.store(kind::TAIL, Relaxed);
        }
        let used = (count as usize) << SLICE_SHIFT;
        self.counters.in_use.fetch_add(used, Relaxed);
        line
    }

    /// A free run of at least `wanted` slices.
    fn find(&self, state: &State, wanted: u32) -> Option<&Slab> {
        let bin = bin_of(wanted);
        // SAFETY: bins link lines of the table.
        let mut run = unsafe { state.bins[bin].front().as_ref() };
        let mut tries = BIN_TRIES;
        while let Some(candidate) = run {
            if candidate.slices().load(Relaxed) >= wanted {
                return Some(candidate);
            }
            tries -= 1;
            if tries == 0 {
                break;
            }
            // SAFETY: as above.
            run = unsafe { candidate.next.load(Relaxed).as_ref() };
        }
        let mut word = (bin + 1) / 64;
        let mut mask = u64::MAX << ((bin + 1) % 64);
        while word < state.bits.len() {
            let bits = state.bits[word] & mask;
            if bits != 0 {
                let bin = word * 64 + bits.trailing_zeros() as usize;
                // SAFETY: as above.
                return unsafe { state.bins[bin].front().as_ref() };
            }
            word += 1;
            mask = u64::MAX;
        }
        None
    }

    /// Makes `count` slices from `first` a free run and merges it with its neighbours.
    pub(super) fn give(&self, state: &mut State, first: u32, count: u32, zero: bool) {
        self.counters
            .in_use
            .fetch_sub((count as usize) << SLICE_SHIFT, Relaxed);
        // Where a longer free run begins before it, nobody else takes its key away.
        self.line(first).key.store(KEY_NOBODY, Relaxed);
        self.put(state, first, count, zero);
    }

    /// Gives the slice of a slab that nobody owns or uses any more; its flags are still there.
    pub(super) fn give_slab(&self, state: &mut State, slab: &Slab) {
        if self.make_sure(slab) {
            slab.flags.store(0, Relaxed);
            self.give(state, self.index(slab), 1, false);
        }
    }

    /// Whether all pages of a slab that is given away may be touched. Where the system took some and gave none instead, it is asked
    /// again; if it refuses, nobody may have the slice.
    pub(super) fn make_sure(&self, slab: &Slab) -> bool {
        let sure = !slab.has(flag::UNSURE)
            || NonNull::new(self.start(slab)).is_some_and(|at| {
                // SAFETY: a slice of the range; committing what is committed changes nothing.
                unsafe { self.platform.commit(at, SLICE_BYTES) }.is_ok()
            });
        if !sure {
            slab.key.store(KEY_NOBODY, Relaxed);
            slab.kind.store(kind::OWN, Relaxed);
        }
        sure
    }

    fn put(&self, state: &mut State, mut first: u32, mut count: u32, mut zero: bool) {
        if first > 0 && self.line(first - 1).is(kind::FREE) {
            let length = self.line(first - 1).slices().load(Relaxed);
            let before = self.line(first - length);
            zero &= before.has(flag::ZERO);
            self.unlist(state, before);
            // The boundary lines are now inside.
            self.line(first).kind.store(kind::FREE, Relaxed);
            first -= length;
            count += length;
        }
        if first + count < state.top && self.line(first + count).is(kind::FREE) {
            let after = self.line(first + count);
            zero &= after.has(flag::ZERO);
            self.unlist(state, after);
            self.line(first + count - 1).kind.store(kind::FREE, Relaxed);
            count += after.slices().load(Relaxed);
        }
        let stamp = if zero { 0 } else { self.stamp_now() };
        self.list(state, first, count, zero, stamp);
    }

    /// Enters a free run whose neighbours are not free into its bin and, unless it reads as zero, the dirty list.
    fn list(&self, state: &mut State, first: u32, count: u32, zero: bool, stamp: u32) {
        let (line, last) = (self.line(first), self.line(first + count - 1));
        for end in [line, last] {
            end.key.store(KEY_NOBODY, Relaxed);
            end.slices().store(count, Relaxed);
            end.kind.store(kind::FREE, Relaxed);
        }
        line.flags.store(if zero { flag::ZERO } else { 0 }, Relaxed);
        line.stamp().store(stamp, Relaxed);
        let bin = bin_of(count);
        state.bins[bin].push_front(line);
        state.bits[bin / 64] |= 1 << (bin % 64);
        if zero {
            return;
        }
        self.dirty_bytes
            .fetch_add((count as usize) << SLICE_SHIFT, Relaxed);
        line.owned_next().store(null_mut(), Relaxed);
        line.owned_previous()
            .store(state.dirty_last.cast_mut(), Relaxed);
        // SAFETY: the list links lines of the table.
        match unsafe { state.dirty_last.as_ref() } {
            Some(last) => last
                .owned_next()
                .store(core::ptr::from_ref(line).cast_mut(), Relaxed),
            None => state.dirty_first = line,
        }
        state.dirty_last = line;
    }

    /// Takes a free run out of its bin and the dirty list.
    fn unlist(&self, state: &mut State, line: &Slab) {
        let count = line.slices().load(Relaxed);
        let bin = bin_of(count);
        state.bins[bin].remove(line);
        if state.bins[bin].front().is_null() {
            state.bits[bin / 64] &= !(1 << (bin % 64));
        }
        if line.has(flag::ZERO) {
            return;
        }
        self.dirty_bytes
            .fetch_sub((count as usize) << SLICE_SHIFT, Relaxed);
        let (next, previous) = (
            line.owned_next().load(Relaxed),
            line.owned_previous().load(Relaxed),
        );
        // SAFETY: the list links lines of the table.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.owned_next().store(next, Relaxed),
            None => state.dirty_first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.owned_previous().store(previous, Relaxed),
            None => state.dirty_last = previous,
        }
    }

    /// Takes `extra` free slices behind the taken run of `count` slices at `first`, if there are that many.
    pub(super) fn extend(&self, state: &mut State, first: u32, count: u32, extra: u32) -> bool {
        let end = first + count;
        let mut available = 0;
        let mut after = None;
        if end < state.top && self.line(end).is(kind::FREE) {
            after = Some(self.line(end));
            available = self.line(end).slices().load(Relaxed);
        }
        if available < extra {
            if end + available != state.top {
                return false;
            }
            let Some(top) = state.top.checked_add(extra - available) else {
                return false;
            };
            if self.commit(state, top).is_none() {
                return false;
            }
            state.top = top;
        }
        if let Some(after) = after {
            let (zero, stamp) = (after.has(flag::ZERO), after.stamp().load(Relaxed));
            self.unlist(state, after);
            if available > extra {
                self.list(state, end + extra, available - extra, zero, stamp);
            }
        }
        if count > 1 {
            self.line(end - 1).kind.store(kind::FREE, Relaxed);
        }
        let (line, tail) = (self.line(first), self.line(end + extra - 1));
        tail.kind.store(kind::TAIL, Relaxed);
        tail.key.store(KEY_NOBODY, Relaxed);
        line.slices().store(count + extra, Relaxed);
        self.counters
            .in_use
            .fetch_add((extra as usize) << SLICE_SHIFT, Relaxed);
        true
    }

    /// Gives back the slices of the taken run of `count` slices at `first` behind the first `keep`.
    pub(super) fn cut(&self, state: &mut State, first: u32, count: u32, keep: u32) {
        self.line(first).slices().store(keep, Relaxed);
        if keep > 1 {
            let tail = self.line(first + keep - 1);
            tail.kind.store(kind::TAIL, Relaxed);
            tail.key.store(KEY_NOBODY, Relaxed);
        }
        self.give(state, first + keep, count - keep, false);
    }

    /// Enters a slab with the flag `ABANDONED` where heaps look for slabs to adopt.
    pub(super) fn list_abandoned(&self, state: &mut State, slab: &Slab) {
        let class = usize::from(slab.class.load(Relaxed));
        if slab.has(flag::PUNCHED) {
            state.punched[class].push_back(slab);
        } else {
            slab.stamp().store(self.now_ms(), Relaxed);
            state.abandoned[class].push_back(slab);
            self.unpunched.fetch_add(1, Relaxed);
        }
        self.abandoned.fetch_add(1, Relaxed);
    }

    /// Takes a slab out of there.
    pub(super) fn unlist_abandoned(&self, state: &mut State, slab: &Slab) {
        let class = usize::from(slab.class.load(Relaxed));
        if slab.has(flag::PUNCHED) {
            state.punched[class].remove(slab);
        } else {
            state.abandoned[class].remove(slab);
            self.unpunched.fetch_sub(1, Relaxed);
        }
        self.abandoned.fetch_sub(1, Relaxed);
        let lasting = slab.flags.load(Relaxed) & flag::LASTING;
        slab.flags.store(lasting, Relaxed);
    }

    /// Takes the oldest dirty run out, if it became free at least `age_ms` before `now`: its first slice and its length.
    pub(super) fn take_dirty(
        &self,
        state: &mut State,
        now: u32,
        age_ms: u32,
    ) -> Option<(u32, u32)> {
        // SAFETY: the list links lines of the table.
        let line = unsafe { state.dirty_first.as_ref() }?;
        if age(now, line.stamp().load(Relaxed)) < age_ms {
            return None;
        }
        let (first, count) = (self.index(line), line.slices().load(Relaxed));
        self.unlist(state, line);
        self.taken(first, count);
        // Neighbours must not take it for a part of theirs while it is out.
        line.kind.store(kind::CACHED, Relaxed);
        Some((first, count))
    }

    /// Walks all free runs and checks I2 and I3. Returns how many slices are free.
    pub(super) fn check(&self, state: &State) -> Result<u32, &'static str> {
        let (mut index, mut free, mut before_was_free) = (0, 0, false);
        while index < state.top {
            let line = self.line(index);
            let is_free = line.is(kind::FREE);
            let count = match line.kind.load(Relaxed) {
                kind::FREE | kind::RUN | kind::CACHED | kind::SLAB | kind::SECURE | kind::OWN => {
                    line.slices().load(Relaxed)
                }
                _ => return Err("a slice of no kind"),
            };
            if count == 0 || count > state.top - index {
                return Err("a run that leaves the range");
            }
            if is_free {
                let last = self.line(index + count - 1);
                if before_was_free {
                    return Err("free runs touch");
                }
                if !last.is(kind::FREE) || last.slices().load(Relaxed) != count {
                    return Err("the ends of a free run disagree");
                }
                free += count;
            } else if count > 1 && !self.line(index + count - 1).is(kind::TAIL) {
                return Err("a run without a tail");
            }
            before_was_free = is_free;
            index += count;
        }
        let mut listed = 0;
        for (bin, list) in state.bins.iter().enumerate() {
            // SAFETY: bins link lines of the table.
            let mut run = unsafe { list.front().as_ref() };
            if run.is_some() != (state.bits[bin / 64] >> (bin % 64) & 1 == 1) {
                return Err("the bitmap disagrees with a bin");
            }
            while let Some(line) = run {
                if !line.is(kind::FREE) || bin_of(line.slices().load(Relaxed)) != bin {
                    return Err("a run in the wrong bin");
                }
                listed += line.slices().load(Relaxed);
                // SAFETY: as above.
                run = unsafe { line.next.load(Relaxed).as_ref() };
            }
        }
        if listed != free {
            return Err("a free run in no bin");
        }
        Ok(free)
    }
}

/// Milliseconds from `stamp` to `now`; none if the stamp is the later one, which happens when others go on while one purges.
pub(super) fn age(now: u32, stamp: u32) -> u32 {
    u32::try_from(now.wrapping_sub(stamp).cast_signed()).unwrap_or(0)
}

/// Slices that hold `bytes`.
pub(super) const fn slices_for(bytes: usize) -> usize {
    bytes.div_ceil(SLICE_BYTES)
}

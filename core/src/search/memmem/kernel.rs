//! Substring search: two probes at a vector of positions together, candidates narrowed down by further bytes, and bounds on all of it.
//!
//! After Mula, "SIMD-friendly algorithms for substring searching", 2016 (two probes), with these differences.
//!
//! * Four vectors of positions are asked together; the first probe's loads are aligned.
//! * Where more than [`FEW`] positions of a vector pass, further bytes of the needle are tested at all of them together, which is exact after
//!   the whole needle (64 bytes at most): a vector of positions costs at most `needle.len()` steps, however bad haystack and needle are.
//! * Longer needles are compared with `memcmp`, on credit: in vain compared bytes are counted, progress pays [`CREDIT`] bytes for each, and
//!   who is overdrawn continues with Two-Way for a stretch, then tries again. So all work is linear in haystack and needle.
//! * Where probes disappoint too often, the haystack ahead is looked at and rarer ones are taken.
//! * A needle of one repeated byte has no rare ones: where its probes disappoint, runs are measured.
//!
//! # Invariants
//!
//! M1: a position `at` is looked at only if `at + needle.len() <= haystack.len()`; so probe `i` of `lanes` positions reads
//! `at + i .. at + i + lanes`, which ends inside.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::plan::{REACH, State, WINDOW};
use super::rank::rank;
use super::run::{is_run, rscan_runs, scan_runs};
use super::two_way::{Outcome, TwoWay};
use crate::search::byte::kernel::Hits;
use crate::search::mismatch::{equal, mismatch};
use crate::search::vector::{Vector, low_bits};
use crate::search::work;

/// Up to this many candidates of a vector are compared one by one.
const FEW: u32 = 2;
/// Bytes compared in vain that a byte of progress pays for.
const CREDIT: usize = 8;
/// Overdraft that a search starts with, besides four needles.
const OVERDRAFT: usize = 4096;
/// Two-Way searches this far before the probes get another chance, or eight needles if that is more.
const STRETCH: usize = 16 << 10;
/// Bytes ahead in which candidates for probes are counted.
const SAMPLE: usize = 1024;

/// What stays the same during a scan.
#[derive(Clone, Copy)]
struct Scan<'a> {
    needle: &'a [u8],
    haystack: &'a [u8],
    /// Whether all matches of a vector are wanted, or one alone is enough.
    all: bool,
    /// Whether the last matches count, not the first.
    backward: bool,
}

#[derive(Clone, Copy)]
struct Probe<V> {
    offsets: [usize; 4],
    bytes: [V; 4],
}

impl<V: Vector> Probe<V> {
    /// # Safety
    /// V1.
    #[inline(always)]
    unsafe fn new(needle: &[u8], probes: [u8; 4]) -> Self {
        let offsets = probes.map(usize::from);
        // SAFETY: V1, the caller's.
        let bytes = offsets.map(|offset| unsafe { V::splat(needle[offset]) });
        Self { offsets, bytes }
    }

    /// # Safety
    /// M1 for the positions of a vector at `at`.
    #[inline(always)]
    unsafe fn test(&self, at: *const u8) -> V::Hit {
        // SAFETY: M1.
        unsafe {
            V::hit_and(
                V::load(at.add(self.offsets[0])).eq(self.bytes[0]),
                V::load(at.add(self.offsets[1])).eq(self.bytes[1]),
            )
        }
    }

    /// The third and the fourth probe.
    ///
    /// # Safety
    /// M1 for the positions of a vector at `at`.
    #[inline(always)]
    unsafe fn test_others(&self, at: *const u8) -> V::Hit {
        // SAFETY: M1.
        unsafe {
            V::hit_and(
                V::load(at.add(self.offsets[2])).eq(self.bytes[2]),
                V::load(at.add(self.offsets[3])).eq(self.bytes[3]),
            )
        }
    }

    /// Three of the probes.
    ///
    /// # Safety
    /// M1 for the positions of a vector at `at`.
    #[inline(always)]
    unsafe fn test_three(&self, at: *const u8) -> V::Hit {
        // SAFETY: M1.
        unsafe {
            let third = V::load(at.add(self.offsets[2])).eq(self.bytes[2]);
            V::hit_and(self.test(at), third)
        }
    }

    /// All four probes.
    ///
    /// # Safety
    /// M1 for the positions of a vector at `at`.
    #[inline(always)]
    unsafe fn test_wide(&self, at: *const u8) -> V::Hit {
        // SAFETY: M1.
        unsafe { V::hit_and(self.test(at), self.test_others(at)) }
    }

    /// All four probes at `lanes` positions; what is in the other lanes means nothing.
    ///
    /// # Safety
    /// M1 for those positions, which are less than a vector, or no more if it is masked.
    #[inline(always)]
    unsafe fn test_short(&self, at: *const u8, lanes: usize) -> V::Hit {
        // SAFETY: M1.
        unsafe {
            let bytes = [
                V::load_short(at.add(self.offsets[0]), lanes),
                V::load_short(at.add(self.offsets[1]), lanes),
                V::load_short(at.add(self.offsets[2]), lanes),
                V::load_short(at.add(self.offsets[3]), lanes),
            ];
            V::hit_and(
                V::hit_and(bytes[0].eq(self.bytes[0]), bytes[1].eq(self.bytes[1])),
                V::hit_and(bytes[2].eq(self.bytes[2]), bytes[3].eq(self.bytes[3])),
            )
        }
    }

    /// Four vectors of positions.
    ///
    /// # Safety
    /// M1 for the positions of four vectors at `at`.
    #[inline(always)]
    unsafe fn test_four(&self, at: *const u8, is_wide: bool) -> [V::Hit; 4] {
        // SAFETY: M1.
        unsafe {
            if is_wide {
                [
                    self.test_wide(at),
                    self.test_wide(at.add(V::BYTES)),
                    self.test_wide(at.add(2 * V::BYTES)),
                    self.test_wide(at.add(3 * V::BYTES)),
                ]
            } else {
                [
                    self.test(at),
                    self.test(at.add(V::BYTES)),
                    self.test(at.add(2 * V::BYTES)),
                    self.test(at.add(3 * V::BYTES)),
                ]
            }
        }
    }
}

/// Where the needle first occurs.
///
/// # Safety
/// V1; the needle has at least two bytes; `probes` are offsets in it, as [`State::probes`].
#[inline(always)]
pub(crate) unsafe fn find<V: Vector>(
    needle: &[u8],
    probes: [u8; 4],
    haystack: &[u8],
) -> Option<usize> {
    let last = haystack.len().checked_sub(needle.len())?;
    let scan = Scan {
        needle,
        haystack,
        all: false,
        backward: false,
    };
    let mut first = First(None);
    // SAFETY: V1; the rest is the caller's.
    unsafe {
        scan.forward::<V, _>(&mut State::with(probes), 0, last, &mut first);
    }
    first.0
}

/// Lists matches from `from` on, none of which overlap: at least the first one, then those up to `reach` behind it, while there is room.
///
/// # Safety
/// V1; the needle has at least two bytes; `state` is of this needle; `reach <= REACH_MAX`.
#[inline(always)]
pub(crate) unsafe fn scan<V: Vector>(
    needle: &[u8],
    state: &mut State,
    haystack: &[u8],
    from: usize,
    reach: usize,
    hits: &mut Hits,
) {
    let scan = Scan {
        needle,
        haystack,
        all: true,
        backward: false,
    };
    let mut list = List {
        hits,
        len: needle.len(),
        free: from,
        reach,
        limit: usize::MAX,
    };
    list.hits.clear(haystack.len());
    match haystack.len().checked_sub(needle.len()) {
        // SAFETY: V1; the rest is the caller's.
        Some(last) if from <= last => unsafe {
            scan.forward::<V, _>(state, from, last, &mut list);
        },
        _ => {}
    }
}

/// Who takes the matches.
pub(super) trait Sink {
    /// Matches at `base + i` for every bit `i`, each behind those given before, or overlapping one. Gives where the next match may start, or
    /// nothing if no more are wanted.
    fn take(&mut self, base: usize, mask: u64) -> Option<usize>;

    /// Whether it is of no use to look at `at` and further.
    fn has_enough(&mut self, at: usize) -> bool;
}

/// The first one.
struct First(Option<usize>);

impl Sink for First {
    #[inline(always)]
    fn take(&mut self, base: usize, mask: u64) -> Option<usize> {
        self.0 = Some(base + mask.trailing_zeros() as usize);
        None
    }
    #[inline(always)]
    fn has_enough(&mut self, _: usize) -> bool {
        false
    }
}

/// As many as fit, without overlaps.
struct List<'a> {
    hits: &'a mut Hits,
    /// Length of the needle.
    len: usize,
    /// Where the next match may start.
    free: usize,
    reach: usize,
    /// What lies behind is left for the next call.
    limit: usize,
}

impl Sink for List<'_> {
    #[inline(always)]
    fn take(&mut self, base: usize, mut mask: u64) -> Option<usize> {
        mask &= from_bit(self.free.saturating_sub(base));
        while mask != 0 {
            let at = base + mask.trailing_zeros() as usize;
            if self.limit == usize::MAX {
                self.hits.start(at);
                self.limit = at + self.reach;
            } else if at > self.limit || self.hits.is_full() {
                self.hits.next = at;
                return None;
            }
            self.hits.add(at);
            self.free = at + self.len;
            mask &= from_bit(self.free - base);
        }
        if self.reach == 0 {
            self.hits.next = self.free;
            return None;
        }
        Some(self.free)
    }
    #[inline(always)]
    fn has_enough(&mut self, at: usize) -> bool {
        if at > self.limit {
            self.hits.next = at.max(self.free);
            return true;
        }
        false
    }
}

/// All bits from number `bit` on.
#[inline(always)]
const fn from_bit(bit: usize) -> u64 {
    if bit < 64 { u64::MAX << bit } else { 0 }
}

impl Scan<'_> {
    /// Gives `sink` what it wants of the matches from `from` to `last`.
    ///
    /// # Safety
    /// V1; M1 up to `last`, and `from <= last`; `state` is of this needle.
    #[inline(always)]
    unsafe fn forward<V: Vector, S: Sink>(
        &self,
        state: &mut State,
        from: usize,
        last: usize,
        sink: &mut S,
    ) {
        let mut at = from;
        // SAFETY: V1, and M1 by the conditions of the loops.
        unsafe {
            loop {
                while at < state.until {
                    match self.two_way::<V>(state, at) {
                        Outcome::Found(found) => match sink.take(found, 1) {
                            Some(free) => at = free,
                            None => return,
                        },
                        Outcome::Absent => return,
                        Outcome::Stopped(next) => at = next,
                    }
                }
                if at > last {
                    return;
                }
                if state.by_runs {
                    scan_runs::<V, S>(self.needle, self.haystack, at, sink);
                    return;
                }
                if last - at < V::BYTES - 1 {
                    let bits = self.rest::<V>(state, at, last);
                    if bits != 0 {
                        sink.take(at, bits);
                    }
                    return;
                }
                match self.stretch::<V, S>(state, at, last, sink) {
                    // Overdrawn: Two-Way's turn, from a position that the probes have not passed.
                    Some(next) => at = next,
                    None => return,
                }
            }
        }
    }

    /// By probes, to the end, or until the sink has enough, or until more was compared in vain than progress pays for: then, where Two-Way
    /// is to start.
    ///
    /// # Safety
    /// As for [`forward`](Self::forward), and there are a vector's positions at `from` at least.
    #[inline(always)]
    unsafe fn stretch<V: Vector, S: Sink>(
        &self,
        state: &mut State,
        from: usize,
        last: usize,
        sink: &mut S,
    ) -> Option<usize> {
        let mut at = from;
        // No match before it is of interest.
        let mut free = from;
        // SAFETY: V1, and M1 by the conditions of the loops.
        unsafe {
            let mut probe = Probe::<V>::new(self.needle, state.probes);
            let here = |at: usize| self.haystack.as_ptr().add(at);
            // One vector, then on to where the first probe is aligned: positions in between are looked at twice.
            let hit = probe.test(here(at));
            if V::any(hit) {
                let mask = self.matches::<V>(state, at, hit, u64::MAX);
                if mask != 0 {
                    free = sink.take(at, mask)?;
                }
            }
            at += V::BYTES - here(at + probe.offsets[0]).addr() % V::BYTES;
            let mut anchor = at;
            while last + 1 >= at + 4 * V::BYTES {
                if sink.has_enough(at) {
                    state.looked += at - anchor;
                    return None;
                }
                work::add(4 * V::BYTES);
                let mut hits = probe.test_four(here(at), state.is_wide);
                let any = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
                if V::any(any) {
                    hits = self.narrow_four(state, &probe, here(at), hits);
                    let mut is_match = false;
                    for (i, hit) in hits.into_iter().enumerate() {
                        if V::any(hit) {
                            let base = at + i * V::BYTES;
                            let wanted = from_bit(free.saturating_sub(base));
                            let mask = self.matches::<V>(state, base, hit, wanted);
                            if mask != 0 {
                                match sink.take(base, mask) {
                                    Some(next) => free = next,
                                    None => {
                                        state.looked += at - anchor;
                                        return None;
                                    }
                                }
                                is_match = true;
                            }
                        }
                    }
                    state.in_vain += u32::from(!is_match);
                    if state.in_vain >= state.patience {
                        state.looked += at - anchor;
                        anchor = at;
                        if at + STRETCH <= last {
                            probe = self.reconsider::<V>(state, at, probe);
                            if state.by_runs {
                                return Some(at.max(free));
                            }
                        }
                    }
                    if self.is_overdrawn(state, at - from) {
                        state.spent = 0;
                        state.until = at + STRETCH.max(8 * self.needle.len());
                        return Some(at.max(free));
                    }
                    if free > at + 4 * V::BYTES {
                        // Behind a long match.
                        at += (free - at) / V::BYTES * V::BYTES;
                        continue;
                    }
                }
                at += 4 * V::BYTES;
            }
            while last + 1 >= at + V::BYTES {
                let hit = probe.test(here(at));
                if V::any(hit) {
                    let wanted = from_bit(free.saturating_sub(at));
                    let mask = self.matches::<V>(state, at, hit, wanted);
                    if mask != 0 {
                        free = sink.take(at, mask)?;
                    }
                }
                at += V::BYTES;
            }
            if at.max(free) <= last {
                // The last vector of positions; those before `at` are known not to match.
                let base = last + 1 - V::BYTES;
                let hit = probe.test(here(base));
                if V::any(hit) {
                    let wanted = from_bit(at.max(free) - base);
                    let mask = self.matches::<V>(state, base, hit, wanted);
                    if mask != 0 {
                        sink.take(base, mask)?;
                    }
                }
            }
        }
        None
    }

    /// So many groups had candidates and no match. If that were many of those looked at, chooses other probes, and if there are no better
    /// ones, tests all four everywhere: a candidate costs as much as some groups without.
    ///
    /// # Safety
    /// V1; M1 for [`SAMPLE`] positions at `at`.
    #[cold]
    #[inline(always)]
    unsafe fn reconsider<V: Vector>(
        &self,
        state: &mut State,
        at: usize,
        probe: Probe<V>,
    ) -> Probe<V> {
        let groups = state.looked / (4 * V::BYTES);
        let in_vain = state.in_vain as usize;
        (state.in_vain, state.looked) = (0, 0);
        if self.needle.len() <= 2 || groups > 5 * in_vain {
            return probe;
        }
        state.patience = state.patience.saturating_mul(6);
        // SAFETY: V1, M1.
        unsafe {
            let is_better = self.choose_probes::<V>(state, at);
            let is_hard = !is_better && groups < 2 * in_vain;
            state.by_runs = is_hard && state.is_wide && is_run(self.needle);
            state.is_wide = is_hard;
            Probe::new(self.needle, state.probes)
        }
    }
}

impl Scan<'_> {
    /// Fewer positions than a vector has lanes: which of them match.
    ///
    /// # Safety
    /// V1; `last - at + 1 < V::BYTES` and M1 up to `last`.
    #[inline(always)]
    unsafe fn rest<V: Vector>(&self, state: &mut State, at: usize, last: usize) -> u64 {
        let lanes = last - at + 1;
        let mut bits = low_bits(lanes);
        // SAFETY: M1.
        unsafe {
            for probe in &state.probes[..2] {
                let from = self.haystack.as_ptr().add(at + usize::from(*probe));
                let hit = V::load_short(from, lanes).eq(V::splat(self.needle[usize::from(*probe)]));
                bits &= V::bits(hit);
            }
            if bits != 0 && self.needle.len() > 2 {
                bits = self.verify::<V>(state, at, bits);
            }
        }
        bits
    }

    /// Which positions of a vector at `base`, that passed both probes and are in `wanted`, match.
    ///
    /// # Safety
    /// V1; M1 for the vector's positions.
    #[inline(always)]
    unsafe fn matches<V: Vector>(
        &self,
        state: &mut State,
        base: usize,
        mut hit: V::Hit,
        wanted: u64,
    ) -> u64 {
        let len = self.needle.len();
        let mut bits = V::bits(hit) & wanted;
        // SAFETY: V1, M1.
        unsafe {
            if len > 2 && (len <= 4 || bits.count_ones() > FEW) {
                hit = self.narrow::<V>(base, hit, usize::from(state.probes[2]));
                hit = self.narrow::<V>(base, hit, usize::from(state.probes[3]));
                bits = V::bits(hit) & wanted;
                if len <= 4 {
                    return bits;
                }
                let end = len.min(WINDOW);
                let mut offset = 0;
                while bits.count_ones() > FEW && offset < end {
                    let stop = end.min(offset + 4);
                    while offset < stop {
                        hit = self.narrow::<V>(base, hit, offset);
                        offset += 1;
                    }
                    bits = V::bits(hit) & wanted;
                }
                if offset == len {
                    return bits;
                }
            }
            if len == 2 || bits == 0 {
                return bits;
            }
            self.verify::<V>(state, base, bits)
        }
    }

    /// Which of the positions of four vectors, that passed the probes tested everywhere, pass the others too: most that pass in vain don't, and
    /// to ask all of them costs less than a branch that can't be foretold.
    ///
    /// # Safety
    /// V1; M1 for the positions of four vectors at `at`.
    #[inline(always)]
    unsafe fn narrow_four<V: Vector>(
        &self,
        state: &State,
        probe: &Probe<V>,
        at: *const u8,
        hits: [V::Hit; 4],
    ) -> [V::Hit; 4] {
        if state.is_wide || self.needle.len() <= 2 {
            return hits;
        }
        work::add(4 * V::BYTES);
        let [a, b, c, d] = hits;
        // SAFETY: V1, M1.
        unsafe {
            [
                V::hit_and(a, probe.test_others(at)),
                V::hit_and(b, probe.test_others(at.add(V::BYTES))),
                V::hit_and(c, probe.test_others(at.add(2 * V::BYTES))),
                V::hit_and(d, probe.test_others(at.add(3 * V::BYTES))),
            ]
        }
    }

    /// Which of the positions that hit have the needle's byte at `offset` too. (A closure would be compiled without the level's
    /// instructions.)
    ///
    /// # Safety
    /// V1; M1 for the positions of a vector at `base`.
    #[inline(always)]
    unsafe fn narrow<V: Vector>(&self, base: usize, hit: V::Hit, offset: usize) -> V::Hit {
        // SAFETY: V1, M1.
        unsafe {
            work::add(V::BYTES);
            let bytes = V::load(self.haystack.as_ptr().add(base + offset));
            V::hit_and(hit, bytes.eq(V::splat(self.needle[offset])))
        }
    }

    /// Compares the needle at each position of `bits`; all that match, or the first.
    ///
    /// # Safety
    /// V1; M1 for the positions of `bits`.
    #[inline(always)]
    unsafe fn verify<V: Vector>(&self, state: &mut State, base: usize, mut bits: u64) -> u64 {
        let len = self.needle.len();
        let mut matches = 0;
        while bits != 0 {
            let lane = if self.backward {
                bits.ilog2()
            } else {
                bits.trailing_zeros()
            };
            let at = base + lane as usize;
            let (n, h) = (self.needle.as_ptr(), self.haystack.as_ptr());
            // SAFETY: V1; M1 for `at`.
            let is_match = unsafe {
                if len <= 64 {
                    work::add(len);
                    equal::<V>(n, h.add(at), len)
                } else {
                    let same = mismatch::<V>(n, h.add(at), len);
                    work::add(same + 64);
                    state.spent += if same < len { same + 64 } else { 0 };
                    same == len
                }
            };
            if is_match {
                matches |= 1 << lane;
                // A match longer than a vector hides all others of the vector.
                if !self.all || len > 64 {
                    return matches;
                }
            }
            bits ^= 1 << lane;
        }
        matches
    }

    /// Whether more was compared in vain than `progress` pays for.
    #[inline(always)]
    fn is_overdrawn(&self, state: &State, progress: usize) -> bool {
        let len = self.needle.len();
        let credit = progress
            .saturating_mul(CREDIT)
            .saturating_add(OVERDRAFT + 4 * len);
        len > 64 && state.spent > credit
    }

    /// # Safety
    /// V1.
    #[inline(always)]
    unsafe fn two_way<V: Vector>(&self, state: &mut State, at: usize) -> Outcome {
        let factors = *state
            .two_way
            .get_or_insert_with(|| TwoWay::new(self.needle, false));
        // SAFETY: V1; the factorisation is the needle's.
        unsafe { factors.find::<V>(self.needle, self.haystack, at, state.until) }
    }

    /// Takes the two offsets whose bytes are together rarest in what comes next, if they are much rarer there than those at work. Whether
    /// they are.
    ///
    /// # Safety
    /// V1; M1 for [`SAMPLE`] positions at `at`.
    #[inline(always)]
    unsafe fn choose_probes<V: Vector>(&self, state: &mut State, at: usize) -> bool {
        let window = self.needle.len().min(REACH);
        let step = window.div_ceil(32);
        let known = [state.probes[0], state.probes[1]].map(usize::from);
        // SAFETY: V1, M1.
        unsafe {
            let first = self.rarest::<V>(at, None, step, known);
            let second = self.rarest::<V>(at, Some(first), step, known);
            let is_better = 2 * self.frequency::<V>(at, first, second)
                < self.frequency::<V>(at, known[0], known[1]);
            if is_better {
                state.choose(first as u8, second as u8, window);
            }
            is_better
        }
    }

    /// The offset, other than `first`, whose byte is met least often, together with that of `first`. Asks every `step`th of the needle and those
    /// at work: of a long needle, the others are but a sample.
    ///
    /// # Safety
    /// V1; M1 for [`SAMPLE`] positions at `at`.
    #[inline(always)]
    unsafe fn rarest<V: Vector>(
        &self,
        at: usize,
        first: Option<usize>,
        step: usize,
        known: [usize; 2],
    ) -> usize {
        let window = self.needle.len().min(REACH);
        let (mut best, mut fewest) = (first.map_or(0, |first| usize::from(first == 0)), u32::MAX);
        let mut i = 0;
        while i < window + 2 * step {
            let offset = if i < window {
                i
            } else {
                known[usize::from(i >= window + step)]
            };
            i += step;
            if Some(offset) == first {
                continue;
            }
            // SAFETY: V1, M1.
            let frequency = unsafe { self.frequency::<V>(at, first.unwrap_or(offset), offset) };
            // What the sample does not tell apart, the table of ranks may.
            let key = frequency << 8 | u32::from(rank(self.needle[offset]));
            if key < fewest {
                (best, fewest) = (offset, key);
            }
        }
        best
    }

    /// In how many of [`SAMPLE`] positions at `at` both offsets have the needle's bytes.
    ///
    /// # Safety
    /// V1; M1 for those positions.
    #[inline(always)]
    unsafe fn frequency<V: Vector>(&self, at: usize, one: usize, two: usize) -> u32 {
        let here = self.haystack.as_ptr();
        let mut frequency = 0;
        let mut position = at;
        // SAFETY: V1, M1.
        unsafe {
            let bytes = (V::splat(self.needle[one]), V::splat(self.needle[two]));
            while position < at + SAMPLE {
                let one = V::load(here.add(position + one)).eq(bytes.0);
                let two = V::load(here.add(position + two)).eq(bytes.1);
                frequency += V::bits(V::hit_and(one, two)).count_ones();
                position += V::BYTES;
            }
        }
        frequency
    }
}

/// Lists matches that end at or before `end`, the last first: [`scan`] in the mirror, without the change of probes.
///
/// # Safety
/// V1; the needle has at least two bytes; `state` is of this needle; `end <= haystack.len()` and `reach <= REACH_MAX`.
#[inline(always)]
pub(crate) unsafe fn rscan<V: Vector>(
    needle: &[u8],
    state: &mut State,
    haystack: &[u8],
    end: usize,
    reach: usize,
    hits: &mut Hits,
) {
    let haystack = &haystack[..end];
    let scan = Scan {
        needle,
        haystack,
        all: true,
        backward: true,
    };
    hits.clear(0);
    let Some(last) = end.checked_sub(needle.len()) else {
        return;
    };
    let mut list = RevList {
        hits,
        len: needle.len(),
        free: end,
        reach,
        limit: 0,
        is_empty: true,
    };
    // SAFETY: V1, and M1 by the conditions of the loops.
    unsafe {
        if is_run(needle) {
            rscan_runs::<V>(needle, haystack, &mut list);
            return;
        }
        if last < V::BYTES - 1 {
            let mask = scan.rest::<V>(state, 0, last);
            list.take(0, mask);
            return;
        }
        let mut probe = Probe::<V>::new(needle, state.probes);
        let here = |at: usize| haystack.as_ptr().add(at);
        // All positions below `at` are still to be looked at: one vector, then from where the first probe is aligned.
        let mut at = last + 1;
        let base = at - V::BYTES;
        let mask = scan.matches::<V>(state, base, probe.test(here(base)), u64::MAX);
        if mask != 0 && !list.take(base, mask) {
            return;
        }
        at -= here(at + probe.offsets[0]).addr() % V::BYTES;
        let mut anchor = at;
        while at >= 4 * V::BYTES {
            if list.has_enough(at) {
                state.looked += anchor.saturating_sub(at);
                return;
            }
            at -= 4 * V::BYTES;
            work::add(4 * V::BYTES);
            let mut hits = probe.test_four(here(at), state.is_wide);
            let any = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
            if V::any(any) {
                hits = scan.narrow_four(state, &probe, here(at), hits);
                let mut is_match = false;
                for (i, hit) in hits.into_iter().enumerate().rev() {
                    if V::any(hit) {
                        let base = at + i * V::BYTES;
                        let mask = scan.matches::<V>(state, base, hit, list.wanted(base));
                        if mask != 0 {
                            if !list.take(base, mask) {
                                state.looked += anchor.saturating_sub(at);
                                return;
                            }
                            is_match = true;
                        }
                    }
                }
                state.in_vain += u32::from(!is_match);
                if state.in_vain >= state.patience && at >= STRETCH {
                    state.looked += anchor.saturating_sub(at);
                    anchor = at;
                    probe = scan.reconsider::<V>(state, at - SAMPLE, probe);
                }
                if scan.is_overdrawn(state, last - at) {
                    let factors = TwoWay::new(needle, true);
                    let mut end = list.free.min(at + needle.len() - 1);
                    while let Some(found) = factors.rfind(needle, haystack, end) {
                        if !list.take(found, 1) {
                            return;
                        }
                        end = found;
                    }
                    return;
                }
                let next = (list.free + 1).saturating_sub(needle.len());
                // Behind a long match, counted from the back.
                at = at.min(next);
            }
        }
        while at >= V::BYTES {
            at -= V::BYTES;
            let mask = scan.matches::<V>(state, at, probe.test(here(at)), list.wanted(at));
            if mask != 0 && !list.take(at, mask) {
                return;
            }
        }
        if at > 0 {
            let wanted = low_bits(at) & list.wanted(0);
            let mask = scan.matches::<V>(state, 0, probe.test(here(0)), wanted);
            list.take(0, mask);
        }
    }
}

/// [`List`] in the mirror: `free` is where the next match may end at most, `limit` is below the first match.
pub(super) struct RevList<'a> {
    hits: &'a mut Hits,
    len: usize,
    free: usize,
    reach: usize,
    limit: usize,
    is_empty: bool,
}

impl RevList<'_> {
    /// Positions of a vector at `base` whose match would end at `free` or before.
    #[inline(always)]
    fn wanted(&self, base: usize) -> u64 {
        low_bits((self.free + 1).saturating_sub(base + self.len))
    }

    /// Whether it is of no use to look at what is before `at`.
    #[inline(always)]
    pub(super) fn has_enough(&mut self, at: usize) -> bool {
        let has = !self.is_empty && at < self.limit;
        if has {
            self.hits.next = self.free.min(at + self.len - 1);
        }
        has
    }

    /// Whether more are wanted.
    #[inline(always)]
    pub(super) fn take(&mut self, base: usize, mut mask: u64) -> bool {
        mask &= self.wanted(base);
        while mask != 0 {
            let at = base + mask.ilog2() as usize;
            if self.is_empty {
                self.hits.start(at);
                self.limit = at.saturating_sub(self.reach);
                self.is_empty = false;
            } else if at < self.limit || self.hits.is_full() {
                self.hits.next = at + self.len;
                return false;
            }
            self.hits.add_before(at);
            self.free = at;
            mask &= self.wanted(base);
        }
        if self.reach == 0 && !self.is_empty {
            self.hits.next = self.free;
            return false;
        }
        true
    }
}

/// Where the needle first occurs in a haystack of up to [`QUICK`](super::QUICK) bytes: [`find`] without all that pays off later only.
///
/// # Safety
/// V1; the needle has 2 to 64 bytes; `probes` are offsets in it, as [`State::probes`].
#[inline(always)]
pub(crate) unsafe fn find_small<V: Vector>(
    needle: &[u8],
    probes: [u8; 4],
    haystack: &[u8],
) -> Option<usize> {
    // SAFETY: V1; the rest is the caller's.
    unsafe { small::<V, false>(needle, probes.map(usize::from), haystack) }
}

/// [`find_small`] with the needle's ends, its middle and what is beside it as probes: good enough where choosing costs more than searching.
///
/// # Safety
/// V1; the needle has 2 to 64 bytes.
#[inline(always)]
pub(crate) unsafe fn find_once<V: Vector>(needle: &[u8], haystack: &[u8]) -> Option<usize> {
    // SAFETY: V1; the rest is the caller's.
    unsafe { small::<V, false>(needle, ends_and_middle(needle.len()), haystack) }
}

/// Where the needle last occurs, as [`find_small`].
///
/// # Safety
/// V1; the needle has 2 to 64 bytes; `probes` are offsets in it.
#[inline(always)]
pub(crate) unsafe fn rfind_small<V: Vector>(
    needle: &[u8],
    probes: [u8; 4],
    haystack: &[u8],
) -> Option<usize> {
    // SAFETY: V1; the rest is the caller's.
    unsafe { small::<V, true>(needle, probes.map(usize::from), haystack) }
}

/// Where the needle last occurs, as [`find_once`].
///
/// # Safety
/// V1; the needle has 2 to 64 bytes.
#[inline(always)]
pub(crate) unsafe fn rfind_once<V: Vector>(needle: &[u8], haystack: &[u8]) -> Option<usize> {
    // SAFETY: V1; the rest is the caller's.
    unsafe { small::<V, true>(needle, ends_and_middle(needle.len()), haystack) }
}

/// Of a needle of up to four bytes, all offsets.
#[inline(always)]
const fn ends_and_middle(len: usize) -> [usize; 4] {
    [0, len - 1, len / 2, len / 2 - (len > 3) as usize]
}

/// Three or four probes are tested at once: so little passes them in vain that the branch on it can be foretold, which is worth more than loads.
///
/// # Safety
/// V1; the needle has 2 to 64 bytes; `offsets` are in it, and all of them if there are up to four.
#[inline(always)]
unsafe fn small<V: Vector, const BACKWARD: bool>(
    needle: &[u8],
    offsets: [usize; 4],
    haystack: &[u8],
) -> Option<usize> {
    let last = haystack.len().checked_sub(needle.len())?;
    let (n, h) = (needle.as_ptr(), haystack.as_ptr());
    let lanes = last + 1;
    // SAFETY: V1; M1 by the conditions: a vector's positions only where there are as many, else those that are left.
    unsafe {
        let probe = Probe {
            offsets,
            bytes: [
                V::splat(*n.add(offsets[0])),
                V::splat(*n.add(offsets[1])),
                V::splat(*n.add(offsets[2])),
                V::splat(*n.add(offsets[3])),
            ],
        };
        if lanes < V::BYTES || V::MASKED && lanes == V::BYTES {
            let hit = probe.test_short(h, lanes);
            let bits = V::bits(hit) & low_bits(lanes);
            return small_matches::<V, BACKWARD>(needle, h, lanes, bits);
        }
        // Two vectors at a time; the last ones overlap those before.
        let end = lanes - V::BYTES;
        let mut at = 0;
        loop {
            let mut bases = [at, end.min(at + V::BYTES)];
            if BACKWARD {
                bases = [end - bases[0], end - bases[1]];
            }
            let hits = [
                probe.test_three(h.add(bases[0])),
                probe.test_three(h.add(bases[1])),
            ];
            if V::any(V::hit_or(hits[0], hits[1])) {
                for (base, hit) in bases.into_iter().zip(hits) {
                    let bits = V::bits(hit);
                    let from = h.add(base);
                    let found = small_matches::<V, BACKWARD>(needle, from, V::BYTES, bits);
                    if let Some(found) = found {
                        return Some(base + found);
                    }
                }
            }
            if at + 2 * V::BYTES > last {
                return None;
            }
            at = end.min(at + 2 * V::BYTES);
        }
    }
}

/// The first of the `lanes` positions at `from` that match, of those in `bits`, or the last.
///
/// # Safety
/// V1; M1 for those positions; the needle has 2 to 64 bytes; `bits` are those that passed the probes of [`small`].
#[inline(always)]
unsafe fn small_matches<V: Vector, const BACKWARD: bool>(
    needle: &[u8],
    from: *const u8,
    lanes: usize,
    mut bits: u64,
) -> Option<usize> {
    let mut offset = 1;
    while bits.count_ones() > FEW && offset + 1 < needle.len() {
        // SAFETY: V1; M1.
        unsafe {
            let bytes = if lanes == V::BYTES {
                V::load(from.add(offset))
            } else {
                V::load_short(from.add(offset), lanes)
            };
            bits &= V::bits(bytes.eq(V::splat(needle[offset])));
        }
        offset += 1;
    }
    while bits != 0 {
        let lane = if BACKWARD {
            bits.ilog2()
        } else {
            bits.trailing_zeros()
        };
        let at = lane as usize;
        // SAFETY: V1; M1.
        let is_match =
            needle.len() <= 3 || unsafe { equal::<V>(needle.as_ptr(), from.add(at), needle.len()) };
        if is_match {
            return Some(at);
        }
        bits ^= 1 << lane;
    }
    None
}

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
//!
//! # Invariants
//!
//! M1: a position `at` is looked at only if `at + needle.len() <= haystack.len()`; so probe `i` of `lanes` positions reads
//! `at + i .. at + i + lanes`, which ends inside.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::plan::{State, WINDOW};
use super::two_way::{Outcome, TwoWay};
use crate::search::mismatch::{equal, mismatch};
use crate::search::vector::{Vector, low_bits};

/// Up to this many candidates of a vector are compared one by one.
const FEW: u32 = 2;
/// Bytes compared in vain that a byte of progress pays for.
const CREDIT: usize = 8;
/// Overdraft that a search starts with, besides four needles.
const OVERDRAFT: usize = 4096;
/// Two-Way searches this far before the probes get another chance, or eight needles if that is more.
const STRETCH: usize = 16 << 10;
/// Bytes ahead in which candidates for probes are counted.
const SAMPLE: usize = 512;

/// Matches at `base + i` for every bit `i` of `mask`; none at all if it is zero. Everything before `next` has been looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) base: usize,
    pub(crate) mask: u64,
    pub(crate) next: usize,
}

impl Found {
    const fn nothing(len: usize) -> Self {
        Self {
            base: len,
            mask: 0,
            next: len,
        }
    }

    const fn at(base: usize) -> Self {
        Self {
            base,
            mask: 1,
            next: base + 1,
        }
    }
}

/// What stays the same during a scan.
#[derive(Clone, Copy)]
struct Scan<'a> {
    needle: &'a [u8],
    haystack: &'a [u8],
    /// Whether all matches of a vector are wanted, or the first alone is enough.
    all: bool,
    /// Whether the last matches count, not the first.
    backward: bool,
}

#[derive(Clone, Copy)]
struct Probe<V> {
    offsets: [usize; 2],
    bytes: [V; 2],
}

impl<V: Vector> Probe<V> {
    /// # Safety
    /// V1.
    #[inline(always)]
    unsafe fn new(needle: &[u8], probes: [u8; 4]) -> Self {
        let offsets = [usize::from(probes[0]), usize::from(probes[1])];
        // SAFETY: V1, the caller's.
        let bytes = unsafe { [V::splat(needle[offsets[0]]), V::splat(needle[offsets[1]])] };
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
    let mut state = State::with(probes);
    // SAFETY: V1; the rest is the caller's.
    let found = unsafe {
        if last < V::BYTES - 1 {
            scan.rest::<V>(&mut state, 0, last)
        } else {
            scan.forward::<V>(&mut state, 0, last)
        }
    };
    (found.mask != 0).then(|| found.base + found.mask.trailing_zeros() as usize)
}

/// The matches of the first vector of positions at or after `from` that has any.
///
/// # Safety
/// V1; the needle has at least two bytes; `state` is of this needle.
#[inline(always)]
pub(crate) unsafe fn scan<V: Vector>(
    needle: &[u8],
    state: &mut State,
    haystack: &[u8],
    from: usize,
) -> Found {
    let scan = Scan {
        needle,
        haystack,
        all: true,
        backward: false,
    };
    match haystack.len().checked_sub(needle.len()) {
        // SAFETY: V1; the rest is the caller's.
        Some(last) if from <= last => unsafe {
            if last - from < V::BYTES - 1 {
                scan.rest::<V>(state, from, last)
            } else {
                scan.forward::<V>(state, from, last)
            }
        },
        _ => Found::nothing(haystack.len()),
    }
}

impl Scan<'_> {
    /// # Safety
    /// V1; M1 up to `last`, and there are a vector's positions at `from` at least; `state` is of this needle.
    #[inline(always)]
    unsafe fn forward<V: Vector>(&self, state: &mut State, from: usize, last: usize) -> Found {
        let nothing = Found::nothing(self.haystack.len());
        let mut at = from;
        // SAFETY: V1, and M1 by the conditions of the loops.
        unsafe {
            loop {
                while at < state.until {
                    match self.two_way::<V>(state, at) {
                        Outcome::Found(at) => return Found::at(at),
                        Outcome::Absent => return nothing,
                        Outcome::Stopped(next) => at = next,
                    }
                }
                if at > last {
                    return nothing;
                }
                if last - at < V::BYTES - 1 {
                    return self.rest::<V>(state, at, last);
                }
                match self.stretch::<V>(state, at, last) {
                    Some(found) => return found,
                    // Overdrawn: Two-Way's turn, from a position that the probes have not passed.
                    None => at = state.until - STRETCH.max(8 * self.needle.len()),
                }
            }
        }
    }

    /// By probes, to the end or until more was compared in vain than progress pays for.
    ///
    /// # Safety
    /// As for [`forward`](Self::forward).
    #[inline(always)]
    unsafe fn stretch<V: Vector>(
        &self,
        state: &mut State,
        from: usize,
        last: usize,
    ) -> Option<Found> {
        let mut at = from;
        // SAFETY: V1, and M1 by the conditions of the loops.
        unsafe {
            let mut probe = Probe::<V>::new(self.needle, state.probes);
            let here = |at: usize| self.haystack.as_ptr().add(at);
            let found = |base: usize, mask: u64| {
                Some(Found {
                    base,
                    mask,
                    next: base + V::BYTES,
                })
            };
            // One vector, then on to where the first probe is aligned: positions in between are looked at twice.
            let hit = probe.test(here(at));
            if V::any(hit) {
                let mask = self.matches::<V>(state, at, hit, u64::MAX);
                if mask != 0 {
                    return found(at, mask);
                }
            }
            at += V::BYTES - here(at + probe.offsets[0]).addr() % V::BYTES;
            // Groups looked at in vain since `anchor`.
            let (mut in_vain, mut anchor) = (0, at);
            while last + 1 >= at + 4 * V::BYTES {
                let hits = [
                    probe.test(here(at)),
                    probe.test(here(at + V::BYTES)),
                    probe.test(here(at + 2 * V::BYTES)),
                    probe.test(here(at + 3 * V::BYTES)),
                ];
                let any = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
                if V::any(any) {
                    for (i, hit) in hits.into_iter().enumerate() {
                        if V::any(hit) {
                            let base = at + i * V::BYTES;
                            let mask = self.matches::<V>(state, base, hit, u64::MAX);
                            if mask != 0 {
                                return found(base, mask);
                            }
                        }
                    }
                    in_vain += 1;
                    if in_vain >= state.patience {
                        if self.is_disappointed::<V>(in_vain, at - anchor, state.patience)
                            && at + STRETCH <= last
                        {
                            self.choose_probes::<V>(state, at);
                            probe = Probe::new(self.needle, state.probes);
                            state.patience *= 2;
                        }
                        (in_vain, anchor) = (0, at);
                    }
                    if self.is_overdrawn(state, at - from) {
                        state.spent = 0;
                        state.until = at + STRETCH.max(8 * self.needle.len());
                        return None;
                    }
                }
                at += 4 * V::BYTES;
            }
            while last + 1 >= at + V::BYTES {
                let hit = probe.test(here(at));
                if V::any(hit) {
                    let mask = self.matches::<V>(state, at, hit, u64::MAX);
                    if mask != 0 {
                        return found(at, mask);
                    }
                }
                at += V::BYTES;
            }
            if at <= last {
                // The last vector of positions; those before `at` are known not to match.
                let base = last + 1 - V::BYTES;
                let hit = probe.test(here(base));
                if V::any(hit) {
                    let mask = self.matches::<V>(state, base, hit, !low_bits(at - base));
                    if mask != 0 {
                        return found(base, mask);
                    }
                }
            }
        }
        Some(Found::nothing(self.haystack.len()))
    }

    /// Whether so many groups had candidates and no match, within `progress` bytes, that other probes are worth choosing: a candidate costs as
    /// much as some groups without.
    #[inline(always)]
    fn is_disappointed<V: Vector>(&self, in_vain: u32, progress: usize, patience: u32) -> bool {
        const GROUPS: usize = 8;
        self.needle.len() > 2
            && patience < 1 << 20
            && progress / (4 * V::BYTES * GROUPS) < in_vain as usize
    }
}

impl Scan<'_> {
    /// Fewer positions than a vector has lanes.
    ///
    /// # Safety
    /// V1; `last - at + 1 < V::BYTES` and M1 up to `last`.
    #[inline(always)]
    unsafe fn rest<V: Vector>(&self, state: &mut State, at: usize, last: usize) -> Found {
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
        Found {
            base: at,
            mask: bits,
            next: last + 1,
        }
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
                let narrow = |hit: V::Hit, offset: usize| {
                    let bytes = V::load(self.haystack.as_ptr().add(base + offset));
                    V::hit_and(hit, bytes.eq(V::splat(self.needle[offset])))
                };
                hit = narrow(hit, usize::from(state.probes[2]));
                hit = narrow(hit, usize::from(state.probes[3]));
                bits = V::bits(hit) & wanted;
                if len <= 4 {
                    return bits;
                }
                let end = len.min(WINDOW);
                let mut offset = 0;
                while bits.count_ones() > FEW && offset < end {
                    let stop = end.min(offset + 4);
                    while offset < stop {
                        hit = narrow(hit, offset);
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
                    equal::<V>(n, h.add(at), len)
                } else {
                    let same = mismatch::<V>(n, h.add(at), len);
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
        len > 64 && state.spent > OVERDRAFT + 4 * len + progress.saturating_mul(CREDIT)
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

    /// Takes the two offsets whose bytes are together rarest in what comes next.
    ///
    /// # Safety
    /// V1; M1 for [`SAMPLE`] positions at `at`.
    #[inline(always)]
    unsafe fn choose_probes<V: Vector>(&self, state: &mut State, at: usize) {
        let window = self.needle.len().min(WINDOW);
        let step = window.div_ceil(32);
        let here = self.haystack.as_ptr();
        let (mut first, mut fewest) = (0, u32::MAX);
        // SAFETY: V1, M1.
        unsafe {
            let test = |position: usize, offset: usize| {
                V::load(here.add(position + offset)).eq(V::splat(self.needle[offset]))
            };
            for offset in (0..window).step_by(step) {
                let mut frequency = 0;
                for position in (at..at + SAMPLE).step_by(V::BYTES) {
                    frequency += V::bits(test(position, offset)).count_ones();
                }
                if frequency < fewest {
                    (first, fewest) = (offset, frequency);
                }
            }
            let (mut second, mut fewest) = (first, u32::MAX);
            for offset in (0..window).step_by(step) {
                let mut frequency = 0;
                for position in (at..at + SAMPLE).step_by(V::BYTES) {
                    let both = V::hit_and(test(position, first), test(position, offset));
                    frequency += V::bits(both).count_ones();
                }
                if frequency < fewest && offset != first {
                    (second, fewest) = (offset, frequency);
                }
            }
            state.choose(first as u8, second as u8, window);
        }
    }
}

/// The last match that ends at or before `end`: [`scan`] in the mirror, without the change of probes.
///
/// # Safety
/// V1; the needle has at least two bytes; `state` is of this needle; `end <= haystack.len()`.
#[inline(always)]
pub(crate) unsafe fn rscan<V: Vector>(
    needle: &[u8],
    state: &mut State,
    haystack: &[u8],
    end: usize,
) -> Option<usize> {
    let haystack = &haystack[..end];
    let scan = Scan {
        needle,
        haystack,
        all: true,
        backward: true,
    };
    let last = end.checked_sub(needle.len())?;
    let top = |base: usize, mask: u64| base + mask.ilog2() as usize;
    // SAFETY: V1, and M1 by the conditions of the loops.
    unsafe {
        if last < V::BYTES - 1 {
            let found = scan.rest::<V>(state, 0, last);
            return (found.mask != 0).then(|| top(0, found.mask));
        }
        let probe = Probe::<V>::new(needle, state.probes);
        let here = |at: usize| haystack.as_ptr().add(at);
        // All positions below `at` are still to be looked at.
        let mut at = last + 1;
        while at >= 4 * V::BYTES {
            at -= 4 * V::BYTES;
            let hits = [
                probe.test(here(at)),
                probe.test(here(at + V::BYTES)),
                probe.test(here(at + 2 * V::BYTES)),
                probe.test(here(at + 3 * V::BYTES)),
            ];
            let any = V::hit_or(V::hit_or(hits[0], hits[1]), V::hit_or(hits[2], hits[3]));
            if V::any(any) {
                for (i, hit) in hits.into_iter().enumerate().rev() {
                    let base = at + i * V::BYTES;
                    let mask = scan.matches::<V>(state, base, hit, u64::MAX);
                    if mask != 0 {
                        return Some(top(base, mask));
                    }
                }
                if scan.is_overdrawn(state, last - at) {
                    return TwoWay::new(needle, true).rfind(
                        needle,
                        haystack,
                        at + needle.len() - 1,
                    );
                }
            }
        }
        while at >= V::BYTES {
            at -= V::BYTES;
            let hit = probe.test(here(at));
            let mask = scan.matches::<V>(state, at, hit, u64::MAX);
            if mask != 0 {
                return Some(top(at, mask));
            }
        }
        if at > 0 {
            let mask = scan.matches::<V>(state, 0, probe.test(here(0)), low_bits(at));
            if mask != 0 {
                return Some(top(0, mask));
            }
        }
    }
    None
}

/// A needle of one repeated byte: jump to where a match would end, go back to the last other byte, and start behind it. No byte is
/// looked at twice, most are not looked at at all.
///
/// # Safety
/// V1; the needle is not empty and all its bytes are equal.
#[inline(always)]
pub(crate) unsafe fn scan_run<V: Vector>(
    needle: &[u8],
    haystack: &[u8],
    from: usize,
) -> Option<usize> {
    use crate::search::byte::{class::Other, kernel::rfind};
    let (len, byte) = (needle.len(), needle[0]);
    let mut at = from;
    // Everything from `at` to before `known` is the byte.
    let mut known = at;
    loop {
        let end = at.checked_add(len)?;
        if end > haystack.len() {
            return None;
        }
        if haystack[end - 1] != byte {
            at = end;
            known = at;
            continue;
        }
        // SAFETY: V1.
        match unsafe { rfind::<V, _>(Other(byte), &haystack[known..end]) } {
            None => return Some(at),
            Some(other) => {
                at = known + other + 1;
                known = end;
            }
        }
    }
}
